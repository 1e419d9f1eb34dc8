#include <fmt/format.h>

#include <fstream>
#include <iterator>

#include "base/strings.hpp"
#include "cli/command.hpp"
#include "cli/targets.hpp"
#include "cli/write_flags.hpp"

namespace cli {
namespace {

using base::Object;
using base::Value;

std::unexpected<base::Error> usage(std::string message) { return base::fail(base::Reason::unknown, std::move(message)); }

int create_from_files(Context& context, Session& session) {
  auto manifests = read_manifests(context.args.all("filename"), context.args.on("recursive"));
  if (!manifests) return print_error(manifests.error());
  int code = 0;
  for (auto& manifest : *manifests) {
    std::string where = fmt::format("error when creating \"{}\"", manifest.source);
    if (manifest.object["kind"].as_string().empty() || manifest.object["apiVersion"].as_string().empty()) {
      fmt::print(stderr, "error: error validating \"{}\": error validating data: [apiVersion not set, kind not set]; if you choose to "
                         "ignore these errors, turn validation off with --validate=false\n", manifest.source);
      code = 1;
      continue;
    }
    auto resource = session.find_kind(manifest.object["apiVersion"].as_string(), manifest.object["kind"].as_string());
    if (!resource) {
      fmt::print(stderr, "error: resource mapping not found for name: \"{}\" namespace: \"{}\" from \"{}\": {}\nensure CRDs are installed first\n",
                 manifest.object.at({"metadata", "name"}).as_string(), manifest.object.at({"metadata", "namespace"}).as_string(),
                 manifest.source, resource.error().message);
      code = 1;
      continue;
    }
    if (int failed = create_and_print(session, context.args, manifest.object, "created", "kubectl-create", true, where)) code = failed;
  }
  return code;
}

base::Result<std::string> read_whole(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return usage(fmt::format("error reading {}: no such file", path));
  return std::string(std::istreambuf_iterator<char>(in), {});
}

// --from-literal=k=v and --from-file=[k=]path, for config maps (text) and secrets (base64).
base::Result<Object> collect_data(const Args& args, bool encode) {
  Object data;
  auto put = [&](const std::string& key, const std::string& bytes) -> base::Result<void> {
    if (data.contains(key)) return usage(fmt::format("cannot add key \"{}\", another key by that name already exists", key));
    data.set(key, encode ? base::base64_encode(bytes) : bytes);
    return {};
  };
  for (auto& literal : args.all("from-literal")) {
    size_t equals = literal.find('=');
    if (equals == std::string::npos || equals == 0) return usage(fmt::format("invalid literal source {}, expected key=value", literal));
    CHECK_OK(put(literal.substr(0, equals), literal.substr(equals + 1)));
  }
  for (auto& file : args.all("from-file")) {
    size_t equals = file.find('=');
    std::string path = equals == std::string::npos ? file : file.substr(equals + 1);
    std::string key = equals == std::string::npos ? path.substr(path.rfind('/') + 1) : file.substr(0, equals);
    TRY(std::string bytes, read_whole(path));
    CHECK_OK(put(key, bytes));
  }
  return data;
}

// "80", "80:8080", "5678:http" -> a service port named as kubectl names it: "80-8080".
base::Result<Value> parse_tcp_port(const std::string& text) {
  auto pieces = base::split(text, ':');
  auto port = base::parse_int(pieces[0]);
  if (pieces.size() > 2 || !port || *port < 1 || *port > 65535) return usage(fmt::format("invalid port {}: expected PORT or PORT:TARGET", text));
  Value target = *port;
  if (pieces.size() == 2) {
    auto number = base::parse_int(pieces[1]);
    target = number ? Value(*number) : Value(pieces[1]);
  }
  return Value(Object{{"name", pieces.size() == 2 ? pieces[0] + "-" + pieces[1] : pieces[0]}, {"port", *port},
                      {"protocol", "TCP"}, {"targetPort", target}});
}

base::Result<Value> make_service(const Args& args, const std::string& type, const std::string& name) {
  static constexpr std::pair<std::string_view, std::string_view> kTypes[] = {
      {"clusterip", "ClusterIP"}, {"nodeport", "NodePort"}, {"loadbalancer", "LoadBalancer"}, {"externalname", "ExternalName"}};
  std::string_view full;
  for (auto& [word, value] : kTypes) {
    if (word == base::to_lower(type)) full = value;
  }
  if (full.empty()) return usage(fmt::format("unknown Service type \"{}\": use clusterip, nodeport, loadbalancer or externalname", type));
  Value service = make_object("v1", "Service", name);
  service.make({"metadata", "labels", "app"}) = name;
  service.make({"spec", "type"}) = full;
  base::Array ports;
  for (auto& tcp : args.all("tcp")) {
    TRY(Value port, parse_tcp_port(tcp));
    ports.push_back(std::move(port));
  }
  if (full == "ExternalName") {
    service.make({"spec", "externalName"}) = args.get("external-name");
  } else {
    service.make({"spec", "selector", "app"}) = name;
    if (ports.empty() && args.get("clusterip") != "None") return usage("at least one tcp port specifier must be provided");
  }
  if (!ports.empty()) service.make({"spec", "ports"}) = std::move(ports);
  if (args.given("clusterip")) service.make({"spec", "clusterIP"}) = args.get("clusterip");
  return service;
}

base::Result<Value> make_from_operands(const Args& args) {
  const auto& words = args.operands;
  auto need = [&](size_t count, std::string_view form) -> base::Result<void> {
    if (words.size() == count) return {};
    return usage(fmt::format("exactly one NAME is required, got {}; usage: kubectl create {}", words.size() < count ? 0 : words.size() - count + 1, form));
  };
  const std::string& type = words[0];
  if (type == "namespace" || type == "ns") {
    CHECK_OK(need(2, "namespace NAME"));
    return make_object("v1", "Namespace", words[1]);
  }
  if (type == "configmap" || type == "cm") {
    CHECK_OK(need(2, "configmap NAME --from-literal=k=v --from-file=[k=]path"));
    Value map = make_object("v1", "ConfigMap", words[1]);
    TRY(Object data, collect_data(args, false));
    if (!data.empty()) map.make({"data"}) = std::move(data);
    return map;
  }
  if (type == "secret") {
    if (words.size() < 2 || words[1] != "generic") return usage("only 'kubectl create secret generic NAME' is supported yet; use -f for other types");
    CHECK_OK(need(3, "secret generic NAME --from-literal=k=v"));
    Value secret = make_object("v1", "Secret", words[2]);
    TRY(Object data, collect_data(args, true));
    if (!data.empty()) secret.make({"data"}) = std::move(data);
    secret.make({"type"}) = "Opaque";
    return secret;
  }
  if (type == "service" || type == "svc") {
    CHECK_OK(need(3, "service (clusterip|nodeport|loadbalancer|externalname) NAME --tcp=PORT:TARGET"));
    return make_service(args, words[1], words[2]);
  }
  if (type == "serviceaccount" || type == "sa") {
    CHECK_OK(need(2, "serviceaccount NAME"));
    return make_object("v1", "ServiceAccount", words[1]);
  }
  return usage(fmt::format("kubectl create {} is not supported yet; write a manifest and use: kubectl create -f FILE", type));
}

int run_create(Context& context) {
  auto session = context.session();
  if (!session) return print_error(session.error());
  if (context.args.given("filename")) return create_from_files(context, **session);
  if (context.args.operands.empty()) return print_error(base::Error{base::Reason::unknown, "must specify one of -f and -k", nullptr});
  auto object = make_from_operands(context.args);
  if (!object) return print_error(object.error());
  return create_and_print(**session, context.args, *object, "created", "kubectl-create", true, "failed to create " + base::to_lower((*object)["kind"].as_string()));
}

}  // namespace

Command create_command() {
  using Type = Flag::Type;
  return {.name = "create",
          .aliases = {},
          .usage = "create (-f FILE | namespace NAME | configmap NAME | secret generic NAME | service TYPE NAME | serviceaccount NAME)",
          .summary = "Create objects from files, or of a simple kind by flags",
          .flags = {kFilenameFlag, kRecursiveFlag, kDryRunFlag, kOutputFlag, kValidateFlag,
                    {"from-literal", Type::array, "Data of a config map or secret: key=value"},
                    {"from-file", Type::array, "Data of a config map or secret: [key=]path"},
                    {"tcp", Type::array, "Ports of a Service: PORT or PORT:TARGET"},
                    {"clusterip", Type::string, "Cluster IP of a Service, or None"},
                    {"external-name", Type::string, "DNS name that an ExternalName Service stands for"},
                    {"save-config", Type::boolean, "Ignored: apply writes its own annotation"}},
          .run = run_create};
}

}  // namespace cli
