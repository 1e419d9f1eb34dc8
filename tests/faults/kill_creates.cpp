// SIGKILL of Sampan in the middle of 1,000 creates, again and again: every object whose creation was acknowledged must be
// there after the next start, whole, and no resourceVersion may be given twice.
//   kill_creates SAMPAN ROUNDS
#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <map>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/strings.hpp"
#include "cluster_process.hpp"

namespace {

using base::Object;
using base::Value;

constexpr int kThreads = 8;
constexpr int kCreatesPerThread = 125;  // 1,000 in all

const client::Resource kConfigMaps{"", "v1", "configmaps", "default"};

struct Acknowledged {
  std::string name;
  std::string value;
  std::string version;
};

// Creates until the server dies; returns what it said yes to.
std::vector<Acknowledged> create_until_death(client::Client api, int round, int thread) {
  std::vector<Acknowledged> acknowledged;
  for (int i = 0; i < kCreatesPerThread; ++i) {
    std::string name = fmt::format("r{}-t{}-{}", round, thread, i), value = fmt::format("value-{}-{}", name, std::string(200, 'v'));
    auto created = api.create(kConfigMaps, Object{{"apiVersion", "v1"}, {"kind", "ConfigMap"},
                                                  {"metadata", Object{{"name", name}, {"labels", Object{{"test", "kill"}}}}},
                                                  {"data", Object{{"v", value}}}});
    if (!created) break;
    acknowledged.push_back({name, value, std::string(created->at({"metadata", "resourceVersion"}).as_string())});
  }
  return acknowledged;
}

// What is wrong with the state after the restart; empty when nothing is.
std::string verify(client::Client& api, const std::vector<Acknowledged>& acknowledged) {
  auto list = api.list(kConfigMaps, {.label_selector = "test=kill"});
  if (!list) return "list: " + list.error().message;
  std::map<std::string, const Value*> found;
  for (auto& item : (*list)["items"].as_array()) found[std::string(item.at({"metadata", "name"}).as_string())] = &item;
  std::set<std::string> versions;
  for (auto& one : acknowledged) {
    auto it = found.find(one.name);
    if (it == found.end()) return one.name + " was acknowledged and is not there";
    if (it->second->at({"data", "v"}).as_string() != one.value) return one.name + " is not whole";
    if (it->second->at({"metadata", "resourceVersion"}).as_string() != one.version) return one.name + " has another resourceVersion";
    if (!versions.insert(one.version).second) return "resourceVersion " + one.version + " was given twice";
  }
  return "";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    fmt::print(stderr, "usage: kill_creates SAMPAN ROUNDS\n");
    return 2;
  }
  faults::ClusterProcess cluster(argv[1], "kill");
  int rounds = std::atoi(argv[2]);
  unsigned seed = std::random_device()();
  fmt::print("seed {}\n", seed);
  std::mt19937 random(seed);
  size_t total = 0;
  int64_t last_version = 0;
  std::string wrong;
  if (!cluster.up()) wrong = "the cluster does not start";
  for (int round = 0; round < rounds && wrong.empty(); ++round) {
    std::vector<std::vector<Acknowledged>> parts(kThreads);
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) threads.emplace_back([&, t] { parts[static_cast<size_t>(t)] = create_until_death(cluster.client(), round, t); });
    std::this_thread::sleep_for(std::chrono::microseconds(std::uniform_int_distribution(1'000, 120'000)(random)));
    cluster.kill();
    for (auto& thread : threads) thread.join();
    std::vector<Acknowledged> acknowledged;
    for (auto& part : parts) acknowledged.insert(acknowledged.end(), part.begin(), part.end());
    total += acknowledged.size();
    if (!cluster.up()) {
      wrong = "the cluster does not start again";
      break;
    }
    auto api = cluster.client();
    wrong = verify(api, acknowledged);
    for (auto& one : acknowledged) {
      int64_t version = base::parse_int(one.version).value_or(0);
      if (version <= last_version && wrong.empty()) wrong = fmt::format("resourceVersion {} went back behind {}", version, last_version);
    }
    // Revisions only grow, also over the restart.
    if (auto list = api.list(kConfigMaps)) last_version = base::parse_int(list->at({"metadata", "resourceVersion"}).as_string()).value_or(0);
    if (wrong.empty() && !api.remove_collection(kConfigMaps, {}, {.label_selector = "test=kill"})) wrong = "cannot delete the round's objects";
    if (!wrong.empty()) wrong = fmt::format("round {}: {}", round, wrong);
  }
  if (!wrong.empty()) fmt::print("{}\n{}\n", wrong, cluster.log());
  fmt::print("{} creates acknowledged before {} kills: {}\n", total, rounds, wrong.empty() ? "all are there" : "FAILED");
  return wrong.empty() && total > 0 ? 0 : 1;
}
