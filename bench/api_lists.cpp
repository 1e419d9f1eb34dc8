// Lists of many pods in every form that clients ask for.
#include <fmt/format.h>

#include <algorithm>

#include "api_load.hpp"

namespace bench {

namespace {

constexpr std::string_view kProtobuf = "application/vnd.kubernetes.protobuf";
constexpr std::string_view kTable = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
constexpr std::string_view kMetadata = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json";

// Returns where they are.
std::string fill(ApiServer& server, const Settings& settings) {
  std::string space = server.make_namespace("lists");
  std::string pods = fmt::format("/api/v1/namespaces/{}/pods", space);
  std::atomic<int> next{0};
  auto result = run_load(server, 16, settings.step_limit, [&](int, net::HttpClient& connection) {
    int i = next++;
    if (i >= settings.pods) return false;
    std::string name = fmt::format("web-6f4d5c9b7d-{:05}", i);
    send(connection, {.method = "POST", .path = pods, .body = pod_json(name, space)}, 201);
    send(connection, {.method = "PUT",
                      .path = fmt::format("{}/{}/status", pods, name),
                      .body = pod_status_json(name, space)});
    return true;
  });
  if (result.latency.count() != static_cast<size_t>(settings.pods)) {
    throw Failed(fmt::format("only {} pods could be made in time", result.latency.count()));
  }
  print_load("  (made by 16 clients: create, then status)", result);
  return pods;
}

struct Form {
  std::string_view what;
  std::string_view accept;
  std::vector<std::pair<std::string, std::string>> query = {};
  std::string_view encoding = {};
  bool paged = false;
  int clients = 1;
  size_t expected = 0;  // items; 0: cannot be counted here
};

// One list, in pages if it is so asked for. Returns the bytes of all bodies; `text` gets the last body.
size_t list_once(net::HttpClient& http, const std::string& path, const Form& form, std::string* text) {
  size_t bytes = 0;
  std::string token;
  do {
    auto query = form.query;
    if (!token.empty()) query.emplace_back("continue", token);
    auto answer = send(http, {.method = "GET",
                              .path = path,
                              .query = std::move(query),
                              .accept = std::string(form.accept),
                              .accept_encoding = std::string(form.encoding)});
    bytes += size_of(answer);
    token.clear();
    if (form.paged) {
      // In what stands before the items, or behind them.
      auto body = body_of(answer);
      token = member_text(std::string_view(body).substr(0, 1000), "continue");
      if (token.empty() && body.size() > 1000) token = member_text(std::string_view(body).substr(body.size() - 1000), "continue");
    }
    if (text) *text = body_of(answer);
  } while (!token.empty());
  return bytes;
}

void check(const Form& form, const std::string& text) {
  if (form.expected == 0) return;
  if (form.accept == kProtobuf) {
    if (!text.starts_with(std::string_view("k8s\0", 4))) throw Failed("no protobuf was answered");
    return;
  }
  auto list = base::parse_json(text);
  if (!list) throw Failed("the list is no JSON: " + list.error().message);
  size_t found = (*list)[form.accept == kTable ? "rows" : "items"].as_array().size();
  if (found != form.expected) {
    throw Failed(fmt::format("{}: {} items instead of {}", form.what, found, form.expected));
  }
}

void measure(const ApiServer& server, const Settings& settings, const std::string& path, const Form& form) {
  auto http = server.client();
  double before = server.resident_bytes();
  server.reset_peak();
  std::string text;
  size_t bytes = list_once(*http, path, form, &text);
  double first_growth = server.peak_bytes() - before;
  if (!form.encoding.empty()) {
    if (!text.starts_with("\x1f\x8b")) throw Failed("no gzip was answered");
  } else if (!form.paged) {
    check(form, text);
  }
  std::string().swap(text);
  before = server.resident_bytes();
  server.reset_peak();
  std::atomic<int> left{settings.lists * form.clients};
  auto result = run_load(server, form.clients, settings.step_limit, [&](int, net::HttpClient& connection) {
    if (left-- <= 0) return false;
    list_once(connection, path, form, nullptr);
    return true;
  });
  double growth = std::max(first_growth, server.peak_bytes() - before);
  double count = static_cast<double>(result.latency.count());
  fmt::print("  {:<44} {:>7.2f} MiB  p50 {:>7.1f} ms  max {:>7.1f} ms  server {:>7.1f} CPU ms each  peak memory +{:.1f} MiB\n",
             form.what, static_cast<double>(bytes) / 1048576, result.latency.at(0.5), result.latency.at(1),
             result.cpu_seconds * 1000 / count, growth / 1048576);
  std::fflush(stdout);
}

}  // namespace

void bench_list(ApiServer& server, const Settings& settings) {
  print_title(fmt::format("list: {} pods with status and managedFields", settings.pods));
  auto path = fill(server, settings);
  auto all = static_cast<size_t>(settings.pods);
  for (const Form& form : {
           Form{.what = "JSON", .accept = "application/json", .expected = all},
           Form{.what = "JSON, resourceVersion=0", .accept = "application/json", .query = {{"resourceVersion", "0"}}, .expected = all},
           Form{.what = "protobuf", .accept = kProtobuf, .expected = all},
           Form{.what = "Table (kubectl get)", .accept = kTable, .expected = all},
           Form{.what = "PartialObjectMetadata", .accept = kMetadata, .expected = all},
           Form{.what = "JSON, gzip", .accept = "application/json", .encoding = "gzip", .expected = all},
           Form{.what = "protobuf, gzip", .accept = kProtobuf, .encoding = "gzip", .expected = all},
           Form{.what = "Table, gzip", .accept = kTable, .encoding = "gzip", .expected = all},
           Form{.what = "JSON, pages of 500", .accept = "application/json", .query = {{"limit", "500"}}, .paged = true, .expected = all},
           Form{.what = "Table, pages of 500", .accept = kTable, .query = {{"limit", "500"}}, .paged = true, .expected = all},
           Form{.what = "JSON, a label that 1 of 100 has", .accept = "application/json", .query = {{"labelSelector", "tier=rare"}}, .expected = all / 100},
           Form{.what = "JSON, spec.nodeName=n1 (none)", .accept = "application/json", .query = {{"fieldSelector", "spec.nodeName=n1"}}},
           Form{.what = "JSON, 8 clients at once", .accept = "application/json", .clients = 8},
           Form{.what = "Table, 8 clients at once", .accept = kTable, .clients = 8},
           Form{.what = "protobuf, 8 clients at once", .accept = kProtobuf, .clients = 8},
       }) {
    measure(server, settings, path, form);
  }
}

}  // namespace bench
