// One run of kubectl against one server: the connection, the API's resources by discovery, and calls that
// keep the server's Status apart from errors of our own. One thread.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/kinds.hpp"
#include "base/result.hpp"
#include "base/value.hpp"
#include "cli/kubeconfig.hpp"
#include "net/client.hpp"

namespace cli {

// A resource as discovery tells it.
struct ApiResource {
  std::string group;
  std::string version;
  std::string plural;
  std::string singular;
  std::string kind;
  bool namespaced = true;
  std::vector<std::string> short_names;
  std::vector<std::string> categories;
  std::vector<std::string> verbs;

  std::string api_version() const { return group.empty() ? version : group + "/" + version; }
  // "services", "deployments.apps": how messages and -o name call it.
  std::string qualified_plural() const { return group.empty() ? plural : plural + "." + group; }
  std::string qualified_singular() const { return group.empty() ? singular : singular + "." + group; }
};

class Session {
 public:
  static base::Result<std::unique_ptr<Session>> open(const Args& args);

  const Connection& connection() const { return connection_; }
  const std::string& namespace_() const { return connection_.namespace_; }

  // All resources, core first. Asks the server once.
  base::Result<const std::vector<ApiResource>*> resources();
  // "svc", "service", "services", "Service", "deployments.apps", "deployments.v1.apps".
  base::Result<ApiResource> find_resource(std::string_view name);
  base::Result<std::vector<ApiResource>> find_category(std::string_view category);  // empty: no such category
  base::Result<ApiResource> find_kind(std::string_view api_version, std::string_view kind);
  // The schema for strategic merge patches: built-in kinds only, else null.
  api::KindPtr builtin_kind(const ApiResource& resource);

  // /api/v1/namespaces/NS/PLURAL[/NAME[/SUB]]; an empty namespace is all of them.
  static std::string path_of(const ApiResource& resource, std::string_view namespace_,
                             std::string_view name = "", std::string_view subresource = "");

  // A request with a whole answer; a Status failure becomes an error with its reason and details. Warning
  // headers go to stderr. `accept` empty: JSON.
  base::Result<base::Value> call(std::string method, std::string path, net::Query query = {},
                                 std::optional<base::Value> body = {},
                                 std::string content_type = "application/json", std::string accept = "");
  base::Result<std::string> call_text(std::string path, net::Query query, std::string accept);
  base::Result<std::unique_ptr<net::ResponseStream>> open_stream(std::string path, net::Query query,
                                                                 std::string accept);
  base::Result<std::unique_ptr<net::ClientWebSocket>> open_websocket(std::string path, net::Query query,
                                                                     std::vector<std::string> subprotocols);

  // True once: YAML documents after the first one stand behind a "---".
  bool is_first_document() { return std::exchange(first_document_, false); }

 private:
  base::Result<net::Response> send(net::Request request);

  Connection connection_;
  std::unique_ptr<net::HttpClient> http_;
  std::optional<std::vector<ApiResource>> resources_;
  std::optional<api::Registry> builtin_;
  std::set<std::string> warned_;  // of short names that mean several resources
  bool first_document_ = true;
};

// Prints an error as kubectl does ("Error from server (NotFound): ...", "error: ...") and returns the exit
// code 1. `context` is what kubectl puts in front of a server's message, e.g. `error when creating "x.yaml"`.
int print_error(const base::Error& error, std::string_view context = "");
// The same for what kubectl itself finds wrong.
inline int fail(std::string message) { return print_error({base::Reason::unknown, std::move(message), nullptr}); }

}  // namespace cli
