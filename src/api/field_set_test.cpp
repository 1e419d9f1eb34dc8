#include "api/field_set.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "api/field_set_schema.hpp"
#include "api/validate_testing.hpp"
#include "base/json.hpp"

namespace api {
namespace {

using base::Value;
using testing::built_in;
using testing::json;

FieldSet set_of(std::string_view text) {
  auto set = FieldSet::from_value(json(text));
  EXPECT_TRUE(set) << text << ": " << set.error().message;
  return set ? *set : FieldSet();
}
std::string text_of(const FieldSet& set) { return base::write_json(set.to_value()); }
std::string paths_of(const FieldSet& set) {
  std::string out;
  set.for_each([&](std::span<const PathElement> path) { out += (out.empty() ? "" : " ") + path_text(path); });
  return out;
}

TEST(FieldSet, WritesWhatItReadInTheOrderOfTheApi) {
  const char* kSets[] = {
      R"({})",
      R"({"f:data":{"f:a":{},"f:b":{}}})",
      R"({"f:spec":{"f:ports":{".":{},"k:{\"port\":80,\"protocol\":\"TCP\"}":{".":{},"f:port":{}}}}})",
      R"({"f:metadata":{"f:finalizers":{".":{},"v:\"a\"":{},"v:\"b\"":{}}}})",
      R"({"f:a":{},"k:{\"n\":1}":{},"v:1":{},"v:\"x\"":{},"v:true":{},"i:0":{},"i:2":{}})",
  };
  for (const char* text : kSets) EXPECT_EQ(text_of(set_of(text)), text);
  EXPECT_EQ(text_of(set_of(R"({"v:2":{},"f:b":{},"f:a":{"f:y":{},".":{},"f:x":{}},"v:1":{}})")),
            R"({"f:a":{".":{},"f:x":{},"f:y":{}},"f:b":{},"v:1":{},"v:2":{}})");
  EXPECT_EQ(text_of(set_of(R"({"f:a":{},"f:a":{"f:b":{}}})")), R"({"f:a":{"f:b":{}}})");
  EXPECT_EQ(text_of(set_of(R"({"k:{\"b\":1,\"a\":\"x\"}":{}})")), R"({"k:{\"a\":\"x\",\"b\":1}":{}})");
  // Unknown kinds of elements are dropped; what has nothing else below it is a member.
  EXPECT_EQ(text_of(set_of(R"({"f:a":{"z:later":{}}})")), R"({"f:a":{}})");
}

TEST(FieldSet, RefusesGarbage) {
  for (const char* text :
       {R"([])", R"("x")", R"({"a":{}})", R"({"f":{}})", R"({"i:x":{}})", R"({"v:":{}})", R"({"v:{}":{}})",
        R"({"k:[]":{}})", R"({"k:{":{}})", R"({"f:a":1})", R"({"f:a":[]})", R"({"k:{\"a\":{}}":{}})"}) {
    EXPECT_FALSE(FieldSet::from_value(json(text))) << text;
  }
  std::string deep;
  for (int i = 0; i < 1000; ++i) deep += R"({"f:a":)";
  deep += "{}" + std::string(1000, '}');
  EXPECT_FALSE(FieldSet::from_value(json(deep)));
}

TEST(FieldSet, PrintsPathsAsConflictsDo) {
  EXPECT_EQ(
      paths_of(set_of(
          R"({"f:spec":{"f:ports":{"k:{\"port\":80,\"protocol\":\"TCP\"}":{"f:name":{}}},"f:type":{}}})")),
      R"(.spec.type .spec.ports[port=80,protocol="TCP"].name)");
  EXPECT_EQ(paths_of(set_of(R"({"f:f":{"v:\"a\"":{},"i:3":{}},"f:g":{}})")), R"(.g .f[="a"] .f[3])");
}

// Sets against sets of texts: the slow, obvious model.
struct Model {
  std::set<std::string> members;
  explicit Model(const FieldSet& set) {
    set.for_each([&](std::span<const PathElement> path) { members.insert(path_text(path)); });
  }
  Model() = default;
  bool operator==(const Model&) const = default;
};

FieldSet random_set(std::mt19937& random) {
  FieldSet set;
  auto pick = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  for (int i = pick(12); i > 0; --i) {
    FieldPath path;
    for (int depth = 1 + pick(3); depth > 0; --depth) {
      std::string name(1, static_cast<char>('a' + pick(3)));
      switch (pick(4)) {
        case 0:
          path.push_back(PathElement::key(base::Object{{"k", name}}));
          break;
        case 1:
          path.push_back(PathElement::value(pick(3)));
          break;
        default:
          path.push_back(PathElement::field(name));
      }
    }
    set.insert(path);
  }
  return set;
}

TEST(FieldSet, AlgebraAgreesWithSetsOfTexts) {
  std::mt19937 random(7);
  for (int round = 0; round < 3000; ++round) {
    FieldSet a = random_set(random), b = random_set(random);
    Model x(a), y(b), expected;
    FieldSet both = a;
    both.add(b);
    expected.members = x.members;
    expected.members.insert(y.members.begin(), y.members.end());
    ASSERT_EQ(Model(both), expected) << text_of(a) << " + " << text_of(b);

    expected = {};
    for (const auto& path : x.members)
      if (y.members.contains(path)) expected.members.insert(path);
    ASSERT_EQ(Model(a.intersection(b)), expected);

    expected = {};
    for (const auto& path : x.members)
      if (!y.members.contains(path)) expected.members.insert(path);
    FieldSet rest = a;
    ASSERT_EQ(rest.remove(b), expected.members.size() != x.members.size());
    ASSERT_EQ(Model(rest), expected) << text_of(a) << " - " << text_of(b);

    expected = {};
    for (const auto& path : x.members) {
      bool below = false;
      for (const auto& root : y.members)
        below |= path == root ||
                 (path.starts_with(root) && (path[root.size()] == '.' || path[root.size()] == '['));
      if (!below) expected.members.insert(path);
    }
    FieldSet trees = a;
    trees.remove_trees(b);
    ASSERT_EQ(Model(trees), expected) << text_of(a) << " -- " << text_of(b);

    ASSERT_EQ(a.size(), x.members.size());
    ASSERT_EQ(a == b, x == y);
    auto again = FieldSet::from_value(a.to_value());
    ASSERT_TRUE(again);
    ASSERT_EQ(*again, a);
  }
}

// --- Under a schema

TEST(FieldsOf, DividesBySchema) {
  auto service = built_in("", "Service");
  EXPECT_EQ(
      text_of(fields_of(json(R"({"metadata":{"name":"a","labels":{"x":"1"},"finalizers":["f"]},
      "spec":{"selector":{"app":"x"},"externalIPs":["1.2.3.4"],"ports":[{"port":80,"targetPort":8080}]}})"),
                        service->schema.get())),
      R"({"f:metadata":{"f:finalizers":{"v:\"f\"":{}},"f:labels":{"f:x":{}},"f:name":{}},)"
      R"("f:spec":{"f:externalIPs":{},"f:ports":{"k:{\"port\":80,\"protocol\":\"TCP\"}":{".":{},"f:port":{},"f:targetPort":{}}},)"
      R"("f:selector":{}}})");
}

TEST(FieldsOf, WithoutASchemaDividesMapsOnly) {
  EXPECT_EQ(text_of(fields_of(json(R"({"a":{"b":[{"c":1}],"d":{}},"e":null})"), nullptr)),
            R"({"f:a":{".":{},"f:b":{},"f:d":{}},"f:e":{}})");
}

TEST(FieldsOf, ElementsThatStandTwiceAreOneThing) {
  auto pod = built_in("", "Pod");
  EXPECT_EQ(text_of(fields_of(json(R"({"spec":{"containers":[{"name":"a","env":[{"name":"X","value":"1"},
      {"name":"X","value":"2"},{"name":"Y"}]}]}})"),
                              pod->schema.get())),
            R"({"f:spec":{"f:containers":{"k:{\"name\":\"a\"}":{".":{},"f:env":{"k:{\"name\":\"X\"}":{},)"
            R"("k:{\"name\":\"Y\"}":{".":{},"f:name":{}}},"f:name":{}}}}})");
}

struct ChangeCase {
  const char *from, *to, *added, *modified, *removed;
};

TEST(CompareFields, Table) {
  auto pod = built_in("", "Pod");
  const ChangeCase cases[] = {
      {R"({})", R"({})", "", "", ""},
      {R"({"spec":{"nodeName":"a"}})", R"({"spec":{"nodeName":"b"}})", "", ".spec.nodeName", ""},
      {R"({})", R"({"spec":{"nodeName":"b"}})", ".spec.nodeName", "", ""},
      {R"({"metadata":{"labels":{"a":"1","b":"2"}}})", R"({"metadata":{"labels":{"a":"1"}}})", "", "",
       ".metadata.labels.b"},
      {R"({"metadata":{}})", R"({"metadata":{"labels":{"a":"1"}}})", ".metadata.labels .metadata.labels.a",
       "", ""},
      {R"({"spec":{"nodeSelector":{"a":"1"}}})", R"({"spec":{"nodeSelector":{"a":"2"}}})", "",
       ".spec.nodeSelector", ""},
      {R"({"spec":{"containers":[{"name":"a","image":"x"},{"name":"b"}]}})",
       R"({"spec":{"containers":[{"name":"c"},{"name":"a","image":"y"}]}})",
       R"(.spec.containers[name="c"] .spec.containers[name="c"].name)", R"(.spec.containers[name="a"].image)",
       R"(.spec.containers[name="b"] .spec.containers[name="b"].name)"},
      {R"({"spec":{"containers":[{"name":"a","args":["x"]}]}})",
       R"({"spec":{"containers":[{"name":"a","args":["y"]}]}})", "", R"(.spec.containers[name="a"].args)",
       ""},
      {R"({"metadata":{"finalizers":["a","b"]}})", R"({"metadata":{"finalizers":["b","c"]}})",
       R"(.metadata.finalizers[="c"])", "", R"(.metadata.finalizers[="a"])"},
  };
  for (const auto& one : cases) {
    auto changes = compare_fields(json(one.from), json(one.to), pod->schema.get(), true);
    EXPECT_EQ(paths_of(changes.added), one.added) << one.from << " -> " << one.to;
    EXPECT_EQ(paths_of(changes.modified), one.modified) << one.from << " -> " << one.to;
    EXPECT_EQ(paths_of(changes.removed), one.removed) << one.from << " -> " << one.to;
  }
}

TEST(MergeFields, Table) {
  auto pod = built_in("", "Pod");
  const char* cases[][3] = {
      {R"({"spec":{"nodeName":"a","hostname":"h"}})", R"({"spec":{"nodeName":"b"}})",
       R"({"spec":{"nodeName":"b","hostname":"h"}})"},
      {R"({"metadata":{"labels":{"a":"1"}}})", R"({"metadata":{"labels":{"b":"2"}}})",
       R"({"metadata":{"labels":{"a":"1","b":"2"}}})"},
      {R"({"spec":{"nodeSelector":{"a":"1"}}})", R"({"spec":{"nodeSelector":{"b":"2"}}})",
       R"({"spec":{"nodeSelector":{"b":"2"}}})"},
      {R"({"spec":{"containers":[{"name":"a","image":"x"},{"name":"b"}]}})",
       R"({"spec":{"containers":[{"name":"b","image":"y"}]}})",
       R"({"spec":{"containers":[{"name":"a","image":"x"},{"name":"b","image":"y"}]}})"},
      // The order of the configuration counts where it names several.
      {R"({"spec":{"containers":[{"name":"a"},{"name":"b"},{"name":"c"}]}})",
       R"({"spec":{"containers":[{"name":"c"},{"name":"a"}]}})",
       R"({"spec":{"containers":[{"name":"b"},{"name":"c"},{"name":"a"}]}})"},
      {R"({"metadata":{"finalizers":["a","b"]}})", R"({"metadata":{"finalizers":["c","b"]}})",
       R"({"metadata":{"finalizers":["a","c","b"]}})"},
      {R"({})", R"({"spec":{"containers":[{"name":"a"}]}})", R"({"spec":{"containers":[{"name":"a"}]}})"},
      {R"({"spec":{"containers":[{"name":"a","ports":[{"containerPort":80,"protocol":"TCP"}]}]}})",
       R"({"spec":{"containers":[{"name":"a","ports":[{"containerPort":80,"name":"http"}]}]}})",
       R"({"spec":{"containers":[{"name":"a","ports":[{"containerPort":80,"protocol":"TCP","name":"http"}]}]}})"},
  };
  for (const auto& one : cases) {
    EXPECT_EQ(base::write_json(merge_fields(json(one[0]), json(one[1]), pod->schema.get())), one[2])
        << one[0] << " <- " << one[1];
  }
}

TEST(CheckFields, NamesWhatDoesNotFit) {
  auto service = built_in("", "Service");
  const char* cases[][2] = {
      {R"({"spec":{"type":"ClusterIP"}})", ""},
      {R"({"spec":{"foo":1}})", ".spec.foo: field not declared in schema"},
      {R"({"spec":{"ports":[{"port":"x"}]}})",
       R"(.spec.ports[port="x",protocol="TCP"].port: expected numeric (int or float), got string)"},
      {R"({"spec":[]})", ".spec: expected map, got &{[]}"},
      {R"({"spec":{"ports":[{"port":1},{"port":1}]}})",
       R"(.spec.ports: duplicate entries for key [port=1,protocol="TCP"])"},
      {R"({"metadata":{"finalizers":[null]}})",
       ".metadata.finalizers: element 0: associative list without keys has an element that's an explicit "
       "null"},
  };
  for (const auto& one : cases) {
    auto checked = check_fields(json(one[0]), service->schema.get(), false);
    EXPECT_EQ(checked ? "" : checked.error().message, one[1]) << one[0];
  }
}

TEST(FitToSchema, WhatBecameAtomicIsOwnedAsAWhole) {
  auto service = built_in("", "Service");
  FieldSet set = set_of(R"({"f:spec":{"f:selector":{"f:app":{}},"f:type":{}}})");
  EXPECT_TRUE(fit_to_schema(set, service->schema.get()));
  EXPECT_EQ(text_of(set), R"({"f:spec":{"f:selector":{},"f:type":{}}})");
  EXPECT_FALSE(fit_to_schema(set, service->schema.get()));
}

// A merge has all that the configuration says, and nothing of the rest changes.
TEST(MergeFields, KeepsTheRestAndSetsTheConfiguration) {
  auto pod = built_in("", "Pod");
  std::mt19937 random(11);
  auto pick = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  auto object = [&] {
    base::Array containers;
    std::vector<int> names{0, 1, 2, 3};
    std::shuffle(names.begin(), names.end(), random);
    for (int i = pick(4); i > 0; --i) {
      base::Object one{{"name", std::string(1, static_cast<char>('a' + names[static_cast<size_t>(i)]))}};
      if (pick(2)) one.set("image", std::to_string(pick(3)));
      if (pick(2)) one.set("args", base::Array{std::to_string(pick(3))});
      containers.emplace_back(std::move(one));
    }
    base::Object labels;
    for (int i = pick(3); i > 0; --i)
      labels.set(std::string(1, static_cast<char>('a' + pick(4))), std::to_string(pick(3)));
    base::Object out;
    if (!labels.empty()) out.set("metadata", base::Object{{"labels", labels}});
    if (!containers.empty()) out.set("spec", base::Object{{"containers", containers}});
    return Value(std::move(out));
  };
  for (int round = 0; round < 2000; ++round) {
    Value live = object(), config = object();
    Value merged = merge_fields(live, config, pod->schema.get());
    if (!merged.is_object()) merged = base::Object();
    auto changes = compare_fields(live, merged, pod->schema.get(), false);
    ASSERT_TRUE(changes.removed.empty()) << base::write_json(live) << " <- " << base::write_json(config);
    FieldSet said = fields_of(config, pod->schema.get());
    FieldSet other = changes.modified;
    other.remove(said);
    ASSERT_TRUE(other.empty()) << paths_of(other);
    auto against = compare_fields(config, merged, pod->schema.get(), false);
    ASSERT_TRUE(against.removed.empty() && against.modified.empty())
        << base::write_json(live) << " <- " << base::write_json(config) << " = " << base::write_json(merged);
    ASSERT_EQ(merge_fields(merged, config, pod->schema.get()), merged);
  }
}

}  // namespace
}  // namespace api
