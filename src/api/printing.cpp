#include "api/printing.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "api/columns_pod.hpp"
#include "api/meta.hpp"
#include "base/strings.hpp"

namespace api {

using base::Time;
using base::Value;

std::string age_since(std::string_view timestamp, Time now) {
  auto time = base::parse_time(timestamp);
  return time ? base::human_duration(now - *time) : "<unknown>";
}

namespace printing {

namespace {

constexpr size_t kMaxListed = 3;

}  // namespace

Column column(std::string name, std::string type, std::string description, int priority) {
  std::string format = name == "Name" ? "name" : "";
  return {std::move(name), std::move(type), std::move(format), std::move(description), priority};
}
Column text(std::string name, std::string description) {
  return column(std::move(name), "string", std::move(description));
}
Column wide(std::string name, std::string description) {
  return column(std::move(name), "string", std::move(description), 1);
}
Column number(std::string name, std::string description) {
  return column(std::move(name), "integer", std::move(description));
}
Column name_column() { return text("Name", "The object's name, unique among its kind in its namespace."); }
Column age_column() { return text("Age", "How long ago the object was created."); }

std::string age(const Value& object, Time now) { return age_since(creation_timestamp_of(object), now); }

std::string map_text(const Value& map) {
  std::vector<std::string> pairs;
  for (const auto& [key, value] : map.as_object()) pairs.push_back(key + "=" + std::string(value.as_string()));
  if (pairs.empty()) return std::string(kNone);
  std::sort(pairs.begin(), pairs.end());
  return base::join(pairs, ",");
}

std::string strings_text(const Value& list) {
  std::vector<std::string> out;
  for (const auto& one : list.as_array()) out.emplace_back(one.as_string());
  return base::join(out, ",");
}

void ShortList::add(std::string text) {
  if (shown_.size() < kMaxListed) shown_.push_back(std::move(text));
  ++count_;
}

std::string ShortList::text() const {
  std::string out = base::join(shown_, ",");
  if (count_ > kMaxListed) out += fmt::format(" + {} more...", count_ - kMaxListed);
  return out;
}

}  // namespace printing

}  // namespace api
