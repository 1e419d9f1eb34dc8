#include "cli/apply_server.hpp"

#include <gtest/gtest.h>

#include "base/json.hpp"

namespace cli {
namespace {

std::string patch_of(std::string_view entries) {
  auto list = base::parse_json(entries);
  EXPECT_TRUE(list) << entries;
  base::Value object = base::Object{
      {"metadata", base::Object{{"resourceVersion", "7"}, {"managedFields", list ? *list : base::Value()}}}};
  return base::write_json(migrate_managers_patch(object, "kubectl"));
}

TEST(MigrateManagers, NothingToDoWithoutClientSideApply) {
  EXPECT_EQ(patch_of("[]"), "null");
  EXPECT_EQ(
      patch_of(R"([{"manager":"kubectl-edit","operation":"Update","apiVersion":"v1","fieldsType":"FieldsV1",)"
               R"("fieldsV1":{"f:data":{}}}])"),
      "null");
  EXPECT_EQ(patch_of(R"([{"manager":"x","operation":"nonsense"}])"), "null");
}

TEST(MigrateManagers, FieldsOfBothBecomeOneAndTheAnnotationGetsAKeeper) {
  EXPECT_EQ(
      patch_of(
          R"([{"manager":"kubectl","operation":"Apply","apiVersion":"v1","time":"2026-01-02T00:00:00Z",)"
          R"("fieldsType":"FieldsV1","fieldsV1":{"f:data":{"f:a":{}}}},)"
          R"({"manager":"kubectl-client-side-apply","operation":"Update","apiVersion":"v1",)"
          R"("time":"2026-01-01T00:00:00Z","fieldsType":"FieldsV1","fieldsV1":{"f:data":{".":{},"f:b":{}},)"
          R"("f:metadata":{"f:annotations":{".":{},"f:kubectl.kubernetes.io/last-applied-configuration":{}}}}}])"),
      R"([{"op":"replace","path":"/metadata/managedFields","value":[)"
      R"({"manager":"kubectl","operation":"Apply","apiVersion":"v1","time":"2026-01-02T00:00:00Z","fieldsType":)"
      R"("FieldsV1","fieldsV1":{"f:data":{".":{},"f:a":{},"f:b":{}},"f:metadata":{"f:annotations":{}}}},)"
      R"({"manager":"kubectl-last-applied","operation":"Apply","apiVersion":"v1","time":"2026-01-02T00:00:00Z",)"
      R"("fieldsType":"FieldsV1","fieldsV1":{"f:metadata":{"f:annotations":{)"
      R"("f:kubectl.kubernetes.io/last-applied-configuration":{}}}}}]},)"
      R"({"op":"replace","path":"/metadata/resourceVersion","value":"7"}])");
}

}  // namespace
}  // namespace cli
