// Creates, updates, patches and applies, and what many objects cost.
#include <fmt/format.h>

#include <array>
#include <thread>

#include "api_load.hpp"

namespace bench {

namespace {

constexpr size_t kCreateBytes = 256;
constexpr size_t kSmallBytes = 100;

int64_t count_of(net::HttpClient& http, const std::string& path) {
  auto text = body_of(send(http, {.method = "GET", .path = path, .query = {{"limit", "1"}}}));
  auto list = base::parse_json(text);
  if (!list) throw Failed("a list is no JSON");
  return static_cast<int64_t>((*list)["items"].as_array().size()) + list->at({"metadata", "remainingItemCount"}).int_or(0);
}

LoadResult create_all(const ApiServer& server, int clients, int count, int limit, std::string_view namespace_,
                      size_t bytes) {
  std::string path = fmt::format("/api/v1/namespaces/{}/configmaps", namespace_);
  std::atomic<int> next{0};
  return run_load(server, clients, limit, [&](int, net::HttpClient& http) {
    int i = next++;
    if (i >= count) return false;
    send(http, {.method = "POST", .path = path, .body = config_map_json(fmt::format("object-{}", i), bytes)}, 201);
    return true;
  });
}

}  // namespace

void bench_create(ApiServer& server, const Settings& settings) {
  print_title(fmt::format("create: {} ConfigMaps with {} bytes of data each", settings.creates, kCreateBytes));
  auto http = server.client();
  for (int clients : {1, 16, 64}) {
    std::string space = server.make_namespace(fmt::format("create-{}", clients));
    std::string path = fmt::format("/api/v1/namespaces/{}/configmaps", space);
    auto before = count_of(*http, path);
    auto result = create_all(server, clients, settings.creates, settings.step_limit, space, kCreateBytes);
    print_load(fmt::format("{} client{}", clients, clients == 1 ? "" : "s"), result);
    auto there = count_of(*http, path) - before;
    if (there != static_cast<int64_t>(result.latency.count())) {
      throw Failed(fmt::format("{} creates were answered, {} objects are there", result.latency.count(), there));
    }
  }
}

namespace {

struct Write {
  std::string_view what;
  std::string_view method;
  std::string_view content_type;
  std::vector<std::pair<std::string, std::string>> query;
  // The body for the turn; `last` is the answer before.
  std::function<std::string(const std::string& name, const std::string& last, int turn)> body;
};

std::string with_note(std::string object, int turn) {
  constexpr std::string_view kNote = "\"prometheus.io/scrape\":\"";
  auto at = object.find(kNote);
  if (at == std::string::npos) throw Failed("an answer has not the annotation that was sent");
  at += kNote.size();
  object.replace(at, object.find('"', at) - at, std::to_string(turn));
  return object;
}

std::vector<Write> writes(const std::string& space) {
  auto note_patch = [](const std::string&, const std::string&, int turn) {
    return fmt::format(R"({{"metadata":{{"annotations":{{"prometheus.io/scrape":"{}"}}}}}})", turn);
  };
  auto changed = [space](const std::string& name, const std::string&, int turn) {
    return with_note(pod_json(name, space), turn);
  };
  auto same = [space](const std::string& name, const std::string&, int) { return with_note(pod_json(name, space), -1); };
  auto replaced = [](const std::string&, const std::string& last, int turn) { return with_note(last, turn); };
  std::vector<std::pair<std::string, std::string>> manager = {{"fieldManager", "bench"}, {"force", "true"}};
  return {
      {"GET", "GET", "application/json", {}, [](auto&, auto&, int) { return std::string(); }},
      {"PUT, an annotation changed", "PUT", "application/json", {}, replaced},
      {"merge patch of an annotation", "PATCH", "application/merge-patch+json", {}, note_patch},
      {"strategic merge patch of an annotation", "PATCH", "application/strategic-merge-patch+json", {}, note_patch},
      {"apply, an annotation changed", "PATCH", "application/apply-patch+yaml", manager, changed},
      {"apply, nothing changed", "PATCH", "application/apply-patch+yaml", manager, same},
  };
}

}  // namespace

void bench_write(ApiServer& server, const Settings& settings) {
  constexpr int kClients = 16;
  auto http = server.client();
  std::string space = server.make_namespace("writes");
  std::string pods = fmt::format("/api/v1/namespaces/{}/pods", space);
  std::vector<std::string> last(kClients);
  for (int c = 0; c < kClients; ++c) {
    std::string name = fmt::format("pod-{}", c);
    send(*http, {.method = "POST", .path = pods, .body = pod_json(name, space)}, 201);
    last[static_cast<size_t>(c)] =
        body_of(send(*http, {.method = "PUT",
                             .path = fmt::format("{}/{}/status", pods, name),
                             .body = pod_status_json(name, space)}));
  }
  print_title(fmt::format("write: a pod of {} bytes each, {} clients, {} s each", last.front().size(), kClients,
                          settings.write_seconds));
  for (const auto& write : writes(space)) {
    std::array<int, kClients> turns{};
    auto result = run_load(server, kClients, settings.write_seconds, [&](int client, net::HttpClient& connection) {
      auto c = static_cast<size_t>(client);
      std::string name = fmt::format("pod-{}", client);
      last[c] = body_of(send(connection, {.method = std::string(write.method),
                                          .path = pods + "/" + name,
                                          .query = write.query,
                                          .body = write.body(name, last[c], turns[c]),
                                          .content_type = std::string(write.content_type)}));
      ++turns[c];
      return true;
    });
    print_load(write.what, result);
  }
}

void bench_many(ApiServer& server, const Settings& settings) {
  print_title(fmt::format("many: {} ConfigMaps with {} bytes of data each", settings.objects, kSmallBytes));
  auto http = server.client();
  std::string space = server.make_namespace("many");
  double empty = server.measurable() ? server.anonymous_bytes() : 0;
  double empty_start = server.ours() ? server.restart() : 0;
  double empty_again = server.measurable() ? server.anonymous_bytes() : 0;
  auto result = create_all(server, 64, settings.objects, settings.step_limit * 2, space, kSmallBytes);
  print_load("creates, 64 clients", result);
  auto count = static_cast<double>(result.latency.count());
  if (!server.measurable()) return;
  double full = server.anonymous_bytes();
  fmt::print("  {:<44} {:.0f} bytes each ({:.0f} MiB over {:.0f} MiB)\n", "memory after the creates",
             (full - empty_again) / count, (full - empty_again) / 1048576, empty_again / 1048576);
  std::fflush(stdout);
  if (!server.ours()) return;
  double start = server.restart();
  fmt::print("  {:<44} {:.2f} s to Ready; {:.2f} s with nothing in it\n", "start with all of them", start, empty_start);
  double there = server.anonymous_bytes();
  fmt::print("  {:<44} {:.0f} bytes each ({:.0f} MiB over {:.0f} MiB)\n", "memory after the start", (there - empty) / count,
             (there - empty) / 1048576, empty / 1048576);
  std::this_thread::sleep_for(std::chrono::seconds(5));
  double settled = server.anonymous_bytes();
  fmt::print("  {:<44} {:.0f} bytes each\n", "five seconds later", (settled - empty) / count);
  auto again = server.client();
  auto found = count_of(*again, fmt::format("/api/v1/namespaces/{}/configmaps", space));
  fmt::print("  {:<44} {}\n", "objects found after the start", found);
  std::fflush(stdout);
  if (found < static_cast<int64_t>(result.latency.count())) throw Failed("objects are missing after the start");
}

}  // namespace bench
