#include "api/managed_fields.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "api/field_set_schema.hpp"
#include "api/meta.hpp"
#include "base/strings.hpp"

namespace api {

using base::Object;
using base::Result;
using base::Value;

namespace {

constexpr size_t kMaxUpdateManagers = 10;
constexpr size_t kMaxGivenEntries = 1000;  // a client's list beyond that is no list of managers
constexpr std::string_view kAncient = "ancient-changes";

base::Error unreadable(std::string what) { return {base::Reason::invalid, std::move(what), nullptr}; }

Result<ManagedEntry> read_entry(const Value& from, size_t place) {
  ManagedEntry entry;
  auto operation = from["operation"].as_string();
  if (operation != "Apply" && operation != "Update")
    return std::unexpected(unreadable("operation must be `Apply` or `Update`"));
  entry.applied = operation == "Apply";
  entry.api_version = from["apiVersion"].as_string();
  if (entry.api_version.empty()) return std::unexpected(unreadable("apiVersion must not be empty"));
  auto type = from["fieldsType"].as_string();
  if (type.empty())
    return std::unexpected(unreadable(fmt::format("missing fieldsType in managed fields entry {}", place)));
  if (type != "FieldsV1") {
    return std::unexpected(unreadable(
        fmt::format("invalid fieldsType {} in managed fields entry {}", base::quote(type), place)));
  }
  entry.manager = from["manager"].as_string();
  entry.subresource = from["subresource"].as_string();
  entry.time = from["time"].as_string();
  return entry;
}

}  // namespace

void read_now(ManagedEntry& entry) {
  if (entry.written.is_null()) return;
  if (auto fields = FieldSet::from_value(entry.written)) entry.fields = std::move(*fields);
  entry.written = Value();
}

namespace {

// A number for what the API orders by: seconds since 1970, 0 without a time.
int64_t seconds_of(const ManagedEntry& entry) {
  auto time = entry.time.empty() ? std::nullopt : base::parse_time(entry.time);
  return time ? std::chrono::duration_cast<std::chrono::seconds>(time->time_since_epoch()).count() : 0;
}

bool stands_before(const ManagedEntry& a, const ManagedEntry& b) {
  if (a.applied != b.applied) return a.applied;
  // Times of this server sort as texts.
  if (a.time != b.time) {
    if (int64_t x = seconds_of(a), y = seconds_of(b); x != y) return x < y;
  }
  if (a.manager != b.manager) return a.manager < b.manager;
  if (a.api_version != b.api_version) return a.api_version < b.api_version;
  return a.subresource < b.subresource;
}

// The oldest updates become one per version, until there are few enough.
void cap_updates(ManagedFields& entries) {
  auto is_update = [](const ManagedEntry& entry) { return !entry.applied; };
  auto count = static_cast<size_t>(std::ranges::count_if(entries, is_update));
  if (count <= kMaxUpdateManagers) return;
  std::ranges::sort(entries, stands_before);
  ManagedFields kept;
  for (auto& entry : entries) {
    if (entry.applied || count <= kMaxUpdateManagers) {
      kept.push_back(std::move(entry));
      continue;
    }
    auto bucket = std::ranges::find_if(kept, [&](const ManagedEntry& other) {
      return !other.applied && other.api_version == entry.api_version;
    });
    if (bucket == kept.end()) {
      kept.push_back(std::move(entry));
      continue;
    }
    read_now(entry);
    read_now(*bucket);
    bucket->manager = kAncient;
    bucket->subresource.clear();
    bucket->fields.add(entry.fields);
    bucket->time = std::move(entry.time);
    --count;
  }
  entries = std::move(kept);
}

}  // namespace

bool ManagedEntry::same_manager(const ManagedEntry& other) const {
  return applied == other.applied && manager == other.manager && subresource == other.subresource &&
         (applied || api_version == other.api_version);
}

std::string ManagedEntry::text() const {
  std::string out = base::quote(manager);
  if (!subresource.empty()) out += " with subresource " + base::quote(subresource);
  if (applied) return out;
  out += " using " + api_version;
  if (!time.empty()) out += " at " + time;
  return out;
}

Result<ManagedFields> read_managed_fields(const Value& list) {
  ManagedFields entries;
  entries.reserve(list.as_array().size());
  for (const auto& from : list.as_array()) {
    TRY(auto entry, read_entry(from, entries.size()));
    TRY(entry.fields, FieldSet::from_value(from["fieldsV1"]));
    auto same = std::ranges::find_if(entries, [&](const auto& other) { return other.same_manager(entry); });
    if (same == entries.end()) {
      entries.push_back(std::move(entry));
    } else {
      *same = std::move(entry);
    }
  }
  return entries;
}

Result<ManagedFields> read_stored_fields(Value list) {
  ManagedFields entries;
  auto* array = list.if_array();
  if (!array) return entries;
  entries.reserve(array->size());
  for (auto& from : *array) {
    TRY(auto entry, read_entry(from, entries.size()));
    if (auto* object = from.if_object())
      if (auto* fields = object->find("fieldsV1")) entry.written = std::move(*fields);
    entries.push_back(std::move(entry));
  }
  return entries;
}

Value write_managed_fields(ManagedFields entries) {
  if (entries.empty()) return {};
  std::ranges::sort(entries, stands_before);
  base::Array list;
  list.reserve(entries.size());
  for (auto& entry : entries) {
    Object out;
    out.reserve(7);
    if (!entry.manager.empty()) out.append("manager", std::move(entry.manager));
    out.append("operation", entry.applied ? "Apply" : "Update");
    out.append("apiVersion", std::move(entry.api_version));
    if (!entry.time.empty()) out.append("time", std::move(entry.time));
    out.append("fieldsType", "FieldsV1");
    out.append("fieldsV1", entry.written.is_null() ? entry.fields.to_value() : std::move(entry.written));
    if (!entry.subresource.empty()) out.append("subresource", std::move(entry.subresource));
    list.emplace_back(std::move(out));
  }
  return list;
}

bool resets_managed_fields(const Value& list) {
  const auto* array = list.if_array();
  if (!array) return false;
  return array->empty() || (array->size() == 1 && (*array)[0].is_object() && (*array)[0].as_object().empty());
}

void set_managed_fields(Value& object, Value list) {
  if (list.is_null()) {
    remove_member(object, "metadata", "managedFields");
  } else if (auto* metadata = object.make({"metadata"}).if_object()) {
    metadata->set("managedFields", std::move(list));
  }
}

Value take_managed_fields(Value& object) {
  auto* root = object.if_object();
  auto* metadata = root ? root->find("metadata") : nullptr;
  auto* members = metadata ? metadata->if_object() : nullptr;
  auto* list = members ? members->find("managedFields") : nullptr;
  if (!list) return {};
  Value taken = std::move(*list);
  members->erase("managedFields");
  return taken;
}

bool same_but_times(const Value& a, const Value& b) {
  const auto &x = a.as_array(), &y = b.as_array();
  return std::ranges::equal(x, y, [](const Value& p, const Value& q) {
    const auto &m = p.as_object(), &n = q.as_object();
    if (m.size() != n.size()) return false;
    return std::ranges::all_of(m, [&](const base::Member& member) {
      const Value* other = n.find(member.key);
      return other && (member.key == "time" || member.value == *other);
    });
  });
}

const FieldSet& unowned_fields() {
  static const FieldSet kFields = [] {
    FieldSet set{field_path({"apiVersion"}), field_path({"kind"}), field_path({"metadata"})};
    for (std::string_view name : {"name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName",
                                  "generation", "managedFields", "resourceVersion"})
      set.insert(field_path({"metadata", name}));
    return set;
  }();
  return kFields;
}

const Schema* schema_in_version(const FieldRules& rules, std::string_view api_version) {
  if (api_version == rules.kind->api_version()) return rules.schema();
  // Kept alive by the registry that `find` reads.
  auto kind = rules.find ? rules.find(api_version) : nullptr;
  return kind ? kind->schema.get() : nullptr;
}

std::optional<Value> in_version(const FieldRules& rules, const Value& object, std::string_view api_version) {
  if (api_version == rules.kind->api_version()) return object;
  auto kind = rules.find ? rules.find(api_version) : nullptr;
  if (!kind || !rules.convert) return std::nullopt;
  auto converted = rules.convert(*rules.kind, *kind, object);
  if (!converted) return std::nullopt;
  return std::move(*converted);
}

struct VersionedChanges::Row {
  std::string api_version;
  bool served = false;
  FieldChanges changes;
};

VersionedChanges::VersionedChanges(const FieldRules& rules, const Value& from, const Value& to,
                                   bool plain_structs)
    : rules_(rules), from_(from), to_(to), plain_structs_(plain_structs) {}

FieldChanges* VersionedChanges::in(std::string_view api_version) {
  for (const auto& row : rows_)
    if (row->api_version == api_version) return row->served ? &row->changes : nullptr;
  auto row = std::make_shared<Row>();
  row->api_version = api_version;
  if (api_version == rules_.kind->api_version()) {
    row->served = true;
    row->changes = compare_fields(from_, to_, rules_.schema(), plain_structs_);
  } else {
    static const Value kNothing{Object()};
    auto from = from_.as_object().empty() ? std::optional(kNothing) : in_version(rules_, from_, api_version);
    auto to = in_version(rules_, to_, api_version);
    row->served = from && to;
    if (row->served)
      row->changes = compare_fields(*from, *to, schema_in_version(rules_, api_version), plain_structs_);
  }
  if (rules_.reset) {
    row->changes.added.remove_trees(*rules_.reset);
    row->changes.modified.remove_trees(*rules_.reset);
    row->changes.removed.remove_trees(*rules_.reset);
  }
  rows_.push_back(row);
  return row->served ? &row->changes : nullptr;
}

namespace {

// A list that this server wrote; one that cannot be read is none.
ManagedFields read_stored(Value list) {
  auto entries = read_stored_fields(std::move(list));
  return entries ? std::move(*entries) : ManagedFields();
}

// The entries to go on from: what the request says where it can be read, else what is stored.
ManagedFields start_from(const Value& stored, Value given, bool repeated) {
  if (repeated) return read_stored(std::move(given));
  if (!given.as_array().empty() && given.as_array().size() <= kMaxGivenEntries) {
    auto entries = read_managed_fields(given);
    if (entries && !entries->empty()) return std::move(*entries);
  }
  return read_stored(stored);
}

// Takes from everybody what this write changes.
void take_changes(const FieldRules& rules, VersionedChanges& changes, ManagedFields& entries) {
  std::erase_if(entries, [&](ManagedEntry& entry) {
    const auto* seen = changes.in(entry.api_version);
    if (!seen) return true;
    if (!entry.written.is_null()) {
      if (!seen->modified.touches(entry.written) && !seen->added.touches(entry.written) &&
          !seen->removed.touches(entry.written))
        return false;
      read_now(entry);
    }
    fit_to_schema(entry.fields, schema_in_version(rules, entry.api_version));
    entry.fields.remove(seen->modified);
    entry.fields.remove(seen->added);
    entry.fields.remove(seen->removed);
    return entry.fields.empty();
  });
}

}  // namespace

void track_update(const FieldRules& rules, const FieldWriter& writer, const Value& live, Value& fresh,
                  bool reset) {
  bool created = !live.is_object();
  bool from_request = writer.subresource.empty();
  const Value& stored = live["metadata"]["managedFields"];
  Value given = take_managed_fields(fresh);
  // What stands in both is moved, not copied: the usual case.
  bool repeated = !created && given == stored;
  if (!repeated && !from_request) given = Value();
  reset = from_request && (reset || resets_managed_fields(given));

  static const Value kNothing{Object()};
  VersionedChanges changes(rules, created ? kNothing : live, fresh, !rules.kind->custom);
  FieldChanges& mine = *changes.in(rules.kind->api_version());
  FieldSet set = created && given.is_null() ? std::move(mine.added) : mine.added;
  set.add(mine.modified);
  set.remove(unowned_fields());
  if (set.empty() && !reset && (repeated || given.is_null())) {
    FieldSet removed = mine.removed;
    removed.remove(unowned_fields());
    if (removed.empty()) return set_managed_fields(fresh, repeated ? std::move(given) : stored);
  }

  ManagedFields entries;
  if (!reset) entries = start_from(stored, std::move(given), repeated);
  // An object that nobody tracked stays so until somebody applies it.
  if (entries.empty() && !created) return;
  take_changes(rules, changes, entries);
  if (!set.empty()) {
    ManagedEntry own;
    own.manager = writer.manager.empty() ? "unknown" : writer.manager;
    own.api_version = rules.kind->api_version();
    own.subresource = writer.subresource;
    own.time = base::format_time(writer.now);
    own.fields = std::move(set);
    auto same = std::ranges::find_if(entries, [&](const auto& other) { return other.same_manager(own); });
    if (same == entries.end()) {
      entries.push_back(std::move(own));
    } else {
      read_now(*same);
      same->fields.add(own.fields);
      same->time = std::move(own.time);
    }
  }
  cap_updates(entries);
  set_managed_fields(fresh, write_managed_fields(std::move(entries)));
}

}  // namespace api
