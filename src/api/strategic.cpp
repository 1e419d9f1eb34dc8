#include "api/strategic.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "api/patch_editor.hpp"
#include "base/json.hpp"
#include "base/strings.hpp"

namespace api {

using base::Array;
using base::fail;
using base::Object;
using base::Reason;
using base::Result;
using base::Value;

namespace {

constexpr std::string_view kPatch = "$patch";
constexpr std::string_view kRetainKeys = "$retainKeys";
constexpr std::string_view kOrderPrefix = "$setElementOrder/";
constexpr std::string_view kDeletePrefix = "$deleteFromPrimitiveList/";

const Schema kUnknown;  // of a field that the schema does not have: maps merge, lists are replaced

std::unexpected<base::Error> bad(std::string message) { return fail(Reason::bad_request, std::move(message)); }

const Schema& child_schema(const Schema& schema, std::string_view key) {
  if (const auto* property = schema.find(key); property != nullptr && property->schema) return *property->schema;
  if (schema.type == Schema::Type::map && schema.items) return *schema.items;
  return kUnknown;
}

const Schema& element_schema(const Schema& list) { return list.items ? *list.items : kUnknown; }

std::unexpected<base::Error> no_merge_key(const Value& element, const std::string& key) {
  return bad(fmt::format("map: {} does not contain declared merge key: {}", base::write_json(element), key));
}

// Where each element of a list stands, by its merge key's value, or by itself in a list of scalars ("" as key).
class Places {
 public:
  static Result<Places> make(const Array& list, const std::string& merge_key) {
    Places out;
    TRY(auto ids, ids_of(list, merge_key));
    for (size_t i = 0; i < ids.size(); ++i) out.ids_.emplace(std::move(ids[i]), i);
    return out;
  }

  // The identity of each element. A merge key need not be unique (53/UDP and 53/TCP): the second one gets "#1" appended,
  // so that the nth of one list meets the nth of the other.
  static Result<std::vector<std::string>> ids_of(const Array& list, const std::string& merge_key) {
    std::vector<std::string> out;
    std::unordered_map<std::string, int> seen;
    for (const auto& element : list) {
      TRY(std::string id, id_of(element, merge_key));
      int nth = seen[id]++;
      if (nth > 0 && !merge_key.empty()) id += fmt::format("#{}", nth);
      out.push_back(std::move(id));
    }
    return out;
  }

  // The element's identity as text; numbers by value.
  static Result<std::string> id_of(const Value& element, const std::string& merge_key) {
    if (merge_key.empty()) return base::write_json(element);
    if (!element.is_object())
      return bad(fmt::format("expected an object with the merge key {}, but received a {}", merge_key,
                             element.kind_name()));
    const Value* id = element.as_object().find(merge_key);
    if (id == nullptr) return no_merge_key(element, merge_key);
    return base::write_json(*id);
  }

  // The index, or -1.
  ptrdiff_t find(const std::string& id) const {
    auto found = ids_.find(id);
    return found == ids_.end() ? -1 : static_cast<ptrdiff_t>(found->second);
  }

 private:
  std::unordered_map<std::string, size_t> ids_;
};

// A value of the patch that goes in as new: without nulls and without elements that carry a directive. Nothing: the value
// itself carries one.
std::optional<Value> plain(const Value& value) {
  if (const auto* object = value.if_object()) {
    if (object->contains(kPatch)) return std::nullopt;
    Object out;
    for (const auto& [key, inner] : *object) {
      if (inner.is_null() || key == kRetainKeys || key.starts_with(kOrderPrefix) || key.starts_with(kDeletePrefix))
        continue;
      if (auto kept = plain(inner)) out.append(key, std::move(*kept));
    }
    return out;
  }
  if (const auto* array = value.if_array()) {
    Array out;
    for (const auto& inner : *array)
      if (auto kept = plain(inner)) out.push_back(std::move(*kept));
    return out;
  }
  return value;
}

// ---- order of merged lists ----------------------------------------------------------------------------------------

struct Ordered {
  std::string id;
  size_t place;  // among its kind, then as it came
  size_t came;
  Value value;
  bool operator<(const Ordered& other) const { return std::tie(place, came) < std::tie(other.place, other.came); }
};

// Elements that the patch names stand in the patch's order; the server's own stand among them where the server had them.
Result<Array> put_in_order(Array merged, const Array& wanted, const Array& before, const std::string& key) {
  TRY(Places wanted_places, Places::make(wanted, key));
  TRY(Places before_places, Places::make(before, key));
  std::vector<Ordered> named, own;
  for (auto& element : merged) {
    TRY(std::string id, Places::id_of(element, key));
    ptrdiff_t place = wanted_places.find(id);
    auto& side = place >= 0 ? named : own;
    if (place < 0) place = before_places.find(id) + 1;
    side.push_back({std::move(id), static_cast<size_t>(place), side.size(), std::move(element)});
  }
  std::sort(named.begin(), named.end());
  std::sort(own.begin(), own.end());
  Array out;
  out.reserve(merged.size());
  size_t i = 0, j = 0;
  while (i < own.size() || j < named.size()) {
    bool take_own = j >= named.size();
    if (!take_own && i < own.size()) {
      ptrdiff_t a = before_places.find(own[i].id), b = before_places.find(named[j].id);
      take_own = a >= 0 && b >= 0 && a < b;
    }
    out.push_back(std::move(take_own ? own[i++].value : named[j++].value));
  }
  return out;
}

// ---- applying -----------------------------------------------------------------------------------------------------

Result<Value> merge_map(Value original, const Value& patch, const Schema& schema);

// What one object of the patch says about one list.
struct ListPatch {
  const Array* elements = nullptr;
  const Array* order = nullptr;
  const Array* deleted = nullptr;
};

Result<Array> merge_objects(Array merged, const Array& patch, const Schema& element, const std::string& key) {
  std::vector<const Value*> plain_ones;
  bool replace = false;
  std::vector<std::string> gone;
  for (const auto& one : patch) {
    TRY(auto checked, [&]() -> Result<bool> {
      if (!one.is_object()) return bad(fmt::format("expected an object in the list, but received a {}", one.kind_name()));
      return true;
    }());
    (void)checked;
    const Value* directive = one.as_object().find(kPatch);
    if (directive == nullptr || directive->as_string() == "merge") {
      plain_ones.push_back(&one);
    } else if (directive->as_string() == "delete") {
      TRY(std::string id, Places::id_of(one, key));
      gone.push_back(std::move(id));
    } else if (directive->as_string() == "replace") {
      replace = true;
    } else {
      return bad(fmt::format("unknown patch type {} in {}", base::write_json(*directive), base::write_json(one)));
    }
  }
  if (replace) merged.clear();
  if (!gone.empty()) {
    std::sort(gone.begin(), gone.end());
    Array kept;
    for (auto& one : merged) {
      TRY(std::string id, Places::id_of(one, key));
      if (!std::binary_search(gone.begin(), gone.end(), id)) kept.push_back(std::move(one));
    }
    merged = std::move(kept);
  }
  TRY(Places places, Places::make(merged, key));
  std::unordered_map<std::string, int> seen;
  for (const Value* one : plain_ones) {
    TRY(std::string id, Places::id_of(*one, key));
    if (int nth = seen[id]++; nth > 0) id += fmt::format("#{}", nth);
    ptrdiff_t at = places.find(id);
    if (at < 0) {
      Value fresh = *one;
      fresh.object().erase(kPatch);
      merged.push_back(std::move(*plain(fresh)));
    } else {
      Value& existing = merged[static_cast<size_t>(at)];
      Value without = *one;
      without.object().erase(kPatch);
      TRY(existing, merge_map(std::move(existing), without, element));
    }
  }
  return merged;
}

Array merge_scalars(Array merged, const Array& patch) {
  std::unordered_map<std::string, bool> seen;
  Array out;
  for (auto* part : {static_cast<const Array*>(&merged), &patch})
    for (const auto& one : *part)
      if (seen.emplace(base::write_json(one), true).second) out.push_back(one);
  return out;
}

// The elements of the patch must be named in the order list, in the same order.
Result<void> check_order(const Array& patch, const Array& order, const std::string& key) {
  TRY(Places places, Places::make(order, key));
  ptrdiff_t last = -1;
  for (const auto& one : patch) {
    if (one.is_object() && one.as_object().contains(kPatch)) continue;
    TRY(std::string id, Places::id_of(one, key));
    ptrdiff_t at = places.find(id);
    if (at < 0 || at < last)
      return bad(fmt::format("The order in patch list:\n{}\n doesn't match $setElementOrder list:\n{}\n",
                             base::write_json(patch), base::write_json(order)));
    last = at;
  }
  return {};
}

Result<Array> merge_list(const Array& before, const ListPatch& patch, const Schema& list) {
  static const Array kNone;
  const std::string& key = list.patch_merge_key;
  const Array& elements = patch.elements ? *patch.elements : kNone;
  bool of_objects = element_schema(list).type == Schema::Type::object;
  for (const auto* part : {&before, &elements})
    for (const auto& one : *part) {
      if (one.is_array()) return bad("a list of lists cannot be merged: send the whole list with $patch: replace");
      of_objects = of_objects || one.is_object();
    }
  if (of_objects && key.empty()) return bad(fmt::format("cannot merge lists without merge key for {}", list.name));
  if (patch.order != nullptr) CHECK_OK(check_order(elements, *patch.order, of_objects ? key : ""));
  const std::string id_key = of_objects ? key : "";
  Array merged = before;
  if (patch.deleted != nullptr) {
    TRY(Places gone, Places::make(*patch.deleted, ""));
    std::erase_if(merged, [&](const Value& one) { return gone.find(base::write_json(one)) >= 0; });
  }
  if (of_objects) {
    TRY(merged, merge_objects(std::move(merged), elements, element_schema(list), key));
  } else {
    merged = merge_scalars(std::move(merged), elements);
  }
  if (patch.order != nullptr) return put_in_order(std::move(merged), *patch.order, before, id_key);
  if (elements.empty()) return merged;
  Array named;
  for (const auto& one : elements)
    if (!one.is_object() || one[kPatch].is_null() || one[kPatch].as_string() == "merge") named.push_back(one);
  return put_in_order(std::move(merged), named, before, id_key);
}

Result<void> apply_retain_keys(ObjectEditor& target, const Object& patch) {
  const Value* keys = patch.find(kRetainKeys);
  if (keys == nullptr) return {};
  if (!keys->is_array()) return bad("invalid patch format of retainKeys: $retainKeys must be a list of keys");
  std::unordered_set<std::string_view> named;
  for (const auto& one : keys->as_array()) named.insert(one.as_string());
  auto retained = [&](std::string_view key) { return named.contains(key); };
  for (const auto& [key, value] : patch)
    if (!key.starts_with('$') && !value.is_null() && !retained(key))
      return bad(fmt::format("invalid patch format of retainKeys: {} is set but not in $retainKeys", key));
  std::vector<std::string> gone;
  for (const auto& member : target.members())
    if (!retained(member.key)) gone.push_back(member.key);
  for (const auto& key : gone) target.erase(key);
  return {};
}

Result<const Array*> list_in(const ObjectIndex& patch, std::string_view prefix, std::string_view key) {
  const Value* found = patch.find(std::string(prefix) + std::string(key));
  if (found == nullptr || found->is_null()) return nullptr;
  if (!found->is_array()) return bad(fmt::format("{}{} must be a list", prefix, key));
  return &found->as_array();
}

// The list `key`, of which the patch says something: elements, order or deletions.
Result<void> merge_list_member(ObjectEditor& target, const ObjectIndex& patch, const std::string& key,
                               const Schema& schema) {
  const Schema& list = child_schema(schema, key);
  ListPatch what;
  TRY(what.order, list_in(patch, kOrderPrefix, key));
  TRY(what.deleted, list_in(patch, kDeletePrefix, key));
  const Value* elements = patch.find(key);
  if (elements != nullptr) what.elements = elements->if_array();
  Value* before = target.find(key);
  if (before == nullptr || !before->is_array()) {
    if (what.elements == nullptr) return {};
    if (what.order != nullptr) CHECK_OK(check_order(*what.elements, *what.order, list.patch_merge_key));
    Value fresh = std::move(*plain(*elements));
    target.set(key, std::move(fresh));
    return {};
  }
  if (!list.patch_merge && what.deleted == nullptr) {
    if (what.elements != nullptr) *before = *elements;
    return {};
  }
  TRY(Array merged, merge_list(before->as_array(), what, list));
  *before = std::move(merged);
  return {};
}

Result<void> merge_member(ObjectEditor& target, const ObjectIndex& patch, const std::string& key, const Value& value,
                          const Schema& schema) {
  for (std::string_view prefix : {kOrderPrefix, kDeletePrefix}) {
    if (!key.starts_with(prefix)) continue;
    std::string list(key.substr(prefix.size()));
    if (list.empty()) return bad(fmt::format("{} names no list", key));
    const Value* elements = patch.find(list);
    // Done once: by the elements when there are some, else by the order, else by the deletions.
    if (elements != nullptr && (elements->is_array() || elements->is_null())) return {};
    if (prefix == kDeletePrefix && patch.find(std::string(kOrderPrefix) + list) != nullptr) return {};
    return merge_list_member(target, patch, list, schema);
  }
  if (key == kRetainKeys || key == kPatch) return {};
  if (value.is_null()) {
    target.erase(key);
    return {};
  }
  if (value.is_array()) return merge_list_member(target, patch, key, schema);
  Value* before = target.find(key);
  if (before != nullptr && before->is_object() && value.is_object()) {
    TRY(*before, merge_map(std::move(*before), value, child_schema(schema, key)));
    return {};
  }
  if (auto fresh = plain(value)) {
    target.set(key, std::move(*fresh));
  } else {
    // A directive about something that is not there: only "replace" and "merge" leave something.
    TRY(Value made, merge_map(Object{}, value, child_schema(schema, key)));
    if (value[kPatch].as_string() == "delete") target.erase(key);
    else target.set(key, std::move(made));
  }
  return {};
}

Result<Value> merge_map(Value original, const Value& patch, const Schema& schema) {
  const Object& from = patch.as_object();
  if (const Value* directive = from.find(kPatch)) {
    std::string_view what = directive->as_string();
    if (what == "delete") return Value(Object{});
    if (what == "replace") {
      Value whole = patch;
      whole.object().erase(kPatch);
      return std::move(*plain(whole));
    }
    if (what != "merge")
      return bad(fmt::format("unknown patch type {} in {}", base::write_json(*directive), base::write_json(patch)));
  }
  ObjectEditor target(std::move(original.object()));
  CHECK_OK(apply_retain_keys(target, from));
  const ObjectIndex index(from);
  for (const auto& [key, value] : from) CHECK_OK(merge_member(target, index, key, value, schema));
  return Value(std::move(target).take());
}

// ---- making -------------------------------------------------------------------------------------------------------

Result<Object> diff_maps(const Object& last, const Object& modified, const Object& current, const Schema& schema,
                         bool retain_keys);

struct ListDiff {
  Array elements;
  Array deleted;  // of a list of scalars
  Array order;
};

// Whether the elements of `modified` stand in `current` in that order and are all there.
Result<bool> same_order(const Array& modified, const Array& current, const std::string& key) {
  TRY(Places places, Places::make(current, key));
  TRY(auto ids, Places::ids_of(modified, key));
  ptrdiff_t last = -1;
  for (const auto& id : ids) {
    ptrdiff_t at = places.find(id);
    if (at <= last) return false;
    last = at;
  }
  return true;
}

Result<ListDiff> diff_objects(const Array& last, const Array& modified, const Array& current, const Schema& list) {
  const std::string& key = list.patch_merge_key;
  static const Object kEmpty;
  ListDiff out;
  TRY(Places in_last, Places::make(last, key));
  TRY(Places in_current, Places::make(current, key));
  TRY(Places in_modified, Places::make(modified, key));
  TRY(auto ids, Places::ids_of(modified, key));
  for (size_t i = 0; i < modified.size(); ++i) {
    const Value& one = modified[i];
    ptrdiff_t at = in_current.find(ids[i]);
    if (at < 0) {
      out.elements.push_back(one);
      continue;
    }
    ptrdiff_t before = in_last.find(ids[i]);
    const Object& base_of = before < 0 ? kEmpty : last[static_cast<size_t>(before)].as_object();
    TRY(Object patch, diff_maps(base_of, one.as_object(), current[static_cast<size_t>(at)].as_object(),
                                element_schema(list), list.patch_retain_keys));
    if (patch.empty()) continue;
    patch.set(key, one[key]);
    out.elements.emplace_back(std::move(patch));
  }
  for (const auto& one : last) {
    TRY(std::string id, Places::id_of(one, key));  // without the count: a deletion is of all that have the key
    if (in_modified.find(id) >= 0) continue;
    Object gone;
    gone.append(std::string(kPatch), "delete");
    gone.append(key, one[key]);
    out.elements.emplace_back(std::move(gone));
  }
  TRY(bool in_order, same_order(modified, current, key));
  if (!out.elements.empty() || !in_order) {
    for (const auto& one : modified) {
      Object named;
      named.append(key, one[key]);
      out.order.emplace_back(std::move(named));
    }
  }
  return out;
}

Result<ListDiff> diff_scalars(const Array& last, const Array& modified, const Array& current) {
  ListDiff out;
  TRY(Places in_current, Places::make(current, ""));
  TRY(Places in_modified, Places::make(modified, ""));
  for (const auto& one : modified)
    if (in_current.find(base::write_json(one)) < 0) out.elements.push_back(one);
  for (const auto& one : last)
    if (in_modified.find(base::write_json(one)) < 0) out.deleted.push_back(one);
  TRY(bool in_order, same_order(modified, current, ""));
  if (!out.elements.empty() || !out.deleted.empty() || !in_order) out.order = modified;
  return out;
}

Result<void> diff_list(Object& patch, const std::string& key, const Value& last, const Value& modified,
                       const Value& current, const Schema& list) {
  const Array& now = current.as_array();
  if (!list.patch_merge) {
    if (modified != current) patch.set(key, modified);
    return {};
  }
  bool of_objects = !list.patch_merge_key.empty();
  auto diff = of_objects ? diff_objects(last.as_array(), modified.as_array(), now, list)
                         : diff_scalars(last.as_array(), modified.as_array(), now);
  if (!diff) return std::unexpected(std::move(diff).error());
  if (diff->elements.empty() && diff->deleted.empty() && diff->order.empty()) return {};
  patch.set(std::string(kOrderPrefix) + key, diff->order);
  if (!diff->deleted.empty()) patch.set(std::string(kDeletePrefix) + key, std::move(diff->deleted));
  if (!diff->elements.empty()) patch.set(key, std::move(diff->elements));
  return {};
}

Result<Object> diff_maps(const Object& last, const Object& modified, const Object& current, const Schema& schema,
                         bool retain_keys) {
  static const Value kNull;
  static const Object kEmpty;
  Object patch;
  for (const auto& [key, value] : modified) {
    const Value* now = current.find(key);
    const Value* before = last.find(key);
    if (before == nullptr) before = &kNull;
    if (now == nullptr) {
      if (!value.is_null()) patch.set(key, value);
    } else if (value.is_object() && now->is_object()) {
      const Schema& child = child_schema(schema, key);
      TRY(Object inner, diff_maps(before->is_object() ? before->as_object() : kEmpty, value.as_object(),
                                  now->as_object(), child, child.patch_retain_keys));
      if (!inner.empty()) patch.set(key, std::move(inner));
    } else if (value.is_array() && now->is_array()) {
      CHECK_OK(diff_list(patch, key, *before, value, *now, child_schema(schema, key)));
    } else if (value != *now) {
      patch.set(key, value);
    }
  }
  for (const auto& member : last)
    if (!modified.contains(member.key)) patch.set(member.key, nullptr);
  if (!retain_keys) return patch;
  bool more_now = std::ranges::any_of(current, [&](const base::Member& member) {
    return !member.value.is_null() && !modified.contains(member.key);
  });
  std::vector<std::string> kept;
  for (const auto& [key, value] : modified)
    if (!value.is_null()) kept.push_back(key);
  if (kept.empty() || (patch.empty() && !more_now)) return patch;
  std::sort(kept.begin(), kept.end());
  patch.set(kRetainKeys, Array(kept.begin(), kept.end()));
  return patch;
}

Result<void> check_object(const Value& value, std::string_view what) {
  if (value.is_object()) return {};
  return bad(fmt::format("invalid JSON document: the {} must be an object, it is a {}", what, value.kind_name()));
}

}  // namespace

Result<Value> apply_strategic_merge_patch(const Value& original, const Value& patch, const Schema& schema) {
  CHECK_OK(check_object(original, "object to patch"));
  CHECK_OK(check_object(patch, "patch"));
  return merge_map(original, patch, schema);
}

Result<Value> make_strategic_merge_patch(const Value& from, const Value& to, const Schema& schema) {
  return three_way_merge_patch(from, to, from, schema);
}

Result<Value> three_way_merge_patch(const Value& last_applied, const Value& modified, const Value& current,
                                    const Schema& schema) {
  CHECK_OK(check_object(modified, "new configuration"));
  CHECK_OK(check_object(current, "current object"));
  TRY(Object patch,
      diff_maps(last_applied.as_object(), modified.as_object(), current.as_object(), schema, false));
  return Value(std::move(patch));
}

namespace {

Value diff_json(const Object& last, const Object& modified, const Object& current) {
  static const Object kEmpty;
  Object patch;
  for (const auto& [key, value] : modified) {
    const Value* now = current.find(key);
    if (now == nullptr) {
      if (!value.is_null()) patch.set(key, value);
    } else if (value.is_object() && now->is_object()) {
      const Value* before = last.find(key);
      Value inner = diff_json(before != nullptr ? before->as_object() : kEmpty, value.as_object(), now->as_object());
      if (!inner.as_object().empty()) patch.set(key, std::move(inner));
    } else if (value != *now) {
      patch.set(key, value);
    }
  }
  for (const auto& member : last)
    if (!modified.contains(member.key)) patch.set(member.key, nullptr);
  return patch;
}

}  // namespace

Value three_way_json_merge_patch(const Value& last_applied, const Value& modified, const Value& current) {
  return diff_json(last_applied.as_object(), modified.as_object(), current.as_object());
}

}  // namespace api
