#include <algorithm>
#include <utility>

#include "base/ids.hpp"
#include "base/log.hpp"
#include "client/informer.hpp"

namespace client {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstBackOff{50};
constexpr milliseconds kLastBackOff{10'000};
// The server ends each watch in good order after this many seconds (half of it at random on top), so that a watch
// whose peer died without a word is noticed.
constexpr int kWatchSeconds = 300;
// So many failures in a row are worth a line in the log; a restart of the server is not.
constexpr int kQuietFailures = 5;

}  // namespace

std::string object_key(std::string_view namespace_, std::string_view name) {
  if (namespace_.empty()) return std::string(name);
  std::string key;
  key.reserve(namespace_.size() + name.size() + 1);
  key.append(namespace_).append(1, '/').append(name);
  return key;
}

std::pair<std::string, std::string> split_key(std::string_view key) {
  size_t slash = key.find('/');
  if (slash == std::string_view::npos) return {"", std::string(key)};
  return {std::string(key.substr(0, slash)), std::string(key.substr(slash + 1))};
}

struct Reflector::State {
  State(Client c, Resource r, ListOptions o, Callbacks b)
      : client(std::move(c)), resource(std::move(r)), options(std::move(o)), callbacks(std::move(b)) {}

  void run() {
    bool listed = false;
    while (!stopped()) {
      auto result = listed ? watch_once() : list_once();
      if (!listed && result) {
        listed = true;
        failures = 0;
        continue;
      }
      if (listed && again()) {
        listed = false;
        continue;
      }
      if (result || stopped()) continue;
      if (is_too_old(result.error())) {
        listed = false;
        if (failures++ == 0) continue;  // at once; but a server that keeps saying it is not hammered
      }
      back_off(result.error());
    }
  }

  base::Result<void> list_once() {
    auto list = client.list(resource, options);
    if (!list) return std::unexpected(std::move(list).error());
    revision = std::string((*list).at({"metadata", "resourceVersion"}).as_string());
    callbacks.replace(*list);
    return {};
  }

  // Returns when the watch has ended; the error of a watch that brought something is no failure.
  base::Result<void> watch_once() {
    ListOptions watch_options = options;
    watch_options.resource_version = revision;
    watch_options.timeout_seconds = kWatchSeconds + static_cast<int>(base::random_u64() % (kWatchSeconds / 2));
    auto opened = client.watch(resource, watch_options);
    if (!opened) return std::unexpected(std::move(opened).error());
    std::shared_ptr<WatchStream> stream = std::move(*opened);
    if (!publish(stream)) return {};
    auto began = std::chrono::steady_clock::now();
    bool fruitful = false;
    auto result = pump(*stream, fruitful);
    publish(nullptr);
    if (fruitful || std::chrono::steady_clock::now() - began > std::chrono::seconds(5)) failures = 0;
    if (fruitful && !is_too_old(result)) return {};
    return std::unexpected(std::move(result));
  }

  base::Error pump(WatchStream& stream, bool& fruitful) {
    while (true) {
      auto event = stream.next();
      if (!event) return std::move(event).error();
      if (stopped()) return {.reason = base::Reason::service_unavailable, .message = "stopped", .details = nullptr};
      auto version = event->object.at({"metadata", "resourceVersion"}).as_string();
      if (!version.empty()) revision = std::string(version);
      fruitful = true;
      if (event->type != "BOOKMARK") callbacks.event(event->type, std::move(event->object));
    }
  }

  static bool is_too_old(const base::Error& error) {
    return error.reason == base::Reason::expired || error.reason == base::Reason::gone;
  }

  // Makes the stream reachable for stop(); false when that came first.
  bool publish(std::shared_ptr<WatchStream> stream) {
    std::lock_guard lock(mutex);
    current = std::move(stream);
    return !stop_requested && !list_again;
  }

  void relist() {
    std::shared_ptr<WatchStream> stream;
    {
      std::lock_guard lock(mutex);
      list_again = true;
      stream = current;
    }
    if (stream) stream->cancel();
  }

  void settle() {
    std::lock_guard lock(mutex);
    list_again = false;
  }

  bool again() {
    std::lock_guard lock(mutex);
    return list_again;
  }

  bool stopped() {
    std::lock_guard lock(mutex);
    return stop_requested;
  }

  void back_off(const base::Error& error) {
    int n = std::min(failures++, 12);
    if (failures == kQuietFailures) {
      base::log_warning("client", "cannot follow {} ({} attempts, going on): {}", resource.plural, failures,
                        error.message);
    }
    auto delay = std::min(kFirstBackOff * (1 << n), kLastBackOff);
    delay = delay / 2 + milliseconds(base::random_u64() % static_cast<uint64_t>(delay.count() / 2 + 1));
    std::unique_lock lock(mutex);
    changed.wait_for(lock, delay, [&] { return stop_requested; });
  }

  void stop() {
    std::shared_ptr<WatchStream> stream;
    {
      std::lock_guard lock(mutex);
      stop_requested = true;
      stream = current;
    }
    changed.notify_all();
    if (stream) stream->cancel();
    if (thread.joinable()) thread.join();
  }

  Client client;
  Resource resource;
  ListOptions options;
  Callbacks callbacks;
  // Of the reflector's thread alone.
  std::string revision;
  int failures = 0;

  std::mutex mutex;
  std::condition_variable changed;
  bool stop_requested = false;             // guarded by mutex
  bool list_again = false;                 // guarded by mutex
  std::shared_ptr<WatchStream> current;    // guarded by mutex
  std::thread thread;
};

Reflector::Reflector(Client client, Resource resource, ListOptions options, Callbacks callbacks)
    : state_(std::make_unique<State>(std::move(client), std::move(resource), std::move(options),
                                     std::move(callbacks))) {}

Reflector::~Reflector() { stop(); }

void Reflector::start() {
  state_->thread = std::thread([state = state_.get()] { state->run(); });
}

void Reflector::stop() { state_->stop(); }
void Reflector::relist() { state_->relist(); }
void Reflector::settle() { state_->settle(); }

}  // namespace client
