// When each Event object has to go: a fixed time after its last update. Keeps no object, only names and times. One
// thread at a time.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.hpp"
#include "base/value.hpp"

namespace controllers {

class EventDeadlines {
 public:
  explicit EventDeadlines(std::chrono::nanoseconds ttl) : ttl_(ttl) {}

  // The event is there. `changed`: it has just been written; otherwise what it says of itself is all that is known.
  // Returns how long to wait before take() is asked.
  std::chrono::nanoseconds note(const std::string& key, const base::Value& event, bool changed, base::Time now);
  void forget(const std::string& key) { events_.erase(key); }
  void clear() { events_.clear(); }

  struct Verdict {
    std::string uid;                  // delete this one now
    std::chrono::nanoseconds wait{};  // or ask again after this time
  };
  // Nothing: the event is gone.
  std::optional<Verdict> look(const std::string& key, base::Time now) const;
  size_t size() const { return events_.size(); }

 private:
  struct Known {
    std::string uid;
    base::Time due;
  };
  std::chrono::nanoseconds ttl_;
  std::map<std::string, Known> events_;
};

// The newest of the times that the event has; `now` when it names none, or one of the future.
base::Time last_update_of(const base::Value& event, base::Time now);

}  // namespace controllers
