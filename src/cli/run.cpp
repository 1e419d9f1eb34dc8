#include <fmt/format.h>

#include "api/patch.hpp"
#include "base/json.hpp"
#include "base/strings.hpp"
#include "cli/command.hpp"
#include "cli/write_flags.hpp"

namespace cli {
namespace {

using base::Array;
using base::Object;
using base::Value;

base::Result<Value> make_pod(const Args& args) {
  if (args.on("stdin") || args.on("tty") || args.on("attach") || args.on("rm"))
    return usage(
        "run with -i, -t, --attach or --rm is not supported yet: run the pod, then use kubectl exec -it or "
        "kubectl logs -f");
  const std::string& name = args.operands[0];
  std::vector<std::string> words(args.operands.begin() + 1, args.operands.end());
  words.insert(words.end(), args.after_dashes.begin(), args.after_dashes.end());

  Value pod = make_object("v1", "Pod", name);
  if (args.given("labels")) {
    TRY(Object labels, parse_pairs(base::split(args.get("labels"), ',')));
    pod.make({"metadata", "labels"}) = std::move(labels);
  } else {
    pod.make({"metadata", "labels", "run"}) = name;
  }
  if (args.given("annotations")) {
    TRY(Object annotations, parse_pairs(args.all("annotations")));
    pod.make({"metadata", "annotations"}) = std::move(annotations);
  }
  Value container = Object{{"name", name}, {"image", args.get("image")}, {"resources", Object{}}};
  if (auto policy = args.get("image-pull-policy"); !policy.empty())
    container.object().set("imagePullPolicy", policy);
  if (!words.empty()) {
    Array list(words.begin(), words.end());
    container.object().set(args.on("command") ? "command" : "args", std::move(list));
  }
  Array env;
  for (auto& pair : args.all("env")) {
    size_t equals = pair.find('=');
    if (equals == std::string::npos || equals == 0) return usage(fmt::format("invalid env: {}", pair));
    env.push_back(Object{{"name", pair.substr(0, equals)}, {"value", pair.substr(equals + 1)}});
  }
  if (!env.empty()) container.object().set("env", std::move(env));
  if (auto port = args.number("port"))
    container.object().set("ports", Array{Object{{"containerPort", *port}}});
  if (args.on("privileged")) container.make({"securityContext", "privileged"}) = true;
  pod.make({"spec", "containers"}) = Array{std::move(container)};
  pod.make({"spec", "restartPolicy"}) = args.get("restart");
  pod.make({"spec", "dnsPolicy"}) = "ClusterFirst";
  pod.make({"status"}) = Object{};
  return pod;
}

// A name as registries take it, [HOST/]PATH[:TAG][@DIGEST]: the letters only; the runtime looks closer.
bool is_image_name(std::string_view image) {
  std::string_view name = image.substr(0, image.find('@'));
  size_t slash = name.rfind('/'), colon = name.rfind(':');
  if (colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash))
    name = name.substr(0, colon);
  if (name.empty() || image.find(' ') != std::string_view::npos) return false;
  // A first piece with a dot or a port is a host, which may be in upper case.
  size_t first = name.find('/');
  bool host =
      first != std::string_view::npos && name.substr(0, first).find_first_of(".:") != std::string_view::npos;
  for (auto& piece : base::split(host ? name.substr(first + 1) : name, '/')) {
    if (piece.empty() ||
        piece.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789._-") != std::string::npos)
      return false;
    if (std::string_view("._-").find(piece.front()) != std::string_view::npos ||
        std::string_view("._-").find(piece.back()) != std::string_view::npos)
      return false;
  }
  return true;
}

// 0, or the exit code after a complaint.
int check_flags(const Args& args) {
  auto fail = [](std::string message) {
    return print_error(base::Error{base::Reason::unknown, std::move(message), nullptr});
  };
  if (!args.given("image")) return fail("required flag(s) \"image\" not set");
  if (args.operands.empty()) return usage_error("run", "NAME is required for run");
  if (args.get("image").empty()) return fail("--image is required");
  if (!is_image_name(args.get("image")))
    return fail(
        fmt::format("Invalid image name {}: invalid reference format", base::quote(args.get("image"))));
  if (auto policy = args.get("image-pull-policy");
      !policy.empty() && policy != "Always" && policy != "IfNotPresent" && policy != "Never")
    return usage_error("run", "invalid image pull policy: " + policy);
  if (auto restart = args.get("restart"); restart != "Always" && restart != "OnFailure" && restart != "Never")
    return usage_error("run", "invalid restart policy: " + restart);
  if (args.on("expose") && !args.given("port"))
    return usage_error("run", "--port must be set when exposing a service");
  if (args.given("port") && !args.number("port"))
    return fail(fmt::format("strconv.Atoi: parsing {}: invalid syntax", base::quote(args.get("port"))));
  return 0;
}

int run_run(Context& context) {
  const Args& args = context.args;
  if (int failed = check_flags(args)) return failed;
  auto session = context.session();
  if (!session) return print_error(session.error());
  auto pod = make_pod(args);
  if (!pod) return print_error(pod.error());
  if (args.given("overrides")) {
    auto patch = base::parse_json(args.get("overrides"));
    if (!patch)
      return print_error(base::Error{base::Reason::unknown,
                                     "the --overrides are no JSON: " + patch.error().message, nullptr});
    *pod = api::apply_merge_patch(std::move(*pod), *patch);
  }
  auto dry_run = parse_dry_run(args);
  auto resource = (*session)->find_kind("v1", "Pod");
  if (!dry_run || !resource) return print_error(dry_run ? resource.error() : dry_run.error());
  auto created = create_object(**session, args, *resource, *pod, "kubectl-run", false);
  if (!created) return print_error(created.error());
  int code = 0;
  if (args.on("expose")) {
    int64_t port = *args.number("port");
    Value service = make_object("v1", "Service", args.operands[0]);
    service.make({"spec", "selector"}) = pod->at({"metadata", "labels"});
    service.make({"spec", "ports"}) =
        Array{Object{{"port", port}, {"protocol", "TCP"}, {"targetPort", port}}};
    service.make({"status", "loadBalancer"}) = Object{};
    code = create_and_print(**session, args, service, "created", "kubectl-run", false);
  }
  int printed = print_result(**session, args, *resource, *created, "created", *dry_run);
  return printed ? printed : code;
}

}  // namespace

Command run_command() {
  using Type = Flag::Type;
  return {.name = "run",
          .aliases = {},
          .usage = "run NAME --image=IMAGE [--port=PORT] [--env=A=B] [--labels=a=b] [--command] [-- ARGS...]",
          .summary = "Create a pod that runs an image",
          .flags = {{"image", Type::string, "The container image"},
                    {"port", Type::string, "The port that the container serves"},
                    {"labels", Type::string, "Labels of the pod (default: run=NAME)", 'l'},
                    {"annotations", Type::array, "Annotations of the pod"},
                    {"env", Type::array, "Environment variables: A=B"},
                    {"command", Type::boolean, "The words after -- are the command, not its arguments"},
                    {"overrides", Type::string, "JSON that is merged into the pod"},
                    {"restart", Type::string, "Always, OnFailure or Never", 0, "Always"},
                    {"image-pull-policy", Type::string, "Always, IfNotPresent or Never"},
                    {"privileged", Type::boolean, "Run the container privileged"},
                    {"expose", Type::boolean, "Make a Service of the same name for --port"},
                    {"stdin", Type::boolean, "Not supported yet", 'i'},
                    {"tty", Type::boolean, "Not supported yet", 't'},
                    {"attach", Type::boolean, "Not supported yet"},
                    {"rm", Type::boolean, "Not supported yet"},
                    kDryRunFlag,
                    kOutputFlag},
          .run = run_run};
}

}  // namespace cli
