// Which objects a command is about: TYPE NAME..., TYPE/NAME..., TYPE,TYPE, -f FILE. One thread.
//
// Source: kubectl's resource builder (cli-runtime).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/value.hpp"
#include "cli/session.hpp"

namespace cli {

struct Target {
  ApiResource resource;
  std::string name;  // empty: all of that type
};

// Operands -> targets. Errors are kubectl's: `you must specify the type of resource`, `arguments in
// resource/name form may not have more than one slash`, ...
base::Result<std::vector<Target>> parse_targets(Session& session, std::span<const std::string> operands);

// What kubectl says when a list with selectors is refused: which list it was, then the server's words.
base::Error explain_list_error(base::Error error, const ApiResource& resource, std::string_view labels,
                               std::string_view fields);

// Exactly one object, "TYPE/NAME" or "TYPE NAME"; `default_type` allows a bare NAME (exec POD).
base::Result<Target> parse_one_target(Session& session, std::span<const std::string> operands,
                                      std::string_view default_type = "");

struct Manifest {
  base::Value object;
  std::string source;  // the file as the user wrote it, "STDIN" for -
};
// `verb` is for the error when the files hold nothing: "create", "apply".
// -f FILE|FOLDER|-, also several; YAML streams, JSON, and List objects taken apart.
base::Result<std::vector<Manifest>> read_manifests(std::span<const std::string> files, bool recursive,
                                                   std::string_view verb = "it");

// "pod/kubia-abcde", "deployment.apps/web".
std::string display_name(const ApiResource& resource, std::string_view name);

}  // namespace cli
