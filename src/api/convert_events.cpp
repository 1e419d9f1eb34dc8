#include <array>
#include <string>
#include <utility>

#include "api/convert_kinds.hpp"

namespace api {

using base::Object;
using base::Value;

namespace {

struct Names {
  std::string_view core, newer;
};

// What the two versions call the same member; all others have one name in both.
constexpr std::array<Names, 7> kMembers{{
    {"involvedObject", "regarding"},
    {"message", "note"},
    {"source", "deprecatedSource"},
    {"firstTimestamp", "deprecatedFirstTimestamp"},
    {"lastTimestamp", "deprecatedLastTimestamp"},
    {"count", "deprecatedCount"},
    {"reportingComponent", "reportingController"},
}};

std::string_view renamed(std::string_view member, bool to_core) {
  for (const auto& names : kMembers) {
    if (member == (to_core ? names.newer : names.core)) return to_core ? names.core : names.newer;
  }
  return member;
}

Value rename_members(Value event, bool to_core) {
  Object out;
  for (auto& [name, value] : event.object()) out.append(std::string(renamed(name, to_core)), std::move(value));
  return out;
}

}  // namespace

Value event_to_core(Value event) { return rename_members(std::move(event), true); }
Value event_from_core(Value event) {
  Value out = rename_members(std::move(event), false);
  Object& members = out.object();
  // Core events may leave these out: here an absent text is "", as a Go client reads it.
  for (std::string_view text : {"reportingController", "reportingInstance"}) {
    const Value* value = members.find(text);
    if (value && value->is_string() && value->as_string().empty()) members.erase(text);
  }
  return out;
}

std::string event_field_name(std::string_view field, bool to_core) {
  const size_t dot = field.find('.');
  std::string out(renamed(field.substr(0, dot), to_core));
  if (dot != std::string_view::npos) out += field.substr(dot);
  return out;
}

}  // namespace api
