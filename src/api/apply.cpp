#include "api/apply.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "api/field_set_schema.hpp"
#include "api/meta.hpp"
#include "base/json.hpp"
#include "base/strings.hpp"

namespace api {

using base::Object;
using base::Reason;
using base::Result;
using base::Value;

namespace {

constexpr std::string_view kLastApplied = "kubectl.kubernetes.io/last-applied-configuration";
// The manager that takes over what client-side apply has done, and keeps its annotation true.
constexpr std::string_view kKubectl = "kubectl";
constexpr std::string_view kBeforeFirstApply = "before-first-apply";

// A manager's fields that the configuration would change.
struct Conflict {
  ManagedEntry owner;  // its fields are those in conflict
};

std::string gvk_text(std::string_view api_version, std::string_view kind) {
  size_t slash = api_version.find('/');
  std::string group(slash == std::string_view::npos ? "" : api_version.substr(0, slash));
  std::string_view version = slash == std::string_view::npos ? api_version : api_version.substr(slash + 1);
  return fmt::format("{}/{}, Kind={}", group, version, kind);
}

// What orders conflicts: the identity of a manager as upstream writes it.
std::string identity(const ManagedEntry& entry) {
  Object out;
  if (!entry.manager.empty()) out.append("manager", entry.manager);
  out.append("operation", entry.applied ? "Apply" : "Update");
  if (!entry.applied) out.append("apiVersion", entry.api_version);
  if (!entry.subresource.empty()) out.append("subresource", entry.subresource);
  return base::write_json(std::move(out));
}

base::Error conflict_error(std::vector<Conflict> conflicts) {
  std::ranges::sort(conflicts, {}, [](const Conflict& c) { return identity(c.owner); });
  auto details = std::make_shared<base::ErrorDetails>();
  std::string lines;
  for (const auto& [owner] : conflicts) {
    lines += (lines.empty() ? "conflicts with " : "\nconflicts with ") + owner.text() + ":";
    owner.fields.for_each([&](std::span<const PathElement> path) {
      auto field = path_text(path);
      details->causes.push_back({"FieldManagerConflict", "conflict with " + owner.text(), field});
      lines += "\n- " + field;
    });
  }
  size_t count = details->causes.size();
  std::string message = count == 1 ? fmt::format("Apply failed with 1 conflict: {}: {}",
                                                 details->causes[0].message, details->causes[0].field)
                                   : fmt::format("Apply failed with {} conflicts: {}", count, lines);
  return {Reason::conflict, std::move(message), std::move(details)};
}

// One configuration on its way into one object.
class Applier {
 public:
  Applier(const FieldRules& rules, const FieldWriter& writer, const Value& live, const Value& config)
      : rules_(rules), writer_(writer), live_(live), config_(config), version_(rules.kind->api_version()) {}

  // True when no conflict was in the way; else see conflicts().
  // `as_stored`: the entries are those that the object has.
  Result<bool> run(ManagedFields entries, bool as_stored, bool force) {
    conflicts_.clear();
    entries_ = std::move(entries);
    changed_ = !as_stored;
    // Whose schema may change while it is stored, is read at once.
    if (rules_.kind->custom)
      for (auto& entry : entries_) read(entry);
    merged_ = merge_fields(live_, config_, rules_.schema());
    ManagedEntry own{writer_.manager,     true, version_,
                     writer_.subresource, "",   fields_of(config_, rules_.schema()), {}};
    if (rules_.reset) own.fields.remove_trees(*rules_.reset);
    auto before = std::ranges::find_if(entries_, [&](const auto& e) { return e.same_manager(own); });
    if (before == entries_.end()) {
      changed_ = true;
      own_ = entries_.size();
      entries_.push_back(std::move(own));
    } else {
      own_ = static_cast<size_t>(before - entries_.begin());
      if (!rules_.kind->custom) own_written_ = before->written;
      read(*before);
      ManagedEntry last = std::move(*before);
      own.time = last.time;
      *before = std::move(own);
      CHECK_OK(prune(last));
      last_ = std::move(last.fields);
    }
    return settle(force);
  }

  Applied finish() {
    Applied applied;
    applied.same = merged_ == live_;
    auto& own = entries_[own_];
    own.fields.remove(unowned_fields());
    const bool same_fields = own.fields == last_;
    applied.same_owners = same_fields && !changed_ && !own.time.empty();
    applied.unchanged = applied.same && applied.same_owners;
    if (applied.unchanged) return applied;
    if (!applied.same || own.time.empty()) own.time = base::format_time(writer_.now);
    if (same_fields) own.written = std::move(own_written_);
    std::erase_if(entries_,
                  [](const ManagedEntry& entry) { return entry.written.is_null() && entry.fields.empty(); });
    applied.object = std::move(merged_);
    applied.managed_fields = write_managed_fields(std::move(entries_));
    return applied;
  }

  const std::vector<Conflict>& conflicts() const { return conflicts_; }

 private:
  void read(ManagedEntry& entry) {
    read_now(entry);
    changed_ |= fit_to_schema(entry.fields, schema_in_version(rules_, entry.api_version));
  }

  // Removes what the manager applied last time, not now, and nobody else owns.
  Result<void> prune(const ManagedEntry& last) {
    if (last.fields.empty()) return {};
    // All of it is applied again.
    if (last.api_version == version_ && entries_[own_].fields.covers(last.fields)) return {};
    for (auto& entry : entries_) read(entry);
    const Schema* schema = schema_in_version(rules_, last.api_version);
    auto merged = in_version(rules_, merged_, last.api_version);
    if (!merged || !schema) return {};
    Value pruned = *merged;
    FieldSet named = last.fields;
    add_named_parents(named, schema);
    remove_fields(pruned, named, schema);
    add_back_owned(*merged, pruned, last.api_version);
    // What the manager did not own stays too.
    FieldSet gone = named_fields(*merged, schema);
    gone.remove(named_fields(pruned, schema));
    Value result = *merged;
    remove_fields(result, gone.intersection(named), schema);
    if (last.api_version == version_) {
      merged_ = std::move(result);
      return {};
    }
    auto kind = rules_.find(last.api_version);
    TRY(merged_, rules_.convert(*kind, *rules_.kind, result));
    return {};
  }

  static FieldSet named_fields(const Value& object, const Schema* schema) {
    FieldSet set = fields_of(object, schema);
    add_named_parents(set, schema);
    return set;
  }

  void add_back_owned(const Value& merged, Value& pruned, const std::string& pruned_version) {
    std::vector<std::string> versions{pruned_version};
    for (const auto& entry : entries_)
      if (std::ranges::find(versions, entry.api_version) == versions.end())
        versions.push_back(entry.api_version);
    for (const auto& version : versions) {
      const Schema* schema = schema_in_version(rules_, version);
      auto whole = between(merged, pruned_version, version), cut = between(pruned, pruned_version, version);
      if (!schema || !whole || !cut) continue;
      FieldSet keep = named_fields(*cut, schema);
      for (const auto& entry : entries_) {
        if (entry.api_version != version) continue;
        FieldSet owned = entry.fields;
        add_named_parents(owned, schema);
        keep.add(owned);
      }
      FieldSet gone = named_fields(*whole, schema);
      gone.remove(keep);
      remove_fields(*whole, gone, schema);
      if (auto back = between(*whole, version, pruned_version)) pruned = std::move(*back);
    }
  }

  std::optional<Value> between(const Value& object, const std::string& from, const std::string& to) const {
    if (from == to) return object;
    auto kind_of = [&](const std::string& version) { return rules_.find ? rules_.find(version) : nullptr; };
    auto source = kind_of(from), target = kind_of(to);
    if (!source || !target || !rules_.convert) return std::nullopt;
    auto converted = rules_.convert(*source, *target, object);
    if (!converted) return std::nullopt;
    return std::move(*converted);
  }

  // Conflicts, or what the others lose.
  Result<bool> settle(bool force) {
    static const Value kNothing{Object()};
    VersionedChanges changes(rules_, live_.is_object() ? live_ : kNothing, merged_, !rules_.kind->custom);
    ManagedFields kept;
    kept.reserve(entries_.size());
    size_t own = 0;
    for (size_t i = 0; i < entries_.size(); ++i) {
      auto& entry = entries_[i];
      if (i == own_) {
        own = kept.size();
      } else {
        const auto* seen = changes.in(entry.api_version);
        changed_ |= !seen;
        if (!seen) continue;
        lose(entry, *seen);
      }
      kept.push_back(std::move(entry));
    }
    if (!force && !conflicts_.empty()) return false;
    entries_ = std::move(kept);
    own_ = own;
    return true;
  }

  // What the merge changes of another manager's fields.
  void lose(ManagedEntry& entry, const FieldChanges& seen) {
    if (!entry.written.is_null()) {
      if (!seen.modified.touches(entry.written) && !seen.added.touches(entry.written) &&
          !seen.removed.touches(entry.written))
        return;
      read(entry);
    }
    FieldSet taken = entry.fields.intersection(seen.modified);
    taken.add(entry.fields.intersection(seen.added));
    if (!taken.empty()) {
      conflicts_.push_back({entry});
      conflicts_.back().owner.fields = std::move(taken);
    }
    changed_ |= entry.fields.remove(seen.modified);
    changed_ |= entry.fields.remove(seen.added);
    changed_ |= entry.fields.remove(seen.removed);
  }

  const FieldRules& rules_;
  const FieldWriter& writer_;
  const Value& live_;
  const Value& config_;
  std::string version_;
  ManagedFields entries_;
  size_t own_ = 0;
  FieldSet last_;         // what the manager had applied before
  Value own_written_;     // the same as it stands in the object
  bool changed_ = false;  // what the others own is not written as it was
  Value merged_;
  std::vector<Conflict> conflicts_;
};

std::string object_text(const Value& object) {
  return fmt::format("{}/{}; {}", namespace_of(object), name_of(object),
                     gvk_text(api_version_of(object), kind_of(object)));
}

Result<void> check_config(const FieldRules& rules, const Value& config) {
  if (!config.is_object())
    return base::fail(Reason::bad_request, "error decoding YAML: an apply configuration must be an object");
  auto version = api_version_of(config), kind = kind_of(config);
  if (version != rules.kind->api_version() || kind != rules.kind->kind)
    return base::fail(Reason::bad_request, "invalid object type: " + gvk_text(version, kind));
  if (!config["metadata"]["managedFields"].is_null())
    return base::fail(Reason::bad_request, "metadata.managedFields must be nil");
  if (auto checked = check_fields(config, rules.schema(), false); !checked) {
    return base::fail(Reason::unknown, fmt::format("failed to create typed patch object ({}): {}",
                                                   object_text(config), checked.error().message));
  }
  return {};
}

// The fields that client-side apply wrote and nobody has changed since: kubectl may take them over.
std::optional<FieldSet> taken_over(const FieldRules& rules, const Value& live) {
  auto text = annotation_of(live, kLastApplied);
  if (text.empty()) return std::nullopt;
  auto last = base::parse_json(text);
  if (!last || api_version_of(*last) != rules.kind->api_version()) return std::nullopt;
  if (!check_fields(*last, rules.schema(), false)) return std::nullopt;
  FieldSet set = fields_of(*last, rules.schema());
  auto changes = compare_fields(*last, live, rules.schema(), false);
  set.remove(changes.modified);
  set.remove(changes.added);
  set.remove(changes.removed);
  return set;
}

// A copy, an object in any case.
Value without_managed_fields(const Value& live) {
  Object out;
  out.reserve(live.as_object().size());
  for (const auto& [name, value] : live.as_object()) {
    if (name != "metadata" || !value.is_object()) {
      out.append(name, value);
      continue;
    }
    Object metadata;
    metadata.reserve(value.as_object().size());
    for (const auto& member : value.as_object())
      if (member.key != "managedFields") metadata.append(member.key, member.value);
    if (!metadata.empty()) out.append(name, std::move(metadata));
  }
  return out;
}

// Nothing was tracked so far: all that is there belongs to one manager of the past.
ManagedFields before_first_apply(const FieldRules& rules, const FieldWriter& writer, const Value& live) {
  FieldRules all = rules;
  Value copy = live;
  set_managed_fields(copy, {});
  track_update(all, {std::string(kBeforeFirstApply), writer.subresource, writer.now}, Value(), copy);
  auto entries = read_managed_fields(copy["metadata"]["managedFields"]);
  return entries ? std::move(*entries) : ManagedFields();
}

void sort_members(Value& value) {
  if (auto* object = value.if_object()) {
    object->sort();
    for (auto& member : *object) sort_members(member.value);
  } else if (auto* array = value.if_array()) {
    for (auto& item : *array) sort_members(item);
  }
}

// The annotation of client-side apply goes on saying what was applied, so that one can go back to it.
void update_last_applied(Value& object, const Value& config) {
  if (annotation_of(object, kLastApplied).empty()) return;
  Value said = config;
  if (said["metadata"]["annotations"].is_object())
    said.make({"metadata", "annotations"}).object().erase(kLastApplied);
  sort_members(said);
  set_annotation(object, kLastApplied, base::write_json(said) + "\n");
}

}  // namespace

Result<Applied> apply_config(const FieldRules& rules, const FieldWriter& writer, const Value& live,
                             const Value& config, bool force) {
  if (!live.is_object()) return apply_config(rules, writer, Value(), Value(), config, force);
  return apply_config(rules, writer, without_managed_fields(live), live["metadata"]["managedFields"], config, force);
}

Result<Applied> apply_config(const FieldRules& rules, const FieldWriter& writer, const Value& live,
                             Value managed_fields, const Value& config, bool force) {
  static const Value kNothing{Object()};
  const bool maybe_twice = writer.manager == kKubectl && !annotation_of(live, kLastApplied).empty();
  Value stored = maybe_twice ? managed_fields : Value();
  auto entries = read_stored_fields(std::move(managed_fields));
  if (!entries) {
    return base::fail(Reason::internal_error, "failed to decode managed fields: " + entries.error().message);
  }
  CHECK_OK(check_config(rules, config));
  const bool tracked = !entries->empty();
  if (!tracked && live.is_object()) *entries = before_first_apply(rules, writer, live);

  Applier applier(rules, writer, live.is_object() ? live : kNothing, config);
  // An annotation to keep true says more than fields do.
  const bool as_stored = tracked && !maybe_twice;
  TRY(bool done, applier.run(std::move(*entries), as_stored, force));
  if (!done && writer.manager == kKubectl) {
    if (auto allowed = taken_over(rules, live)) {
      std::vector<Conflict> left = applier.conflicts();
      for (auto& conflict : left) conflict.owner.fields.remove(*allowed);
      std::erase_if(left, [](const Conflict& conflict) { return conflict.owner.fields.empty(); });
      if (!left.empty()) return std::unexpected(conflict_error(std::move(left)));
      TRY(auto again, tracked ? read_stored_fields(std::move(stored)) : Result<ManagedFields>(before_first_apply(rules, writer, live)));
      TRY(done, applier.run(std::move(again), as_stored, true));
    }
  }
  if (!done) return std::unexpected(conflict_error(applier.conflicts()));
  Applied applied = applier.finish();
  if (writer.manager == kKubectl && !applied.unchanged) update_last_applied(applied.object, config);
  return applied;
}

}  // namespace api
