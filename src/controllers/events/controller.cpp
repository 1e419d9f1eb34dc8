// Deletes Events an hour (or --event-ttl) after their last update. Sleeps until the next one is due: when nothing
// happens it costs nothing.
#include <utility>

#include "api/meta.hpp"
#include "base/guarded.hpp"
#include "base/log.hpp"
#include "client/informer.hpp"
#include "controllers/controllers.hpp"
#include "controllers/events/deadlines.hpp"
#include "controllers/worker.hpp"

namespace controllers {
namespace {

const client::Resource kEvents{"", "v1", "events"};

// Keys are "namespace/name".
class EventTtlLoop final : public Controller {
 public:
  EventTtlLoop(client::Client client, const sys::Clock& clock, std::chrono::nanoseconds ttl)
      : client_(client),
        clock_(clock),
        deadlines_(std::in_place, ttl),
        worker_("event-ttl", clock, {}, [this](const std::string& key) { return reconcile(key); }),
        reflector_(client, kEvents, {},
                   {.replace = [this](const base::Value& list) { replace(list); },
                    .event = [this](const std::string& type, base::Value object) { change(type, object); }}) {}
  ~EventTtlLoop() override { stop(); }

  std::string_view name() const override { return "event-ttl"; }
  void start() override {
    reflector_.start();
    worker_.start();
  }
  void stop() override {
    worker_.queue().shut_down();
    reflector_.stop();
    worker_.stop();
  }

 private:
  static std::string key_of(const base::Value& event) {
    return client::object_key(api::namespace_of(event), api::name_of(event));
  }

  void replace(const base::Value& list) {
    auto deadlines = deadlines_.lock();
    deadlines->clear();
    for (const auto& event : list["items"].as_array()) note(*deadlines, event, false);
  }
  void change(const std::string& type, const base::Value& event) {
    auto deadlines = deadlines_.lock();
    if (type == "DELETED")
      deadlines->forget(key_of(event));
    else
      note(*deadlines, event, true);
  }
  void note(EventDeadlines& deadlines, const base::Value& event, bool changed) {
    auto key = key_of(event);
    auto wait = deadlines.note(key, event, changed, clock_.now());
    worker_.queue().add_after(std::move(key), wait);
  }

  base::Result<void> reconcile(const std::string& key) {
    auto verdict = deadlines_.lock()->look(key, clock_.now());
    if (!verdict) return {};
    if (verdict->uid.empty()) {
      worker_.queue().add_after(key, verdict->wait);
      return {};
    }
    auto [namespace_, name] = client::split_key(key);
    auto resource = kEvents;
    resource.namespace_ = namespace_;
    auto gone = client_.remove(resource, name, client::only_uid(verdict->uid));
    bool fine = gone || gone.error().reason == base::Reason::not_found || gone.error().reason == base::Reason::conflict;
    if (!fine) return std::unexpected(std::move(gone).error());
    return {};
  }

  client::Client client_;
  const sys::Clock& clock_;
  base::Guarded<EventDeadlines> deadlines_;
  Worker worker_;
  client::Reflector reflector_;
};

}  // namespace

std::unique_ptr<Controller> make_event_ttl_controller(client::Client client, const sys::Clock& clock,
                                                      std::chrono::nanoseconds ttl) {
  return std::make_unique<EventTtlLoop>(std::move(client), clock, ttl);
}

}  // namespace controllers
