#include "cli/describe_parts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "api/matchers.hpp"
#include "api/meta.hpp"
#include "base/strings.hpp"

namespace cli {

using base::Array;
using base::Member;
using base::Value;

std::vector<const Member*> sorted_members(const Value& object) {
  std::vector<const Member*> out;
  for (const Member& member : object.as_object()) out.push_back(&member);
  std::sort(out.begin(), out.end(), [](auto* a, auto* b) { return a->key < b->key; });
  return out;
}

std::vector<std::string> string_list(const Value& array) {
  std::vector<std::string> out;
  for (const Value& item : array.as_array()) out.emplace_back(item.as_string());
  return out;
}

std::string joined(const Value& array, std::string_view separator) {
  return base::join(string_list(array), separator);
}

std::string text_of(const Value& value) {
  if (auto* s = value.if_string()) return *s;
  if (auto* n = value.if_number()) return n->text;
  if (auto* b = value.if_bool()) return *b ? "true" : "false";
  return "";
}

std::string text_or(const Value& value, std::string_view otherwise) {
  std::string text = text_of(value);
  return text.empty() ? std::string(otherwise) : text;
}

std::string_view bool_text(const Value& value) { return value.as_bool() ? "true" : "false"; }

std::string local_time(const Value& time) {
  auto parsed = base::parse_time(time.as_string());
  if (!parsed) return "Mon, 01 Jan 0001 00:00:00 +0000";
  std::time_t seconds = std::chrono::floor<std::chrono::seconds>(*parsed).time_since_epoch().count();
  std::tm parts{};
  localtime_r(&seconds, &parts);
  // Not strftime: its names follow the locale.
  static constexpr std::string_view kDays = "SunMonTueWedThuFriSat",
                                    kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  long minutes = parts.tm_gmtoff / 60;
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} {}{:02}{:02}",
                     kDays.substr(static_cast<size_t>(parts.tm_wday) * 3, 3), parts.tm_mday,
                     kMonths.substr(static_cast<size_t>(parts.tm_mon) * 3, 3), parts.tm_year + 1900,
                     parts.tm_hour, parts.tm_min, parts.tm_sec, minutes < 0 ? '-' : '+',
                     std::abs(minutes) / 60, std::abs(minutes) % 60);
}

std::string since(const Value& time, base::Time now) {
  auto parsed = base::parse_time(time.as_string());
  return parsed ? base::human_duration(now - *parsed) : "<unknown>";
}

std::string quantity_text(const Value& quantity) {
  auto parsed = base::Quantity::parse(text_of(quantity));
  return parsed ? parsed->text() : text_or(quantity, "0");
}

std::string controller_text(const Value& object) {
  const Value& owner = api::controller_of(object);
  if (owner.is_null()) return "";
  return fmt::format("{}/{}", owner["kind"].as_string(), owner["name"].as_string());
}

std::string labels_text(const Value& labels) {
  std::vector<std::string> pairs;
  for (auto* label : sorted_members(labels))
    pairs.push_back(fmt::format("{}={}", label->key, label->value.as_string()));
  return pairs.empty() ? "<none>" : base::join(pairs, ",");
}

std::string selector_text(const Value& selector) {
  auto matcher = api::LabelMatcher::from_object(selector);
  if (!matcher) return "<error>";
  std::string text = matcher->text();
  return text.empty() ? "<none>" : text;
}

void put_name(Page& page, const Value& object) {
  page.field(0, "Name", api::name_of(object));
  page.field(0, "Namespace", api::namespace_of(object));
}

void put_metadata(Page& page, const Value& object) {
  put_name(page, object);
  put_labels(page, "Labels", api::labels_of(object));
  put_annotations(page, "Annotations", api::annotations_of(object));
}

void put_labels(Page& page, std::string_view title, const Value& labels) {
  page.put(fmt::format("{}:", title));
  if (labels.as_object().empty()) return page.line(0, "\t<none>");
  for (auto* label : sorted_members(labels))
    page.line(0, fmt::format("\t{}={}", label->key, label->value.as_string()));
}

std::vector<std::string> annotation_lines(const Value& annotations) {
  constexpr size_t kLongest = 140;
  std::vector<std::string> lines;
  for (auto* member : sorted_members(annotations)) {
    if (member->key == "kubectl.kubernetes.io/last-applied-configuration") continue;
    std::string_view value = member->value.as_string();
    if (value.ends_with('\n')) value.remove_suffix(1);
    if (value.size() + member->key.size() + 2 <= kLongest && value.find('\n') == std::string_view::npos) {
      lines.push_back(fmt::format("{}: {}", member->key, value));
      continue;
    }
    lines.push_back(member->key + ":");
    for (auto& piece : base::split(value, '\n')) {
      bool cut = piece.size() > kLongest - 2;
      lines.push_back(
          fmt::format("  {}{}", std::string_view(piece).substr(0, kLongest - 2), cut ? "..." : ""));
    }
  }
  return lines;
}

void put_annotations(Page& page, std::string_view title, const Value& annotations) {
  page.put(fmt::format("{}:", title));
  auto lines = annotation_lines(annotations);
  if (lines.empty()) return page.line(0, "\t<none>");
  for (auto& line : lines) page.line(0, "\t" + line);
}

void put_tolerations(Page& page, std::string_view title, const Value& tolerations) {
  page.put(fmt::format("{}:", title));
  Array sorted = tolerations.as_array();
  if (sorted.empty()) return page.line(0, "\t<none>");
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](auto& a, auto& b) { return a["key"].as_string() < b["key"].as_string(); });
  for (const Value& toleration : sorted) {
    std::string text = text_of(toleration["key"]);
    if (auto value = toleration["value"].as_string(); !value.empty()) text += fmt::format("={}", value);
    if (auto effect = toleration["effect"].as_string(); !effect.empty()) text += fmt::format(":{}", effect);
    if (toleration["operator"].as_string() == "Exists" && toleration["value"].as_string().empty())
      text += text.empty() ? "op=Exists" : " op=Exists";
    if (auto seconds = toleration["tolerationSeconds"].as_int()) text += fmt::format(" for {}s", *seconds);
    page.line(0, "\t" + text);
  }
}

void put_spread_constraints(Page& page, std::string_view indent, const Value& constraints) {
  Array sorted = constraints.as_array();
  if (sorted.empty()) return;
  std::stable_sort(sorted.begin(), sorted.end(), [](auto& a, auto& b) {
    return a["topologyKey"].as_string() < b["topologyKey"].as_string();
  });
  page.put(fmt::format("{}Topology Spread Constraints:", indent));
  for (size_t i = 0; i < sorted.size(); ++i) {
    const Value& one = sorted[i];
    page.line(
        0, fmt::format(
               "{}\t{}:{} when max skew {} is exceeded{}", i ? indent : "", one["topologyKey"].as_string(),
               one["whenUnsatisfiable"].as_string(), one["maxSkew"].int_or(0),
               one["labelSelector"].is_null() ? "" : " for selector " + selector_text(one["labelSelector"])));
  }
}

void put_resources(Page& page, int level, const Value& resources) {
  for (auto [title, field] : {std::pair{"Limits:", "limits"}, std::pair{"Requests:", "requests"}}) {
    auto members = sorted_members(resources[field]);
    if (!members.empty()) page.line(level, title);
    for (auto* one : members) page.field(level + 1, one->key, quantity_text(one->value));
  }
}

namespace {

std::string event_age(const Value& event, base::Time now) {
  const Value& first = event["eventTime"].as_string().empty() ? event["firstTimestamp"] : event["eventTime"];
  if (const Value& series = event["series"]; series.is_object())
    return fmt::format("{} (x{} over {})", since(series["lastObservedTime"], now), series["count"].int_or(0),
                       since(first, now));
  if (event["count"].int_or(0) > 1)
    return fmt::format("{} (x{} over {})", since(event["lastTimestamp"], now), event["count"].int_or(0),
                       since(first, now));
  return since(first, now);
}

}  // namespace

void put_events(Page& page, const Array* events, base::Time now) {
  if (!events) return;
  if (events->empty()) return page.field(0, "Events", "<none>");
  page.end_columns();
  auto last_seen = [](const Value* event) {
    return base::parse_time((*event)["lastTimestamp"].as_string()).value_or(base::Time::min());
  };
  std::vector<const Value*> sorted;
  for (const Value& event : *events) sorted.push_back(&event);
  std::stable_sort(sorted.begin(), sorted.end(),
                   [&](auto* a, auto* b) { return last_seen(a) < last_seen(b); });
  page.line(0, "Events:\n  Type\tReason\tAge\tFrom\tMessage");
  page.line(1, "----\t------\t----\t----\t-------");
  for (const Value* event : sorted) {
    std::string source =
        text_or(event->at({"source", "component"}), (*event)["reportingComponent"].as_string());
    page.line(1, fmt::format("{}\t{}\t{}\t{}\t{}", text_of((*event)["type"]), text_of((*event)["reason"]),
                             event_age(*event, now), source, base::trim((*event)["message"].as_string())));
  }
}

}  // namespace cli
