// Server-side apply by itself: several managers, one object, what each owns and who is in whose way.
#include "api/apply.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "api/decode.hpp"
#include "api/defaults.hpp"
#include "api/meta.hpp"
#include "api/patch.hpp"
#include "api/validate_testing.hpp"
#include "base/json.hpp"

namespace api {
namespace {

using base::Value;
using testing::built_in;
using ::testing::HasSubstr;
using testing::json;

// An object as a server would keep it.
class Object {
 public:
  Object(std::string_view group, std::string_view kind) : kind_(built_in(group, kind)) {
    rules_.kind = kind_.get();
  }

  // The error's message; "" when it was done.
  std::string apply(std::string_view manager, std::string_view config, bool force = false) {
    Value full = json(config);
    set_type(full, *kind_);
    auto applied = apply_config(rules_, {std::string(manager), "", now()}, live_, full, force);
    causes_.clear();
    if (!applied) {
      if (applied.error().details) causes_ = applied.error().details->causes;
      return applied.error().message;
    }
    if (applied->unchanged) {
      EXPECT_TRUE(applied->same && applied->object.is_null());
      ++unchanged_;
      return "";
    }
    keep(std::move(applied->object), std::move(applied->managed_fields));
    return "";
  }
  void update(std::string_view manager, std::string_view patch, std::string_view subresource = "",
              const FieldSet* reset = nullptr) {
    Value fresh = apply_merge_patch(live_.is_null() ? Value(base::Object()) : live_, json(patch));
    set_type(fresh, *kind_);
    auto decoded = decode_object(*kind_, fresh, {}, FieldValidation::ignore);
    ASSERT_TRUE(decoded) << decoded.error().message;
    apply_defaults(*kind_, decoded->object);
    rules_.reset = reset;
    track_update(rules_, {std::string(manager), std::string(subresource), now()}, live_, decoded->object);
    rules_.reset = nullptr;
    set_uid(decoded->object, "1");
    live_ = std::move(decoded->object);
  }
  std::string fields(std::string_view manager, std::string_view operation = "Apply") const {
    for (const auto& entry : live_["metadata"]["managedFields"].as_array())
      if (entry["manager"].as_string() == manager && entry["operation"].as_string() == operation)
        return base::write_json(entry["fieldsV1"]);
    return "none";
  }
  std::string managers() const {
    std::string out;
    for (const auto& entry : live_["metadata"]["managedFields"].as_array())
      out += (out.empty() ? "" : " ") + std::string(entry["manager"].as_string()) + "/" +
             std::string(entry["operation"].as_string());
    return out;
  }
  std::string part(std::initializer_list<std::string_view> path) const {
    return base::write_json(live_.at(path));
  }
  const Value& live() const { return live_; }
  Value& live() { return live_; }
  std::vector<base::Cause> causes_;
  int64_t seconds_ = 1'700'000'000;
  int unchanged_ = 0;  // applications that left everything as it was

 private:
  base::Time now() { return base::Time(std::chrono::seconds(seconds_++)); }
  void keep(Value object, Value managed) {
    auto decoded = decode_object(*kind_, object, {}, FieldValidation::ignore);
    ASSERT_TRUE(decoded) << decoded.error().message;
    apply_defaults(*kind_, decoded->object);
    set_managed_fields(decoded->object, std::move(managed));
    set_uid(decoded->object, "1");
    live_ = std::move(decoded->object);
  }

  KindPtr kind_;
  FieldRules rules_;
  Value live_;
};

Object config_map() { return {"", "ConfigMap"}; }

TEST(TrackUpdate, TheCreatorOwnsWhatItSaidAndNoSystemFields) {
  Object map = config_map();
  map.update("kubectl-create",
             R"({"metadata":{"name":"a","namespace":"d","labels":{"x":"1"}},"data":{"k":"v"}})");
  EXPECT_EQ(
      base::write_json(map.live()["metadata"]["managedFields"]),
      R"([{"manager":"kubectl-create","operation":"Update","apiVersion":"v1","time":"2023-11-14T22:13:20Z",)"
      R"("fieldsType":"FieldsV1","fieldsV1":{"f:data":{".":{},"f:k":{}},"f:metadata":{"f:labels":{".":{},"f:x":{}}}}}])");
}

TEST(Apply, AgainTheSameChangesNothing) {
  Object pod("", "Pod");
  const char* config = R"({"metadata":{"name":"a","labels":{"x":"1"}},"spec":{"containers":[{"name":"m","image":"i"}]}})";
  EXPECT_EQ(pod.apply("one", config), "");
  EXPECT_EQ(pod.unchanged_, 0);
  EXPECT_EQ(pod.apply("one", config), "");
  EXPECT_EQ(pod.unchanged_, 1);
  // Another manager, fewer fields, another value: each changes something, if only who owns what.
  EXPECT_EQ(pod.apply("two", config), "");
  EXPECT_EQ(pod.unchanged_, 1);
  EXPECT_EQ(pod.apply("two", R"({"metadata":{"name":"a"},"spec":{"containers":[{"name":"m","image":"i"}]}})"), "");
  EXPECT_EQ(pod.unchanged_, 1);
  EXPECT_EQ(pod.apply("one", config), "");
  EXPECT_EQ(pod.unchanged_, 2);
  EXPECT_EQ(pod.apply("one", R"({"metadata":{"name":"a","labels":{"x":"2"}},"spec":{"containers":[{"name":"m","image":"i"}]}})"),
            "");
  EXPECT_EQ(pod.unchanged_, 2);
  // What an update took away is applied anew.
  pod.update("edit", R"({"metadata":{"labels":{"x":"3"}}})");
  EXPECT_EQ(pod.apply("one", config, true), "");
  EXPECT_EQ(pod.unchanged_, 2);
  EXPECT_EQ(pod.fields("edit", "Update"), "none");
}

TEST(TrackUpdate, StructsOfTheTypeAreNotOwnedThemselves) {
  Object pod("", "Pod");
  static const FieldSet kStatus{field_path({"status"})};
  pod.update("run", R"({"metadata":{"name":"a"},"spec":{"containers":[{"name":"main","image":"x"}]}})", "",
             &kStatus);
  EXPECT_THAT(pod.fields("run", "Update"),
              HasSubstr(R"({"f:spec":{"f:containers":{"k:{\"name\":\"main\"}":{".":{},"f:image":{},)"));
  EXPECT_THAT(pod.fields("run", "Update"), HasSubstr(R"("f:resources":{},)"));
  static const FieldSet kSpec{field_path({"spec"})};
  pod.update("node", R"({"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}})",
             "status", &kSpec);
  EXPECT_EQ(
      pod.fields("node", "Update"),
      R"({"f:status":{"f:conditions":{".":{},"k:{\"type\":\"Ready\"}":{".":{},"f:status":{},"f:type":{}}},"f:phase":{}}})");
  EXPECT_EQ(pod.managers(), "run/Update node/Update");
}

TEST(TrackUpdate, ChangedFieldsChangeHands) {
  Object map = config_map();
  map.update("a", R"({"data":{"k":"1","l":"1"}})");
  map.update("b", R"({"data":{"k":"2"}})");
  EXPECT_EQ(map.fields("a", "Update"), R"({"f:data":{".":{},"f:l":{}}})");
  EXPECT_EQ(map.fields("b", "Update"), R"({"f:data":{"f:k":{}}})");
  map.update("c", R"({"data":{"l":null}})");
  EXPECT_EQ(map.fields("a", "Update"), R"({"f:data":{}})");
  EXPECT_EQ(map.fields("c", "Update"), "none");
}

TEST(TrackUpdate, NothingChangedNothingIsWritten) {
  Object map = config_map();
  map.update("a", R"({"data":{"k":"1"}})");
  auto before = map.part({"metadata", "managedFields"});
  map.update("b", R"({"data":{"k":"1"}})");
  map.update("a", R"({"data":{"k":"1"}})");
  EXPECT_EQ(map.part({"metadata", "managedFields"}), before);
}

TEST(TrackUpdate, AnEmptyEntryStartsAnew) {
  Object map = config_map();
  map.update("a", R"({"data":{"k":"1"}})");
  map.update("b", R"({"metadata":{"managedFields":[{}]},"data":{"k":"2"}})");
  EXPECT_EQ(map.managers(), "");
  map.update("c", R"({"data":{"k":"3"}})");
  EXPECT_EQ(map.managers(), "") << "an object that nobody tracks stays so";
  EXPECT_EQ(map.apply("d", R"({"metadata":{"name":"a"},"data":{"l":"1"}})"), "");
  EXPECT_EQ(map.managers(), "d/Apply before-first-apply/Update");
  EXPECT_EQ(map.fields("before-first-apply", "Update"), R"({"f:data":{".":{},"f:k":{}}})");
}

TEST(TrackUpdate, EntriesThatAClientWritesCountWhereTheyCanBeRead) {
  Object map = config_map();
  map.update("a", R"({"data":{"k":"1"}})");
  map.update("b", R"({"metadata":{"managedFields":[{"manager":"m","operation":"Apply","apiVersion":"v1",
      "time":"2020-01-01T00:00:00Z","fieldsType":"FieldsV1","fieldsV1":{"f:data":{"f:k":{}}}}]}})");
  EXPECT_EQ(map.managers(), "m/Apply");
  auto before = map.part({"metadata", "managedFields"});
  for (
      const char* garbage :
      {R"([{"manager":"m","operation":"Other","apiVersion":"v1","fieldsType":"FieldsV1"}])",
       R"([{"manager":"m","operation":"Apply","apiVersion":"v1","fieldsType":"FieldsV2"}])",
       R"([{"manager":"m","operation":"Apply","fieldsType":"FieldsV1"}])",
       R"([{"manager":"m","operation":"Apply","apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{"x":{}}}])"}) {
    map.update("c", std::string(R"({"metadata":{"managedFields":)") + garbage + "}}");
    EXPECT_EQ(map.part({"metadata", "managedFields"}), before) << garbage;
  }
}

TEST(TrackUpdate, TenUpdatersAreKeptTheOlderOnesBecomeOne) {
  Object map = config_map();
  for (int i = 0; i < 14; ++i)
    map.update("m" + std::to_string(i), R"({"data":{"k)" + std::to_string(i) + R"(":"1"}})");
  EXPECT_EQ(map.managers(),
            "ancient-changes/Update m5/Update m6/Update m7/Update m8/Update m9/Update m10/Update m11/Update "
            "m12/Update m13/Update");
  EXPECT_EQ(map.fields("ancient-changes", "Update"),
            R"({"f:data":{".":{},"f:k0":{},"f:k1":{},"f:k2":{},"f:k3":{},"f:k4":{}}})");
}

TEST(Apply, CreatesAndOwnsWhatWasSaid) {
  Object map = config_map();
  EXPECT_EQ(map.apply("me", R"({"metadata":{"name":"a","labels":{"x":"1"}},"data":{"k":"v"}})"), "");
  EXPECT_EQ(map.fields("me"), R"({"f:data":{"f:k":{}},"f:metadata":{"f:labels":{"f:x":{}}}})");
  auto before = map.part({"metadata", "managedFields"});
  EXPECT_EQ(map.apply("me", R"({"metadata":{"name":"a","labels":{"x":"1"}},"data":{"k":"v"}})"), "");
  EXPECT_EQ(map.part({"metadata", "managedFields"}), before) << "the time stays too";
}

TEST(Apply, WhatIsNoLongerSaidIsRemoved) {
  Object map = config_map();
  map.apply("me", R"({"metadata":{"name":"a","labels":{"x":"1"}},"data":{"k":"v","l":"w"}})");
  EXPECT_EQ(map.apply("me", R"({"metadata":{"name":"a"},"data":{"l":"w"}})"), "");
  EXPECT_EQ(map.part({"data"}), R"({"l":"w"})");
  EXPECT_EQ(map.part({"metadata", "labels"}), "null");
  EXPECT_EQ(map.fields("me"), R"({"f:data":{"f:l":{}}})");
}

TEST(Apply, ConflictsNameTheManagerAndTheField) {
  Object map = config_map();
  map.apply("me", R"({"metadata":{"name":"a"},"data":{"k":"v","l":"w"}})");
  EXPECT_EQ(map.apply("you", R"({"metadata":{"name":"a"},"data":{"k":"x"}})"),
            R"(Apply failed with 1 conflict: conflict with "me": .data.k)");
  ASSERT_EQ(map.causes_.size(), 1u);
  EXPECT_EQ(map.causes_[0].reason, "FieldManagerConflict");
  EXPECT_EQ(map.causes_[0].message, R"(conflict with "me")");
  EXPECT_EQ(map.causes_[0].field, ".data.k");
  EXPECT_EQ(map.apply("you", R"({"metadata":{"name":"a"},"data":{"k":"x","l":"y"}})"),
            "Apply failed with 2 conflicts: conflicts with \"me\":\n- .data.k\n- .data.l");
  EXPECT_EQ(map.managers(), "me/Apply");
  EXPECT_EQ(map.apply("you", R"({"metadata":{"name":"a"},"data":{"k":"x"}})", true), "");
  EXPECT_EQ(map.fields("me"), R"({"f:data":{"f:l":{}}})");
  EXPECT_EQ(map.fields("you"), R"({"f:data":{"f:k":{}}})");
}

TEST(Apply, ConflictsWithUpdatersNameVersionAndTime) {
  Object map = config_map();
  map.update("editor", R"({"metadata":{"name":"a"},"data":{"k":"v"}})");
  EXPECT_EQ(
      map.apply("me", R"({"metadata":{"name":"a"},"data":{"k":"x"}})"),
      R"(Apply failed with 1 conflict: conflict with "editor" using v1 at 2023-11-14T22:13:20Z: .data.k)");
}

TEST(Apply, EqualValuesAreShared) {
  Object map = config_map();
  map.apply("a", R"({"metadata":{"name":"a"},"data":{"k":"v"}})");
  EXPECT_EQ(map.apply("b", R"({"metadata":{"name":"a"},"data":{"k":"v"}})"), "");
  EXPECT_EQ(map.fields("a"), map.fields("b"));
  EXPECT_THAT(map.apply("b", R"({"metadata":{"name":"a"},"data":{"k":"w"}})"),
              HasSubstr("conflict with \"a\""));
  // One of both lets go: the other keeps it.
  EXPECT_EQ(map.apply("a", R"({"metadata":{"name":"a"}})"), "");
  EXPECT_EQ(map.part({"data"}), R"({"k":"v"})");
  EXPECT_EQ(map.managers(), "b/Apply");
  EXPECT_EQ(map.apply("b", R"({"metadata":{"name":"a"}})"), "");
  EXPECT_EQ(map.part({"data"}), "null");
}

TEST(Apply, AnUpdateTakesAFieldAndTheNextApplyMeetsIt) {
  Object map = config_map();
  map.apply("me", R"({"metadata":{"name":"a"},"data":{"k":"v"}})");
  map.update("scaler", R"({"data":{"k":"w"}})");
  EXPECT_EQ(map.fields("me"), "none");
  EXPECT_THAT(map.apply("me", R"({"metadata":{"name":"a"},"data":{"k":"v"}})"),
              HasSubstr("\"scaler\" using v1 at"));
  EXPECT_EQ(map.apply("me", R"({"metadata":{"name":"a"}})"), "");
  EXPECT_EQ(map.part({"data"}), R"({"k":"w"})") << "not said, not owned: it stays";
}

TEST(Apply, ListsByKeysAreJoinedAndLeftElementByElement) {
  Object service("", "Service");
  EXPECT_EQ(service.apply("a", R"({"metadata":{"name":"s"},"spec":{"ports":[{"port":80,"name":"http"}]}})"),
            "");
  EXPECT_EQ(service.apply("b", R"({"metadata":{"name":"s"},"spec":{"ports":[{"port":443,"name":"https"}]}})"),
            "");
  EXPECT_EQ(
      service.fields("b"),
      R"({"f:spec":{"f:ports":{"k:{\"port\":443,\"protocol\":\"TCP\"}":{".":{},"f:name":{},"f:port":{}}}}})");
  EXPECT_EQ(service.live().at({"spec", "ports"}).as_array().size(), 2u);
  EXPECT_EQ(service.apply("a", R"({"metadata":{"name":"s"},"spec":{"ports":[{"port":80,"name":"web"}]}})"),
            "");
  EXPECT_EQ(service.live().at({"spec", "ports"}).as_array()[0]["name"].as_string(), "web");
  EXPECT_THAT(
      service.apply(
          "b",
          R"({"metadata":{"name":"s"},"spec":{"ports":[{"port":443,"name":"https"},{"port":80,"name":"x"}]}})"),
      HasSubstr(R"(conflict with "a": .spec.ports[port=80,protocol="TCP"].name)"));
  EXPECT_EQ(service.apply("a", R"({"metadata":{"name":"s"},"spec":{"type":"ClusterIP"}})"), "");
  ASSERT_EQ(service.live().at({"spec", "ports"}).as_array().size(), 1u);
  EXPECT_EQ(service.live().at({"spec", "ports"}).as_array()[0]["port"].int_or(0), 443);
}

TEST(Apply, AtomicPartsAreWholeOrNothing) {
  Object service("", "Service");
  service.apply("a", R"({"metadata":{"name":"s"},"spec":{"selector":{"app":"x"},"ports":[{"port":80}]}})");
  EXPECT_EQ(service.apply("b", R"({"metadata":{"name":"s"},"spec":{"selector":{"tier":"y"}}})"),
            R"(Apply failed with 1 conflict: conflict with "a": .spec.selector)");
  EXPECT_EQ(service.apply("b", R"({"metadata":{"name":"s"},"spec":{"selector":{"tier":"y"}}})", true), "");
  EXPECT_EQ(service.part({"spec", "selector"}), R"({"tier":"y"})");
}

TEST(Apply, SetsAreOwnedByValue) {
  Object map = config_map();
  map.apply("a", R"({"metadata":{"name":"m","finalizers":["x.io/a"]}})");
  EXPECT_EQ(map.apply("b", R"({"metadata":{"name":"m","finalizers":["x.io/b"]}})"), "");
  EXPECT_EQ(map.part({"metadata", "finalizers"}), R"(["x.io/a","x.io/b"])");
  EXPECT_EQ(map.apply("a", R"({"metadata":{"name":"m"}})"), "");
  EXPECT_EQ(map.part({"metadata", "finalizers"}), R"(["x.io/b"])");
}

TEST(Apply, RefusesWhatIsNoConfiguration) {
  Object map = config_map();
  EXPECT_EQ(map.apply("a", R"({"metadata":{"name":"m","managedFields":[]}})"),
            "metadata.managedFields must be nil");
  EXPECT_EQ(
      map.apply("a", R"({"metadata":{"name":"m","namespace":"d"},"foo":1})"),
      "failed to create typed patch object (d/m; /v1, Kind=ConfigMap): .foo: field not declared in schema");
  FieldRules rules;
  auto kind = built_in("", "ConfigMap");
  rules.kind = kind.get();
  auto wrong = apply_config(rules, {"a", "", {}}, Value(),
                            json(R"({"apiVersion":"apps/v1","kind":"Deployment"})"), false);
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().message, "invalid object type: apps/v1, Kind=Deployment");
}

// `kubectl apply` and then `kubectl apply --server-side`.
TEST(Apply, KubectlTakesOverWhatItAppliedFromTheClient) {
  Object map = config_map();
  const std::string last =
      R"({\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"annotations\":{},\"name\":\"a\"},\"data\":{\"k\":\"v\"}})";
  map.update(
      "kubectl-client-side-apply",
      R"({"metadata":{"name":"a","annotations":{"kubectl.kubernetes.io/last-applied-configuration":")" +
          last + R"("}},"data":{"k":"v"}})");
  EXPECT_THAT(map.apply("other", R"({"metadata":{"name":"a"},"data":{"k":"w"}})"), HasSubstr("1 conflict"));
  EXPECT_EQ(map.apply("kubectl", R"({"metadata":{"name":"a"},"data":{"k":"w"}})"), "");
  EXPECT_EQ(map.part({"data"}), R"({"k":"w"})");
  EXPECT_EQ(annotation_of(map.live(), "kubectl.kubernetes.io/last-applied-configuration"),
            "{\"apiVersion\":\"v1\",\"data\":{\"k\":\"w\"},\"kind\":\"ConfigMap\",\"metadata\":{\"name\":"
            "\"a\"}}\n");
  // What another one has changed since is a conflict for kubectl too.
  map.update("editor", R"({"data":{"k":"x"}})");
  EXPECT_EQ(
      map.apply("kubectl", R"({"metadata":{"name":"a"},"data":{"k":"z"}})"),
      R"(Apply failed with 1 conflict: conflict with "editor" using v1 at 2023-11-14T22:13:23Z: .data.k)");
}

TEST(Apply, WritersOfTheStatusDoNotOwnTheSpec) {
  Object service("", "Service");
  static const FieldSet kStatus{field_path({"status"})}, kSpec{field_path({"spec"})};
  service.update("a", R"({"metadata":{"name":"s"},"spec":{"ports":[{"port":80}]},
                          "status":{"loadBalancer":{"ingress":[{"ip":"1.2.3.4"}]}}})",
                 "", &kStatus);
  EXPECT_THAT(service.fields("a", "Update"), ::testing::Not(HasSubstr("f:status")));
  service.update(
      "lb", R"({"spec":{"type":"LoadBalancer"},"status":{"loadBalancer":{"ingress":[{"ip":"1.2.3.5"}]}}})",
      "status", &kSpec);
  EXPECT_EQ(service.fields("lb", "Update"), R"({"f:status":{"f:loadBalancer":{"f:ingress":{}}}})");
}

// Against a slow, obvious model: an object of flat keys, owners as sets of keys.
TEST(Apply, AgreesWithASlowModel) {
  struct Model {
    std::map<std::string, std::string> data;
    std::map<std::string, std::set<std::string>> owners;  // appliers
    std::map<std::string, std::set<std::string>> updaters;
  };
  std::mt19937 random(3);
  auto pick = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  for (int round = 0; round < 300; ++round) {
    Object map = config_map();
    Model model;
    map.update("creator", R"({"metadata":{"name":"a"},"data":{"z":"0"}})");
    model.data["z"] = "0";
    model.updaters["creator"] = {"z"};
    for (int step = 0; step < 12; ++step) {
      std::string manager(1, static_cast<char>('A' + pick(3)));
      std::map<std::string, std::string> said;
      for (int i = pick(4); i > 0; --i)
        said[std::string(1, static_cast<char>('a' + pick(4)))] = std::to_string(pick(2));
      base::Object data;
      for (const auto& [k, v] : said) data.set(k, v);
      Value config = base::Object{{"metadata", base::Object{{"name", "a"}}}};
      if (!data.empty()) config.object().set("data", data);
      if (pick(3) == 0) {  // an update by merge patch
        map.update(manager, base::write_json(config));
        for (const auto& [k, v] : said) {
          if (model.data.contains(k) && model.data[k] == v) continue;
          for (auto& [name, keys] : model.owners) keys.erase(k);
          for (auto& [name, keys] : model.updaters) keys.erase(k);
          model.updaters[manager].insert(k);
          model.data[k] = v;
        }
      } else {
        bool force = pick(3) == 0;
        size_t conflicts = 0;
        for (const auto& [k, v] : said) {
          if (model.data.contains(k) && model.data[k] == v) continue;
          for (auto& [name, keys] : model.owners) conflicts += name != manager && keys.contains(k) ? 1 : 0;
          for (auto& [name, keys] : model.updaters) conflicts += keys.contains(k) ? 1 : 0;
        }
        auto message = map.apply(manager, base::write_json(config), force);
        if (conflicts > 0 && !force) {
          ASSERT_EQ(map.causes_.size(), conflicts) << message;
        } else {
          ASSERT_EQ(message, "");
          auto before = model.owners[manager];
          for (const auto& [k, v] : said) {
            if (!model.data.contains(k) || model.data[k] != v) {
              for (auto& [name, keys] : model.owners) keys.erase(k);
              for (auto& [name, keys] : model.updaters) keys.erase(k);
            }
            model.data[k] = v;
          }
          model.owners[manager].clear();
          for (const auto& [k, v] : said) model.owners[manager].insert(k);
          for (const auto& k : before) {
            bool kept = said.contains(k);
            for (auto& [name, keys] : model.owners) kept |= name != manager && keys.contains(k);
            for (auto& [name, keys] : model.updaters) kept |= keys.contains(k);
            if (!kept) model.data.erase(k);
          }
        }
      }
      base::Object expected;
      for (const auto& [k, v] : model.data) expected.set(k, v);
      ASSERT_EQ(map.live()["data"].as_object(), expected) << map.part({"metadata", "managedFields"});
      for (const auto& [name, keys] : model.owners) {
        std::string fields;
        for (const auto& k : keys) fields += (fields.empty() ? "" : ",") + ("\"f:" + k + "\":{}");
        ASSERT_EQ(map.fields(name), keys.empty() ? "none" : R"({"f:data":{)" + fields + "}}");
      }
    }
  }
}

}  // namespace
}  // namespace api
