#include "cli/session.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "api/status.hpp"
#include "base/json.hpp"
#include "base/strings.hpp"

namespace cli {
namespace {

using base::Value;

constexpr std::string_view kDiscoveryAccept =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";
constexpr std::string_view kJson = "application/json";

std::vector<std::string> strings_of(const Value& list) {
  std::vector<std::string> out;
  for (const Value& item : list.as_array()) out.emplace_back(item.as_string());
  return out;
}

void add_aggregated(const Value& groups, std::vector<ApiResource>& out) {
  for (const Value& group : groups["items"].as_array()) {
    for (const Value& version : group["versions"].as_array()) {
      for (const Value& item : version["resources"].as_array()) {
        ApiResource resource;
        resource.group = group.at({"metadata", "name"}).as_string();
        resource.version = version["version"].as_string();
        resource.plural = item["resource"].as_string();
        resource.singular = item["singularResource"].as_string();
        resource.kind = item.at({"responseKind", "kind"}).as_string();
        resource.namespaced = item["scope"].as_string() == "Namespaced";
        resource.short_names = strings_of(item["shortNames"]);
        resource.categories = strings_of(item["categories"]);
        resource.verbs = strings_of(item["verbs"]);
        if (resource.singular.empty()) resource.singular = base::to_lower(resource.kind);
        out.push_back(std::move(resource));
      }
    }
  }
}

void add_classic(const Value& list, std::string group, std::string version, std::vector<ApiResource>& out) {
  for (const Value& item : list["resources"].as_array()) {
    if (item["name"].as_string().find('/') != std::string_view::npos) continue;
    ApiResource resource;
    resource.group = group;
    resource.version = version;
    resource.plural = item["name"].as_string();
    resource.kind = item["kind"].as_string();
    resource.singular = item["singularName"].as_string();
    if (resource.singular.empty()) resource.singular = base::to_lower(resource.kind);
    resource.namespaced = item["namespaced"].as_bool();
    resource.short_names = strings_of(item["shortNames"]);
    resource.categories = strings_of(item["categories"]);
    resource.verbs = strings_of(item["verbs"]);
    out.push_back(std::move(resource));
  }
}

// `299 - "text"`: the text, unquoted.
std::string warning_text(std::string_view header) {
  size_t open = header.find('"');
  if (open == std::string_view::npos) return std::string(header);
  std::string text;
  for (size_t i = open + 1; i < header.size() && header[i] != '"'; ++i) {
    if (header[i] == '\\' && i + 1 < header.size()) ++i;
    text += header[i];
  }
  return text;
}

base::Error status_error(const Value& status, int code) {
  base::Error error = api::error_from_status(status, code);
  if (!error.details) error.details = std::make_shared<base::ErrorDetails>();
  return error;
}

base::Result<Value> parse_answer(const net::Response& response) {
  std::string body;
  for (auto& chunk : response.body) body += *chunk;
  auto value = base::parse_json(body);
  bool is_status = value && (*value)["kind"].as_string() == "Status";
  if (response.status >= 400) {
    if (is_status) return std::unexpected(status_error(*value, response.status));
    Value status = base::Object{
        {"kind", "Status"},
        {"status", "Failure"},
        {"message", response.status == 404 ? std::string("the server could not find the requested resource")
                                           : fmt::format("the server answered {}: {}", response.status,
                                                         base::trim(body).substr(0, 200))},
        {"reason", response.status == 404 ? "NotFound" : ""},
        {"code", response.status}};
    return std::unexpected(status_error(status, response.status));
  }
  if (!value)
    return base::fail(base::Reason::unknown, "the server's answer is no JSON: " + value.error().message);
  return value;
}

}  // namespace

base::Result<std::unique_ptr<Session>> Session::open(const Args& args) {
  auto session = std::make_unique<Session>();
  TRY(session->connection_, load_connection(args));
  session->http_ = net::make_http_client(session->connection_.http);
  return session;
}

std::string Session::path_of(const ApiResource& resource, std::string_view namespace_, std::string_view name,
                             std::string_view subresource) {
  std::string path = resource.group.empty() ? "/api/" + resource.version
                                            : "/apis/" + resource.group + "/" + resource.version;
  if (resource.namespaced && !namespace_.empty()) path += fmt::format("/namespaces/{}", namespace_);
  path += "/" + resource.plural;
  if (!name.empty()) path += fmt::format("/{}", name);
  if (!subresource.empty()) path += fmt::format("/{}", subresource);
  return path;
}

base::Result<net::Response> Session::send(net::Request request) {
  TRY(auto response, http_->round_trip(std::move(request)));
  for (auto warning : response.headers.all("Warning"))
    fmt::print(stderr, "Warning: {}\n", warning_text(warning));
  return response;
}

base::Result<Value> Session::call(std::string method, std::string path, net::Query query,
                                  std::optional<Value> body, std::string content_type, std::string accept) {
  net::Request request;
  request.method = std::move(method);
  request.path = std::move(path);
  request.query = std::move(query);
  request.headers.set("Accept", accept.empty() ? std::string(kJson) : std::move(accept));
  if (body) {
    request.headers.set("Content-Type", std::move(content_type));
    request.body = base::write_json(*body);
  }
  TRY(auto response, send(std::move(request)));
  return parse_answer(response);
}

base::Result<std::string> Session::call_text(std::string path, net::Query query, std::string accept) {
  net::Request request;
  request.method = "GET";
  request.path = std::move(path);
  request.query = std::move(query);
  request.headers.set("Accept", std::move(accept));
  TRY(auto response, send(std::move(request)));
  if (response.status >= 400) {
    auto parsed = parse_answer(response);
    if (!parsed) return std::unexpected(std::move(parsed).error());
  }
  std::string text;
  for (auto& chunk : response.body) text += *chunk;
  return text;
}

base::Result<std::unique_ptr<net::ResponseStream>> Session::open_stream(std::string path, net::Query query,
                                                                        std::string accept) {
  net::Request request;
  request.method = "GET";
  request.path = std::move(path);
  request.query = std::move(query);
  request.headers.set("Accept", std::move(accept));
  TRY(auto stream, http_->open_stream(std::move(request)));
  for (auto warning : stream->headers().all("Warning"))
    fmt::print(stderr, "Warning: {}\n", warning_text(warning));
  if (stream->status() < 400) return stream;
  net::Response response;
  response.status = stream->status();
  while (true) {
    auto chunk = stream->read();
    if (!chunk || chunk->empty()) break;
    response.body.push_back(net::make_chunk(std::move(*chunk)));
  }
  auto parsed = parse_answer(response);
  if (!parsed) return std::unexpected(std::move(parsed).error());
  return base::fail(base::Reason::unknown, "the server refused the stream");
}

base::Result<std::unique_ptr<net::ClientWebSocket>> Session::open_websocket(
    std::string path, net::Query query, std::vector<std::string> subprotocols) {
  net::Request request;
  request.method = "GET";
  request.path = std::move(path);
  request.query = std::move(query);
  net::UpgradeRefused refused;
  auto socket = http_->open_websocket(std::move(request), std::move(subprotocols), &refused);
  if (socket || refused.status == 0) return socket;
  net::Response response;
  response.status = refused.status;
  response.body.push_back(net::make_chunk(refused.body));
  auto parsed = parse_answer(response);
  if (!parsed) return std::unexpected(std::move(parsed).error());
  return socket;
}

base::Result<const std::vector<ApiResource>*> Session::resources() {
  if (resources_) return &*resources_;
  std::vector<ApiResource> all;
  for (const char* root : {"/api", "/apis"}) {
    TRY(Value answer, call("GET", root, {}, {}, "", std::string(kDiscoveryAccept)));
    if (answer["kind"].as_string() == "APIGroupDiscoveryList") {
      add_aggregated(answer, all);
    } else if (answer["kind"].as_string() == "APIVersions") {
      for (const Value& version : answer["versions"].as_array()) {
        TRY(Value list, call("GET", fmt::format("/api/{}", version.as_string())));
        add_classic(list, "", std::string(version.as_string()), all);
      }
    } else {
      for (const Value& group : answer["groups"].as_array()) {
        for (const Value& version : group["versions"].as_array()) {
          TRY(Value list, call("GET", fmt::format("/apis/{}", version["groupVersion"].as_string())));
          add_classic(list, std::string(group["name"].as_string()),
                      std::string(version["version"].as_string()), all);
        }
      }
    }
  }
  resources_ = std::move(all);
  return &*resources_;
}

base::Result<ApiResource> Session::find_resource(std::string_view name) {
  TRY(auto* all, resources());
  std::string wanted = base::to_lower(name), rest;
  if (size_t dot = wanted.find('.'); dot != std::string::npos) {
    rest = wanted.substr(dot + 1);
    wanted.resize(dot);
  }
  auto group_fits = [&rest](const ApiResource& r) {
    return rest.empty() || rest == r.group || rest == r.version + "." + r.group;
  };
  for (auto& r : *all) {
    if ((r.plural == wanted || r.singular == wanted || base::to_lower(r.kind) == wanted) && group_fits(r))
      return r;
  }
  const ApiResource* found = nullptr;
  for (auto& r : *all) {
    if (std::find(r.short_names.begin(), r.short_names.end(), wanted) == r.short_names.end() || !group_fits(r)) continue;
    if (!found) {
      found = &r;
    } else if (r.group != found->group && warned_.insert(wanted + " " + r.group).second) {
      fmt::print(stderr, "Warning: short name \"{}\" could also match lower priority resource {}\n", wanted,
                 r.qualified_plural());
    }
  }
  if (found) return *found;
  return base::fail(base::Reason::unknown, fmt::format("the server doesn't have a resource type \"{}\"",
                                                       name.substr(0, name.find('.'))));
}

base::Result<std::vector<ApiResource>> Session::find_category(std::string_view category) {
  TRY(auto* all, resources());
  std::vector<ApiResource> out;
  for (auto& r : *all) {
    if (std::find(r.categories.begin(), r.categories.end(), category) != r.categories.end()) out.push_back(r);
  }
  return out;
}

base::Result<ApiResource> Session::find_kind(std::string_view api_version, std::string_view kind) {
  TRY(auto* all, resources());
  for (auto& r : *all) {
    if (r.api_version() == api_version && r.kind == kind) return r;
  }
  return base::fail(base::Reason::unknown,
                    fmt::format("no matches for kind \"{}\" in version \"{}\"", kind, api_version));
}

api::KindPtr Session::builtin_kind(const ApiResource& resource) {
  if (!builtin_) {
    auto loaded = api::load_builtin_kinds();
    if (!loaded) return nullptr;
    builtin_ = std::move(*loaded);
  }
  return builtin_->find_resource(resource.group, resource.version, resource.plural);
}

int print_error(const base::Error& error, std::string_view context) {
  std::string prefix = context.empty() ? "" : std::string(context) + ": ";
  if (!error.details) {  // not from a Status
    if (error.message.starts_with("Error in configuration: ")) {
      fmt::print(stderr, "{}\n", error.message);
    } else if (error.reason == base::Reason::service_unavailable &&
               error.message.starts_with("The connection")) {
      fmt::print(stderr, "{}\n", error.message);
    } else {
      fmt::print(stderr, "error: {}{}\n", prefix, error.message);
    }
    return 1;
  }
  // client-go's checkErr: Invalid names the object itself, everything else its reason.
  if (error.reason == base::Reason::invalid && !error.details->kind.empty()) {
    std::string what = error.message;
    if (size_t at = what.find(" is invalid: "); at != std::string::npos) what = what.substr(at + 13);
    std::string target = fmt::format("The {} \"{}\" is invalid", error.details->kind, error.details->name);
    if (error.details->causes.size() > 1) {
      fmt::print(stderr, "{}: \n", target);
      for (auto& cause : error.details->causes) fmt::print(stderr, "* {}: {}\n", cause.field, cause.message);
    } else {
      fmt::print(stderr, "{}: {}\n", target, what);
    }
    return 1;
  }
  if (error.reason == base::Reason::invalid && context.empty() && error.details->causes.empty()) {
    fmt::print(stderr, "The request is invalid: {}\n", error.message);
    return 1;
  }
  std::string_view reason = base::reason_name(error.reason);
  if (reason.empty()) {
    fmt::print(stderr, "Error from server: {}{}\n", prefix, error.message);
  } else {
    fmt::print(stderr, "Error from server ({}): {}{}\n", reason, prefix, error.message);
  }
  return 1;
}

}  // namespace cli
