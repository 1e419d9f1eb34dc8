#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "api/meta.hpp"
#include "api/patch.hpp"
#include "base/strings.hpp"
#include "base/yaml.hpp"
#include "cli/command.hpp"
#include "cli/output.hpp"
#include "cli/write_flags.hpp"

namespace cli {
namespace {

using base::Value;

constexpr std::string_view kHead =
    "# Please edit the object below. Lines beginning with a '#' will be ignored,\n"
    "# and an empty file will abort the edit. If an error occurs while saving this file will be\n"
    "# reopened with the relevant failures.\n#\n";

// A file that goes with its owner, unless it is kept for the user.
class Draft {
 public:
  Draft() : path_("/tmp/kubectl-edit-XXXXXX.yaml") {
    int fd = ::mkostemps(path_.data(), 5, O_CLOEXEC);
    open_ = fd >= 0;
    if (open_) ::close(fd);
  }
  ~Draft() {
    if (open_ && !kept_) ::unlink(path_.c_str());
  }
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;
  const std::string& path() const { return path_; }
  const std::string& keep() {
    kept_ = true;
    return path_;
  }
  bool write(std::string_view text) const {
    std::ofstream out(path_, std::ios::binary | std::ios::trunc);
    out << text;
    return open_ && out.good();
  }
  std::string read() const {
    std::ifstream in(path_, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }

 private:
  std::string path_;
  bool open_ = false;
  bool kept_ = false;
};

std::string editor() {
  for (const char* name : {"KUBE_EDITOR", "EDITOR"}) {
    const char* value = std::getenv(name);
    if (value && *value) return value;
  }
  return "vi";
}

base::Result<void> run_editor(const std::string& path) {
  std::string command = editor() + " " + path;
  std::fflush(stdout);
  // The user's own words, for the user's own shell: "code --wait" is an editor too.
  int status = std::system(command.c_str());  // NOLINT(cert-env33-c)
  if (status == -1) return usage(fmt::format("unable to launch the editor {}", base::quote(editor())));
  if (WEXITSTATUS(status) != 0)
    return usage(fmt::format("there was a problem with the editor {}", base::quote(editor())));
  return {};
}

std::string without_comments(const std::string& text) {
  std::string out;
  for (auto& line : base::split(text, '\n')) {
    if (!line.starts_with('#')) out += line + "\n";
  }
  return std::string(base::trim(out));
}

int edit_one(Session& session, const Args& args, const Found& found) {
  const auto& resource = found.target.resource;
  OutputFormat yaml{.kind = OutputFormat::Kind::yaml, .text = "", .headers = true, .managed_fields = false};
  auto shown = format_object(yaml, found.object);
  if (!shown) return print_error(shown.error());
  Draft draft;
  std::string text = std::string(kHead) + *shown;
  while (true) {
    if (!draft.write(text)) return fail("cannot write a temporary file: " + draft.path());
    if (auto run = run_editor(draft.path()); !run) return print_error(run.error());
    std::string edited = draft.read();
    if (without_comments(edited).empty()) return fail("Edit cancelled, saved file was empty.");
    if (without_comments(edited) == without_comments(text)) {
      // Unchanged after an error: the user gives up.
      if (text.size() == kHead.size() + shown->size()) {
        fmt::print(stderr, "Edit cancelled, no changes made.\n");
        return 0;
      }
      fmt::print(stderr,
                 "A copy of your changes has been stored to {}\nerror: Edit cancelled, no valid changes were "
                 "saved.\n",
                 base::quote(draft.keep()));
      return 1;
    }
    auto fresh = base::parse_yaml(edited);
    auto original = base::parse_yaml(*shown);
    base::Result<Value> changed = Value();
    if (!fresh) {
      changed = std::unexpected(fresh.error());
    } else if (api::name_of(*fresh) != api::name_of(found.object)) {
      changed = usage("metadata.name must not be changed");
    } else {
      Value patch = api::make_merge_patch(original ? *original : Value(), *fresh);
      if (patch.as_object().empty()) {
        fmt::print(stderr, "Edit cancelled, no changes made.\n");
        return 0;
      }
      auto query = write_query(args, "kubectl-edit", true);
      if (!query) return print_error(query.error());
      changed = session.call("PATCH", Session::path_of(resource, found.namespace_, found.target.name), *query,
                             patch, "application/merge-patch+json");
    }
    if (changed) return print_result(session, args, resource, *changed, "edited", DryRun::none);
    fmt::print(stderr, "error: {} {} is invalid: {}\n", resource.qualified_plural(),
               base::quote(found.target.name), changed.error().message);
    std::string problem = "# " + changed.error().message + "\n#\n";
    for (size_t at = 0; (at = problem.find('\n', at)) + 1 < problem.size() && at != std::string::npos;
         at += 3) {
      if (problem[at + 1] != '#') problem.replace(at, 1, "\n# ");
    }
    text = std::string(kHead) + problem + without_comments(edited) + "\n";
  }
}

int run_edit(Context& context) {
  auto session = context.session();
  if (!session) return print_error(session.error());
  auto found = find_objects(**session, context.args, context.args.operands);
  if (!found) return print_error(found.error());
  int code = 0;
  for (auto& one : found->objects) {
    if (int failed = edit_one(**session, context.args, one)) code = failed;
  }
  for (auto& error : found->errors) code = print_error(error);
  return code;
}

}  // namespace

Command edit_command() {
  return {.name = "edit",
          .aliases = {},
          .usage = "edit (TYPE NAME | TYPE/NAME | -f FILE)",
          .summary = "Change an object in your editor (KUBE_EDITOR, EDITOR, else vi)",
          .flags = {kFilenameFlag, kRecursiveFlag, kSelectorFlag, kAllFlag, kOutputFlag, kValidateFlag},
          .run = run_edit};
}

}  // namespace cli
