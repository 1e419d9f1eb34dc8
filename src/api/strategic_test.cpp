#include "api/strategic.hpp"

#include <gtest/gtest.h>

#include <random>

#include "base/json.hpp"

namespace api {
namespace {

using base::Value;

Value json(std::string_view text) {
  auto parsed = base::parse_json(text);
  EXPECT_TRUE(parsed) << text;
  return parsed ? *parsed : Value();
}

SchemaPtr scalar() {
  auto out = std::make_shared<Schema>();
  out->type = Schema::Type::string;
  return out;
}

SchemaPtr object(std::vector<Schema::Property> properties, bool retain_keys = false) {
  auto out = std::make_shared<Schema>();
  out->type = Schema::Type::object;
  out->properties = std::move(properties);
  out->patch_retain_keys = retain_keys;
  return out;
}

SchemaPtr list(SchemaPtr items, std::string merge_key, bool merge, bool retain_keys = false) {
  auto out = std::make_shared<Schema>();
  out->type = Schema::Type::array;
  out->items = std::move(items);
  out->patch_merge_key = std::move(merge_key);
  out->patch_merge = merge;
  out->patch_retain_keys = retain_keys;
  return out;
}

Schema::Property property(std::string name, SchemaPtr schema) {
  Schema::Property out;
  out.name = std::move(name);
  out.schema = std::move(schema);
  return out;
}

// What a pod looks like, in small: merged lists of objects in each other, of scalars, an atomic list, retained keys.
const Schema& schema() {
  static const SchemaPtr kSchema = [] {
    auto port = object({property("port", scalar()), property("protocol", scalar()), property("name", scalar())});
    auto env = object({property("name", scalar()), property("value", scalar())});
    auto container = object({property("name", scalar()), property("image", scalar()),
                             property("env", list(env, "name", true)), property("args", list(scalar(), "", false))});
    auto volume = object({property("name", scalar()), property("emptyDir", object({})),
                          property("hostPath", object({property("path", scalar())}))});
    auto any_map = std::make_shared<Schema>();
    any_map->type = Schema::Type::map;
    any_map->items = scalar();
    return object({property("containers", list(container, "name", true)), property("ports", list(port, "port", true)),
                   property("volumes", list(volume, "name", true, true)),
                   property("finalizers", list(scalar(), "", true)), property("labels", any_map),
                   property("strategy", object({property("type", scalar()), property("rolling", object({}))}, true)),
                   property("other", list(object({property("name", scalar())}), "", false)), property("x", scalar())});
  }();
  return *kSchema;
}

struct ApplyCase {
  const char* what;
  const char* original;
  const char* patch;
  const char* result;  // null: an error
};

TEST(StrategicMergePatch, Applies) {
  const ApplyCase cases[] = {
      {"maps merge", R"({"labels":{"a":"1","b":"2"}})", R"({"labels":{"b":null,"c":"3"}})", R"({"labels":{"a":"1","c":"3"}})"},
      {"scalars replace", R"({"x":"1"})", R"({"x":"2"})", R"({"x":"2"})"},
      {"null deletes", R"({"x":"1"})", R"({"x":null})", R"({})"},
      {"null for what is not there", R"({})", R"({"x":null,"labels":{"a":null}})", R"({"labels":{}})"},
      {"an element merges by its key", R"({"containers":[{"name":"a","image":"1"},{"name":"b","image":"2"}]})",
       R"({"containers":[{"name":"b","image":"3"}]})",
       R"({"containers":[{"name":"a","image":"1"},{"name":"b","image":"3"}]})"},
      {"a new element stands first, as upstream has it", R"({"containers":[{"name":"a"}]})",
       R"({"containers":[{"name":"b"}]})", R"({"containers":[{"name":"b"},{"name":"a"}]})"},
      {"nested lists merge", R"({"containers":[{"name":"a","env":[{"name":"X","value":"1"},{"name":"Y","value":"2"}]}]})",
       R"({"containers":[{"name":"a","env":[{"name":"Y","value":"3"}]}]})",
       R"({"containers":[{"name":"a","env":[{"name":"X","value":"1"},{"name":"Y","value":"3"}]}]})"},
      {"$patch delete of an element", R"({"containers":[{"name":"a"},{"name":"b"}]})",
       R"({"containers":[{"name":"a","$patch":"delete"}]})", R"({"containers":[{"name":"b"}]})"},
      {"$patch replace of a list", R"({"containers":[{"name":"a"},{"name":"b"}]})",
       R"({"containers":[{"name":"c"},{"$patch":"replace"}]})", R"({"containers":[{"name":"c"}]})"},
      {"$patch replace of a map", R"({"labels":{"a":"1"}})", R"({"labels":{"$patch":"replace","b":"2"}})", R"({"labels":{"b":"2"}})"},
      {"$patch delete of a map", R"({"labels":{"a":"1"}})", R"({"labels":{"$patch":"delete"}})", R"({"labels":{}})"},
      {"$patch merge of a map", R"({"labels":{"a":"1"}})", R"({"labels":{"$patch":"merge","b":"2"}})", R"({"labels":{"a":"1","b":"2"}})"},
      {"an atomic list is replaced", R"({"other":[{"name":"a"}]})", R"({"other":[{"name":"b"}]})", R"({"other":[{"name":"b"}]})"},
      {"scalars of a set are added", R"({"finalizers":["a","b"]})", R"({"finalizers":["c","a"]})", R"({"finalizers":["c","a","b"]})"},
      {"$deleteFromPrimitiveList", R"({"finalizers":["a","b","c"]})", R"({"$deleteFromPrimitiveList/finalizers":["b"]})",
       R"({"finalizers":["a","c"]})"},
      {"delete and add scalars", R"({"finalizers":["a","b"]})",
       R"({"$deleteFromPrimitiveList/finalizers":["a"],"finalizers":["c"],"$setElementOrder/finalizers":["b","c"]})",
       R"({"finalizers":["b","c"]})"},
      {"$setElementOrder alone", R"({"containers":[{"name":"a"},{"name":"b"},{"name":"c"}]})",
       R"({"$setElementOrder/containers":[{"name":"c"},{"name":"a"},{"name":"b"}]})",
       R"({"containers":[{"name":"c"},{"name":"a"},{"name":"b"}]})"},
      {"$setElementOrder with elements", R"({"containers":[{"name":"a"},{"name":"b"}]})",
       R"({"$setElementOrder/containers":[{"name":"b"},{"name":"c"},{"name":"a"}],"containers":[{"name":"c","image":"i"}]})",
       R"({"containers":[{"name":"b"},{"name":"c","image":"i"},{"name":"a"}]})"},
      {"the server's own elements keep their place", R"({"containers":[{"name":"a"},{"name":"own"},{"name":"b"}]})",
       R"({"$setElementOrder/containers":[{"name":"a"},{"name":"b"}],"containers":[{"name":"b","image":"i"}]})",
       R"({"containers":[{"name":"a"},{"name":"own"},{"name":"b","image":"i"}]})"},
      {"an order that the patch does not follow", R"({"containers":[{"name":"a"}]})",
       R"({"$setElementOrder/containers":[{"name":"a"},{"name":"b"}],"containers":[{"name":"b"},{"name":"a"}]})", nullptr},
      {"$retainKeys", R"({"strategy":{"type":"RollingUpdate","rolling":{}}})",
       R"({"strategy":{"$retainKeys":["type"],"type":"Recreate"}})", R"({"strategy":{"type":"Recreate"}})"},
      {"$retainKeys without a key that is set", R"({"strategy":{}})", R"({"strategy":{"$retainKeys":["type"],"rolling":{}}})", nullptr},
      {"$retainKeys in a list", R"({"volumes":[{"name":"v","emptyDir":{}}]})",
       R"({"volumes":[{"$retainKeys":["name","hostPath"],"name":"v","hostPath":{"path":"/x"}}]})",
       R"({"volumes":[{"name":"v","hostPath":{"path":"/x"}}]})"},
      {"an element without its key", R"({"containers":[{"name":"a"}]})", R"({"containers":[{"image":"x"}]})", nullptr},
      {"an element that is no object", R"({"containers":[{"name":"a"}]})", R"({"containers":["x"]})", nullptr},
      {"an unknown directive", R"({"labels":{}})", R"({"labels":{"$patch":"explode"}})", nullptr},
      {"nulls of new things are dropped", R"({})", R"({"containers":[{"name":"a","image":null}],"labels":{"a":null,"b":"1"}})",
       R"({"containers":[{"name":"a"}],"labels":{"b":"1"}})"},
      {"deleting what is not there", R"({})", R"({"containers":[{"name":"a","$patch":"delete"}]})", R"({"containers":[]})"},
      {"a list becomes a map", R"({"x":["a"]})", R"({"x":{"a":"b"}})", R"({"x":{"a":"b"}})"},
      {"one port with two protocols, both changed", R"({"ports":[{"port":53,"protocol":"UDP"},{"port":53,"protocol":"TCP"}]})",
       R"({"ports":[{"port":53,"name":"u"},{"port":53,"name":"t"}]})",
       R"({"ports":[{"port":53,"protocol":"UDP","name":"u"},{"port":53,"protocol":"TCP","name":"t"}]})"},
  };
  for (const auto& one : cases) {
    auto result = apply_strategic_merge_patch(json(one.original), json(one.patch), schema());
    if (one.result == nullptr) {
      EXPECT_FALSE(result) << one.what << ": " << base::write_json(*result);
    } else {
      ASSERT_TRUE(result) << one.what << ": " << result.error().message;
      EXPECT_EQ(*result, json(one.result)) << one.what << ": " << base::write_json(*result);
    }
  }
}

TEST(StrategicMergePatch, ErrorsName) {
  auto result = apply_strategic_merge_patch(json(R"({"containers":[{"name":"a"}]})"),
                                            json(R"({"containers":[{"image":"x"}]})"), schema());
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().reason, base::Reason::bad_request);
  EXPECT_EQ(result.error().message, R"(map: {"image":"x"} does not contain declared merge key: name)");
  EXPECT_FALSE(apply_strategic_merge_patch(json("{}"), json("[]"), schema()));
}

TEST(StrategicMergePatch, MakesPatches) {
  const char* cases[][3] = {
      {R"({"x":"1"})", R"({"x":"1"})", R"({})"},
      {R"({"x":"1"})", R"({})", R"({"x":null})"},
      {R"({"containers":[{"name":"a","image":"1"}]})", R"({"containers":[{"name":"a","image":"2"}]})",
       R"({"$setElementOrder/containers":[{"name":"a"}],"containers":[{"name":"a","image":"2"}]})"},
      {R"({"containers":[{"name":"a"},{"name":"b"}]})", R"({"containers":[{"name":"b"}]})",
       R"({"$setElementOrder/containers":[{"name":"b"}],"containers":[{"$patch":"delete","name":"a"}]})"},
      {R"({"finalizers":["a","b"]})", R"({"finalizers":["b"]})",
       R"({"$setElementOrder/finalizers":["b"],"$deleteFromPrimitiveList/finalizers":["a"]})"},
      {R"({"strategy":{"type":"R","rolling":{}}})", R"({"strategy":{"type":"X"}})",
       R"({"strategy":{"type":"X","rolling":null,"$retainKeys":["type"]}})"},
      {R"({"ports":[{"port":53,"protocol":"UDP"},{"port":53,"protocol":"TCP"}]})",
       R"({"ports":[{"port":53,"protocol":"UDP"},{"port":53,"protocol":"TCP"}]})", R"({})"},
  };
  for (const auto& one : cases) {
    auto patch = make_strategic_merge_patch(json(one[0]), json(one[1]), schema());
    ASSERT_TRUE(patch) << patch.error().message;
    EXPECT_EQ(*patch, json(one[2])) << base::write_json(*patch);
  }
}

TEST(ThreeWayPatch, KeepsWhatOthersWrote) {
  // The server defaulted `protocol`, another controller added a label and a container; the user changes the image and
  // drops a label.
  Value last = json(R"({"labels":{"a":"1","b":"2"},"containers":[{"name":"web","image":"1"}]})");
  Value modified = json(R"({"labels":{"a":"1"},"containers":[{"name":"web","image":"2"}]})");
  Value current = json(
      R"({"labels":{"a":"1","b":"2","other":"x"},"containers":[{"name":"side","image":"s"},)"
      R"({"name":"web","image":"1","env":[{"name":"E","value":"v"}]}]})");
  auto patch = three_way_merge_patch(last, modified, current, schema());
  ASSERT_TRUE(patch);
  EXPECT_EQ(*patch, json(R"({"labels":{"b":null},"$setElementOrder/containers":[{"name":"web"}],)"
                         R"("containers":[{"name":"web","image":"2"}]})"))
      << base::write_json(*patch);
  auto result = apply_strategic_merge_patch(current, *patch, schema());
  ASSERT_TRUE(result);
  EXPECT_EQ(*result, json(R"({"labels":{"a":"1","other":"x"},"containers":[{"name":"side","image":"s"},)"
                          R"({"name":"web","image":"2","env":[{"name":"E","value":"v"}]}]})"))
      << base::write_json(*result);
}

TEST(ThreeWayPatch, UnchangedIsEmptyAlsoWithForeignElements) {
  Value last = json(R"({"containers":[{"name":"web","image":"1"}]})");
  Value current = json(R"({"containers":[{"name":"web","image":"1"},{"name":"side"}],"x":"server"})");
  EXPECT_EQ(*three_way_merge_patch(last, last, current, schema()), json("{}"));
  EXPECT_EQ(*three_way_merge_patch(Value(), last, current, schema()), json("{}"));
}

TEST(ThreeWayPatch, AsJsonMergePatch) {
  Value patch = three_way_json_merge_patch(json(R"({"a":1,"b":{"c":1,"d":2}})"), json(R"({"b":{"c":3}})"),
                                           json(R"({"a":1,"b":{"c":1,"d":2,"own":4}})"));
  EXPECT_EQ(patch, json(R"({"a":null,"b":{"c":3,"d":null}})")) << base::write_json(patch);
}

// Random objects of the schema above, with unique merge keys and without nulls.
class Maker {
 public:
  explicit Maker(unsigned seed) : random_(seed) {}

  Value make() {
    base::Object out;
    if (some()) out.set("x", letter());
    if (some()) out.set("labels", map());
    if (some()) out.set("finalizers", letters());
    if (some()) out.set("strategy", strategy());
    if (some()) out.set("containers", named([&](base::Object& one) {
                          if (some()) one.set("image", letter());
                          if (some()) one.set("args", letters());
                          if (some()) one.set("env", named([&](base::Object& env) { env.set("value", letter()); }));
                        }));
    if (some()) out.set("volumes", named([&](base::Object& one) {
                          if (some()) one.set("emptyDir", base::Object{});
                          else one.set("hostPath", base::Object{{"path", letter()}});
                        }));
    return out;
  }

 private:
  bool some() { return random_() % 3 != 0; }
  Value letter() { return std::string(1, static_cast<char>('a' + random_() % 4)); }
  Value map() {
    base::Object out;
    for (size_t n = random_() % 4; n > 0; --n) out.set(letter().as_string(), letter());
    return out;
  }
  std::vector<std::string> unique_letters() {
    std::vector<std::string> out{"a", "b", "c", "d", "e"};
    std::shuffle(out.begin(), out.end(), random_);
    out.resize(random_() % 5);
    return out;
  }
  Value letters() {
    auto all = unique_letters();
    return base::Array(all.begin(), all.end());
  }
  Value strategy() {
    base::Object out{{"type", letter()}};
    if (some()) out.set("rolling", base::Object{});
    return out;
  }
  template <class Fill>
  Value named(Fill fill) {
    base::Array out;
    for (const auto& name : unique_letters()) {
      base::Object one{{"name", name}};
      fill(one);
      out.emplace_back(std::move(one));
    }
    return out;
  }
  std::mt19937 random_;
};

TEST(StrategicMergePatch, PatchOfADifferenceGivesTheOther) {
  Maker maker(53);
  for (int i = 0; i < 2'000; ++i) {
    Value a = maker.make(), b = maker.make();
    auto patch = make_strategic_merge_patch(a, b, schema());
    ASSERT_TRUE(patch) << patch.error().message;
    auto result = apply_strategic_merge_patch(a, *patch, schema());
    ASSERT_TRUE(result) << result.error().message << "\n" << base::write_json(*patch);
    ASSERT_EQ(*result, b) << base::write_json(a) << "\n-> " << base::write_json(b) << "\nby " << base::write_json(*patch)
                          << "\ngave " << base::write_json(*result);
  }
}

TEST(ThreeWayPatch, ApplyTwiceChangesNothingMore) {
  Maker maker(1973);
  for (int i = 0; i < 1'000; ++i) {
    Value last = maker.make(), modified = maker.make(), current = maker.make();
    auto patch = three_way_merge_patch(last, modified, current, schema());
    ASSERT_TRUE(patch);
    auto once = apply_strategic_merge_patch(current, *patch, schema());
    ASSERT_TRUE(once) << once.error().message;
    auto again = three_way_merge_patch(modified, modified, *once, schema());
    ASSERT_TRUE(again);
    ASSERT_EQ(*again, json("{}")) << base::write_json(last) << "\nmodified " << base::write_json(modified)
                                  << "\ncurrent " << base::write_json(current) << "\nonce " << base::write_json(*once);
  }
}

}  // namespace
}  // namespace api
