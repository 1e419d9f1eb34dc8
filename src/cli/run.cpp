#include <fmt/format.h>

#include "base/strings.hpp"
#include "cli/command.hpp"
#include "cli/write_flags.hpp"

namespace cli {
namespace {

using base::Array;
using base::Object;
using base::Value;

std::unexpected<base::Error> usage(std::string message) { return base::fail(base::Reason::unknown, std::move(message)); }

base::Result<Value> make_pod(const Args& args) {
  if (args.operands.empty()) return usage("NAME is required for run");
  if (args.get("image").empty()) return usage("--image is required");
  if (args.on("stdin") || args.on("tty") || args.on("attach") || args.on("rm"))
    return usage("run with -i, -t, --attach or --rm is not supported yet: run the pod, then use kubectl exec -it or kubectl logs -f");
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
  Value container = Object{{"name", name}, {"image", args.get("image")}};
  if (auto policy = args.get("image-pull-policy"); !policy.empty()) container.object().set("imagePullPolicy", policy);
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
  if (auto port = args.number("port")) container.object().set("ports", Array{Object{{"containerPort", *port}}});
  if (args.on("privileged")) container.make({"securityContext", "privileged"}) = true;
  pod.make({"spec", "containers"}) = Array{std::move(container)};
  pod.make({"spec", "restartPolicy"}) = args.get("restart");
  return pod;
}

int run_run(Context& context) {
  auto session = context.session();
  if (!session) return print_error(session.error());
  auto pod = make_pod(context.args);
  if (!pod) return print_error(pod.error());
  int code = create_and_print(**session, context.args, *pod, "created", "kubectl-run", false);
  if (code != 0 || !context.args.on("expose")) return code;
  if (!context.args.given("port")) return print_error(base::Error{base::Reason::unknown, "--port must be set when exposing a service", nullptr});
  int64_t port = *context.args.number("port");
  Value service = make_object("v1", "Service", context.args.operands[0]);
  service.make({"spec", "selector"}) = pod->at({"metadata", "labels"});
  service.make({"spec", "ports"}) = Array{Object{{"port", port}, {"protocol", "TCP"}, {"targetPort", port}}};
  return create_and_print(**session, context.args, service, "created", "kubectl-run", false);
}

}  // namespace

Command run_command() {
  using Type = Flag::Type;
  return {.name = "run",
          .aliases = {},
          .usage = "run NAME --image=IMAGE [--port=PORT] [--env=A=B] [--labels=a=b] [--command] [-- ARGS...]",
          .summary = "Create a pod that runs an image",
          .flags = {{"image", Type::string, "The container image"},
                    {"port", Type::integer, "The port that the container serves"},
                    {"labels", Type::string, "Labels of the pod (default: run=NAME)", 'l'},
                    {"annotations", Type::array, "Annotations of the pod"},
                    {"env", Type::array, "Environment variables: A=B"},
                    {"command", Type::boolean, "The words after -- are the command, not its arguments"},
                    {"restart", Type::string, "Always, OnFailure or Never", 0, "Always"},
                    {"image-pull-policy", Type::string, "Always, IfNotPresent or Never"},
                    {"privileged", Type::boolean, "Run the container privileged"},
                    {"expose", Type::boolean, "Make a Service of the same name for --port"},
                    {"stdin", Type::boolean, "Not supported yet", 'i'},
                    {"tty", Type::boolean, "Not supported yet", 't'},
                    {"attach", Type::boolean, "Not supported yet"},
                    {"rm", Type::boolean, "Not supported yet"},
                    kDryRunFlag, kOutputFlag},
          .run = run_run};
}

}  // namespace cli
