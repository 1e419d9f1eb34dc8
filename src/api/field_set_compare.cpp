// Two objects side by side: what differs (compare_fields), and one laid over the other (merge_fields).
#include <algorithm>
#include <optional>
#include <unordered_map>

#include "api/field_set_schema.hpp"
#include "api/field_set_shape.hpp"

namespace api {

using base::Array;
using base::Object;
using base::Value;
using fields::Shape;
using Type = Schema::Type;

namespace {

// Equality without the worklist that Value's own needs for deep documents, where the values are flat.
bool same(const Value& a, const Value& b) {
  if (const auto* s = a.if_string()) return b.is_string() && *s == *b.if_string();
  if (a.is_bool()) return b.is_bool() && a.as_bool() == b.as_bool();
  if (a.is_number() && b.is_number()) return compare_values(a, b) == 0;
  return a == b;
}

// Members by name, cheap when both sides have the same order, as objects of one schema have.
class Members {
 public:
  explicit Members(const Object* object) : object_(object) {}

  const Value* find(std::string_view name) {
    if (!object_) return nullptr;
    auto begin = object_->begin();
    size_t size = object_->size();
    if (next_ < size && (begin + static_cast<std::ptrdiff_t>(next_))->key == name)
      return &(begin + static_cast<std::ptrdiff_t>(next_++))->value;
    if (size <= kSmall) {
      for (size_t i = 0; i < size; ++i) {
        const auto& member = *(begin + static_cast<std::ptrdiff_t>(i));
        if (member.key != name) continue;
        next_ = i + 1;
        return &member.value;
      }
      return nullptr;
    }
    if (index_.empty())
      for (size_t i = 0; i < size; ++i) index_.emplace((begin + static_cast<std::ptrdiff_t>(i))->key, i);
    auto at = index_.find(name);
    if (at == index_.end()) return nullptr;
    next_ = at->second + 1;
    return &(begin + static_cast<std::ptrdiff_t>(at->second))->value;
  }

 private:
  static constexpr size_t kSmall = 24;
  const Object* object_;
  size_t next_ = 0;
  std::unordered_map<std::string_view, size_t> index_;
};

// The elements of an associative list, sorted by path element; equal ones in their order.
struct Item {
  PathElement element;
  size_t place;
};
std::vector<Item> sorted_items(const Schema& list, const Array& items) {
  std::vector<Item> out;
  out.reserve(items.size());
  for (size_t i = 0; i < items.size(); ++i)
    if (auto element = fields::element_of(list, items[i])) out.push_back({std::move(*element), i});
  std::ranges::sort(out, [](const Item& a, const Item& b) {
    int c = a.element.compare(b.element);
    return c != 0 ? c < 0 : a.place < b.place;
  });
  return out;
}

// What a member that Go always writes is when it is absent here.
const Value* plain_struct(const Schema::Property& property) {
  static const Value kEmpty{Object()};
  static const Value kNull;
  const auto& written =
      property.default_value.is_null() ? property.schema->default_value : property.default_value;
  if (property.schema->type == Type::object && written.is_object()) return &kEmpty;
  if (property.keeps_zero && (property.schema->type == Type::array || property.schema->type == Type::map))
    return &kNull;
  return nullptr;
}

class Comparer {
 public:
  explicit Comparer(bool plain_structs) : plain_structs_(plain_structs) {}

  enum class Self { same, added, modified, removed };

  // One of both may be null: absent.
  Self compare(const Schema* schema, const Value* from, const Value* to, FieldChanges& out, int depth) {
    Shape left = fields::shape_of(schema, from), right = fields::shape_of(schema, to);
    if (depth >= FieldSet::kMaxDepth) left = right = Shape::leaf;
    if (from && to && left != right) {
      // Only where there is no schema: a map that became a scalar, or the other way round.
      if (left == Shape::map) compare_maps(schema, from->if_object(), nullptr, out, depth);
      if (right == Shape::map) compare_maps(schema, nullptr, to->if_object(), out, depth);
      return Self::modified;
    }
    Shape shape = from ? left : right;
    if (shape == Shape::leaf || (fields::is_empty(from) && fields::is_empty(to))) {
      if (from && to) return same(*from, *to) ? Self::same : Self::modified;
    } else if (shape == Shape::map) {
      compare_maps(schema, from ? from->if_object() : nullptr, to ? to->if_object() : nullptr, out, depth);
    } else {
      compare_lists(*schema, from ? from->as_array() : kNoItems, to ? to->as_array() : kNoItems, out, depth);
    }
    return !from ? Self::added : !to ? Self::removed : Self::same;
  }

 private:
  static inline const Array kNoItems;

  static void note(PathElement element, Self self, FieldChanges below, FieldChanges& out) {
    if (self == Self::same && below.empty()) return;
    out.added.append(element, self == Self::added, std::move(below.added));
    out.modified.append(element, self == Self::modified, std::move(below.modified));
    out.removed.append(std::move(element), self == Self::removed, std::move(below.removed));
  }

  static void sort(FieldChanges& changes) {
    changes.added.sort();
    changes.modified.sort();
    changes.removed.sort();
  }

  void compare_member(const fields::MemberSchema& member, const std::string& name, const Value* from,
                      const Value* to, bool both, FieldChanges& out, int depth) {
    if (plain_structs_ && both && member.property && (!from || !to)) {
      if (const Value* written = plain_struct(*member.property)) (from ? to : from) = written;
    }
    FieldChanges below;
    Self self = compare(member.schema, from, to, below, depth + 1);
    if (self != Self::same || !below.empty()) note(PathElement::field(name), self, std::move(below), out);
  }

  void compare_maps(const Schema* schema, const Object* from, const Object* to, FieldChanges& out,
                    int depth) {
    bool both = from && to;
    size_t shared = 0;
    if (from) {
      Members others(to);
      fields::MemberSchemas schemas(schema);
      for (const auto& [name, value] : *from) {
        const Value* other = others.find(name);
        if (other) ++shared;
        compare_member(schemas.of(name), name, &value, other, both, out, depth);
      }
    }
    if (to && (!from || shared < to->size())) {
      Members others(from);
      fields::MemberSchemas schemas(schema);
      for (const auto& [name, value] : *to)
        if (!others.find(name)) compare_member(schemas.of(name), name, nullptr, &value, both, out, depth);
    }
    sort(out);
  }

  // All elements with the same path element, on both sides.
  struct Group {
    std::span<const Item> from, to;
  };

  void compare_lists(const Schema& list, const Array& from, const Array& to, FieldChanges& out, int depth) {
    if (!from.empty() && from.size() == to.size() && from == to) return;
    auto left = sorted_items(list, from), right = sorted_items(list, to);
    auto run = [](const std::vector<Item>& items, size_t at) {
      size_t end = at;
      while (end < items.size() && items[end].element == items[at].element) ++end;
      return end - at;
    };
    for (size_t i = 0, j = 0; i < left.size() || j < right.size();) {
      int c = i == left.size() ? 1 : j == right.size() ? -1 : left[i].element.compare(right[j].element);
      Group group;
      if (c <= 0) group.from = std::span(left).subspan(i, run(left, i));
      if (c >= 0) group.to = std::span(right).subspan(j, run(right, j));
      i += group.from.size();
      j += group.to.size();
      compare_group(list, from, to, group, out, depth);
    }
    sort(out);
  }

  void compare_group(const Schema& list, const Array& from, const Array& to, const Group& group,
                     FieldChanges& out, int depth) {
    auto element = (group.from.empty() ? group.to : group.from)[0].element;
    auto one = [&](const Value* a, const Value* b) {
      FieldChanges below;
      Self self = compare(list.items.get(), a, b, below, depth + 1);
      note(element, self, std::move(below), out);
    };
    const Value* first = group.from.empty() ? nullptr : &from[group.from[0].place];
    const Value* second = group.to.empty() ? nullptr : &to[group.to[0].place];
    bool many_before = group.from.size() > 1, many_after = group.to.size() > 1;
    if (!many_before && !many_after) return one(first, second);
    // Elements that stand several times are compared as one atomic thing.
    if (many_before && many_after) {
      bool equal = std::ranges::equal(
          group.from, group.to, [&](const Item& a, const Item& b) { return from[a.place] == to[b.place]; });
      if (!equal) note(element, Self::modified, {}, out);
    } else if (many_before) {
      if (second) one(nullptr, second);
      note(element, Self::removed, {}, out);
    } else {
      if (first) one(first, nullptr);
      note(element, Self::added, {}, out);
    }
  }

  bool plain_structs_;
};

// --- Merging

class Merger {
 public:
  // Nothing: the member is left out.
  static std::optional<Value> merge(const Schema* schema, const Value* live, const Value* config, int depth) {
    if (!config) return *live;
    Shape shape = fields::shape_of(schema, config);
    if (shape == Shape::leaf || depth >= FieldSet::kMaxDepth ||
        (fields::is_empty(live) && fields::is_empty(config)))
      return keep(schema, live, config, depth);
    if (shape == Shape::map)
      return merge_maps(schema, live ? live->as_object() : Object(), config->as_object(), depth);
    return merge_lists(*schema, live ? live->as_array() : Array(), config->as_array(), depth);
  }

 private:
  // A leaf, or two empties. Null lets a map or a list that the schema divides be what it is.
  static std::optional<Value> keep(const Schema* schema, const Value* live, const Value* config, int) {
    if (config->is_null() && live && fields::shape_of(schema, nullptr) != Shape::leaf &&
        !fields::is_empty(live))
      return *live;
    return *config;
  }

  static std::optional<Value> merge_maps(const Schema* schema, const Object& live, const Object& config,
                                         int depth) {
    Object out;
    out.reserve(live.size() + config.size());
    Members in_config(&config), in_live(&live);
    for (const auto& [name, value] : live) {
      auto merged =
          merge(fields::member_schema(schema, name).schema, &value, in_config.find(name), depth + 1);
      if (merged) out.append(name, std::move(*merged));
    }
    for (const auto& [name, value] : config) {
      if (in_live.find(name)) continue;
      auto merged = merge(fields::member_schema(schema, name).schema, nullptr, &value, depth + 1);
      if (merged) out.append(name, std::move(*merged));
    }
    if (out.empty()) return std::nullopt;
    return out;
  }

  // An element in its list, and its like on the other side.
  struct Listed {
    const PathElement* element = nullptr;
    const Value* value = nullptr;
    const Value* other = nullptr;  // null also when there are several
    size_t place = 0;
    size_t other_place = 0;
    bool shared = false;
  };

  static std::vector<Listed> listed(const Array& items, const std::vector<Item>& sorted, const Array& others,
                                    const std::vector<Item>& sorted_others) {
    std::vector<Listed> out(items.size());
    auto before = [](const Item& item, const PathElement& e) { return item.element.compare(e) < 0; };
    for (const auto& [element, place] : sorted) {
      Listed& entry = out[place];
      entry.element = &element;
      entry.value = &items[place];
      entry.place = place;
      auto at = std::lower_bound(sorted_others.begin(), sorted_others.end(), element, before);
      if (at == sorted_others.end() || !(at->element == element)) continue;
      entry.shared = true;
      entry.other_place = at->place;
      bool several = at + 1 != sorted_others.end() && (at + 1)->element == element;
      entry.other = several ? nullptr : &others[at->place];
    }
    std::erase_if(out, [](const Listed& entry) { return !entry.element; });
    return out;
  }

  // Elements of `config` in its order; those that only `live` has keep their place relative to the shared
  // ones.
  static std::optional<Value> merge_lists(const Schema& list, const Array& live, const Array& config,
                                          int depth) {
    auto sorted_live = sorted_items(list, live), sorted_config = sorted_items(list, config);
    auto left = listed(live, sorted_live, config, sorted_config);
    auto right = listed(config, sorted_config, live, sorted_live);
    Array out;
    out.reserve(std::max(left.size(), right.size()));
    auto put = [&](const Value* a, const Value* b) {
      if (auto merged = merge(list.items.get(), a, b, depth + 1)) out.push_back(std::move(*merged));
    };
    // The shared elements in config's order: the walk over `live` stops only for the next of them.
    std::vector<const PathElement*> shared;
    for (const auto& entry : right)
      if (entry.shared) shared.push_back(entry.element);
    size_t next = 0;
    auto is_next = [&](const PathElement& e) { return next < shared.size() && *shared[next] == e; };
    std::vector<bool> done(config.size());
    for (size_t i = 0, j = 0; i < left.size() || j < right.size();) {
      if (i < left.size() && j < right.size()) {
        if (*left[i].element == *right[j].element) {
          done[right[j].place] = true;
          put(right[j].other, right[j].value);
          ++i, ++j, ++next;
          continue;
        }
        if (left[i].shared && next < shared.size() && !is_next(*left[i].element)) {
          ++i;
          continue;
        }
      }
      if (i < left.size() && !left[i].shared) {
        put(left[i++].value, nullptr);
        continue;
      }
      if (i < left.size() && done[left[i].other_place]) ++i;
      if (j == right.size()) continue;
      done[right[j].place] = true;
      put(right[j].other, right[j].value);
      if (is_next(*right[j].element)) ++next;
      ++j;
    }
    if (out.empty()) return std::nullopt;
    return out;
  }
};

}  // namespace

FieldChanges compare_fields(const Value& from, const Value& to, const Schema* schema, bool plain_structs) {
  FieldChanges out;
  Comparer(plain_structs).compare(schema, &from, &to, out, 0);
  return out;
}

Value merge_fields(const Value& live, const Value& config, const Schema* schema) {
  auto merged = Merger::merge(schema, &live, &config, 0);
  return merged ? std::move(*merged) : Value();
}

}  // namespace api
