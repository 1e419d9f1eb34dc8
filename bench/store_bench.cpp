// Figures of the store: durable writes a second from 1, 16 and 64 submitters that each wait for their answer, the time
// of a commit until N watchers have it, and lists. SAMPAN_BENCH_DIR names the folder (and so the disk) to measure on.
#include <benchmark/benchmark.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <latch>
#include <string>
#include <thread>
#include <vector>

#include "store/store.hpp"

namespace {

std::filesystem::path folder() {
  const char* dir = std::getenv("SAMPAN_BENCH_DIR");
  return std::filesystem::path(dir ? dir : ".") / ("store-bench-" + std::to_string(::getpid()));
}

struct Opened {
  explicit Opened(bool durable) {
    std::filesystem::create_directories(folder());
    if (durable) {
      auto opened = store::open_sqlite((folder() / "store.db").string(), {});
      if (!opened) {
        std::fprintf(stderr, "error: %s\n", opened.error().message.c_str());
        std::exit(1);
      }
      store = std::move(*opened);
    } else {
      store = store::make_memory({});
    }
  }
  ~Opened() {
    store.reset();
    std::filesystem::remove_all(folder());
  }
  std::unique_ptr<store::Store> store;
};

// Submits and waits, as a request handler does.
void put(store::Store& store, const std::string& key, const std::string& value) {
  std::atomic<int> done{0};
  store.submit(
      [&](store::Txn& t) -> base::Result<void> {
        t.put(key, value, nullptr);
        return {};
      },
      [&](base::Result<store::Revision> r) {
        done = r ? 1 : 2;
        done.notify_one();
      });
  done.wait(0);
  if (done != 1) std::abort();
}

void puts(benchmark::State& state, bool durable) {
  auto submitters = static_cast<int>(state.range(0));
  constexpr int kEach = 100;
  Opened opened(durable);
  std::string value(1200, 'v');  // about the JSON of a pod
  for (auto _ : state) {
    std::vector<std::jthread> threads;
    for (int s = 0; s < submitters; ++s)
      threads.emplace_back([&, s] {
        for (int i = 0; i < kEach; ++i)
          put(*opened.store, "pods/default/p" + std::to_string(s) + "-" + std::to_string(i), value);
      });
  }
  state.SetItemsProcessed(state.iterations() * submitters * kEach);
}
BENCHMARK_CAPTURE(puts, sqlite, true)->Arg(1)->Arg(16)->Arg(64)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(puts, memory, false)->Arg(1)->Arg(64)->UseRealTime()->Unit(benchmark::kMillisecond);

void fan_out(benchmark::State& state) {
  Opened opened(false);
  std::atomic<int64_t> delivered{0};
  std::vector<std::unique_ptr<store::Watch>> watches;
  for (int i = 0; i < state.range(0); ++i)
    watches.push_back(opened.store
                          ->watch("pods/", 0, [&](std::span<const store::Event> e) {
                            delivered.fetch_add(static_cast<int64_t>(e.size()), std::memory_order_relaxed);
                          })
                          .value());
  std::string value(1200, 'v');
  for (auto _ : state) put(*opened.store, "pods/default/a", value);
  watches.clear();
  state.counters["events/s"] = benchmark::Counter(static_cast<double>(delivered), benchmark::Counter::kIsRate);
}
BENCHMARK(fan_out)->Arg(0)->Arg(1)->Arg(100)->Arg(1000)->UseRealTime()->Unit(benchmark::kMicrosecond);

void list(benchmark::State& state) {
  Opened opened(false);
  std::string value(1200, 'v');
  for (int i = 0; i < state.range(0); ++i) put(*opened.store, "pods/default/p" + std::to_string(i), value);
  for (auto _ : state) benchmark::DoNotOptimize(opened.store->list("pods/"));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(list)->Arg(100)->Arg(10'000)->Unit(benchmark::kMicrosecond);

void open_and_load(benchmark::State& state) {
  Opened opened(true);
  std::string value(1200, 'v');
  std::vector<std::jthread> threads;
  for (int s = 0; s < 16; ++s)
    threads.emplace_back([&, s] {
      for (int64_t i = s; i < state.range(0); i += 16) put(*opened.store, "pods/default/p" + std::to_string(i), value);
    });
  threads.clear();
  for (auto _ : state) {
    opened.store.reset();
    opened.store = std::move(store::open_sqlite((folder() / "store.db").string(), {}).value());
  }
}
BENCHMARK(open_and_load)->Arg(10'000)->Iterations(5)->UseRealTime()->Unit(benchmark::kMillisecond);

// Fields of /proc/self/status, in bytes.
double resident() {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line))
    if (line.starts_with("VmRSS:")) return std::strtod(line.c_str() + 6, nullptr) * 1024;
  return 0;
}

// What one small object costs in memory, and how long a start with so many takes: the store alone, without what the
// server derives from each.
void memory_per_object(benchmark::State& state) {
  auto count = state.range(0);
  Opened opened(true);
  std::string value(static_cast<size_t>(state.range(1)), 'v');
  {
    constexpr int kBatch = 1000;
    for (int64_t i = 0; i < count; i += kBatch) {
      std::atomic<int> done{0};
      opened.store->submit(
          [&](store::Txn& t) -> base::Result<void> {
            for (int64_t k = i; k < std::min(count, i + kBatch); ++k)
              t.put("core/configmaps/default/object-" + std::to_string(k), value, nullptr);
            return {};
          },
          [&](const base::Result<store::Revision>& r) {
            done = r ? 1 : 2;
            done.notify_one();
          });
      done.wait(0);
      if (done != 1) std::abort();
    }
  }
  for (auto _ : state) {
    opened.store.reset();
    ::malloc_trim(0);
    double before = resident();
    auto begin = std::chrono::steady_clock::now();
    opened.store = std::move(store::open_sqlite((folder() / "store.db").string(), {}).value());
    state.SetIterationTime(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    ::malloc_trim(0);
    state.counters["bytes/object"] = (resident() - before) / static_cast<double>(count);
  }
}
BENCHMARK(memory_per_object)
    ->Args({100'000, 300})
    ->Args({1'000'000, 300})
    ->Iterations(1)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
