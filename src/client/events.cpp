#include "client/events.hpp"

#include <fmt/format.h>

#include <condition_variable>
#include <deque>
#include <list>
#include <map>
#include <thread>
#include <utility>

#include "base/guarded.hpp"
#include "base/log.hpp"
#include "base/time.hpp"

namespace client {
namespace {

constexpr size_t kMaxQueued = 1'000;   // beyond it, the newest are dropped
constexpr size_t kMaxRemembered = 1'024;

struct Entry {
  ObjectRef object;
  std::string type;
  std::string reason;
  std::string message;
  base::Time time;
};

struct Queue {
  std::deque<Entry> entries;
  bool busy = false;
  bool stopped = false;
  size_t dropped = 0;
};

std::string identity(const Entry& entry) {
  const auto& o = entry.object;
  return fmt::format("{}|{}|{}|{}|{}|{}|{}|{}", o.kind, o.namespace_, o.name, o.uid, o.field_path, entry.type,
                     entry.reason, entry.message);
}

base::Value involved_object(const ObjectRef& ref) {
  base::Object out;
  auto put = [&](std::string_view key, const std::string& text) {
    if (!text.empty()) out.set(key, text);
  };
  put("kind", ref.kind);
  put("namespace", ref.namespace_);
  put("name", ref.name);
  put("uid", ref.uid);
  put("apiVersion", ref.api_version);
  put("resourceVersion", ref.resource_version);
  put("fieldPath", ref.field_path);
  return out;
}

}  // namespace

struct EventRecorder::State {
  State(Client c, const sys::Clock& k, std::string component_name, std::string host_name)
      : client(std::move(c)), clock(k), component(std::move(component_name)), host(std::move(host_name)) {}

  // What was written for an identity, so that a repetition only counts up. Oldest first in `order`.
  struct Known {
    std::string name;
    int64_t count = 0;
    std::list<std::string>::iterator position;
  };

  void run() {
    while (true) {
      Entry entry;
      {
        auto q = queue.lock();
        q->busy = false;
        changed.notify_all();
        changed.wait(q.native(), [&] { return q->stopped || !q->entries.empty(); });
        if (q->stopped) return;
        entry = std::move(q->entries.front());
        q->entries.pop_front();
        q->busy = true;
      }
      write(entry);
    }
  }

  void write(const Entry& entry) {
    // Events of cluster-scoped objects live in "default", as upstream's do.
    std::string ns = entry.object.namespace_.empty() ? "default" : entry.object.namespace_;
    Resource events{.group = "", .version = "v1", .plural = "events", .namespace_ = ns};
    std::string id = identity(entry);
    if (auto it = known.find(id); it != known.end()) {
      order.splice(order.end(), order, it->second.position);
      base::Value patch(base::Object{{"count", it->second.count + 1}, {"lastTimestamp", base::format_time(entry.time)}});
      auto patched = client.patch(events, it->second.name, PatchType::strategic, patch);
      if (patched) {
        ++it->second.count;
        return;
      }
      if (patched.error().reason != base::Reason::not_found) return complain(entry, patched.error());
      order.erase(it->second.position);
      known.erase(it);  // it has expired: begin a new one
    }
    std::string name = fmt::format("{}.{:x}", entry.object.name, entry.time.time_since_epoch().count());
    auto created = client.create(events, make_event(entry, ns, name));
    if (!created && created.error().reason == base::Reason::already_exists) {
      name = fmt::format("{}.{:x}", entry.object.name, entry.time.time_since_epoch().count() + ++collisions);
      created = client.create(events, make_event(entry, ns, name));
    }
    if (!created) return complain(entry, created.error());
    remember(std::move(id), std::move(name));
  }

  base::Value make_event(const Entry& entry, const std::string& ns, const std::string& name) const {
    base::Value event(base::Object{{"apiVersion", "v1"}, {"kind", "Event"}});
    event.make({"metadata", "name"}) = name;
    event.make({"metadata", "namespace"}) = ns;
    event.object().set("involvedObject", involved_object(entry.object));
    event.object().set("reason", entry.reason);
    event.object().set("message", entry.message);
    event.make({"source", "component"}) = component;
    if (!host.empty()) event.make({"source", "host"}) = host;
    event.object().set("firstTimestamp", base::format_time(entry.time));
    event.object().set("lastTimestamp", base::format_time(entry.time));
    event.object().set("count", 1);
    event.object().set("type", entry.type);
    event.object().set("eventTime", nullptr);
    event.object().set("reportingComponent", component);
    event.object().set("reportingInstance", host);
    return event;
  }

  void remember(std::string id, std::string name) {
    if (known.size() >= kMaxRemembered) {
      known.erase(order.front());
      order.pop_front();
    }
    order.push_back(id);
    known[std::move(id)] = {.name = std::move(name), .count = 1, .position = std::prev(order.end())};
  }

  void complain(const Entry& entry, const base::Error& error) {
    // A namespace on its way out takes no more events: nothing is wrong then.
    if (error.reason == base::Reason::not_found || error.reason == base::Reason::forbidden) return;
    base::log_warning("events", "event {} of {} {} is lost: {}", entry.reason, entry.object.kind, entry.object.name,
                      error.message);
  }

  Client client;
  const sys::Clock& clock;
  std::string component;
  std::string host;
  base::Guarded<Queue> queue;
  std::condition_variable changed;
  // Of the recorder's thread alone.
  std::map<std::string, Known> known;
  std::list<std::string> order;
  int collisions = 0;
  std::thread thread;  // started by the first event, under queue's lock
};

EventRecorder::EventRecorder(Client client, const sys::Clock& clock, std::string component, std::string host)
    : state_(std::make_unique<State>(std::move(client), clock, std::move(component), std::move(host))) {}

EventRecorder::~EventRecorder() {
  {
    auto q = state_->queue.lock();
    q->stopped = true;
  }
  state_->changed.notify_all();
  if (state_->thread.joinable()) state_->thread.join();
}

void EventRecorder::normal(const ObjectRef& object, std::string reason, std::string message) {
  record(object, "Normal", std::move(reason), std::move(message));
}

void EventRecorder::warning(const ObjectRef& object, std::string reason, std::string message) {
  record(object, "Warning", std::move(reason), std::move(message));
}

void EventRecorder::record(const ObjectRef& object, std::string_view type, std::string reason, std::string message) {
  auto q = state_->queue.lock();
  if (q->stopped) return;
  if (q->entries.size() >= kMaxQueued) {
    if (q->dropped++ == 0) base::log_warning("events", "more events than can be written: the newest are dropped");
    return;
  }
  constexpr size_t kMaxMessage = 1'024;  // what the API takes
  if (message.size() > kMaxMessage) message.resize(kMaxMessage);
  q->entries.push_back({.object = object,
                        .type = std::string(type),
                        .reason = std::move(reason),
                        .message = std::move(message),
                        .time = state_->clock.now()});
  if (!state_->thread.joinable()) {
    q->busy = true;
    state_->thread = std::thread([state = state_.get()] { state->run(); });
  }
  state_->changed.notify_all();
}

void EventRecorder::flush() {
  auto q = state_->queue.lock();
  state_->changed.wait(q.native(), [&] { return q->stopped || (q->entries.empty() && !q->busy); });
}

}  // namespace client
