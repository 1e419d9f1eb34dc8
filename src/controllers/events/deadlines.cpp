#include "controllers/events/deadlines.hpp"

#include <algorithm>

namespace controllers {

base::Time last_update_of(const base::Value& event, base::Time now) {
  std::optional<base::Time> latest;
  auto take = [&](const base::Value& text) {
    auto time = base::parse_time(text.as_string());
    if (time && (!latest || *time > *latest)) latest = *time;
  };
  take(event.at({"metadata", "creationTimestamp"}));
  take(event["lastTimestamp"]);
  take(event["eventTime"]);
  take(event.at({"series", "lastObservedTime"}));
  for (const auto& field : event.at({"metadata", "managedFields"}).as_array()) take(field["time"]);
  return latest ? std::min(*latest, now) : now;
}

std::chrono::nanoseconds EventDeadlines::note(const std::string& key, const base::Value& event, bool changed,
                                              base::Time now) {
  auto& known = events_[key];
  known.uid = std::string(event.at({"metadata", "uid"}).as_string());
  known.due = (changed ? now : last_update_of(event, now)) + ttl_;
  return std::max<std::chrono::nanoseconds>(known.due - now, std::chrono::nanoseconds(0));
}

std::optional<EventDeadlines::Verdict> EventDeadlines::look(const std::string& key, base::Time now) const {
  auto known = events_.find(key);
  if (known == events_.end()) return std::nullopt;
  if (known->second.due <= now) return Verdict{known->second.uid, {}};
  return Verdict{"", known->second.due - now};
}

}  // namespace controllers
