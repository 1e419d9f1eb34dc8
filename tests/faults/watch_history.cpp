// Writers and watchers against the real binary while it is killed again and again; then every watch, list and
// acknowledged write is checked against the one history that they must all be part of (history.hpp).
//   watch_history SAMPAN ROUNDS
#include <atomic>
#include <chrono>
#include <mutex>
#include <random>
#include <thread>

#include "base/strings.hpp"
#include "cluster_process.hpp"
#include "history.hpp"

namespace {

using base::Object;
using base::Value;
using history::Event;
using history::Type;
using namespace std::chrono_literals;

constexpr int kWriters = 4;
constexpr int kWatchers = 6;
constexpr int kKeys = 40;
constexpr int64_t kReach = 3'000;  // watches and lists go back so far at most: well within the server's history

const client::Resource kConfigMaps{"", "v1", "configmaps", "default"};

int64_t revision_of(const Value& object) {
  return base::parse_int(object.at({"metadata", "resourceVersion"}).as_string()).value_or(0);
}

// What all threads record.
struct Record {
  std::mutex mutex;
  std::vector<history::Session> sessions;
  std::vector<history::Listing> listings;
  std::vector<history::Write> writes;
  int expired = 0;
  std::atomic<int64_t> newest{0};  // revision that somebody has seen
  std::atomic<bool> round_over{false};

  void saw(int64_t revision) {
    for (auto known = newest.load(); revision > known && !newest.compare_exchange_weak(known, revision);) {
    }
  }
};

Event event_of(const client::WatchEvent& seen) {
  const auto& object = seen.object;
  Type type = seen.type == "ADDED"      ? Type::added
              : seen.type == "MODIFIED" ? Type::modified
              : seen.type == "DELETED"  ? Type::erased
                                        : Type::bookmark;
  if (type == Type::bookmark) return {type, "", "", "", revision_of(object)};
  return {type, std::string(object.at({"metadata", "name"}).as_string()), std::string(object.at({"data", "v"}).as_string()),
          std::string(object.at({"metadata", "labels", "color"}).as_string()), revision_of(object)};
}

bool is_ours(const std::string& name) { return name.starts_with("k-"); }

// Creates, changes and deletes at random until the server is gone.
void write_changes(client::Client api, Record& record, int round, int writer, unsigned seed) {
  std::mt19937 random(seed);
  for (int i = 0; !record.round_over; ++i) {
    std::string name = fmt::format("k-{}", random() % kKeys);
    std::string value = fmt::format("r{}-w{}-{}", round, writer, i);
    Object object{{"apiVersion", "v1"},
                  {"kind", "ConfigMap"},
                  {"metadata", Object{{"name", name}, {"labels", Object{{"color", random() % 2 ? "red" : "blue"}}}}},
                  {"data", Object{{"v", value}}}};
    auto what = random() % 10;
    base::Result<Value> answer = what < 3 ? api.create(kConfigMaps, object) : what < 8 ? api.update(kConfigMaps, object) : api.get(kConfigMaps, name);
    if (!answer) {
      bool an_answer = answer.error().reason == base::Reason::already_exists || answer.error().reason == base::Reason::not_found;
      if (an_answer) continue;
      return;
    }
    if (what < 8) {
      record.saw(revision_of(*answer));
      std::lock_guard lock(record.mutex);
      record.writes.push_back({what < 3 ? Type::added : Type::modified, name, value, revision_of(*answer)});
      continue;
    }
    auto uid = std::string(answer->at({"metadata", "uid"}).as_string());
    auto gone = api.remove(kConfigMaps, name, client::only_uid(uid));
    if (!gone && gone.error().reason != base::Reason::not_found && gone.error().reason != base::Reason::conflict) return;
  }
}

void watch_changes(client::Client api, Record& record, unsigned seed, int64_t base) {
  std::mt19937 random(seed);
  while (!record.round_over) {
    history::Session session;
    int64_t newest = record.newest;
    int64_t oldest = std::max(base, newest - kReach);
    session.after = oldest + static_cast<int64_t>(random() % static_cast<uint64_t>(newest - oldest + 1));
    if (random() % 2) session.selector = "red";
    client::ListOptions options{.label_selector = session.selector.empty() ? "" : "color=red",
                                .field_selector = "",
                                .resource_version = std::to_string(session.after),
                                .timeout_seconds = 1 + static_cast<int>(random() % 2)};
    auto stream = api.watch(kConfigMaps, options);
    if (!stream) return;
    base::Error end;
    while (true) {
      auto next = (*stream)->next();
      if (!next) {
        end = next.error();
        break;
      }
      auto event = event_of(*next);
      record.saw(event.revision);
      if (event.type == Type::bookmark || is_ours(event.key)) session.events.push_back(std::move(event));
    }
    std::lock_guard lock(record.mutex);
    if (end.reason == base::Reason::expired || end.reason == base::Reason::gone) ++record.expired;
    record.sessions.push_back(std::move(session));
  }
}

void take_lists(client::Client api, Record& record) {
  while (!record.round_over) {
    auto answer = api.list(kConfigMaps);
    if (!answer) return;
    history::Listing listing{revision_of(*answer), {}};
    for (const auto& item : (*answer)["items"].as_array()) {
      auto name = std::string(item.at({"metadata", "name"}).as_string());
      if (is_ours(name))
        listing.state[name] = {std::string(item.at({"data", "v"}).as_string()),
                               std::string(item.at({"metadata", "labels", "color"}).as_string()), revision_of(item)};
    }
    record.saw(listing.revision);
    std::this_thread::sleep_for(20ms);
    std::lock_guard lock(record.mutex);
    record.listings.push_back(std::move(listing));
  }
}

// One watch over everything, resumed where it ended: together with the others it makes the truth.
struct Follower {
  int64_t after = 0;
  bool follow(client::Client api, Record& record, int64_t until) {
    while (after < until || until == 0) {
      history::Session session{after, "", {}};
      auto stream = api.watch(kConfigMaps, {.label_selector = "", .field_selector = "", .resource_version = std::to_string(after), .timeout_seconds = 1});
      if (!stream) return false;
      bool dead = false;
      while (auto next = (*stream)->next()) {
        auto event = event_of(*next);
        dead |= next->type == "ERROR";
        after = std::max(after, event.revision);
        if (event.type == Type::bookmark || is_ours(event.key)) session.events.push_back(std::move(event));
      }
      record.saw(after);
      std::lock_guard lock(record.mutex);
      bool nothing = session.events.empty();
      record.sessions.push_back(std::move(session));
      if (record.round_over || dead || (nothing && until != 0)) return after >= until;
    }
    return true;
  }
};

std::string check(Record& record, int64_t base) {
  std::string problem;
  auto truth = history::merge(base, record.sessions, problem);
  if (!problem.empty()) return problem;
  if (record.expired > 0) return fmt::format("{} watches within the last {} revisions were too old", record.expired, kReach);
  if (problem = history::check_writes(record.writes, truth); !problem.empty()) return problem;
  for (const auto& listing : record.listings)
    if (problem = history::check_listing(listing, truth); !problem.empty()) return problem;
  for (const auto& session : record.sessions)
    if (problem = history::check_session(session, truth); !problem.empty()) return problem;
  size_t events = 0;
  for (const auto& session : record.sessions) events += session.events.size();
  fmt::print("{} changes, {} acknowledged writes, {} watches with {} events, {} lists\n", truth.changes.size(),
             record.writes.size(), record.sessions.size(), events, record.listings.size());
  return truth.changes.empty() || events == 0 ? "nothing was tried" : "";
}

// Some rounds of work and kills from an empty state, then the checks. What is wrong, or nothing.
std::string run_batch(faults::ClusterProcess& cluster, int rounds, std::mt19937& random) {
  auto api = cluster.client();
  if (!api.remove_collection(kConfigMaps, {}, {.label_selector = "color", .field_selector = "", .resource_version = ""}))
    return "cannot delete what the rounds before left";
  auto first = api.list(kConfigMaps);
  if (!first) return first.error().message;
  Record record;
  Follower follower;
  int64_t base = follower.after = revision_of(*first);
  record.saw(base);
  for (int round = 0; round < rounds; ++round) {
    record.round_over = false;
    {
      std::vector<std::jthread> threads;
      for (int i = 0; i < kWriters; ++i)
        threads.emplace_back([&, i, seed = static_cast<unsigned>(random())] { write_changes(cluster.client(), record, round, i, seed); });
      for (int i = 0; i < kWatchers; ++i)
        threads.emplace_back([&, seed = static_cast<unsigned>(random())] { watch_changes(cluster.client(), record, seed, base); });
      threads.emplace_back([&] { take_lists(cluster.client(), record); });
      threads.emplace_back([&] { follower.follow(cluster.client(), record, 0); });
      std::this_thread::sleep_for(std::chrono::milliseconds(200 + random() % 1000));
      cluster.kill();
      record.round_over = true;
    }
    if (!cluster.up()) return "the cluster does not start again";
  }
  // To the end of the history, and a list of it.
  record.round_over = false;
  api = cluster.client();
  auto last = api.list(kConfigMaps);
  if (!last || !follower.follow(api, record, revision_of(*last))) return "the history cannot be followed to its end";
  return check(record, base);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    fmt::print(stderr, "usage: watch_history SAMPAN ROUNDS\n");
    return 2;
  }
  constexpr int kBatch = 12;
  unsigned seed = std::random_device()();
  fmt::print("seed {}\n", seed);
  std::mt19937 random(seed);
  faults::ClusterProcess cluster(argv[1], "watch");
  std::string wrong = cluster.up() ? "" : "the cluster does not start";
  for (int rounds = std::atoi(argv[2]); rounds > 0 && wrong.empty(); rounds -= kBatch)
    wrong = run_batch(cluster, std::min(rounds, kBatch), random);
  if (!wrong.empty()) fmt::print("FAILED: {}\n{}\n", wrong, cluster.log());
  return wrong.empty() ? 0 : 1;
}
