#include "cli/create_by_flags.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "api/validate_rules.hpp"
#include "base/strings.hpp"
#include "cli/create_workloads.hpp"
#include "cli/write_flags.hpp"

namespace cli {
namespace {

namespace fs = std::filesystem;
using base::Object;
using base::Value;

base::Result<std::string> read_whole(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return usage(fmt::format("error reading {}: no such file or directory", path));
  return std::string(std::istreambuf_iterator<char>(in), {});
}

bool is_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    auto lead = static_cast<unsigned char>(text[i]);
    size_t length = lead < 0x80                   ? 1
                    : lead >= 0xc2 && lead < 0xe0 ? 2
                    : lead >= 0xe0 && lead < 0xf0 ? 3
                    : lead >= 0xf0 && lead < 0xf5 ? 4
                                                  : 0;
    if (length == 0 || i + length > text.size()) return false;
    for (size_t n = 1; n < length; ++n) {
      if ((static_cast<unsigned char>(text[i + n]) & 0xc0) != 0x80) return false;
    }
    i += length;
  }
  return true;
}

// What --from-literal, --from-file and --from-env-file give, for config maps (text) and secrets (base64).
class Data {
 public:
  Data(const std::string& name, bool secret) : name_(name), secret_(secret) {}

  base::Result<void> collect(const Args& args) {
    if (args.given("from-env-file") && (args.given("from-literal") || args.given("from-file")))
      return usage("from-env-file cannot be combined with from-file or from-literal");
    for (auto& literal : args.all("from-literal")) {
      size_t equals = literal.find('=');
      if (equals == std::string::npos || equals == 0)
        return usage(fmt::format("invalid literal source {}, expected key=value", literal));
      CHECK_OK(put(literal.substr(0, equals), literal.substr(equals + 1)));
    }
    for (auto& file : args.all("from-file")) CHECK_OK(add_file(file));
    for (auto& file : args.all("from-env-file")) CHECK_OK(add_env_file(file));
    return {};
  }

  void store(Value& object) {
    if (!text_.empty()) object.make({"data"}) = std::move(text_);
    if (!binary_.empty()) object.make({"binaryData"}) = std::move(binary_);
  }

 private:
  base::Result<void> put(const std::string& key, const std::string& bytes) {
    if (auto problems = api::rules::check_config_key(key); !problems.empty())
      return usage(secret_ ? fmt::format("{} is not valid key name for a Secret {}", base::quote(key),
                                         base::join(problems, ";"))
                           : fmt::format("{} is not a valid key name for a ConfigMap: {}", base::quote(key),
                                         base::join(problems, ",")));
    if (text_.contains(key) || binary_.contains(key))
      return usage(
          secret_ ? fmt::format("cannot add key {}, another key by that name already exists", key)
                  : fmt::format(
                        "cannot add key {}, another key by that name already exists in Data for ConfigMap {}",
                        base::quote(key), base::quote(name_)));
    if (secret_)
      text_.set(key, base::base64_encode(bytes));
    else if (is_utf8(bytes))
      text_.set(key, bytes);
    else
      binary_.set(key, base::base64_encode(bytes));
    return {};
  }

  base::Result<void> add_file(const std::string& source) {
    size_t equals = source.find('=');
    std::string path = equals == std::string::npos ? source : source.substr(equals + 1);
    std::error_code error;
    if (fs::is_directory(path, error)) {
      if (equals != std::string::npos) return usage("cannot give a key name for a directory path");
      for (auto& entry : fs::directory_iterator(path, error)) {
        std::string key = entry.path().filename().string();
        if (!entry.is_regular_file() || !api::rules::check_config_key(key).empty()) continue;
        TRY(std::string bytes, read_whole(entry.path().string()));
        CHECK_OK(put(key, bytes));
      }
      return {};
    }
    TRY(std::string bytes, read_whole(path));
    return put(equals == std::string::npos ? path.substr(path.rfind('/') + 1) : source.substr(0, equals),
               bytes);
  }

  base::Result<void> add_env_file(const std::string& path) {
    TRY(std::string text, read_whole(path));
    for (auto& line : base::split(text, '\n')) {
      std::string_view rest = line;
      rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
      if (rest.ends_with('\r')) rest.remove_suffix(1);
      if (rest.empty() || rest.starts_with('#')) continue;
      std::string key(rest.substr(0, rest.find('=')));
      const char* inherited = std::getenv(key.c_str());
      if (key.size() < rest.size())
        CHECK_OK(put(key, std::string(rest.substr(key.size() + 1))));
      else if (inherited)
        CHECK_OK(put(key, inherited));
    }
    return {};
  }

  std::string name_;
  bool secret_;
  Object text_, binary_;
};

base::Result<int64_t> parse_port(const std::string& text) {
  uint64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc::result_out_of_range ||
      (error == std::errc() && end == text.data() + text.size() && number > 65535))
    return usage(fmt::format("strconv.ParseUint: parsing {}: value out of range", base::quote(text)));
  if (error != std::errc() || end != text.data() + text.size())
    return usage(fmt::format("strconv.ParseUint: parsing {}: invalid syntax", base::quote(text)));
  return static_cast<int64_t>(number);
}

// "80", "80:8080", "5678:http" -> a service port named as kubectl names it: "80-8080".
base::Result<Value> parse_tcp_port(const Args& args, const std::string& text) {
  auto pieces = base::split(text, ':');
  TRY(int64_t port, parse_port(pieces[0]));
  Value target = port;
  if (pieces.size() > 1) {
    auto number = base::parse_int(pieces[1]);
    target = number ? Value(*number) : Value(pieces[1]);
  }
  std::string name = text;
  std::replace(name.begin(), name.end(), ':', '-');
  Object out{{"name", name}, {"port", port}, {"protocol", "TCP"}, {"targetPort", target}};
  if (auto node_port = args.number("node-port"); node_port && *node_port > 0) out.set("nodePort", *node_port);
  return Value(std::move(out));
}

base::Result<Value> make_service(const Args& args, std::string_view type, const std::string& name) {
  Value service = make_object("v1", "Service", name);
  service.make({"metadata", "labels", "app"}) = name;
  service.make({"spec", "type"}) = type;
  service.make({"spec", "selector", "app"}) = name;
  service.make({"status", "loadBalancer"}) = Object{};
  base::Array ports;
  for (auto& tcp : args.all("tcp")) {
    TRY(Value port, parse_tcp_port(args, tcp));
    ports.push_back(std::move(port));
  }
  if (type == "ExternalName") {
    if (!args.given("external-name")) return usage("required flag(s) \"external-name\" not set");
    service.make({"spec", "externalName"}) = args.get("external-name");
  } else if (ports.empty() && args.get("clusterip") != "None") {
    return usage("at least one tcp port specifier must be provided");
  }
  if (!ports.empty()) service.make({"spec", "ports"}) = std::move(ports);
  if (args.given("clusterip")) service.make({"spec", "clusterIP"}) = args.get("clusterip");
  return service;
}

base::Result<Value> make_with_data(const Args& args, const std::string& kind, const std::string& name) {
  Value object = make_object("v1", kind, name);
  Data data(name, kind == "Secret");
  CHECK_OK(data.collect(args));
  data.store(object);
  if (kind == "Secret" && args.given("type")) object.make({"type"}) = args.get("type");
  return object;
}

// One row for each form of `kubectl create`.
struct Form {
  std::string_view type, alias, kind_of;  // kind_of: the second word of `secret generic`, `service clusterip`
  std::string_view kind, service_type;
  std::string_view failed;  // how an error of the server begins; empty: as it is
};
constexpr Form kForms[] = {
    {"namespace", "ns", "", "Namespace", "", ""},
    {"configmap", "cm", "", "ConfigMap", "", "failed to create configmap: "},
    {"serviceaccount", "sa", "", "ServiceAccount", "", "failed to create serviceaccount: "},
    {"secret", "", "generic", "Secret", "", "failed to create secret "},
    {"service", "svc", "clusterip", "Service", "ClusterIP", "failed to create ClusterIP service: "},
    {"service", "svc", "nodeport", "Service", "NodePort", "failed to create NodePort service: "},
    {"service", "svc", "loadbalancer", "Service", "LoadBalancer", "failed to create LoadBalancer service: "},
    {"deployment", "deploy", "", "Deployment", "", "failed to create deployment: "},
    {"ingress", "ing", "", "Ingress", "", "failed to create ingress: "},
    {"service", "svc", "externalname", "Service", "ExternalName", "failed to create ExternalName service: "},
};

constexpr std::string_view kUnsupported[] = {
    "clusterrole",   "clusterrolebinding", "cronjob", "job",           "poddisruptionbudget", "pdb",
    "priorityclass", "pc",                 "quota",   "resourcequota", "role",                "rolebinding",
    "token"};

const Form* find_form(const std::vector<std::string>& words) {
  for (const Form& form : kForms) {
    bool named = words[0] == form.type || (!form.alias.empty() && words[0] == form.alias);
    if (named && (form.kind_of.empty() || (words.size() > 1 && words[1] == form.kind_of))) return &form;
  }
  return nullptr;
}

base::Result<Value> make(const Args& args, const Form& form, const std::string& name) {
  if (form.kind == "Deployment") return make_deployment(args, name);
  if (form.kind == "Ingress") return make_ingress(args, name);
  if (form.kind == "Service") return make_service(args, form.service_type, name);
  if (form.kind == "ConfigMap" || form.kind == "Secret")
    return make_with_data(args, std::string(form.kind), name);
  Value object = make_object("v1", form.kind, name);
  if (form.kind == "Namespace") {
    object.make({"spec"}) = Object{};
    object.make({"status"}) = Object{};
  }
  return object;
}

}  // namespace

int create_by_flags(Context& context, Session& session) {
  const Args& args = context.args;
  auto fail = [](std::string message) {
    return print_error(base::Error{base::Reason::unknown, std::move(message), nullptr});
  };
  const Form* form = find_form(args.operands);
  if (!form &&
      std::find(std::begin(kUnsupported), std::end(kUnsupported), args.operands[0]) != std::end(kUnsupported))
    return fail(fmt::format(
        "kubectl create {} is not supported yet; write a manifest and use: kubectl create -f FILE",
        args.operands[0]));
  if (!form && args.operands[0] == "secret")
    return fail("only 'kubectl create secret generic NAME' is supported yet; use -f for other types");
  if (!form && (args.operands[0] == "service" || args.operands[0] == "svc"))
    return fail(
        "usage: kubectl create service (clusterip|nodeport|loadbalancer|externalname) NAME "
        "--tcp=PORT:TARGET");
  if (!form)
    return usage_error("create", fmt::format("Unexpected args: [{}]", base::join(args.operands, " ")));
  if (form->kind == "Deployment" && !args.given("image")) return fail("required flag(s) \"image\" not set");
  size_t leading = form->kind_of.empty() ? 1 : 2;
  if (args.operands.size() != leading + 1) {
    std::string name = std::string(form->type) + (leading == 2 ? " " + std::string(form->kind_of) : "");
    return usage_error("create " + name,
                       fmt::format("exactly one NAME is required, got {}", args.operands.size() - leading));
  }
  auto object = make(args, *form, args.operands.back());
  if (!object) return print_error(object.error());
  auto dry_run = parse_dry_run(args);
  if (!dry_run) return print_error(dry_run.error());
  auto resource = session.find_kind((*object)["apiVersion"].as_string(), form->kind);
  if (!resource) return print_error(resource.error());
  auto created = create_object(session, args, *resource, *object, "kubectl-create", true);
  if (!created && !form->failed.empty()) return fail(std::string(form->failed) + created.error().message);
  if (!created) return print_error(created.error());
  return print_result(session, args, *resource, *created, "created", *dry_run);
}

}  // namespace cli
