#include <fmt/format.h>

#include <cstdio>

#include "api/meta.hpp"
#include "api/patch.hpp"
#include "base/strings.hpp"
#include "cli/command.hpp"
#include "cli/write_flags.hpp"

namespace cli {
namespace {

using base::Array;
using base::Object;
using base::Value;

struct Words {
  std::vector<std::string> resources;
  std::vector<std::pair<std::string, std::string>> images;  // container (or *) and image
};

base::Result<Words> sort_words(std::span<const std::string> operands) {
  Words words;
  for (auto& word : operands) {
    size_t equals = word.find('=');
    if (equals != std::string::npos && equals > 0)
      words.images.emplace_back(word.substr(0, equals), word.substr(equals + 1));
    else if (!words.images.empty())
      return usage("all resources must be specified before image changes: " + word);
    else
      words.resources.push_back(word);
  }
  return words;
}

// The pod spec within an object of that kind; null: it has none.
Value* pod_spec_of(Value& object) {
  auto kind = api::kind_of(object);
  auto& spec = object.object()["spec"];
  if (kind == "Pod") return &spec;
  if (kind == "CronJob") return &spec.make({"jobTemplate", "spec", "template", "spec"});
  if (!spec["template"]["spec"].is_object()) return nullptr;
  return &spec.make({"template", "spec"});
}

base::Result<void> put_images(Value& pod_spec, const Words& words) {
  for (auto& [name, image] : words.images) {
    bool found = false;
    for (const char* member : {"initContainers", "containers"}) {
      if (!pod_spec[member].is_array()) continue;
      for (auto& container : pod_spec.make({member}).array()) {
        if (name != "*" && container["name"].as_string() != name) continue;
        container.object().set("image", image);
        found = true;
      }
    }
    if (!found) return usage(fmt::format("unable to find container named {}", base::quote(name)));
  }
  return {};
}

int set_image(Session& session, const Args& args, const Found& found, const Words& words) {
  const auto& resource = found.target.resource;
  Value fresh = found.object;
  Value* pod_spec = pod_spec_of(fresh);
  if (!pod_spec) {
    return fail(fmt::format("{}/{} the object is not a pod or does not have a pod template: *{}.{}",
                            resource.plural, found.target.name, resource.version, resource.kind));
  }
  if (auto put = put_images(*pod_spec, words); !put) return print_error(put.error());
  if (fresh == found.object) return 0;
  auto dry_run = parse_dry_run(args);
  auto query = write_query(args, "kubectl-set");
  if (!dry_run || !query) return print_error(dry_run ? query.error() : dry_run.error());
  if (*dry_run != DryRun::client) {
    // Lists are replaced as a whole here; the version says whether somebody else was there meanwhile.
    Value patch = api::make_merge_patch(found.object, fresh);
    patch.make({"metadata", "resourceVersion"}) = api::resource_version_of(found.object);
    auto changed = session.call("PATCH", Session::path_of(resource, found.namespace_, found.target.name),
                                *query, patch, "application/merge-patch+json");
    if (!changed)
      return fail(fmt::format("failed to patch image update to pod template: {}", changed.error().message));
    fresh = std::move(*changed);
  }
  return print_result(session, args, resource, fresh, "image updated", *dry_run);
}

int run_set(Context& context) {
  const Args& args = context.args;
  if (args.operands.empty()) {
    fmt::print(
        "Configure application resources.\n\nUsage:\n  kubectl set image (TYPE NAME | TYPE/NAME | -f FILE) "
        "CONTAINER=IMAGE ...\n");
    return 0;
  }
  if (args.operands[0] != "image")
    return usage_error("set", fmt::format("unknown command \"{}\"", args.operands[0]));
  auto words = sort_words(std::span<const std::string>(args.operands).subspan(1));
  if (!words) return print_error(words.error());
  if (words->resources.empty() && !args.given("filename"))
    return fail("one or more resources must be specified as <resource> <name> or <resource>/<name>");
  if (words->images.empty()) return fail("at least one image update is required");
  auto session = context.session();
  if (!session) return print_error(session.error());
  auto found = find_objects(**session, args, words->resources);
  if (!found) return print_error(found.error());
  int code = 0;
  for (auto& one : found->objects) {
    if (int failed = set_image(**session, args, one, *words)) code = failed;
  }
  for (auto& error : found->errors) code = print_error(error);
  return code;
}

}  // namespace

Command set_command() {
  return {.name = "set",
          .aliases = {},
          .usage = "set image (TYPE NAME | TYPE/NAME | -f FILE) CONTAINER=IMAGE ... [--all] [-l LABEL]",
          .summary = "Change the images of what runs pods",
          .flags = {kFilenameFlag, kRecursiveFlag, kSelectorFlag, kAllFlag, kDryRunFlag, kOutputFlag},
          .run = run_set};
}

}  // namespace cli
