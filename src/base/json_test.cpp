#include "base/json.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace base {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string error_of(std::string_view text, const JsonLimits& limits = {}) {
  auto result = parse_json(text, limits);
  if (result) return "parsed as " + write_json(*result);
  EXPECT_EQ(result.error().reason, Reason::bad_request);
  return result.error().message;
}

std::string round_trip(std::string_view text) {
  auto result = parse_json(text);
  return result ? write_json(*result) : result.error().message;
}

TEST(Json, KeepsOrderAndText) {
  for (std::string_view text :
       {R"({"b":1,"a":[true,false,null,"x",{}],"c":[]})", "-0", "0.10e+05", R"("")", "[[[]]]", "123456789012345678901"})
    EXPECT_EQ(round_trip(text), text);
  EXPECT_EQ(round_trip(" {\t\"a\" :\r\n [ 1 , 2 ] } \n"), R"({"a":[1,2]})");
}

TEST(Json, ReadsEscapes) {
  EXPECT_EQ(parse_json(R"("\"\\\/\b\f\n\r\t\u0041\u00e9\u20ac\ud83d\ude00")")->as_string(),
            "\"\\/\b\f\n\r\tA\u00e9\u20ac\U0001F600");
  EXPECT_EQ(parse_json(R"("a\u0000b")")->as_string(), std::string_view("a\0b", 3));
}

TEST(Json, RefusesWithWordsAndPosition) {
  struct Case {
    std::string_view text, message;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"", "unexpected end of JSON input (line 1, column 1, offset 0)"},
           {"  ", "unexpected end of JSON input (line 1, column 3, offset 2)"},
           {"{\"a\":1,}", "invalid character '}' looking for beginning of object key string (line 1, column 8, offset 7)"},
           {"[1,]", "invalid character ']' looking for beginning of value (line 1, column 4, offset 3)"},
           {"[1\n2]", "invalid character '2' after array element (line 2, column 1, offset 3)"},
           {"{\"a\" 1}", "invalid character '1' after object key (line 1, column 6, offset 5)"},
           {"{\"a\":1 \"b\"", "invalid character '\"' after object key:value pair (line 1, column 8, offset 7)"},
           {"{'a':1}", "invalid character '\\'' looking for beginning of object key string (line 1, column 2, offset 1)"},
           {"[1] x", "invalid character 'x' after top-level value (line 1, column 5, offset 4)"},
           {"trux", "invalid character 'x' in literal true (expecting 'e') (line 1, column 4, offset 3)"},
           {"01", "invalid character '1' after top-level value (line 1, column 2, offset 1)"},
           {"-x", "invalid character 'x' in numeric literal (line 1, column 2, offset 1)"},
           {"1.x", "invalid character 'x' after decimal point in numeric literal (line 1, column 3, offset 2)"},
           {"1e", "unexpected end of JSON input (line 1, column 3, offset 2)"},
           {"\"a\nb\"", "invalid character '\\n' in string literal (line 1, column 3, offset 2)"},
           {"\"\\x\"", "invalid character 'x' in string escape code (line 1, column 3, offset 2)"},
           {"\"\\u12g4\"", "invalid character 'g' in \\u hexadecimal character escape (line 1, column 6, offset 5)"},
           {"\xef\xbb\xbf{}", "invalid character '\\ufeff' looking for beginning of value (line 1, column 1, offset 0)"},
           {"NaN", "invalid character 'N' looking for beginning of value (line 1, column 1, offset 0)"},
       })
    EXPECT_EQ(error_of(c.text), c.message) << c.text;
}

TEST(Json, RefusesBadUnicode) {
  EXPECT_THAT(error_of("\"a\xff\""), HasSubstr("invalid UTF-8 in JSON text (line 1, column 3, offset 2)"));
  EXPECT_THAT(error_of("\"\xed\xa0\x80\""), HasSubstr("invalid UTF-8"));
  EXPECT_THAT(error_of("\"\xc0\xaf\""), HasSubstr("invalid UTF-8"));
  for (std::string_view text : {R"("\ud800")", R"("\udc00")", R"("\ud800\u0041")", R"("\ud800x")", R"("\udc00\ud800")"})
    EXPECT_THAT(error_of(text), HasSubstr("lone surrogate")) << text;
}

TEST(Json, ReportsDuplicateKeysWithTheirPath) {
  auto parsed = parse_json_strictly(R"({"a":1,"spec":{"ports":[{},{"port":1,"port":2,"port":3}]},"a":{"b":0}})");
  ASSERT_TRUE(parsed);
  EXPECT_THAT(parsed->duplicate_keys, ElementsAre("spec.ports[1].port", "spec.ports[1].port", "a"));
  EXPECT_EQ(write_json(parsed->value), R"({"a":{"b":0},"spec":{"ports":[{},{"port":3}]}})");
}

TEST(Json, FindsDuplicatesInLargeObjects) {
  std::string text = "{";
  for (int i = 0; i < 20'000; ++i) text += "\"key" + std::to_string(i) + "\":" + std::to_string(i) + ",";
  text += "\"key77\":\"again\",\"key3\":\"again\"}";
  auto parsed = parse_json_strictly(text);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->value.as_object().size(), 20'000u);
  EXPECT_EQ(parsed->value["key77"].as_string(), "again");
  EXPECT_THAT(parsed->duplicate_keys, ElementsAre("key77", "key3"));
}

TEST(Json, ReportsABoundedNumberOfDuplicates) {
  std::string text = "{\"a\":0";
  for (int i = 0; i < 1000; ++i) text += ",\"a\":0";
  EXPECT_EQ(parse_json_strictly(text + "}")->duplicate_keys.size(), 100u);
}

TEST(Json, DepthIsLimitedNotTheStack) {
  auto nested = [](size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  auto deep = parse_json(nested(10'000));
  ASSERT_TRUE(deep);
  EXPECT_EQ(write_json(*deep), nested(10'000));
  EXPECT_THAT(error_of(nested(10'001)), HasSubstr("exceeded max depth"));
  EXPECT_THAT(error_of(nested(100'000)), HasSubstr("offset 10000"));
  EXPECT_THAT(error_of(std::string(1'000'000, '[')), HasSubstr("exceeded max depth"));
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  EXPECT_THAT(error_of(objects), HasSubstr("exceeded max depth"));
  EXPECT_THAT(error_of("[[1]]", {.max_depth = 1}), HasSubstr("1 levels"));
}

TEST(Json, SizeIsLimited) { EXPECT_THAT(error_of("[1,2,3]", {.max_bytes = 6}), HasSubstr("7 bytes long, the limit is 6")); }

TEST(Json, WritesStringsWithFewEscapes) {
  std::string out;
  append_json_string(out, "a\"\\/<>&\n\t\x01\x7f\u00e9\u2028");
  EXPECT_EQ(out, "\"a\\\"\\\\/<>&\\n\\t\\u0001\x7f\u00e9\\u2028\"");
  EXPECT_EQ(write_json(Value("x\xff\xfey")), "\"x\ufffd\ufffdy\"");
}

TEST(Json, PrettyIsWhatKubectlPrints) {
  Value v = *parse_json(R"({"kind":"Service","apiVersion":"v1","metadata":{"labels":{},"name":"a<b>&c"},"items":[],"x":[1,{"b":2,"a":null}]})");
  EXPECT_EQ(write_json_pretty(v), R"({
    "apiVersion": "v1",
    "items": [],
    "kind": "Service",
    "metadata": {
        "labels": {},
        "name": "a\u003cb\u003e\u0026c"
    },
    "x": [
        1,
        {
            "a": null,
            "b": 2
        }
    ]
})");
  EXPECT_EQ(write_json_pretty(*parse_json(R"({"a":[1]})"), 2), "{\n  \"a\": [\n    1\n  ]\n}");
}

}  // namespace
}  // namespace base
