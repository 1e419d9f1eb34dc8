// What create, apply, expose, run, scale, label share: --dry-run, -o and the query parameters of a write. One thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "cli/flags.hpp"
#include "cli/session.hpp"
#include "net/http.hpp"

namespace cli {

enum class DryRun { none, client, server };

inline constexpr Flag kDryRunFlag{"dry-run", Flag::Type::string, "none, client or server: only show what would be done", 0, "none", "unchanged"};
inline constexpr Flag kOutputFlag{"output", Flag::Type::string, "json, yaml, name, jsonpath=...", 'o'};
inline constexpr Flag kFilenameFlag{"filename", Flag::Type::list, "Files, folders or - with the objects", 'f'};
inline constexpr Flag kRecursiveFlag{"recursive", Flag::Type::boolean, "Folders of -f with all below them", 'R'};
inline constexpr Flag kValidateFlag{"validate", Flag::Type::string, "strict, warn or ignore: what unknown fields mean", 0, "strict", "strict"};
inline constexpr Flag kSelectorFlag{"selector", Flag::Type::string, "Only objects with these labels", 'l'};
inline constexpr Flag kAllFlag{"all", Flag::Type::boolean, "All objects of that type in the namespace"};
inline constexpr Flag kOverwriteFlag{"overwrite", Flag::Type::boolean, "Existing values may be replaced"};

base::Result<DryRun> parse_dry_run(const Args& args);
// fieldManager, dryRun and, when `with_validation`, fieldValidation.
base::Result<net::Query> write_query(const Args& args, std::string_view field_manager, bool with_validation = false);
// " (dry run)", " (server dry run)" or "".
std::string dry_run_suffix(DryRun dry_run);

// Where an object of a manifest goes: its own namespace or the session's. An error when --namespace says another.
base::Result<std::string> namespace_for(const Session& session, const ApiResource& resource, const base::Value& object);

// The namespaced object {apiVersion, kind, metadata{name}} to start from.
base::Value make_object(std::string_view api_version, std::string_view kind, std::string_view name);

// Prints the object by -o, or "kind/name verb".
int print_result(const Args& args, const ApiResource& resource, const base::Value& object, std::string_view verb, DryRun dry_run);
// Creates it (or only shows it, on a dry run of the client) and prints the result.
int create_and_print(Session& session, const Args& args, const base::Value& object, std::string_view verb,
                     std::string_view field_manager, bool with_validation, std::string_view error_context = "");

// "a=b,c=d" or several "a=b" -> an object of strings.
base::Result<base::Object> parse_pairs(std::span<const std::string> pairs);

}  // namespace cli
