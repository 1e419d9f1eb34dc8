#include "server/encoding.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "api/meta.hpp"
#include "base/guarded.hpp"
#include "base/json.hpp"
#include "base/strings.hpp"
#include "base/time.hpp"
#include "server/server.hpp"

namespace server {

namespace {

constexpr std::array<std::string_view, 3> kFirst = {"apiVersion", "kind", "metadata"};

using Stops = std::array<bool, 256>;
constexpr Stops stops_at(std::string_view characters) {
  Stops stops{};
  for (char c : characters) stops[static_cast<unsigned char>(c)] = true;
  return stops;
}

// End of the JSON object or array that begins at `at`; npos when the text ends before. Whole lists are read this way,
// so it looks at each byte once and does nothing with most.
size_t skip_object(std::string_view text, size_t at) {
  static constexpr Stops kOutside = stops_at("\"{}[]"), kInside = stops_at("\\");
  auto stops = [&](const Stops& set) { return set[static_cast<unsigned char>(text[at])]; };
  for (int depth = 0; at < text.size(); ++at) {
    while (at < text.size() && !stops(kOutside)) ++at;
    if (at >= text.size()) break;
    if (text[at] != '"') {
      depth += text[at] == '{' || text[at] == '[' ? 1 : -1;
      if (depth == 0) return at + 1;
      continue;
    }
    ++at;
    while (at < text.size() && text[at] != '"') at += stops(kInside) ? 2 : 1;
  }
  return std::string_view::npos;
}

// One copy of each field's name for all objects.
std::string_view intern(std::string_view name) {
  static base::Guarded<std::set<std::string, std::less<>>> names;
  auto known = names.lock();
  auto found = known->find(name);
  return found != known->end() ? *found : *known->emplace(name).first;
}

// "core/pods/default/web" -> "default" and "web"; no namespace for "core/nodes/n1".
std::pair<std::string_view, std::string_view> place_of(std::string_view key) {
  auto name = key.rfind('/');
  if (name == std::string_view::npos) return {"", key};
  auto before = key.substr(0, name);
  auto space = before.rfind('/');
  bool namespaced = space != std::string_view::npos && before.find('/') != space;
  return {namespaced ? before.substr(space + 1) : std::string_view(), key.substr(name + 1)};
}

}  // namespace

std::string key_prefix(std::string_view group, std::string_view plural) {
  return fmt::format("{}/{}/", group.empty() ? "core" : group, plural);
}

std::string encode_object(const base::Value& object) {
  std::string out = "{";
  auto member = [&](std::string_view key, const base::Value& value) {
    if (out.size() > 1) out += ',';
    base::append_json_string(out, key);
    out += ':';
    base::append_json(out, value);
  };
  for (auto key : kFirst) {
    if (const auto* value = object.as_object().find(key)) member(key, *value);
  }
  for (const auto& [key, value] : object.as_object()) {
    if (std::find(kFirst.begin(), kFirst.end(), key) == kFirst.end()) member(key, value);
  }
  out += '}';
  return out;
}

std::shared_ptr<const ParsedEntry> parse_entry(const api::Kind& kind, const base::Value& object) {
  auto parsed = std::make_shared<ParsedEntry>();
  parsed->labels = api::labels_of(object);
  parsed->fields.reserve(kind.selectable_fields.size());
  for (const auto& field : kind.selectable_fields) {
    if (field == "metadata.name" || field == "metadata.namespace") continue;
    parsed->fields.emplace_back(intern(field), api::selectable_field(kind, object, field));
  }
  return parsed;
}

// A custom object whose definition is not known yet: other fields are looked up when they are asked for.
std::shared_ptr<const ParsedEntry> parse_custom_entry(const base::Value& object) {
  auto parsed = std::make_shared<ParsedEntry>();
  parsed->labels = api::labels_of(object);
  return parsed;
}

std::string_view metadata_bytes(std::string_view object) {
  // Canonical bytes begin with apiVersion and kind, whose values hold neither braces nor this name.
  constexpr std::string_view kName = "\"metadata\":";
  size_t at = object.find(kName);
  if (at == std::string_view::npos) return {};
  at += kName.size();
  size_t end = skip_object(object, at);
  if (end == std::string_view::npos) return {};
  return object.substr(at, end - at);
}

std::string without_managed_fields(std::string_view object) {
  // Inside of a string the quotes would be escaped; and under this name in metadata only one member is an array.
  constexpr std::string_view kMember = "\"managedFields\":[";
  auto metadata = metadata_bytes(object);
  size_t at = metadata.find(kMember);
  if (at == std::string_view::npos) return std::string(object);
  size_t end = skip_object(metadata, at + kMember.size() - 1);
  if (end == std::string_view::npos) return std::string(object);
  if (metadata[at - 1] == ',') {
    --at;
  } else if (end < metadata.size() && metadata[end] == ',') {
    ++end;
  }
  auto before = static_cast<size_t>(metadata.data() - object.data());
  std::string out;
  out.reserve(object.size() - (end - at));
  out += object.substr(0, before + at);
  out += object.substr(before + end);
  return out;
}

net::Chunk value_chunk(const store::EntryPtr& entry) { return {entry, &entry->value}; }

namespace {

// The field of a custom object by its path: "spec.color".
std::string field_of_bytes(std::string_view bytes, std::string_view field) {
  auto object = base::parse_json(bytes);
  if (!object) return {};
  const base::Value* value = &*object;
  for (const auto& name : base::split(field, '.')) value = &(*value)[name];
  if (value->is_string()) return std::string(value->as_string());
  return value->is_null() || value->is_object() || value->is_array() ? std::string() : base::write_json(*value);
}

}  // namespace

bool Filter::matches(const store::Entry& entry) const {
  if (matches_everything()) return true;
  const auto* parsed = static_cast<const ParsedEntry*>(entry.parsed.get());
  if (!parsed) return false;
  if (!fields.matches_everything()) {
    bool hit = fields.matches([&](std::string_view field) {
      if (field == "metadata.name") return std::string(place_of(entry.key).second);
      if (field == "metadata.namespace") return std::string(place_of(entry.key).first);
      for (const auto& [known, value] : parsed->fields) {
        if (known == field) return value;
      }
      return field_of_bytes(entry.value, field);
    });
    if (!hit) return false;
  }
  return labels.matches(parsed->labels);
}

std::string hash_text(std::string_view bytes) {
  uint64_t hash = 14695981039346656037u;
  for (unsigned char c : bytes) {
    hash ^= c;
    hash *= 1099511628211u;
  }
  return fmt::format("{:016X}", hash);
}

std::function<std::shared_ptr<const void>(std::string_view key, std::string_view value)> make_entry_parser(
    const api::Registry& registry) {
  auto kinds = std::make_shared<std::vector<std::pair<std::string, api::KindPtr>>>();
  for (const auto& kind : registry.all()) {
    if (kind->stored && !kind->stored_as) kinds->emplace_back(key_prefix(kind->group, kind->plural), kind);
  }
  return [kinds](std::string_view key, std::string_view value) -> std::shared_ptr<const void> {
    for (const auto& [prefix, kind] : *kinds) {
      if (!key.starts_with(prefix)) continue;
      auto object = base::parse_json(value);
      return object ? parse_entry(*kind, *object) : nullptr;
    }
    auto object = base::parse_json(value);
    return object ? parse_custom_entry(*object) : nullptr;
  };
}

}  // namespace server
