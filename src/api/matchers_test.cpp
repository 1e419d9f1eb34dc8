#include "api/matchers.hpp"

#include <gtest/gtest.h>

#include "base/json.hpp"

namespace api {
namespace {

using base::Value;

Value json(std::string_view text) { return base::parse_json(text).value_or(Value("bad test")); }

struct MatchCase {
  const char* selector;
  const char* labels;
  bool matches;
};

TEST(LabelMatcher, Matches) {
  const MatchCase cases[] = {
      {"", "{}", true},
      {"", R"({"a":"b"})", true},
      {"a=b", R"({"a":"b"})", true},
      {"a==b", R"({"a":"b"})", true},
      {"a=b", R"({"a":"c"})", false},
      {"a=b", R"({})", false},
      {"a=b", "null", false},
      {"a=", R"({"a":""})", true},
      {"a=", R"({})", false},
      {"a=,b", R"({"a":"","b":"x"})", true},
      {"a!=b", R"({"a":"b"})", false},
      {"a!=b", R"({"a":"c"})", true},
      {"a!=b", R"({})", true},
      {"a in (b,c)", R"({"a":"c"})", true},
      {"a in (b, c)", R"({"a":"d"})", false},
      {"a in (b,)", R"({"a":""})", true},
      {"a in (,)", R"({"a":""})", true},
      {"a in (b)", R"({})", false},
      {"a notin (b,c)", R"({"a":"c"})", false},
      {"a notin (b,c)", R"({"a":"d"})", true},
      {"a notin (b)", R"({})", true},
      {"a", R"({"a":"x"})", true},
      {"a", R"({})", false},
      {"!a", R"({})", true},
      {"!a", R"({"a":""})", false},
      {"a>1", R"({"a":"2"})", true},
      {"a>1", R"({"a":"1"})", false},
      {"a>1", R"({"a":"x"})", false},
      {"a>1", R"({})", false},
      {"a<10", R"({"a":"9"})", true},
      {"x=a,y in (b),!z", R"({"x":"a","y":"b"})", true},
      {"x=a,y in (b),!z", R"({"x":"a","y":"b","z":""})", false},
      {"in=notin", R"({"in":"notin"})", true},
      {"in in (in)", R"({"in":"in"})", true},
      {"  a  =  b ", R"({"a":"b"})", true},
      {"example.com/app=web", R"({"example.com/app":"web"})", true},
  };
  for (const auto& one : cases) {
    auto selector = LabelMatcher::parse(one.selector);
    ASSERT_TRUE(selector) << one.selector << ": " << selector.error().message;
    EXPECT_EQ(selector->matches(json(one.labels)), one.matches) << one.selector << " on " << one.labels;
    auto again = LabelMatcher::parse(selector->text());
    ASSERT_TRUE(again) << selector->text();
    EXPECT_EQ(*again, *selector) << one.selector;
  }
}

TEST(LabelMatcher, RefusesWithUpstreamsTexts) {
  const char* cases[][2] = {
      {"a,", "found '', expected: identifier after ','"},
      {",a", "found ',', expected: !, identifier, or 'end of string'"},
      {"a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"},
      {"a in b", "unable to parse requirement: found 'b' expected: '('"},
      {"a in (b", "unable to parse requirement: found '', expected: ',' or ')'"},
      {"a in ((", "unable to parse requirement: found '(', expected: ',', ')' or identifier"},
      {"a in ()", "unable to parse requirement: values: Invalid value: []: for 'in', 'notin' operators, values set "
                  "can't be empty"},
      {"!", "unable to parse requirement: found '', expected: identifier"},
      {"!a=b", "found '=', expected: ',' or 'end of string'"},
      {"a=b=c", "found '=', expected: ',' or 'end of string'"},
      {"a==!b", "unable to parse requirement: found '!', expected: identifier"},
      {"a>x", "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must "
              "be an integer"},
  };
  for (const auto& one : cases) {
    auto selector = LabelMatcher::parse(one[0]);
    ASSERT_FALSE(selector) << one[0];
    EXPECT_EQ(selector.error().message, one[1]) << one[0];
    EXPECT_EQ(selector.error().reason, base::Reason::bad_request);
  }
  EXPECT_FALSE(LabelMatcher::parse("-a=b"));
  EXPECT_FALSE(LabelMatcher::parse("a=b@c"));
  EXPECT_FALSE(LabelMatcher::parse("a=" + std::string(64, 'x')));
  EXPECT_TRUE(LabelMatcher::parse("a=" + std::string(63, 'x')));
  EXPECT_FALSE(LabelMatcher::parse("a/b/c=d"));
  EXPECT_EQ(LabelMatcher::parse("_a").error().message.substr(0, 60),
            "unable to parse requirement: <nil>: Invalid value: \"_a\": nam");
}

TEST(LabelMatcher, FromObjects) {
  auto selector = LabelMatcher::from_object(json(
      R"({"matchLabels":{"a":"b"},"matchExpressions":[{"key":"c","operator":"In","values":["d","e"]},)"
      R"({"key":"f","operator":"DoesNotExist"}]})"));
  ASSERT_TRUE(selector) << selector.error().message;
  EXPECT_EQ(selector->text(), "a=b,c in (d,e),!f");
  EXPECT_TRUE(selector->matches(json(R"({"a":"b","c":"e"})")));
  EXPECT_FALSE(selector->matches(json(R"({"a":"b","c":"e","f":""})")));

  EXPECT_TRUE(LabelMatcher::from_object(Value())->matches_nothing());
  EXPECT_FALSE(LabelMatcher::from_object(Value())->matches(json(R"({"a":"b"})")));
  EXPECT_TRUE(LabelMatcher::from_object(json("{}"))->matches_everything());
  auto bad = LabelMatcher::from_object(json(R"({"matchExpressions":[{"key":"a","operator":"Near"}]})"));
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().message, "\"Near\" is not a valid label selector operator");

  auto map = LabelMatcher::from_map(json(R"({"z":"1","a":"2"})"));
  EXPECT_EQ(map.text(), "a=2,z=1");
  EXPECT_TRUE(map.matches([](std::string_view key) -> std::optional<std::string_view> {
    return key == "z" ? "1" : "2";
  }));
}

TEST(FieldMatcher, ParsesMatchesAndPrints) {
  auto selector = FieldMatcher::parse("status.phase!=Running,metadata.name==x");
  ASSERT_TRUE(selector);
  EXPECT_EQ(selector->text(), "metadata.name=x,status.phase!=Running");
  auto look = [](std::string name, std::string phase) {
    return [=](std::string_view field) { return field == "metadata.name" ? name : phase; };
  };
  EXPECT_TRUE(selector->matches(look("x", "Pending")));
  EXPECT_FALSE(selector->matches(look("x", "Running")));
  EXPECT_FALSE(selector->matches(look("y", "Pending")));
  EXPECT_EQ(selector->required_value("metadata.name"), "x");
  EXPECT_EQ(selector->required_value("status.phase"), std::nullopt);
  EXPECT_TRUE(FieldMatcher::parse("")->matches_everything());
  EXPECT_TRUE(FieldMatcher::parse("a=")->matches([](auto) { return std::string(); }));
}

TEST(FieldMatcher, Escapes) {
  auto selector = FieldMatcher::parse(R"(a=b\,c\=d\\e)");
  ASSERT_TRUE(selector);
  EXPECT_EQ(selector->requirements()[0].value, R"(b,c=d\e)");
  EXPECT_EQ(selector->text(), R"(a=b\,c\=d\\e)");
  EXPECT_EQ(FieldMatcher::parse("a=b=c").error().message,
            "invalid field selector: unescaped character in value: 61");
  EXPECT_EQ(FieldMatcher::parse(R"(a=b\x)").error().message,
            R"(invalid field selector: invalid escape sequence: \x)");
  EXPECT_EQ(FieldMatcher::parse(R"(a=b\)").error().message, R"(invalid field selector: invalid escape sequence: \)");
  EXPECT_EQ(FieldMatcher::parse("nonsense").error().message,
            "invalid selector: 'nonsense'; can't understand 'nonsense'");
}

}  // namespace
}  // namespace api
