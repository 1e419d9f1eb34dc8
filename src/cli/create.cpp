#include <fmt/format.h>

#include "base/strings.hpp"
#include "cli/command.hpp"
#include "cli/create_by_flags.hpp"
#include "cli/output.hpp"
#include "cli/targets.hpp"
#include "cli/write_flags.hpp"

namespace cli {
namespace {

int create_from_files(Context& context, Session& session) {
  auto manifests = read_manifests(context.args.all("filename"), context.args.on("recursive"), "create");
  if (!manifests) return print_error(manifests.error());
  int code = 0;
  for (auto& manifest : *manifests) {
    std::string where = fmt::format("error when creating \"{}\"", manifest.source);
    if (int failed = check_typed(manifest)) {
      code = failed;
      continue;
    }
    auto resource =
        session.find_kind(manifest.object["apiVersion"].as_string(), manifest.object["kind"].as_string());
    if (!resource) {
      fmt::print(stderr,
                 "error: resource mapping not found for name: \"{}\" namespace: \"{}\" from \"{}\": "
                 "{}\nensure CRDs are installed first\n",
                 manifest.object.at({"metadata", "name"}).as_string(),
                 manifest.object.at({"metadata", "namespace"}).as_string(), manifest.source,
                 resource.error().message);
      code = 1;
      continue;
    }
    if (int failed = create_and_print(session, context.args, manifest.object, "created", "kubectl-create",
                                      true, where))
      code = failed;
  }
  return code;
}

int run_create(Context& context) {
  const Args& args = context.args;
  if (auto format = parse_output(args.get("output")); !format) return print_error(format.error());
  bool from_files = args.given("filename");
  if (from_files && !args.operands.empty())
    return usage_error("create", fmt::format("Unexpected args: [{}]", base::join(args.operands, " ")));
  if (!from_files && args.operands.empty())
    return print_error(base::Error{base::Reason::unknown, "must specify one of -f and -k", nullptr});
  auto session = context.session();
  if (!session) return print_error(session.error());
  return from_files ? create_from_files(context, **session) : create_by_flags(context, **session);
}

}  // namespace

Command create_command() {
  using Type = Flag::Type;
  return {
      .name = "create",
      .aliases = {},
      .usage =
          "create (-f FILE | deployment NAME --image=IMAGE | service TYPE NAME | ingress NAME | namespace NAME | "
          "configmap NAME | secret generic NAME | serviceaccount NAME)",
      .summary = "Create objects from files, or of a simple kind by flags",
      .flags = {kFilenameFlag,
                kRecursiveFlag,
                kDryRunFlag,
                kOutputFlag,
                kValidateFlag,
                {"from-literal", Type::array, "Data of a config map or secret: key=value"},
                {"from-file", Type::array, "Data of a config map or secret: [key=]path"},
                {"from-env-file", Type::array, "Data of a config map or secret: a file with lines KEY=value"},
                {"type", Type::string, "Type of a secret"},
                {"node-port", Type::integer, "Port of a NodePort Service on each node"},
                {"tcp", Type::array, "Ports of a Service: PORT or PORT:TARGET"},
                {"clusterip", Type::string, "Cluster IP of a Service, or None"},
                {"external-name", Type::string, "DNS name that an ExternalName Service stands for"},
                {"image", Type::list, "Images of a deployment"},
                {"replicas", Type::integer, "Pods of a deployment", 'r', "1"},
                {"port", Type::integer, "Port of a deployment's first container", 0, "-1"},
                {"rule", Type::array, "Of an ingress: host/path=service:port[,tls[=secret]]"},
                {"class", Type::string, "Class of an ingress"},
                {"default-backend", Type::string, "Of an ingress: service:port"},
                {"annotation", Type::array, "Annotation of an ingress: key=value"},
                {"save-config", Type::boolean, "Ignored: apply writes its own annotation"}},
      .run = run_create};
}

}  // namespace cli
