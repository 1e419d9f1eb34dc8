#include "base/jsonpath.hpp"

#include <gtest/gtest.h>

#include "base/json.hpp"

namespace base {
namespace {

std::string eval(std::string_view path) {
  auto object = base::parse_json(R"({"items":[{"n":"a","s":{"p":"x<y"}},{"n":"b","s":{"p":"z"}}],"a.b":1})");
  auto text = evaluate_jsonpath(path, *object, true);
  return text ? *text : "error: " + text.error().message;
}

TEST(Jsonpath, WalksFieldsAndLists) {
  EXPECT_EQ(eval("{.items[*].n}"), "a b");
  EXPECT_EQ(eval("{.items[-1].n}"), "b");
  EXPECT_EQ(eval("{range .items[*]}{.n}={.s.p};{end}"), "a=x<y;b=z;");
  EXPECT_EQ(eval("{.items[?(@.n==\"b\")].s.p}"), "z");
}

TEST(Jsonpath, AUnionGivesAllOfTheFirstNameFirst) { EXPECT_EQ(eval("{.items[*]['n','s.p']}"), "a b x<y z"); }

TEST(Jsonpath, OneQuotedNameIsNotAPath) { EXPECT_EQ(eval("{['a.b']}"), "1"); }

TEST(Jsonpath, ObjectsArePrintedAsGoEncodesThem) {
  EXPECT_EQ(eval("{.items[0].s}"), "{\"p\":\"x\\u003cy\"}");
}

TEST(Jsonpath, ErrorsNameTheTemplate) {
  EXPECT_EQ(eval("{.items"), "error: error parsing jsonpath {.items, unclosed action");
  EXPECT_EQ(eval("{.items[a]}"), "error: error parsing jsonpath {.items[a]}, invalid array index a");
  EXPECT_EQ(eval("{.items[9].n}"), "error: array index out of bounds: index 9, length 2");
}

}  // namespace
}  // namespace base
