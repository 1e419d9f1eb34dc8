#include "server/watch.hpp"

#include <fmt/format.h>

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
constexpr int64_t kMinTimeout = 1800;  // like upstream's min-request-timeout: 30 to 60 minutes
constexpr size_t kBatchBytes = 256u << 10;
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
  size_t at = (reinterpret_cast<uintptr_t>(entry.get()) / 64 * 3 + static_cast<size_t>(type)) % 256;
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
  auto bytes = net::make_chunk(
      frame_event(style.format, type_name(type),
                  style.format.verbatim() ? object : shape_for_event(kind, style, object, false)));
  (*slots_.lock())[at] = {
      entry, type, style.format.encoding, style.format.shape, style.format.meta_version, revision, bytes};
  return bytes;
}

void EventBytes::clear() { *slots_.lock() = {}; }

// One client's watch. Its mutex covers what is written, so that bookmarks and events keep their order.
class Watches::Watcher {
 public:
  Watcher(Watches& owner, ResourcePtr resource, const ListOptions& options, RenderStyle style,
          std::shared_ptr<net::BodyStream> stream)
      : owner_(owner),
        resource_(std::move(resource)),
        options_(options),
        style_(std::move(style)),
        stream_(std::move(stream)) {}

  void deliver(std::span<const store::Event> events) {
    if (closed_) return;
    style_.now = owner_.core_.clock.now();
    try {
      for (const auto& event : events) write_event(event);
    } catch (const std::exception& e) {  // an object that cannot be encoded must not end the writer thread
      base::log_error("server", "a watch of {} is ended: {}", resource_->qualified, e.what());
      write_error(
          {base::Reason::internal_error, "Internal error occurred: an event could not be encoded", {}});
      closed_ = true;
      owner_.wake();
      return;
    }
    reached_ = events.back().revision();
  }
  void reach(int64_t revision) { reached_ = revision; }

  void write_initial(std::span<const store::EntryPtr> entries, int64_t revision) {
    std::string batch;
    for (const auto& stored : entries) {
      if (!options_.filter.matches(*stored)) continue;
      auto entry = served(stored);
      batch += frame_event(style_.format, "ADDED",
                           shape_for_event(*resource_->kind, style_, entry->value, take_columns()));
      if (batch.size() >= kBatchBytes) write(net::make_chunk(std::exchange(batch, {})));
    }
    reached_ = revision;
    if (!batch.empty()) write(net::make_chunk(std::move(batch)));
    if (options_.send_initial_events.value_or(false)) write_bookmark(kInitialEventsEnd);
  }

  void write_bookmark(std::string_view annotations = {}) {
    write(net::make_chunk(frame_event(
        style_.format, "BOOKMARK", make_bookmark_object(*resource_->kind, style_, reached_, annotations))));
  }
  void write_error(const base::Error& error) {
    auto status = net::make_chunk(base::write_json(api::make_status(error)));
    write(net::make_chunk(
        frame_event(style_.format, "ERROR", *encode_document(style_.format, status, &owner_.core_.builtin))));
  }

  // The client is gone, or the watch is over.
  void close() { closed_ = true; }
  bool closed() const { return closed_; }

  std::mutex mutex;
  std::unique_ptr<store::Watch> watch;
  Clock::time_point ends;
  Clock::time_point next_bookmark;
  bool bookmarks() const { return options_.allow_bookmarks; }
  net::BodyStream& stream() { return *stream_; }

 private:
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
    const auto& filter = options_.filter;
    bool is = !event.erased && filter.matches(*event.current);
    bool was = event.previous && filter.matches(*event.previous);
    if (!is && !was) return;
    auto type = !is ? EventBytes::Type::deleted : was ? EventBytes::Type::modified : EventBytes::Type::added;
    auto entry = served(is || event.erased ? event.current : event.previous);
    if (style_.format.shape == Format::Shape::table) {
      std::string object = with_revision(*entry, event.revision());
      write(net::make_chunk(frame_event(style_.format, type_name(type),
                                        shape_for_event(*resource_->kind, style_, object, take_columns()))));
    } else {
      write(owner_.bytes_.get(type, *resource_->kind, style_, entry, event.revision()));
    }
  }

  void write(net::Chunk chunk) {
    if (!closed_ && !stream_->write(std::move(chunk))) {
      closed_ = true;
      owner_.wake();
    }
  }

  Watches& owner_;
  ResourcePtr resource_;
  ListOptions options_;
  RenderStyle style_;
  std::shared_ptr<net::BodyStream> stream_;
  std::atomic<bool> closed_{false};
  std::atomic<int64_t> reached_{0};
  bool columns_due_ = true;
};

Watches::Watches(Core& core)
    : core_(core),
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
    watcher->stream().finish();
  }
}

void Watches::start(const ExchangePtr& exchange, const Resource& resource, const ListOptions& options) {
  std::string prefix = resource.prefix_of(exchange->route.namespace_);
  auto name = options.filter.fields.required_value("metadata.name");
  if (name && (!resource.kind->namespaced || !exchange->route.namespace_.empty())) prefix += *name;
  int64_t current = core_.store.revision();
  int64_t wanted = options.resource_version.value_or(0);
  if (wanted > current) {
    return exchange->fail(
        {base::Reason::timeout,
         fmt::format("Timeout: Too large resource version: {}, current: {}", wanted, current),
         {}});
  }
  RenderStyle style{exchange->format, options.include, core_.clock.now()};
  auto stream = exchange->stream(200, exchange->format.stream_type());
  auto watcher = std::make_shared<Watcher>(*this, exchange->resource, options, style, stream);
  auto now = core_.clock.steady_now();
  int64_t timeout = options.timeout_seconds.value_or(0);
  if (timeout <= 0) timeout = kMinTimeout + static_cast<int64_t>(base::random_u64() % kMinTimeout);
  watcher->ends = now + seconds(std::min<int64_t>(timeout, 1'000'000'000));
  watcher->next_bookmark = now + kBookmarkEvery;

  std::unique_lock lock(watcher->mutex);
  bool initial = options.send_initial_events.value_or(wanted == 0);
  bool from_now = initial || wanted == 0;
  int64_t after = wanted;
  if (from_now) {
    auto listing = core_.store.list(prefix);
    after = listing.revision;
    if (initial) {
      watcher->write_initial(listing.entries, listing.revision);
    }
  }
  watcher->reach(after);
  lock.unlock();
  auto watch = core_.store.watch(
      prefix, after,
      [watcher](std::span<const store::Event> events) {
        std::lock_guard guard(watcher->mutex);
        watcher->deliver(events);
      },
      [watcher](store::Revision revision) { watcher->reach(revision); });
  if (!watch) {
    bool old = watch.error().reason == base::Reason::expired;
    watcher->write_error(
        old ? api::expired(fmt::format("too old resource version: {} ({})", after, core_.store.compacted()))
            : watch.error());
    stream->finish();
    return;
  }
  watcher->watch = std::move(*watch);
  state_->lock()->watchers.push_back(watcher);
  // The callback must not reach this object when it is gone: it holds the flag and the wake-up alone.
  stream->on_close([weak = std::weak_ptr<Watcher>(watcher), state = state_, changed = changed_] {
    if (auto closed = weak.lock()) closed->close();
    state->lock()->look = true;
    changed->notify_all();
  });
  wake();
}

void Watches::wake() {
  state_->lock()->look = true;
  changed_->notify_all();
}

std::chrono::nanoseconds Watches::until_next() const {
  auto now = core_.clock.steady_now();
  Clock::time_point next = next_housekeeping_;
  for (const auto& watcher : state_->lock()->watchers) {
    next = std::min(next, watcher->ends);
    if (watcher->bookmarks()) next = std::min(next, watcher->next_bookmark);
  }
  return std::max<std::chrono::nanoseconds>(next - now, std::chrono::milliseconds(1));
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
  std::vector<WatcherPtr> over;
  std::vector<WatcherPtr> due;
  {
    auto state = state_->lock();
    std::erase_if(state->watchers, [&](const WatcherPtr& watcher) {
      bool gone = watcher->closed() || watcher->ends <= now;
      if (gone) over.push_back(watcher);
      return gone;
    });
    for (const auto& watcher : state->watchers) {
      if (!watcher->bookmarks() || watcher->next_bookmark > now) continue;
      watcher->next_bookmark = now + kBookmarkEvery;
      due.push_back(watcher);
    }
  }
  for (const auto& watcher : due) {
    std::lock_guard guard(watcher->mutex);
    watcher->write_bookmark();
  }
  for (const auto& watcher : over) {
    watcher->watch.reset();  // waits for a delivery that is running: so without the watcher's mutex
    std::lock_guard guard(watcher->mutex);
    if (!watcher->closed() && watcher->bookmarks()) watcher->write_bookmark();
    watcher->close();
    watcher->stream().finish();
  }
  if (now >= next_housekeeping_.load()) {
    next_housekeeping_ = now + kHousekeepingEvery;
    bytes_.clear();
    expire_events(core_);
  }
}

}  // namespace server
