// Patches against slow, obvious models: random schemas, objects and patches from fixed seeds. The models work
// on sorted copies and linear searches only, and know nothing of the code under test.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <optional>

#include "api/patch.hpp"
#include "api/strategic.hpp"
#include "base/json.hpp"

namespace api {
namespace {

using base::Array;
using base::Object;
using base::Value;
using Type = Schema::Type;

std::string text(const Value& value) { return base::write_json(value); }

// ---- what is tried
// -------------------------------------------------------------------------------------------------

const std::vector<std::string> kNames = {"a", "b", "c", "d", "e"};
constexpr int kDepth = 2;

class Maker {
 public:
  explicit Maker(unsigned seed) : state_(seed) {}

  // SplitMix64: quick to start, which is done 20,000 times.
  size_t below(size_t n) {
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return (z ^ (z >> 31)) % n;
  }
  bool chance(int percent) { return below(100) < static_cast<size_t>(percent); }

  SchemaPtr schema(int depth = kDepth) {
    auto out = std::make_shared<Schema>();
    out->type = Type::object;
    out->patch_retain_keys = chance(15);
    for (const auto& name : kNames) {
      if (chance(20)) continue;  // a field that the schema does not have
      Schema::Property property;
      property.name = name;
      property.schema = field(depth - 1);
      out->properties.push_back(std::move(property));
    }
    return out;
  }

  // An object without nulls, every merged list with keys of its own.
  Value object(const Schema& schema, int depth = kDepth) {
    Object out;
    for (const auto& name : kNames)
      if (chance(50)) out.set(name, value(child(schema, name), depth - 1));
    return out;
  }

  Value patch(const Schema& schema, int depth = kDepth) {
    Object out;
    if (chance(4)) out.set("$patch", chance(50) ? "replace" : chance(50) ? "delete" : "merge");
    for (const auto& name : kNames) {
      if (!chance(50)) continue;
      const Schema& field = child(schema, name);
      if (chance(15))
        out.set(name, nullptr);
      else if (field.type == Type::object)
        out.set(name, chance(5) ? Value("not an object") : patch(field, depth - 1));
      else if (field.type == Type::array && field.patch_merge)
        add_list(out, name, field, depth - 1);
      else
        out.set(name, value(field, depth - 1));
    }
    if (chance(8)) {
      Array keys;
      for (const auto& name : kNames)
        if (chance(40) || (out.contains(name) && chance(90))) keys.push_back(name);
      out.set("$retainKeys", std::move(keys));
    }
    return out;
  }

  static const Schema& child(const Schema& schema, std::string_view name) {
    static const Schema kAny;
    if (const auto* property = schema.find(name)) return *property->schema;
    return schema.type == Type::map && schema.items ? *schema.items : kAny;
  }

 private:
  Value scalar() { return chance(50) ? Value(static_cast<int>(below(5))) : Value(kNames[below(5)]); }

  static std::shared_ptr<Schema> of(Type type) {
    auto out = std::make_shared<Schema>();
    out->type = type;
    return out;
  }

  SchemaPtr field(int depth) {
    size_t choice = depth <= 0 ? below(2) : below(7);
    if (choice == 0) return of(Type::string);
    if (choice == 2) return schema(depth);
    if (choice == 3) {
      auto map = of(Type::map);
      map->items = of(Type::string);
      return map;
    }
    auto list = of(Type::array);
    list->patch_merge = choice != 1;
    if (choice == 1 || choice == 4) {
      list->items = of(Type::string);
      return list;
    }
    list->items = schema(depth);
    list->patch_merge = choice == 5 || chance(70);
    list->patch_merge_key = "k";
    list->patch_retain_keys = chance(25);
    return list;
  }

  Value value(const Schema& schema, int depth) {
    if (schema.type == Type::object) return object(schema, depth);
    if (schema.type == Type::map) {
      Object out;
      for (const auto& name : kNames)
        if (chance(40)) out.set(name, kNames[below(5)]);
      return out;
    }
    if (schema.type != Type::array) return scalar();
    Array out;
    bool of_objects = schema.items->type == Type::object;
    for (const auto& name : shuffled()) {
      if (!chance(50)) continue;
      out.push_back(of_objects ? object(*schema.items, depth) : Value(name));
      if (of_objects) out.back().object().set("k", name);
    }
    return out;
  }

  std::vector<std::string> shuffled() {
    auto out = kNames;
    for (size_t i = out.size(); i > 1; --i) std::swap(out[i - 1], out[below(i)]);
    return out;
  }

  Value element(const Schema& list, const std::string& name, int depth) {
    if (list.items->type != Type::object) return name;
    Value out = patch(*list.items, depth);
    out.object().erase("$patch");
    if (chance(10)) out.object().set("$patch", "delete");
    out.object().set("k", name);
    if (auto* keys = out.object().find("$retainKeys"); keys != nullptr) keys->array().push_back("k");
    return out;
  }

  // Elements, and now and then their order and what is deleted.
  void add_list(Object& out, const std::string& name, const Schema& list, int depth) {
    bool of_objects = list.items->type == Type::object;
    Array elements, order;
    for (const auto& id : shuffled()) {
      bool in_elements = chance(40), in_order = in_elements ? chance(97) : chance(30);
      if (in_elements) elements.push_back(element(list, id, depth));
      if (in_order) order.push_back(of_objects ? Value(Object{{"k", id}}) : Value(id));
    }
    if (of_objects && chance(4)) elements.push_back(Object{{"$patch", "replace"}});
    if (of_objects && chance(2)) elements.push_back(Object{{"a", "no key"}});
    if (!of_objects && chance(30)) {
      Array gone;
      for (const auto& id : kNames)
        if (chance(30) && std::ranges::find(elements, Value(id)) == elements.end()) gone.push_back(id);
      out.set("$deleteFromPrimitiveList/" + name, std::move(gone));
    }
    if (chance(40)) out.set("$setElementOrder/" + name, std::move(order));
    if (!elements.empty() || chance(50)) out.set(name, std::move(elements));
  }

  uint64_t state_;
};

// ---- the model of applying
// -----------------------------------------------------------------------------------------

struct Refused {};  // thrown where the patch is to be refused

std::string id_of(const Value& element, bool of_objects) {
  if (!of_objects) return text(element);
  if (!element.is_object() || !element.as_object().contains("k")) throw Refused();
  return text(element["k"]);
}

int place_of(const Array& list, const std::string& id, bool of_objects) {
  for (size_t i = 0; i < list.size(); ++i)
    if (id_of(list[i], of_objects) == id) return static_cast<int>(i);
  return -1;
}

bool is_directive(std::string_view key) { return key.starts_with("$"); }

// What a part of a patch leaves where there was nothing: parts of it that carry a directive leave nothing.
Value fresh(const Value& value) {
  if (value.is_array()) {
    Array out;
    for (const auto& one : value.as_array())
      if (one["$patch"].is_null()) out.push_back(fresh(one));
    return out;
  }
  if (!value.is_object()) return value;
  Object out;
  for (const auto& [key, inner] : value.as_object())
    if (!is_directive(key) && !inner.is_null() && inner["$patch"].is_null()) out.set(key, fresh(inner));
  return out;
}

Value model_object(const Value& original, const Value& patch, const Schema& schema);

// Those that the patch names as it names them; the others stay before those that they stood before.
Array in_order(const Array& merged, const Array& wanted, const Array& before, bool of_objects) {
  Array named, own, out;
  for (const auto& one : wanted) {
    int at = place_of(merged, id_of(one, of_objects), of_objects);
    if (at >= 0) named.push_back(merged[static_cast<size_t>(at)]);
  }
  for (const auto& one : before) {
    std::string id = id_of(one, of_objects);
    int at = place_of(merged, id, of_objects);
    if (at >= 0 && place_of(wanted, id, of_objects) < 0) own.push_back(merged[static_cast<size_t>(at)]);
  }
  for (const auto& one : named) {
    int at = place_of(before, id_of(one, of_objects), of_objects);
    while (!own.empty() && at >= 0 && place_of(before, id_of(own[0], of_objects), of_objects) < at) {
      out.push_back(own[0]);
      own.erase(own.begin());
    }
    out.push_back(one);
  }
  out.insert(out.end(), own.begin(), own.end());
  return out;
}

Array model_list(const Array& before, const Value& patch, const std::string& name, const Schema& list) {
  bool of_objects = list.items->type == Type::object;
  const Array& elements = patch[name].as_array();
  const Value* order = patch.as_object().find("$setElementOrder/" + name);
  Array merged = before, plain;
  for (const auto& gone : patch["$deleteFromPrimitiveList/" + name].as_array()) std::erase(merged, gone);
  bool replace = false;
  for (const auto& one : elements) {
    auto directive = one["$patch"].as_string();
    if (directive.empty()) plain.push_back(one);
    replace = replace || directive == "replace";
    if (directive != "delete") continue;
    std::string id = id_of(one, of_objects);
    std::erase_if(merged, [&](const Value& other) { return id_of(other, of_objects) == id; });
  }
  if (replace) merged.clear();
  for (const auto& one : plain) {
    int at = place_of(merged, id_of(one, of_objects), of_objects);
    if (at < 0)
      merged.push_back(fresh(one));
    else if (of_objects)
      merged[static_cast<size_t>(at)] = model_object(merged[static_cast<size_t>(at)], one, *list.items);
  }
  return in_order(merged, order != nullptr ? order->as_array() : plain, before, of_objects);
}

// The elements must stand in the order list, in its order.
void check_order(const Value& patch, const std::string& name, const Schema& list) {
  bool of_objects = list.items->type == Type::object;
  const Value* order = patch.as_object().find("$setElementOrder/" + name);
  if (order == nullptr) return;
  int last = -1;
  for (const auto& one : patch[name].as_array()) {
    if (!one["$patch"].is_null()) continue;
    int at = place_of(order->as_array(), id_of(one, of_objects), of_objects);
    if (at <= last) throw Refused();
    last = at;
  }
}

// Absent: no value.
std::optional<Value> model_member(const Value& original, const Value& patch, const std::string& name,
                                  const Schema& schema) {
  const Value* before = original.as_object().find(name);
  const Value* value = patch.as_object().find(name);
  auto unchanged = [&] { return before != nullptr ? std::optional(*before) : std::nullopt; };
  if (value != nullptr && value->is_null()) return std::nullopt;
  bool about_list = patch.as_object().contains("$setElementOrder/" + name) ||
                    patch.as_object().contains("$deleteFromPrimitiveList/" + name);
  if (schema.type == Type::array && schema.patch_merge && (value != nullptr || about_list)) {
    bool had_list = before != nullptr && before->is_array();
    if (!had_list && value == nullptr) return unchanged();
    check_order(patch, name, schema);
    return had_list ? Value(model_list(before->as_array(), patch, name, schema)) : fresh(*value);
  }
  if (value == nullptr) return unchanged();
  if (!value->is_object()) return fresh(*value);
  bool had_object = before != nullptr && before->is_object();
  if (!had_object && (*value)["$patch"].as_string() == "delete") return std::nullopt;
  if (!had_object && (*value)["$patch"].is_null()) return fresh(*value);
  return model_object(had_object ? *before : Value(Object{}), *value, schema);
}

Value model_object(const Value& original, const Value& patch, const Schema& schema) {
  auto directive = patch["$patch"].as_string();
  if (directive == "delete") return Object{};
  if (directive == "replace") return fresh(patch);
  Value start = original;
  if (const Value* keys = patch.as_object().find("$retainKeys")) {
    auto keeps = [&](const std::string& name) {
      return std::ranges::find(keys->as_array(), Value(name)) != keys->as_array().end();
    };
    for (const auto& [key, value] : patch.as_object())
      if (!is_directive(key) && !value.is_null() && !keeps(key)) throw Refused();
    for (const auto& [key, value] : original.as_object())
      if (!keeps(key)) start.object().erase(key);
  }
  Object out;
  std::vector<std::string> names = kNames;
  names.push_back("k");
  for (const auto& name : names)
    if (auto value = model_member(start, patch, name, Maker::child(schema, name)))
      out.set(name, std::move(*value));
  return out;
}

TEST(StrategicProperty, ApplyingIsAsTheModelSays) {
  int refused = 0;
  for (unsigned seed = 0; seed < 20'000; ++seed) {
    Maker make(seed);
    auto schema = make.schema();
    Value original = make.object(*schema), patch = make.patch(*schema);
    auto got = apply_strategic_merge_patch(original, patch, *schema);
    auto story = [&] { return "seed " + std::to_string(seed) + "\n" + text(original) + "\n" + text(patch); };
    try {
      Value expected = model_object(original, patch, *schema);
      ASSERT_TRUE(got) << story() << "\n" << got.error().message;
      ASSERT_EQ(*got, expected) << story() << "\ngot  " << text(*got) << "\nwant " << text(expected);
    } catch (const Refused&) {
      ++refused;
      ASSERT_FALSE(got) << story() << "\ngot  " << text(*got);
    }
  }
  EXPECT_GT(refused, 200);
  EXPECT_LT(refused, 8'000);
}

// Where a look-up per member goes through all members, this takes minutes.
TEST(StrategicProperty, WidePatchesAreQuick) {
  constexpr int kWide = 60'000;
  Schema map;
  map.type = Type::map;
  Object original, lists, orders, kept;
  Array keys;
  for (int i = 0; i < kWide; ++i) {
    std::string key = "k" + std::to_string(i);
    original.append(key, i);
    lists.append(key, Array{});
    orders.append("$setElementOrder/" + key, Array{});
    orders.append("$deleteFromPrimitiveList/" + key, Array{});
    keys.push_back(std::move(key));
  }
  kept.append("$retainKeys", std::move(keys));
  const std::string before = text(original);
  auto got = apply_strategic_merge_patch(original, kept, map);
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_TRUE(text(*got) == before);
  got = apply_strategic_merge_patch(original, lists, map);
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_TRUE(text(*got) == text(lists));
  got = apply_strategic_merge_patch(original, orders, map);
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_TRUE(text(*got) == before);
}

// ---- making
// --------------------------------------------------------------------------------------------------------

TEST(StrategicProperty, AMadePatchLeadsThere) {
  for (unsigned seed = 0; seed < 10'000; ++seed) {
    Maker make(seed);
    auto schema = make.schema();
    Value from = make.object(*schema), to = make.object(*schema);
    auto patch = make_strategic_merge_patch(from, to, *schema);
    ASSERT_TRUE(patch) << seed;
    auto there = apply_strategic_merge_patch(from, *patch, *schema);
    auto story = [&] {
      return "seed " + std::to_string(seed) + "\n" + text(from) + "\n" + text(to) + "\n" + text(*patch);
    };
    ASSERT_TRUE(there) << story() << "\n" << there.error().message;
    ASSERT_EQ(*there, to) << story() << "\ngot " << text(*there);
    auto nothing = make_strategic_merge_patch(to, to, *schema);
    ASSERT_TRUE(nothing);
    ASSERT_EQ(text(*nothing), "{}") << seed;
  }
}

// What `kubectl apply` wants: ours as in `modified`, gone what only `last` had, all else as it is.
Value wanted(const Value& last, const Value& modified, const Value& current, const Schema& schema,
             bool retain_keys);

// Merged lists by their keys, sorted.
Value wanted_list(const Array& last, const Array& modified, const Array& current, const Schema& list) {
  bool of_objects = list.items->type == Type::object;
  Array out;
  for (const auto& one : modified) {
    std::string id = id_of(one, of_objects);
    int at = place_of(current, id, of_objects), before = place_of(last, id, of_objects);
    if (!of_objects || at < 0)
      out.push_back(one);
    else
      out.push_back(wanted(before < 0 ? Value() : last[static_cast<size_t>(before)], one,
                           current[static_cast<size_t>(at)], *list.items, list.patch_retain_keys));
  }
  for (const auto& one : current) {
    std::string id = id_of(one, of_objects);
    if (place_of(modified, id, of_objects) < 0 && place_of(last, id, of_objects) < 0) out.push_back(one);
  }
  return out;
}

Value wanted(const Value& last, const Value& modified, const Value& current, const Schema& schema,
             bool retain_keys) {
  Object out;
  for (const auto& [key, value] : modified.as_object()) {
    const Schema& child = Maker::child(schema, key);
    const Value* now = current.as_object().find(key);
    if (now != nullptr && now->is_object() && value.is_object())
      out.set(key, wanted(last[key], value, *now, child, child.patch_retain_keys));
    else if (now != nullptr && child.type == Type::array && child.patch_merge && value.is_array() &&
             now->is_array())
      out.set(key, wanted_list(last[key].as_array(), value.as_array(), now->as_array(), child));
    else
      out.set(key, value);
  }
  for (const auto& [key, value] : current.as_object()) {
    bool others_stay = !retain_keys || modified.as_object().empty();
    if (!modified.as_object().contains(key) && !last.as_object().contains(key) && others_stay)
      out.set(key, value);
  }
  return out;
}

// Every merged list by id, so that order does not count.
Value sorted(const Value& value, const Schema& schema) {
  if (value.is_object()) {
    Object out;
    for (const auto& [key, inner] : value.as_object()) out.set(key, sorted(inner, Maker::child(schema, key)));
    return out;
  }
  if (!value.is_array() || !schema.items) return value;
  Array out;
  for (const auto& one : value.as_array()) out.push_back(sorted(one, *schema.items));
  bool of_objects = schema.items->type == Type::object;
  if (schema.patch_merge)
    std::ranges::sort(out, {}, [&](const Value& one) { return id_of(one, of_objects); });
  return out;
}

TEST(StrategicProperty, ThreeWayTakesOnlyWhatWasOurs) {
  for (unsigned seed = 0; seed < 10'000; ++seed) {
    Maker make(seed);
    auto schema = make.schema();
    Value last = make.object(*schema), modified = make.object(*schema), current = make.object(*schema);
    auto patch = three_way_merge_patch(last, modified, current, *schema);
    auto story = [&] {
      return "seed " + std::to_string(seed) + "\nlast " + text(last) + "\nmod  " + text(modified) +
             "\nnow  " + text(current);
    };
    ASSERT_TRUE(patch) << story() << "\n" << patch.error().message;
    auto got = apply_strategic_merge_patch(current, *patch, *schema);
    ASSERT_TRUE(got) << story() << "\n" << text(*patch) << "\n" << got.error().message;
    Value want = wanted(last, modified, current, *schema, false);
    ASSERT_EQ(sorted(*got, *schema), sorted(want, *schema))
        << story() << "\n"
        << text(*patch) << "\ngot  " << text(*got) << "\nwant " << text(want);
  }
}

// ---- the other patches
// ---------------------------------------------------------------------------------------------

std::string escaped(std::string_view key) {
  std::string out;
  for (char c : key) c == '~' ? out += "~0" : c == '/' ? out += "~1" : out += c;
  return out;
}

// A JSON patch of adds, removes, replaces, and moves, copies and tests that say nothing new.
void diff_json(Maker& make, const std::string& path, const Value& from, const Value& to, Array& out) {
  auto add = [&](std::string_view op, const std::string& at, const Value* value) {
    Object operation{{"op", op}, {"path", at}};
    if (value != nullptr) operation.set("value", *value);
    out.emplace_back(std::move(operation));
  };
  if (make.chance(10)) add("test", path, &from);
  if (from == to) return;
  if (from.is_object() && to.is_object()) {
    for (const auto& [key, value] : from.as_object())
      if (!to.as_object().contains(key)) add("remove", path + "/" + escaped(key), nullptr);
    for (const auto& [key, value] : to.as_object()) {
      const std::string at = path + "/" + escaped(key);
      if (const Value* before = from.as_object().find(key))
        diff_json(make, at, *before, value, out);
      else
        add("add", at, &value);
    }
  } else if (from.is_array() && to.is_array()) {
    const auto &a = from.as_array(), &b = to.as_array();
    size_t common = std::min(a.size(), b.size());
    for (size_t i = a.size(); i > common; --i) add("remove", path + "/" + std::to_string(i - 1), nullptr);
    for (size_t i = 0; i < common; ++i) diff_json(make, path + "/" + std::to_string(i), a[i], b[i], out);
    for (size_t i = common; i < b.size(); ++i)
      add("add", path + (make.chance(50) ? "/-" : "/" + std::to_string(i)), &b[i]);
  } else {
    add(path.empty() || make.chance(50) ? "replace" : "add", path, &to);
    // "add" puts a second element into a list: only members are overwritten.
    if (size_t slash = path.rfind('/');
        slash != std::string::npos && std::isdigit(static_cast<unsigned char>(path.back())))
      out.back().object().set("op", "replace");
  }
}

TEST(PatchProperty, MadePatchesLeadThere) {
  for (unsigned seed = 0; seed < 10'000; ++seed) {
    Maker make(seed);
    auto schema = make.schema();
    Value from = make.object(*schema), to = make.object(*schema);
    if (make.chance(20)) to.object().set("~/~0/", from);
    auto story = [&] { return "seed " + std::to_string(seed) + "\n" + text(from) + "\n" + text(to); };
    ASSERT_EQ(apply_merge_patch(from, make_merge_patch(from, to)), to) << story();
    Array operations;
    diff_json(make, "", from, to, operations);
    auto there = apply_json_patch(from, operations);
    ASSERT_TRUE(there) << story() << "\n" << text(operations) << "\n" << there.error().message;
    ASSERT_EQ(*there, to) << story() << "\n" << text(operations);
    // The merge patch of three documents knows no lists.
    Value last = make.object(*schema);
    Value merged = apply_merge_patch(from, three_way_json_merge_patch(last, to, from));
    static const Schema kAny;
    ASSERT_EQ(merged, wanted(last, to, from, kAny, false)) << story() << "\n" << text(last);
  }
}

}  // namespace
}  // namespace api
