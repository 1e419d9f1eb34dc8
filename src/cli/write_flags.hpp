// What create, apply, expose, run, scale, label share: --dry-run, -o and the query parameters of a write. One
// thread.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "cli/flags.hpp"
#include "cli/session.hpp"
#include "cli/targets.hpp"
#include "net/http.hpp"

namespace cli {

enum class DryRun { none, client, server };

inline constexpr Flag kDryRunFlag{
    "dry-run", Flag::Type::string, "none, client or server: only show what would be done", 0,
    "none",    "unchanged"};
inline constexpr Flag kOutputFlag{"output", Flag::Type::string, "json, yaml, name, jsonpath=...", 'o'};
inline constexpr Flag kFilenameFlag{"filename", Flag::Type::list, "Files, folders or - with the objects",
                                    'f'};
inline constexpr Flag kRecursiveFlag{"recursive", Flag::Type::boolean, "Folders of -f with all below them",
                                     'R'};
inline constexpr Flag kValidateFlag{
    "validate", Flag::Type::string, "strict, warn or ignore: what unknown fields mean",
    0,          "strict",           "strict"};
inline constexpr Flag kSelectorFlag{"selector", Flag::Type::string, "Only objects with these labels", 'l'};
inline constexpr Flag kAllFlag{"all", Flag::Type::boolean, "All objects of that type in the namespace"};
inline constexpr Flag kOverwriteFlag{"overwrite", Flag::Type::boolean, "Existing values may be replaced"};

struct Found {
  Target target;
  std::string namespace_;
  base::Value object;
};
struct FoundObjects {
  std::vector<Found> objects;
  std::vector<base::Error> errors;  // of those that could not be read
};
// The objects that the operands, -f, -l and --all name, as they are on the server. `whole_types`: a type alone means all
// of its objects.
base::Result<FoundObjects> find_objects(Session& session, const Args& args, std::span<const std::string> operands,
                                        bool whole_types = false);

// The members of all objects in it by name, as Go's encoder writes maps.
base::Value with_sorted_members(const base::Value& value);

base::Result<DryRun> parse_dry_run(const Args& args);
// fieldManager, dryRun and, when `with_validation`, fieldValidation.
base::Result<net::Query> write_query(const Args& args, std::string_view field_manager,
                                     bool with_validation = false);
// " (dry run)", " (server dry run)" or "".
std::string dry_run_suffix(DryRun dry_run);

// Where an object of a manifest goes: its own namespace or the session's. An error when --namespace says
// another.
base::Result<std::string> namespace_for(const Session& session, const ApiResource& resource,
                                        const base::Value& object);

// Prints kubectl's error about a manifest without apiVersion or kind: 1.
int check_typed(const Manifest& manifest);

// The namespaced object {apiVersion, kind, metadata{name}} to start from.
base::Value make_object(std::string_view api_version, std::string_view kind, std::string_view name);

// Prints the object by -o, or "kind/name verb".
int print_result(Session& session, const Args& args, const ApiResource& resource, const base::Value& object,
                 std::string_view verb, DryRun dry_run);
// The object as it was created, or on a dry run of the client as it would be sent.
base::Result<base::Value> create_object(Session& session, const Args& args, const ApiResource& resource,
                                        const base::Value& object, std::string_view field_manager,
                                        bool with_validation);
// Creates it and prints the result.
int create_and_print(Session& session, const Args& args, const base::Value& object, std::string_view verb,
                     std::string_view field_manager, bool with_validation,
                     std::string_view error_context = "");

// "a=b,c=d" or several "a=b" -> an object of strings.
base::Result<base::Object> parse_pairs(std::span<const std::string> pairs);

}  // namespace cli
