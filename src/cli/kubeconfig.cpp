#include "cli/kubeconfig.hpp"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "base/time.hpp"
#include "base/yaml.hpp"

namespace cli {
namespace {

using base::Value;

constexpr size_t kLargestFile = 4u << 20;
constexpr std::string_view kConfigurationError = "Error in configuration: ";
constexpr std::string_view kServiceAccountDir = "/var/run/secrets/kubernetes.io/serviceaccount";

base::Result<std::string> read_text(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return usage(fmt::format("read {}: is a directory", path));
  std::ifstream in(path, std::ios::binary);
  if (!in)
    return base::fail(base::Reason::not_found, fmt::format("stat {}: no such file or directory", path));
  std::string text(kLargestFile + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(in.gcount()));
  if (text.size() > kLargestFile) return usage(path + " is larger than 4 MiB: this is no kubeconfig");
  return text;
}

std::vector<std::string> kubeconfig_files(const Args& args, bool* explicit_file) {
  *explicit_file = args.given("kubeconfig");
  if (*explicit_file) return {args.get("kubeconfig")};
  std::vector<std::string> files;
  if (const char* list = std::getenv("KUBECONFIG"); list && *list) {
    for (auto& file : base::split(list, ':')) {
      if (!file.empty()) files.push_back(file);
    }
    return files;
  }
  if (const char* home = std::getenv("HOME")) files.push_back(std::string(home) + "/.kube/config");
  return files;
}

const Value& named(const Value& config, std::string_view list, std::string_view what, std::string_view name) {
  static const Value kNone;
  for (const Value& item : config[list].as_array()) {
    if (item["name"].as_string() == name) return item[what];
  }
  return kNone;
}

// The text of `x-data` (base64) or of the file that `x` names, relative to the kubeconfig's folder.
base::Result<std::string> inline_or_file(const Value& from, const std::string& name,
                                         std::string_view folder_key) {
  if (auto data = from[name + "-data"].as_string(); !data.empty()) {
    auto bytes = base::base64_decode(data);
    if (!bytes) return usage(fmt::format("{}-data in the kubeconfig is not base64", name));
    return *bytes;
  }
  std::string path(from[name].as_string());
  if (path.empty()) return std::string();
  if (path[0] != '/') path = std::string(from[folder_key].as_string()) + "/" + path;
  auto text = read_text(path);
  if (!text) return usage(fmt::format("unable to read {} {}: {}", name, path, text.error().message));
  return text;
}

base::Result<void> parse_server(const std::string& server, net::ClientConfig& http) {
  std::string_view rest = server;
  http.tls = true;
  if (rest.starts_with("https://")) {
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
    http.tls = false;
  }
  rest = rest.substr(0, rest.find('/'));
  http.port = http.tls ? 443 : 80;
  size_t colon = rest.rfind(':');
  if (rest.starts_with('[')) {
    size_t end = rest.find(']');
    if (end == std::string_view::npos) return usage(fmt::format("the server {} is no URL", server));
    http.host = rest.substr(1, end - 1);
    if (end + 1 < rest.size())
      http.port = static_cast<int>(base::parse_int(rest.substr(end + 2)).value_or(0));
  } else {
    http.host = rest.substr(0, colon);
    if (colon != std::string_view::npos)
      http.port = static_cast<int>(base::parse_int(rest.substr(colon + 1)).value_or(0));
  }
  if (http.host.empty() || http.port <= 0 || http.port > 65535)
    return usage(fmt::format("the server {} is no URL", server));
  return {};
}

bool in_cluster(Connection& connection) {
  const char* host = std::getenv("KUBERNETES_SERVICE_HOST");
  const char* port = std::getenv("KUBERNETES_SERVICE_PORT");
  auto token = read_text(std::string(kServiceAccountDir) + "/token");
  if (!host || !port || !token) return false;
  connection.server = fmt::format("https://{}:{}", host, port);
  connection.http.bearer_token = base::trim(*token);
  if (auto ca = read_text(std::string(kServiceAccountDir) + "/ca.crt")) connection.http.ca_pem = *ca;
  if (auto ns = read_text(std::string(kServiceAccountDir) + "/namespace"))
    connection.namespace_ = base::trim(*ns);
  return true;
}

base::Result<void> apply_user(const Value& user, net::ClientConfig& http) {
  TRY(http.certificate_pem, inline_or_file(user, "client-certificate", "__folder"));
  TRY(http.key_pem, inline_or_file(user, "client-key", "__folder"));
  http.bearer_token = user["token"].as_string();
  if (auto file = user["tokenFile"].as_string(); !file.empty()) {
    TRY(std::string token, read_text(std::string(file)));
    http.bearer_token = base::trim(token);
  }
  if (user["exec"].is_object())
    return usage(
        "the kubeconfig's user has an exec plugin: this kubectl does not run plugins yet; use a certificate "
        "or a token");
  return {};
}

}  // namespace

base::Result<Value> load_merged_kubeconfig(const Args& args, std::string* path_of_changes) {
  bool explicit_file = false;
  auto files = kubeconfig_files(args, &explicit_file);
  if (path_of_changes) *path_of_changes = files.empty() ? "" : files.front();
  Value merged = base::Object{{"apiVersion", "v1"},    {"clusters", nullptr}, {"contexts", nullptr},
                              {"current-context", ""}, {"kind", "Config"},    {"users", nullptr}};
  for (auto& file : files) {
    auto text = read_text(file);
    if (!text) {
      if (explicit_file && !path_of_changes) return usage(text.error().message);
      if (text.error().reason == base::Reason::not_found) continue;
      return std::unexpected(std::move(text).error());
    }
    if (base::trim(*text).empty()) continue;
    auto config = base::parse_yaml(*text);
    if (!config)
      return usage(fmt::format("error loading config file \"{}\": {}", file, config.error().message));
    if (!config->is_object())
      return usage(fmt::format("error loading config file \"{}\": it is no kubeconfig: no mapping", file));
    std::string folder = std::filesystem::absolute(file).parent_path().string();
    for (std::string_view list : {"clusters", "contexts", "users"}) {
      std::string_view what = list.substr(0, list.size() - 1);
      for (const Value& item : (*config)[list].as_array()) {
        if (!named(merged, list, what, item["name"].as_string()).is_null()) continue;
        Value copy = item;
        if (copy[what].is_object()) copy.make({what, "__folder"}) = folder;
        if (!merged[list].is_array()) merged.object()[list] = base::Array{};
        merged.object()[list].array().push_back(std::move(copy));
      }
    }
    if (merged["current-context"].as_string().empty())
      merged.object()["current-context"] = (*config)["current-context"].as_string();
  }
  return merged;
}

base::Result<Connection> load_connection(const Args& args) {
  TRY(Value config, load_merged_kubeconfig(args, nullptr));
  Connection connection;
  std::string context_name =
      args.given("context") ? args.get("context") : std::string(config["current-context"].as_string());
  const Value& context = named(config, "contexts", "context", context_name);
  if (context.is_null() && !context_name.empty())
    return base::fail(base::Reason::unknown, fmt::format("{}context was not found for specified context: {}",
                                                         kConfigurationError, context_name));
  std::string cluster_name =
      args.given("cluster") ? args.get("cluster") : std::string(context["cluster"].as_string());
  const Value& cluster = named(config, "clusters", "cluster", cluster_name);
  if (cluster.is_null() && !cluster_name.empty())
    return usage(fmt::format("no server found for cluster \"{}\"", cluster_name));
  std::string user_name = args.given("user") ? args.get("user") : std::string(context["user"].as_string());
  if (!user_name.empty() && named(config, "users", "user", user_name).is_null())
    return usage(fmt::format("auth info \"{}\" does not exist", user_name));
  connection.server = args.given("server") ? args.get("server") : std::string(cluster["server"].as_string());
  connection.namespace_ = context["namespace"].as_string();
  if (connection.server.empty() && !in_cluster(connection)) connection.server = "http://localhost:8080";
  CHECK_OK(parse_server(connection.server, connection.http));
  if (connection.http.ca_pem.empty()) {
    TRY(connection.http.ca_pem, inline_or_file(cluster, "certificate-authority", "__folder"));
  }
  connection.http.tls_server_name = cluster["tls-server-name"].as_string();
  connection.http.insecure_skip_verify =
      cluster["insecure-skip-tls-verify"].as_bool() || args.on("insecure-skip-tls-verify");
  if (!user_name.empty()) CHECK_OK(apply_user(named(config, "users", "user", user_name), connection.http));
  if (args.given("token")) connection.http.bearer_token = args.get("token");
  if (args.given("namespace"))
    connection.namespace_ = args.get("namespace"), connection.namespace_given = true;
  if (connection.namespace_.empty()) connection.namespace_ = "default";
  if (std::string timeout = args.get("request-timeout"); !timeout.empty() && timeout != "0") {
    auto duration = base::parse_duration(base::parse_int(timeout) ? timeout + "s" : timeout);
    if (!duration)
      return usage(
          "Invalid timeout value. Timeout must be a single integer in seconds, or an integer followed by a "
          "corresponding time unit (e.g. 1s | 2m | 3h)");
    connection.http.request_timeout_ms =
        static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(*duration).count());
  }
  connection.http.user_agent = "kubectl/v1.36.0 (linux) sampan";
  return connection;
}

}  // namespace cli
