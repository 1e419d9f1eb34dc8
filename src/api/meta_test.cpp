#include "api/meta.hpp"

#include <gtest/gtest.h>

#include "base/json.hpp"

namespace api {
namespace {

using base::Value;

Value json(std::string_view text) { return base::parse_json(text).value_or(Value("bad test")); }

TEST(Meta, GettersOfAnEmptyObjectAreEmpty) {
  Value object;
  EXPECT_EQ(name_of(object), "");
  EXPECT_EQ(generation_of(object), 0);
  EXPECT_FALSE(is_being_deleted(object));
  EXPECT_TRUE(labels_of(object).is_null());
  EXPECT_TRUE(controller_of(object).is_null());
  EXPECT_TRUE(finalizers_of(object).empty());
  remove_member(object, "metadata", "uid");
  EXPECT_TRUE(object.is_null());
}

TEST(Meta, SettersSetAndRemove) {
  Value object;
  Kind kind;
  kind.group = "apps";
  kind.version = "v1";
  kind.kind = "Thing";
  set_type(object, kind);
  set_name(object, "x");
  set_namespace(object, "ns");
  set_uid(object, "u");
  set_resource_version(object, "7");
  set_generation(object, 2);
  set_creation_timestamp(object, "2026-01-01T00:00:00Z");
  set_label(object, "example.com/a", "");
  set_annotation(object, "k", "v");
  set_finalizers(object, {"a/b"});
  set_deletion(object, "2026-01-01T00:00:01Z", 30);
  EXPECT_EQ(api_version_of(object), "apps/v1");
  EXPECT_EQ(kind_of(object), "Thing");
  EXPECT_EQ(key_of(object), "ns/x");
  EXPECT_EQ(resource_version_of(object), "7");
  EXPECT_EQ(generation_of(object), 2);
  EXPECT_EQ(deletion_grace_seconds_of(object), 30);
  EXPECT_TRUE(labels_of(object).as_object().contains("example.com/a"));
  EXPECT_EQ(annotation_of(object, "k"), "v");
  EXPECT_EQ(finalizers_of(object), std::vector<std::string>{"a/b"});
  set_finalizers(object, {});
  set_deletion(object, "", std::nullopt);
  set_uid(object, "");
  set_namespace(object, "");
  EXPECT_FALSE(object["metadata"].as_object().contains("finalizers"));
  EXPECT_FALSE(object["metadata"].as_object().contains("deletionGracePeriodSeconds"));
  EXPECT_EQ(key_of(object), "x");
  EXPECT_EQ(make_partial_object(object)["metadata"], object["metadata"]);
}

TEST(Meta, SelectableFields) {
  struct Case {
    const char* kind;
    const char* object;
    const char* field;
    const char* value;
  };
  const Case cases[] = {
      {"Pod", R"({"metadata":{"name":"p"}})", "metadata.name", "p"},
      {"Pod", R"({"spec":{"nodeName":"n"}})", "spec.nodeName", "n"},
      {"Pod", R"({})", "spec.nodeName", ""},
      {"Pod", R"({"status":{"podIPs":[{"ip":"1.1.1.1"}]}})", "status.podIP", "1.1.1.1"},
      {"Pod", R"({"status":{"phase":"Running"}})", "status.phase", "Running"},
      {"Pod", R"({})", "spec.hostNetwork", "false"},
      {"Pod", R"({"spec":{"hostNetwork":true}})", "spec.hostNetwork", "true"},
      {"Node", R"({})", "spec.unschedulable", "false"},
      {"Node", R"({"spec":{"unschedulable":true}})", "spec.unschedulable", "true"},
      {"ReplicationController", R"({"status":{"replicas":3}})", "status.replicas", "3"},
      {"ReplicationController", R"({})", "status.replicas", "0"},
      {"Namespace", R"({"metadata":{"name":"x"}})", "name", "x"},
      {"Namespace", R"({"status":{"phase":"Active"}})", "status.phase", "Active"},
      {"Secret", R"({"type":"Opaque"})", "type", "Opaque"},
      {"Service", R"({"spec":{"type":"ClusterIP"}})", "spec.type", "ClusterIP"},
      {"Event", R"({"involvedObject":{"uid":"u"}})", "involvedObject.uid", "u"},
      {"Event", R"({"regarding":{"name":"r"}})", "involvedObject.name", "r"},
      {"Event", R"({"source":{"component":"c"}})", "source", "c"},
      {"Event", R"({"reportingComponent":"c"})", "source", "c"},
      {"Event", R"({"metadata":{"namespace":"ns"}})", "metadata.namespace", "ns"},
  };
  for (const auto& one : cases) {
    Kind kind;
    kind.kind = one.kind;
    EXPECT_TRUE(is_selectable_field(kind, one.field)) << one.field;
    EXPECT_EQ(selectable_field(kind, json(one.object), one.field), one.value) << one.kind << " " << one.field;
  }
  Kind job;
  job.kind = "Job";
  EXPECT_EQ(selectable_field(job, json(R"({"status":{"succeeded":2}})"), "status.successful"), "2");
  EXPECT_EQ(selectable_field(job, json("{}"), "status.successful"), "0");
  Kind pod;
  pod.kind = "Pod";
  EXPECT_FALSE(is_selectable_field(pod, "spec.containers"));
  pod.selectable_fields = {"spec.extra"};
  EXPECT_TRUE(is_selectable_field(pod, "spec.extra"));
}

}  // namespace
}  // namespace api
