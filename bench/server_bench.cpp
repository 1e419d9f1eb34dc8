// The API server's work on one pod, without the wire and without a disk: what a create, an update, a patch, an apply and
// each form of a list cost in CPU. One request at a time; the figures hold also when the machine is busy.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <iterator>
#include <thread>

#include "api/kinds.hpp"
#include "api_load.hpp"
#include "server/server.hpp"
#include "store/store.hpp"
#include "sys/clock.hpp"

namespace {

class Waiting final : public net::Responder {
 public:
  void send(net::Response response) override { answer_.set_value(std::move(response)); }
  std::shared_ptr<net::BodyStream> stream(int, net::Headers) override { std::abort(); }
  base::Result<std::shared_ptr<net::WebSocket>> websocket(std::string_view) override { std::abort(); }
  net::Response wait() { return answer_.get_future().get(); }

 private:
  std::promise<net::Response> answer_;
};

template <class T>
T must(base::Result<T> result) {
  if (result) return std::move(*result);
  std::fprintf(stderr, "error: %s\n", result.error().message.c_str());
  std::exit(1);
}

class InProcess {
 public:
  InProcess() : kinds_(must(api::load_builtin_kinds())) {
    store_ = store::make_memory({.parse = server::make_entry_parser(kinds_)});
    server::Config config;
    config.advertise_address = "192.0.2.1";
    config.git_version = "v1.36.0";
    config.service_cidr = "10.96.0.0/16";
    server_ = must(server::ApiServer::make(config, kinds_, *store_, clock_, {}));
    handler_ = server_->handler();
    path_ = "/api/v1/namespaces/default/pods";
  }
  ~InProcess() {
    server_.reset();
    store_->close();
  }

  net::Response send(std::string_view method, const std::string& path, std::string body, std::string_view type,
                     std::string_view accept = "application/json") {
    net::Request request;
    request.method = method;
    auto mark = path.find('?');
    request.path = path.substr(0, mark);
    if (mark != std::string::npos) request.query = net::Query::parse(path.substr(mark + 1));
    request.headers.add("Accept", std::string(accept));
    request.headers.add("User-Agent", "server_bench");
    if (!body.empty()) request.headers.add("Content-Type", std::string(type));
    request.body = std::move(body);
    request.peer.address = "in-process";
    request.peer.certificate_verified = true;
    request.peer.common_name = "admin";
    request.peer.organizations = {"system:masters"};
    auto responder = std::make_shared<Waiting>();
    handler_(std::move(request), responder);
    auto response = responder->wait();
    if (response.status / 100 != 2) {
      std::fprintf(stderr, "error: %s %s: %d %s\n", std::string(method).c_str(), path.c_str(), response.status,
                   bench::body_of(response).substr(0, 300).c_str());
      std::exit(1);
    }
    return response;
  }
  // A pod that runs; returns it.
  std::string make_pod(const std::string& name) {
    send("POST", path_, bench::pod_json(name, "default"), kJson);
    return bench::body_of(send("PUT", path_ + "/" + name + "/status", bench::pod_status_json(name, "default"), kJson));
  }
  const std::string& path() const { return path_; }
  static constexpr std::string_view kJson = "application/json";

 private:
  api::Registry kinds_;
  sys::SystemClock clock_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<server::ApiServer> server_;
  net::Handler handler_;
  std::string path_;
};

std::string note(int64_t turn) { return fmt::format("\"prometheus.io/scrape\":\"{}\"", turn); }

std::string with_note(std::string object, int64_t turn) {
  auto at = object.find("\"prometheus.io/scrape\":\"");
  object.replace(at, object.find('"', at + 24) + 1 - at, note(turn));
  return object;
}

void create(benchmark::State& state) {
  InProcess api;
  int64_t turn = 0;
  for (auto _ : state) {
    api.send("POST", api.path(), bench::pod_json(fmt::format("p-{}", turn++), "default"), InProcess::kJson);
  }
}

void create_config_map(benchmark::State& state) {
  InProcess api;
  int64_t turn = 0;
  for (auto _ : state) {
    api.send("POST", "/api/v1/namespaces/default/configmaps", bench::config_map_json(fmt::format("c-{}", turn++), 256),
             InProcess::kJson);
  }
}

void get(benchmark::State& state) {
  InProcess api;
  api.make_pod("web");
  for (auto _ : state) benchmark::DoNotOptimize(api.send("GET", api.path() + "/web", "", ""));
}

void update(benchmark::State& state) {
  InProcess api;
  auto last = api.make_pod("web");
  int64_t turn = 0;
  for (auto _ : state) {
    last = bench::body_of(api.send("PUT", api.path() + "/web", with_note(std::move(last), turn++), InProcess::kJson));
  }
}

void patch(benchmark::State& state, std::string_view type) {
  InProcess api;
  api.make_pod("web");
  int64_t turn = 0;
  for (auto _ : state) {
    api.send("PATCH", api.path() + "/web", fmt::format(R"({{"metadata":{{"annotations":{{{}}}}}}})", note(turn++)), type);
  }
}

void apply(benchmark::State& state, bool changes) {
  InProcess api;
  api.make_pod("web");
  int64_t turn = 0;
  for (auto _ : state) {
    if (changes) ++turn;
    api.send("PATCH", api.path() + "/web?fieldManager=bench&force=true", with_note(bench::pod_json("web", "default"), turn),
             "application/apply-patch+yaml");
  }
}

// A ConfigMap of 200,000 keys is written, and meanwhile small ones: `held` is how long one of these took at most.
void big(benchmark::State& state, std::string_view method) {
  constexpr int kKeys = 200'000;
  InProcess api;
  const std::string maps = "/api/v1/namespaces/default/configmaps";
  auto map_of = [](int64_t turn) {
    std::string body = R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"big"},"data":{"turn":")" + std::to_string(turn) + '"';
    for (int i = 0; i < kKeys; ++i) fmt::format_to(std::back_inserter(body), R"(,"k{:06}":"")", i);
    return body + "}}";
  };
  if (method == "PUT" || method == "merge") api.send("POST", maps, map_of(-1), InProcess::kJson);
  std::atomic<bool> over{false};
  std::atomic<int64_t> held{0};
  std::thread small([&] {
    for (int64_t n = 0; !over; ++n) {
      auto began = std::chrono::steady_clock::now();
      api.send("POST", maps, bench::config_map_json(fmt::format("c-{}", n), 8), InProcess::kJson);
      auto took = std::chrono::steady_clock::now() - began;
      held = std::max<int64_t>(held, std::chrono::duration_cast<std::chrono::microseconds>(took).count());
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  int64_t turn = 0;
  for (auto _ : state) {
    if (method == "POST") {
      api.send("POST", maps, map_of(turn), InProcess::kJson);
      state.PauseTiming();
      api.send("DELETE", maps + "/big", "", "");
      state.ResumeTiming();
    } else if (method == "PUT") {
      api.send("PUT", maps + "/big", map_of(turn), InProcess::kJson);
    } else if (method == "merge") {
      api.send("PATCH", maps + "/big", fmt::format(R"({{"data":{{"turn":"{}"}}}})", turn), "application/merge-patch+json");
    } else {
      api.send("PATCH", maps + "/big?fieldManager=bench&force=true", map_of(turn), "application/apply-patch+yaml");
    }
    ++turn;
  }
  over = true;
  small.join();
  state.counters["held_ms"] = static_cast<double>(held) / 1000;
}

void list(benchmark::State& state, std::string_view accept) {
  InProcess api;
  constexpr int kPods = 100;
  for (int i = 0; i < kPods; ++i) api.make_pod(fmt::format("web-{:03}", i));
  for (auto _ : state) benchmark::DoNotOptimize(api.send("GET", api.path(), "", "", accept));
  state.SetItemsProcessed(state.iterations() * kPods);
}

constexpr std::string_view kTable = "application/json;as=Table;v=v1;g=meta.k8s.io";
constexpr std::string_view kMetadata = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
constexpr auto kMicro = benchmark::kMicrosecond;

// The store's writer is another thread: its time counts too.
BENCHMARK(create_config_map)->Unit(kMicro)->MeasureProcessCPUTime();
BENCHMARK(create)->Unit(kMicro)->MeasureProcessCPUTime();
BENCHMARK(get)->Unit(kMicro)->MeasureProcessCPUTime();
BENCHMARK(update)->Unit(kMicro)->MeasureProcessCPUTime();
BENCHMARK_CAPTURE(patch, merge, "application/merge-patch+json")->Unit(kMicro)->MeasureProcessCPUTime();
BENCHMARK_CAPTURE(patch, strategic, "application/strategic-merge-patch+json")->Unit(kMicro)->MeasureProcessCPUTime();
BENCHMARK_CAPTURE(apply, changed, true)->Unit(kMicro)->MeasureProcessCPUTime();
BENCHMARK_CAPTURE(apply, unchanged, false)->Unit(kMicro)->MeasureProcessCPUTime();
BENCHMARK_CAPTURE(big, create, "POST")->Unit(benchmark::kMillisecond)->Iterations(3)->UseRealTime();
BENCHMARK_CAPTURE(big, update, "PUT")->Unit(benchmark::kMillisecond)->Iterations(3)->UseRealTime();
BENCHMARK_CAPTURE(big, merge_patch, "merge")->Unit(benchmark::kMillisecond)->Iterations(3)->UseRealTime();
BENCHMARK_CAPTURE(big, apply, "apply")->Unit(benchmark::kMillisecond)->Iterations(3)->UseRealTime();
BENCHMARK_CAPTURE(list, json, InProcess::kJson)->Unit(kMicro)->MeasureProcessCPUTime();
BENCHMARK_CAPTURE(list, protobuf, "application/vnd.kubernetes.protobuf")->Unit(kMicro)->MeasureProcessCPUTime();
BENCHMARK_CAPTURE(list, table, kTable)->Unit(kMicro)->MeasureProcessCPUTime();
BENCHMARK_CAPTURE(list, metadata, kMetadata)->Unit(kMicro)->MeasureProcessCPUTime();

}  // namespace

BENCHMARK_MAIN();
