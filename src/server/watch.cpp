#include "server/watch.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "api/meta.hpp"
#include "api/status.hpp"
#include "base/ids.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "server/versions.hpp"

namespace server {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::seconds;

constexpr seconds kBookmarkEvery{60};
constexpr seconds kHousekeepingEvery{60};
constexpr seconds kStanding{1};  // who has read nothing for so long stands still
// How soon to look again at who is behind.
constexpr std::chrono::milliseconds kLookSoon{2};
constexpr std::chrono::milliseconds kLookLate{100};
constexpr int64_t kMinTimeout = 1800;  // like upstream's min-request-timeout: 30 to 60 minutes
constexpr size_t kBatchBytes = 256u << 10;
constexpr size_t kSmallBatch = 16u << 10;
// What a connection that stands still costs beside the bytes that wait: its TLS and this watch.
constexpr size_t kOverhead = 32u << 10;
constexpr std::string_view kInitialEventsEnd = "{\"k8s.io/initial-events-end\":\"true\"}";

std::string_view type_name(EventBytes::Type type) {
  switch (type) {
    case EventBytes::Type::added:
      return "ADDED";
    case EventBytes::Type::modified:
      return "MODIFIED";
    case EventBytes::Type::deleted:
      break;
  }
  return "DELETED";
}

// The object with the revision of the event that took it out of a selection.
std::string with_revision(const store::Entry& entry, int64_t revision) {
  if (entry.modified == revision) return entry.value;
  auto object = base::parse_json(entry.value);
  if (!object) return entry.value;
  api::set_resource_version(*object, std::to_string(revision));
  return encode_object(*object);
}

}  // namespace

net::Chunk EventBytes::get(Type type, const api::Kind& kind, const RenderStyle& style,
                           const store::EntryPtr& entry, int64_t revision) {
  const bool large = entry->value.size() > kLargeObject;
  size_t at = large ? kSlots : (reinterpret_cast<uintptr_t>(entry.get()) / 64 * 3 + static_cast<size_t>(type)) % kSlots;
  {
    auto slots = slots_.lock();
    const auto& slot = (*slots)[at];
    if (slot.entry == entry && slot.type == type && slot.encoding == style.format.encoding &&
        slot.shape == style.format.shape && slot.meta_version == style.format.meta_version &&
        slot.revision == revision) {
      return slot.bytes;
    }
  }
  auto object = with_revision(*entry, revision);
  auto bytes = budget_.hold(frame_event(
      style.format, type_name(type), style.format.verbatim() ? object : shape_for_event(kind, style, object, false)));
  (*slots_.lock())[at] = {
      entry, type, style.format.encoding, style.format.shape, style.format.meta_version, revision, bytes};
  return bytes;
}

void EventBytes::clear() { *slots_.lock() = {}; }

// One client's watch. Its mutex covers what is written, so that bookmarks and events keep their order.
class Watches::Watcher {
 public:
  Watcher(Watches& owner, ResourcePtr resource, std::string prefix, const ListOptions& options,
          RenderStyle style, std::shared_ptr<net::BodyStream> stream, Clock::time_point now)
      : owner_(owner),
        resource_(std::move(resource)),
        prefix_(std::move(prefix)),
        options_(options),
        style_(std::move(style)),
        stream_(std::move(stream)),
        moved_(now) {}

  const std::string& prefix() const { return prefix_; }
  bool bookmarks() const { return options_.allow_bookmarks; }

  // --- Under the mutex.
  // From the store, while the watch is live. Stops between two transactions when the client does not read.
  void deliver(std::span<const store::Event> events) {
    if (closed_ || behind_ || ending_) return;
    style_.now = owner_.core_.clock.now();
    int64_t last = reached_;
    for (const auto& event : events) {
      if (event.revision() != last && full()) {
        behind_ = true;
        owner_.behind_ = true;
        owner_.wake();
        reached_ = last;
        return;
      }
      last = event.revision();
      write_event(event);
    }
    reached_ = last;
  }
  void reach(int64_t revision) {
    if (!behind_) reached_ = revision;
  }
  void begin(std::shared_ptr<const store::Listing> initial, int64_t revision, int64_t not_before) {
    held_ = initial ? initial->entries.size() * sizeof(store::EntryPtr) : 0;
    initial_ = std::move(initial);
    reached_ = revision;
    not_before_ = not_before;
    end_due_ = options_.send_initial_events.value_or(false) && bookmarks();
  }
  // What was there at the start, piece by piece. False: the client has to read first.
  bool write_initial() {
    style_.now = owner_.core_.clock.now();
    while (initial_ && next_ < initial_->entries.size()) {
      if (closed_) return true;
      if (full() || owner_.overfull()) return false;
      std::string batch;
      const size_t most = owner_.crowded() ? kSmallBatch : kBatchBytes;
      for (; next_ < initial_->entries.size() && batch.size() < most; ++next_) {
        const auto& stored = initial_->entries[next_];
        if (!options_.filter.matches(*stored)) continue;
        auto entry = served(stored);
        batch += frame_event(style_.format, "ADDED",
                             shape_for_event(*resource_->kind, style_, entry->value, take_columns()));
      }
      batch.shrink_to_fit();
      if (!batch.empty()) write(owner_.budget_.hold(std::move(batch)));
    }
    initial_.reset();
    held_ = 0;
    if (std::exchange(end_due_, false)) write_bookmark(kInitialEventsEnd);
    return true;
  }
  void write_history(const store::History& history) {
    style_.now = owner_.core_.clock.now();
    for (const auto& event : history.events) write_event(event);
    reached_ = history.reached;
  }
  void catch_up() { behind_ = true; }
  void caught_up() { behind_ = false; }
  // Never a revision before the one that the client has.
  void write_bookmark(std::string_view annotations = {}) {
    if (initial_ || reached_ < not_before_) return;
    write(net::make_chunk(frame_event(
        style_.format, "BOOKMARK", make_bookmark_object(*resource_->kind, style_, reached_, annotations))));
  }
  void write_error(const base::Error& error) {
    auto status = net::make_chunk(base::write_json(api::make_status(error)));
    write(net::make_chunk(
        frame_event(style_.format, "ERROR", *encode_document(style_.format, status, &owner_.core_.builtin))));
  }

  // --- From any thread.
  // The client is gone, or the watch is over.
  void close() { closed_ = true; }
  bool closed() const { return closed_; }
  bool behind() const { return behind_; }
  int64_t reached() const { return reached_; }
  void end_now() { ending_ = true; }
  bool ending() const { return ending_; }
  // The more waits in all, the less may wait here.
  bool full() const {
    size_t waiting = stream_->pending();
    if (waiting == 0) return false;
    size_t used = owner_.budget_.used();
    if (used > owner_.limits_.total_bytes) return true;
    return waiting >= (owner_.crowded() ? owner_.limits_.stream_bytes / 16 : owner_.limits_.stream_bytes);
  }
  // What is kept for this client alone.
  size_t held() const { return stream_->pending() + held_; }
  size_t total_written() const { return written_; }

  // --- The owner's thread.
  // Looks whether the client has read anything; returns for how long it has not.
  Clock::duration standstill(Clock::time_point now) {
    size_t waiting = stream_->pending();
    size_t read = written_ - std::min<size_t>(written_, waiting);
    if (read != read_ || waiting == 0) moved_ = now;
    read_ = read;
    return now - moved_;
  }
  // The stream as it stands, without its rest: a client that does not read would never see an end.
  void cut() {
    close();
    std::lock_guard guard(mutex);
    stream_ = std::make_shared<Nowhere>();
  }
  void finish() {
    std::lock_guard guard(mutex);
    stream_->finish();
  }

  std::mutex mutex;
  std::unique_ptr<store::Watch> watch;  // while live
  Clock::time_point ends;
  std::atomic<Clock::time_point> next_bookmark;

 private:
  class Nowhere final : public net::BodyStream {
   public:
    bool write(net::Chunk) override { return false; }
    void finish() override {}
    size_t pending() const override { return 0; }
    void on_close(std::function<void()>) override {}
  };

  bool take_columns() {
    return style_.format.shape == Format::Shape::table && std::exchange(columns_due_, false);
  }

  // An object that cannot be converted goes out as it is stored: a watch must not leave it out.
  store::EntryPtr served(const store::EntryPtr& entry) const {
    auto converted = served_entry(*resource_, entry);
    if (converted) return *converted;
    base::log_error("server", "a watched object cannot be converted: {}", converted.error().message);
    return entry;
  }

  void write_event(const store::Event& event) {
    if (ending_ || event.revision() <= not_before_) return;
    const auto& filter = options_.filter;
    bool is = !event.erased && filter.matches(*event.current);
    bool was = event.previous && filter.matches(*event.previous);
    if (!is && !was) return;
    auto type = !is ? EventBytes::Type::deleted : was ? EventBytes::Type::modified : EventBytes::Type::added;
    try {
      auto entry = served(is || event.erased ? event.current : event.previous);
      if (style_.format.shape == Format::Shape::table) {
        std::string object = with_revision(*entry, event.revision());
        write(owner_.budget_.hold(frame_event(style_.format, type_name(type),
                                              shape_for_event(*resource_->kind, style_, object, take_columns()))));
      } else {
        write(owner_.bytes_.get(type, *resource_->kind, style_, entry, event.revision()));
      }
    } catch (const std::exception& e) {  // an object that cannot be encoded must not end the writer thread
      base::log_error("server", "a watch of {} is ended: {}", resource_->qualified, e.what());
      write_error(
          {base::Reason::internal_error, "Internal error occurred: an event could not be encoded", {}});
      ending_ = true;
      owner_.wake();
    }
  }

  void write(net::Chunk chunk) {
    if (closed_) return;
    size_t size = chunk->size();
    if (!stream_->write(std::move(chunk))) {
      closed_ = true;
      owner_.wake();
      return;
    }
    written_ += size;
    owner_.written(size);
  }

  Watches& owner_;
  ResourcePtr resource_;
  std::string prefix_;
  ListOptions options_;
  RenderStyle style_;
  std::shared_ptr<net::BodyStream> stream_;
  std::atomic<bool> closed_{false};
  std::atomic<bool> ending_{false};
  std::atomic<bool> behind_{false};
  std::atomic<int64_t> reached_{0};
  std::atomic<size_t> written_{0};
  int64_t not_before_ = 0;  // a revision of the future that the client named: it knows all up to there
  bool columns_due_ = true;
  bool end_due_ = false;  // the bookmark that ends the initial events
  std::shared_ptr<const store::Listing> initial_;
  std::atomic<size_t> held_{0};
  size_t next_ = 0;
  size_t read_ = 0;
  Clock::time_point moved_;
};

Watches::Watches(Core& core, WatchLimits limits)
    : core_(core),
      limits_(limits),
      next_housekeeping_(core.clock.steady_now() + kHousekeepingEvery),
      thread_([this] { run(); }) {}

Watches::~Watches() {
  state_->lock()->stopping = true;
  changed_->notify_all();
  thread_.join();
  auto watchers = std::exchange(state_->lock()->watchers, {});
  for (auto& watcher : watchers) {
    watcher->close();
    watcher->watch.reset();
    watcher->finish();
  }
}

void Watches::start(const ExchangePtr& exchange, const Resource& resource, const ListOptions& options) {
  std::string prefix = resource.prefix_of(exchange->route.namespace_);
  auto name = options.filter.fields.required_value("metadata.name");
  if (name && (!resource.kind->namespaced || !exchange->route.namespace_.empty())) prefix += *name;
  int64_t current = core_.store.revision();
  int64_t wanted = options.resource_version.value_or(0);
  bool initial = options.send_initial_events.value_or(wanted == 0);
  if (initial && wanted > current) return exchange->fail(too_large_revision(wanted, current));

  RenderStyle style{exchange->format, options.include, core_.clock.now()};
  auto stream = exchange->stream(200, exchange->format.stream_type());
  auto now = core_.clock.steady_now();
  auto watcher = std::make_shared<Watcher>(*this, exchange->resource, prefix, options, style, stream, now);
  int64_t timeout = options.timeout_seconds.value_or(0);
  if (timeout <= 0) timeout = kMinTimeout + static_cast<int64_t>(base::random_u64() % kMinTimeout);
  watcher->ends = now + seconds(std::min<int64_t>(timeout, 1'000'000'000));
  watcher->next_bookmark = now + kBookmarkEvery;
  {
    std::lock_guard lock(watcher->mutex);
    if (initial) {
      auto listing = list(prefix);
      watcher->begin(listing, listing->revision, 0);
    } else if (wanted == 0) {
      watcher->begin(nullptr, current, 0);
    } else {  // a revision of the future waits for what comes after it, as upstream does
      watcher->begin(nullptr, std::min(wanted, current), wanted > current ? wanted : 0);
    }
    watcher->catch_up();
  }
  if (feed(watcher) == Fed::over) return watcher->finish();
  state_->lock()->watchers.push_back(watcher);
  // The callback must not reach this object when it is gone: it holds the flag and the wake-up alone.
  stream->on_close([weak = std::weak_ptr<Watcher>(watcher), state = state_, changed = changed_] {
    if (auto closed = weak.lock()) closed->close();
    state->lock()->look = true;
    changed->notify_all();
  });
  if (watcher->behind()) behind_ = true;
  wake();
}

// Many clients that come back at once share one copy of what is there.
std::shared_ptr<const store::Listing> Watches::list(const std::string& prefix) {
  auto last = last_listing_.lock();
  auto listing = last->listing.lock();
  if (listing && last->prefix == prefix && listing->revision == core_.store.revision()) return listing;
  listing = std::make_shared<const store::Listing>(core_.store.list(prefix));
  *last = {prefix, listing};
  return listing;
}

// Under the watcher's mutex.
Watches::Fed Watches::write_missing(Watcher& watcher) {
  if (!watcher.write_initial()) return Fed::later;
  while (!watcher.closed()) {
    if (watcher.full()) return Fed::later;
    auto history = core_.store.history(watcher.prefix(), watcher.reached(), kBatchBytes);
    if (!history) {
      watcher.write_error(lost_history(history.error(), watcher.reached()));
      return Fed::over;
    }
    watcher.write_history(*history);
    if (!history->complete) continue;
    watcher.caught_up();
    return Fed::live;
  }
  return Fed::over;
}

Watches::Fed Watches::feed(const WatcherPtr& watcher) {
  watcher->watch.reset();  // waits for a delivery that is running: so without the watcher's mutex
  {
    std::lock_guard lock(watcher->mutex);
    auto fed = write_missing(*watcher);
    if (fed != Fed::live) return fed;
  }
  auto watch = core_.store.watch(
      watcher->prefix(), watcher->reached(),
      [watcher](std::span<const store::Event> events) {
        std::lock_guard guard(watcher->mutex);
        watcher->deliver(events);
      },
      [watcher](store::Revision revision) { watcher->reach(revision); });
  if (!watch) {
    std::lock_guard lock(watcher->mutex);
    watcher->write_error(lost_history(watch.error(), watcher->reached()));
    return Fed::over;
  }
  watcher->watch = std::move(*watch);
  return Fed::live;
}

base::Error Watches::lost_history(const base::Error& error, int64_t after) const {
  if (error.reason != base::Reason::expired) return error;
  return api::expired(fmt::format("too old resource version: {} ({})", after, core_.store.compacted()));
}

void Watches::end(std::string_view prefix) {
  {
    auto state = state_->lock();
    for (auto& watcher : state->watchers)
      if (watcher->prefix().starts_with(prefix)) watcher->end_now();
  }
  wake();
}

void Watches::wake() {
  state_->lock()->look = true;
  changed_->notify_all();
}

void Watches::written(size_t bytes) {
  if (unchecked_.fetch_add(bytes) + bytes < limits_.total_bytes / 4) return;
  unchecked_ = 0;
  check_due_ = true;
  wake();
}

bool Watches::overfull() {
  if (budget_.used() <= limits_.total_bytes) return false;
  bytes_.clear();
  return budget_.used() > limits_.total_bytes;
}

std::chrono::nanoseconds Watches::until_next() const {
  auto now = core_.clock.steady_now();
  Clock::time_point next = next_housekeeping_;
  {
    auto state = state_->lock();
    for (const auto& watcher : state->watchers) {
      next = std::min(next, watcher->ends);
      if (watcher->bookmarks()) next = std::min(next, watcher->next_bookmark.load());
    }
  }
  auto pause = std::max<std::chrono::nanoseconds>(next - now, std::chrono::milliseconds(1));
  return behind_ ? std::min<std::chrono::nanoseconds>(pause, look_again_.load()) : pause;
}

void Watches::run() {
  while (true) {
    auto pause = until_next();
    {
      auto state = state_->lock();
      changed_->wait_for(state.native(), pause, [&] { return state->stopping || state->look; });
      if (state->stopping) return;
      state->look = false;
    }
    try {
      tick();
    } catch (const std::exception& e) {
      base::log_error("server", "housekeeping failed: {}", e.what());
    }
  }
}

void Watches::tick() {
  std::lock_guard ticking(ticking_);
  auto now = core_.clock.steady_now();
  auto watchers = state_->lock()->watchers;
  if (behind_.exchange(false)) feed_all(watchers);
  for (const auto& watcher : watchers) {
    if (!watcher->bookmarks() || watcher->next_bookmark.load() > now || watcher->ends <= now) continue;
    watcher->next_bookmark = now + kBookmarkEvery;
    std::lock_guard guard(watcher->mutex);
    if (!watcher->full()) watcher->write_bookmark();
  }
  if (check_due_.exchange(false) || behind_) cut_slow(watchers, now);

  std::vector<WatcherPtr> over;
  std::erase_if(state_->lock()->watchers, [&](const WatcherPtr& watcher) {
    bool gone = watcher->closed() || watcher->ending() || watcher->ends <= now;
    if (gone) over.push_back(watcher);
    return gone;
  });
  for (const auto& watcher : over) {
    watcher->watch.reset();  // waits for a delivery that is running: so without the watcher's mutex
    if (watcher->closed()) continue;
    {
      std::lock_guard guard(watcher->mutex);
      if (watcher->bookmarks()) watcher->write_bookmark();
      watcher->close();
    }
    watcher->finish();
  }
  if (now >= next_housekeeping_.load()) {
    next_housekeeping_ = now + kHousekeepingEvery;
    check_due_ = true;
    bytes_.clear();
  }
}

// While somebody reads, the next look is soon; who stands still is looked at less and less often.
void Watches::feed_all(const std::vector<WatcherPtr>& watchers) {
  bool any = false;
  bool moved = false;
  for (const auto& watcher : watchers) {
    if (!watcher->behind() || watcher->closed() || watcher->ending()) continue;
    auto before = watcher->total_written();
    auto fed = feed(watcher);
    if (fed == Fed::over) watcher->end_now();
    moved |= watcher->total_written() != before;
    any |= watcher->behind();
  }
  if (any) behind_ = true;
  look_again_ = moved ? kLookSoon : std::min(look_again_.load() * 2, kLookLate);
}

// Who reads nothing is let go: at once when too much waits in all, the longest standing first.
void Watches::cut_slow(const std::vector<WatcherPtr>& watchers, Clock::time_point now) {
  size_t total = 0;
  int cut = 0;
  std::vector<std::pair<Clock::duration, WatcherPtr>> still;
  for (const auto& watcher : watchers) {
    if (watcher->closed()) continue;
    total += watcher->held();
    auto since = watcher->standstill(now);
    if (since < kStanding) continue;
    total += kOverhead;
    still.emplace_back(since, watcher);
  }
  std::sort(still.begin(), still.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  for (const auto& [since, watcher] : still) {
    bool stuck = watcher->behind() && since >= limits_.standstill;
    if (!stuck && total <= limits_.total_bytes) continue;
    total -= std::min(total, watcher->held() + kOverhead);
    watcher->cut();
    if (++cut == 1) {
      base::log_warning("server", "a watch of {} is cut: its client has read nothing for {} s", watcher->prefix(),
                        std::chrono::duration_cast<seconds>(since).count());
    }
  }
  if (cut > 1) base::log_warning("server", "{} more watches are cut for the same reason", cut - 1);
}

}  // namespace server
