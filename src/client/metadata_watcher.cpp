#include "client/metadata_watcher.hpp"

#include <algorithm>
#include <atomic>
#include <set>
#include <utility>

#include "api/status.hpp"
#include "base/ids.hpp"
#include "base/json.hpp"
#include "base/log.hpp"

namespace client {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kPage = 500;
constexpr milliseconds kFirstBackOff{50};
constexpr milliseconds kLastBackOff{30'000};
// New kinds make themselves known by their definitions; this is for those that come another way.
constexpr seconds kDiscoverEvery{120};
// After a definition changed: its kind is served a moment later.
constexpr milliseconds kSettling{100};
constexpr int kWatchSeconds = 1'800;
// A kind that could not be listed so often holds nobody up any more.
constexpr int kPatience = 3;
constexpr size_t kMaxPending = 32u << 20;
constexpr auto kNever = std::chrono::steady_clock::time_point::max();

std::string key_of(const ResourceKind& kind) { return kind.group + "/" + kind.plural; }

}  // namespace

// One watch's way into the inbox. Any thread.
class MetadataWatcher::Sink final : public StreamSink {
 public:
  Sink(std::shared_ptr<base::Guarded<Inbox>> inbox, std::shared_ptr<std::condition_variable> changed, uint64_t stream)
      : inbox_(std::move(inbox)), changed_(std::move(changed)), stream_(stream) {}
  void on_head(int status) override { put({stream_, nullptr, status}); }
  bool on_bytes(net::Chunk bytes) override {
    if (pending_.fetch_add(bytes->size()) > kMaxPending) return false;
    put({stream_, std::move(bytes), 0});
    return true;
  }
  void on_end() override { put({stream_, nullptr, 0}); }
  size_t pending() const override { return pending_.load(); }
  void taken(size_t bytes) { pending_.fetch_sub(bytes); }

 private:
  void put(Arrival arrival) {
    inbox_->lock()->arrivals.push_back(std::move(arrival));
    changed_->notify_one();
  }
  std::shared_ptr<base::Guarded<Inbox>> inbox_;
  std::shared_ptr<std::condition_variable> changed_;
  uint64_t stream_;
  std::atomic<size_t> pending_{0};
};

struct MetadataWatcher::Followed {
  ResourceKind kind;
  std::string revision;  // "": to be listed
  bool listed_once = false;
  int failures = 0;
  SteadyTime due{};      // when to list or to open the watch
  uint64_t stream = 0;   // of the open watch; 0: none
  int status = 0;
  bool fruitful = false;
  std::string buffer;    // of the watch: what has no line end yet
  std::shared_ptr<Sink> sink;
  std::unique_ptr<PushedStream> watch;
};

MetadataWatcher::MetadataWatcher(Client client, const sys::Clock& clock, Filter filter, Callbacks callbacks)
    : client_(std::move(client)), clock_(clock), filter_(std::move(filter)), callbacks_(std::move(callbacks)) {}

MetadataWatcher::~MetadataWatcher() { stop(); }

void MetadataWatcher::start() {
  thread_ = std::thread([this] { run(); });
}

void MetadataWatcher::stop() {
  inbox_->lock()->stopping = true;
  changed_->notify_all();
  if (thread_.joinable()) thread_.join();
}

bool MetadataWatcher::synced() const { return inbox_->lock()->synced; }

std::shared_ptr<const Discovery> MetadataWatcher::discovery() const { return inbox_->lock()->discovery; }

void MetadataWatcher::refresh() {
  inbox_->lock()->refresh = true;
  changed_->notify_all();
}

void MetadataWatcher::run() {
  while (true) {
    std::vector<Arrival> arrivals;
    {
      auto inbox = inbox_->lock();
      auto ready = [&] { return inbox->stopping || inbox->refresh || !inbox->arrivals.empty(); };
      auto pause = next_due() - clock_.steady_now();
      if (pause > milliseconds(0)) changed_->wait_for(inbox.native(), pause, ready);
      if (inbox->stopping) break;
      if (std::exchange(inbox->refresh, false)) look_again(milliseconds(0));
      arrivals.swap(inbox->arrivals);
    }
    for (const auto& arrival : arrivals) take(arrival);
    if (clock_.steady_now() >= next_discovery_) rediscover();
    for (auto& [key, followed] : followed_) advance(*followed);
    note_synced();
  }
  streams_.clear();
  followed_.clear();  // ends the watches
}

MetadataWatcher::SteadyTime MetadataWatcher::next_due() const {
  SteadyTime next = next_discovery_;
  for (const auto& [key, followed] : followed_) next = std::min(next, followed->due);
  return next;
}

void MetadataWatcher::look_again(milliseconds after) {
  next_discovery_ = std::min(next_discovery_, clock_.steady_now() + after);
}

void MetadataWatcher::rediscover() {
  auto found = discover(client_);
  auto now = clock_.steady_now();
  if (!found) {
    if (discovery_failures_++ == kPatience) {
      base::log_warning("client", "the server's kinds cannot be read (going on): {}", found.error().message);
    }
    next_discovery_ = now + std::min(kFirstBackOff * (1 << std::min(discovery_failures_, 10)), kLastBackOff);
    return;
  }
  discovery_failures_ = 0;
  next_discovery_ = now + kDiscoverEvery;
  std::set<std::string> wanted;
  for (const auto& kind : found->kinds) {
    if (!kind.preferred || !filter_(kind)) continue;
    std::string key = key_of(kind);
    wanted.insert(key);
    auto& followed = followed_[key];
    if (followed && followed->kind == kind) continue;
    if (followed) {
      streams_.erase(followed->stream);
      callbacks_.dropped(followed->kind);
    }
    followed = std::make_unique<Followed>();
    followed->kind = kind;
  }
  for (auto it = followed_.begin(); it != followed_.end();) {
    if (wanted.contains(it->first)) {
      ++it;
      continue;
    }
    streams_.erase(it->second->stream);
    callbacks_.dropped(it->second->kind);
    it = followed_.erase(it);
  }
  inbox_->lock()->discovery = std::make_shared<const Discovery>(std::move(*found));
}

void MetadataWatcher::advance(Followed& followed) {
  if (clock_.steady_now() < followed.due) return;
  if (followed.revision.empty() && !list(followed)) return;
  if (!followed.watch) open(followed);
}

bool MetadataWatcher::list(Followed& followed) {
  Resource resource{followed.kind.group, followed.kind.version, followed.kind.plural};
  ListOptions options;
  options.metadata_only = true;
  options.limit = kPage;
  bool first = true;
  std::string revision;
  do {
    auto page = client_.list(resource, options);
    if (!page) {
      fail(followed, page.error());
      return false;
    }
    revision = page->at({"metadata", "resourceVersion"}).as_string();
    options.continue_token = page->at({"metadata", "continue"}).as_string();
    callbacks_.listed(followed.kind, (*page)["items"].as_array(), std::exchange(first, false),
                      options.continue_token.empty());
  } while (!options.continue_token.empty());
  followed.revision = revision.empty() ? "0" : revision;
  followed.listed_once = true;
  return true;
}

void MetadataWatcher::open(Followed& followed) {
  ListOptions options;
  options.metadata_only = true;
  options.resource_version = followed.revision;
  options.timeout_seconds = kWatchSeconds + static_cast<int>(base::random_u64() % kWatchSeconds);
  followed.stream = ++last_stream_;
  followed.status = 0;
  followed.fruitful = false;
  followed.buffer.clear();
  followed.sink = std::make_shared<Sink>(inbox_, changed_, followed.stream);
  streams_[followed.stream] = &followed;
  followed.due = kNever;
  Resource resource{followed.kind.group, followed.kind.version, followed.kind.plural};
  followed.watch = client_.push_watch(resource, options, followed.sink);
}

void MetadataWatcher::take(const Arrival& arrival) {
  auto found = streams_.find(arrival.stream);
  if (found == streams_.end()) return;  // of a watch that was given up
  Followed& followed = *found->second;
  if (arrival.status > 0) {
    followed.status = arrival.status;
    return;
  }
  if (!arrival.bytes) return ended(followed);
  followed.sink->taken(arrival.bytes->size());
  std::string_view bytes = *arrival.bytes;
  if (!followed.buffer.empty()) {
    followed.buffer += bytes;
    bytes = followed.buffer;
  }
  uint64_t stream = followed.stream;
  while (followed.status == 200) {
    size_t end = bytes.find('\n');
    if (end == std::string_view::npos) break;
    take_line(followed, bytes.substr(0, end));
    if (followed.stream != stream) return;  // it has ended meanwhile
    bytes.remove_prefix(end + 1);
  }
  followed.buffer = std::string(bytes);
}

void MetadataWatcher::take_line(Followed& followed, std::string_view line) {
  auto event = base::parse_json(line);
  if (!event || !(*event)["object"].is_object()) {
    return fail(followed, {base::Reason::internal_error, "a watch event that is no JSON came", nullptr});
  }
  std::string type((*event)["type"].as_string());
  const auto& object = (*event)["object"];
  if (type == "ERROR") return fail(followed, api::error_from_status(object, static_cast<int>(object["code"].int_or(500))));
  followed.fruitful = true;
  followed.failures = 0;
  auto revision = object.at({"metadata", "resourceVersion"}).as_string();
  if (!revision.empty()) followed.revision = std::string(revision);
  if (type == "BOOKMARK") return;
  callbacks_.event(followed.kind, type, object);
  if (followed.kind.plural == "customresourcedefinitions") look_again(kSettling);
}

void MetadataWatcher::ended(Followed& followed) {
  if (followed.status == 200) {
    auto error = followed.fruitful ? base::Error{} : base::Error{base::Reason::service_unavailable, "the watch ended", nullptr};
    return fail(followed, error);
  }
  auto value = base::parse_json(followed.buffer);
  fail(followed, api::error_from_status(value ? *value : base::Value(), followed.status == 0 ? 503 : followed.status));
}

// The list or the watch is over, for whatever reason: later again.
void MetadataWatcher::fail(Followed& followed, const base::Error& error) {
  streams_.erase(followed.stream);
  followed.stream = 0;
  followed.watch.reset();
  followed.sink.reset();
  followed.buffer = {};
  bool too_old = error.reason == base::Reason::expired || error.reason == base::Reason::gone;
  // A kind that is gone is seen by discovery.
  if (error.reason == base::Reason::not_found) look_again(kSettling);
  if (too_old || error.reason == base::Reason::not_found) followed.revision.clear();
  if (followed.fruitful) {
    followed.fruitful = false;
    followed.due = {};
    return;
  }
  int n = std::min(followed.failures++, 12);
  if (followed.failures == 5) {
    base::log_warning("client", "cannot follow {} ({} attempts, going on): {}", followed.kind.plural, followed.failures,
                      error.message);
  }
  auto delay = std::min(kFirstBackOff * (1 << n), kLastBackOff);
  followed.due = clock_.steady_now() + delay / 2 + milliseconds(base::random_u64() % static_cast<uint64_t>(delay.count() / 2 + 1));
}

void MetadataWatcher::note_synced() {
  bool all = std::ranges::all_of(followed_, [](const auto& entry) {
    const Followed& one = *entry.second;
    return one.listed_once || one.failures >= kPatience;
  });
  auto inbox = inbox_->lock();
  inbox->synced = all && !inbox->discovery->kinds.empty() && discovery_failures_ == 0;
}

}  // namespace client
