#include "server/encoding.hpp"

#include <gtest/gtest.h>

#include "base/json.hpp"

namespace server {
namespace {

TEST(MetadataBytes, EndWhereTheObjectEnds) {
  EXPECT_EQ(metadata_bytes(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{}})"), R"({"name":"a"})");
  EXPECT_EQ(metadata_bytes(R"({"kind":"Pod","metadata":{"a":"}\"}","b":"\\","c":[{"d":"]"}]},"x":1})"),
            R"({"a":"}\"}","b":"\\","c":[{"d":"]"}]})");
  EXPECT_EQ(metadata_bytes(R"({"kind":"Pod"})"), "");
  EXPECT_EQ(metadata_bytes(R"({"kind":"Pod","metadata":{"name":"a)"), "");
  EXPECT_EQ(metadata_bytes(R"({"kind":"Pod","metadata":{"name":"a\)"), "");
}

TEST(WithoutManagedFields, TakesOutThatMemberAlone) {
  auto expect = [](std::string_view object) {
    auto before = base::parse_json(object), after = base::parse_json(without_managed_fields(object));
    ASSERT_TRUE(before) << object;
    ASSERT_TRUE(after) << without_managed_fields(object);
    before->make({"metadata"}).object().erase("managedFields");
    EXPECT_EQ(base::write_json(*after), base::write_json(*before));
  };
  const std::string fields = R"("managedFields":[{"manager":"a]","fieldsV1":{"f:spec":{"k:{\"name\":\"x\"}":{}}}}])";
  expect(R"({"kind":"Pod","metadata":{"name":"a",)" + fields + R"(,"uid":"1"},"spec":{}})");
  expect(R"({"kind":"Pod","metadata":{)" + fields + R"(,"uid":"1"},"spec":{}})");
  expect(R"({"kind":"Pod","metadata":{"uid":"1",)" + fields + R"(},"spec":{}})");
  expect(R"({"kind":"Pod","metadata":{)" + fields + R"(},"spec":{}})");
  // What only looks like it stays.
  expect(R"({"kind":"Pod","metadata":{"annotations":{"managedFields":"[1]","a":"\"managedFields\":[1]"}}})");
  expect(R"({"kind":"Thing","metadata":{"name":"a"},"spec":{"managedFields":[1,2]}})");
}

}  // namespace
}  // namespace server
