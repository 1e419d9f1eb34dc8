#include "base/yaml.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.hpp"

namespace base {
namespace {

using ::testing::HasSubstr;

std::string json_of(std::string_view text, const YamlLimits& limits = {}) {
  auto value = parse_yaml(text, limits);
  return value ? write_json(*value) : value.error().message;
}

TEST(YamlReader, ScalarsAsKubectlReadsThem) {
  struct Case {
    std::string_view yaml, json;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"yes", "true"},      {"On", "true"},       {"y", "true"},        {"NO", "false"},      {"off", "false"},
           {"tRue", "\"tRue\""}, {"~", ""},            {"80", "80"},         {"0x1F", "31"},       {"0o17", "15"},
           {"017", "15"},        {"08", "8"},          {"0b101", "5"},       {"1_000", "1000"},    {"-5", "-5"},
           {"+5", "5"},          {"1.5", "1.5"},       {"1e3", "1000"},      {".5", "0.5"},        {"1.", "1"},
           {"1e", "\"1e\""},     {"0x", "\"0x\""},     {"0xg", "\"0xg\""},   {"1.2.3", "\"1.2.3\""}, {"10.96.0.1", "\"10.96.0.1\""},
           {"100m", "\"100m\""}, {"\"80\"", "\"80\""}, {"'yes'", "\"yes\""}, {"=", "\"=\""},       {"2020-01-01", "\"2020-01-01\""},
           {"2020-01-01T00:00:00Z", "\"2020-01-01T00:00:00Z\""}, {"18446744073709551615", "18446744073709551615"},
           {"123456789012345678901234567890", "123456789012345678901234567890"}, {"190:20:30", "\"190:20:30\""},
           {"!!str 80", "\"80\""}, {"!!int \"80\"", "80"}, {"!!float 1", "1"}, {"!!binary aGk=", "\"hi\""}, {"!foo 5", "\"5\""},
           {"|\n a\n b\n", "\"a\\nb\\n\""}, {">-\n a\n b\n", "\"a b\""}, {"\"\\u00e9\\n\"", "\"\u00e9\\n\""},
       }) {
    std::string text = "v: " + std::string(c.yaml) + "\n";
    if (c.yaml.find('\n') != std::string_view::npos) text = "v: " + std::string(c.yaml);
    EXPECT_EQ(json_of(text), c.json.empty() ? "{\"v\":null}" : "{\"v\":" + std::string(c.json) + "}") << c.yaml;
  }
}

TEST(YamlReader, KeysBecomeStrings) {
  EXPECT_EQ(json_of("80: a\ntrue: b\n1.50: c\n\"x\": d\nyes: e\n"), "yaml: unmarshal errors:\n  line 5: key true already set in map");
  EXPECT_EQ(json_of("80: a\noff: b\n1.50: c\n\"x\": d\n0x10: e\n"), R"({"80":"a","false":"b","1.5":"c","x":"d","16":"e"})");
  EXPECT_EQ(json_of("~: a\n"), "yaml: line 1: invalid map key: null: use a string as the key");
  EXPECT_EQ(json_of("? [a]\n: b\n"), "yaml: line 1: invalid map key: array: use a string as the key");
}

TEST(YamlReader, RefusesDuplicateKeysAllAtOnce) {
  EXPECT_EQ(json_of("metadata:\n  labels:\n    app: a\n    b: c\n    app: d\nkind: x\nkind: y\n"),
            "yaml: unmarshal errors:\n  line 5: key \"app\" already set in map\n  line 7: key \"kind\" already set in map");
}

TEST(YamlReader, SyntaxErrorsNameTheLine) {
  EXPECT_EQ(json_of("a:\n  b: 1\n c: 2\n"), "yaml: line 2: did not find expected key");
  EXPECT_EQ(json_of("a: b: c\n"), "yaml: mapping values are not allowed in this context");
  EXPECT_EQ(json_of("x: 1\na: b: c\n"), "yaml: line 2: mapping values are not allowed in this context");
  EXPECT_EQ(json_of("a: 1\n\tb: 2\n"), "yaml: line 2: found a tab character that violates indentation");
  EXPECT_EQ(json_of("a: \"x\n"), "yaml: line 2: found unexpected end of stream");
  EXPECT_EQ(json_of("a: *b\n"), "yaml: unknown anchor 'b' referenced");
  EXPECT_EQ(json_of("a: &a [*a]\n"), "yaml: anchor 'a' value contains itself");
  EXPECT_THAT(json_of("a: \xff\n"), HasSubstr("yaml: invalid leading UTF-8 octet"));
  EXPECT_THAT(json_of("a: \x01\n"), HasSubstr("yaml: control characters are not allowed"));
  EXPECT_THAT(json_of("a: .inf\n"), HasSubstr("has no form in JSON"));
  EXPECT_EQ(json_of("a: !!int x\n"), "yaml: line 1: cannot decode `x` as a !!int");
}

TEST(YamlReader, AliasesAndMerges) {
  EXPECT_EQ(json_of("a: &x {p: 1}\nb: *x\n"), R"({"a":{"p":1},"b":{"p":1}})");
  EXPECT_EQ(json_of("a: &x {p: 1, q: 2}\nb:\n  q: 3\n  <<: *x\n"), R"({"a":{"p":1,"q":2},"b":{"q":3,"p":1}})");
  EXPECT_EQ(json_of("b:\n  <<: [{p: 1}, {p: 2, q: 3}]\n  r: 4\n"), R"({"b":{"r":4,"p":1,"q":3}})");
  EXPECT_EQ(json_of("b:\n  \"<<\": 1\n"), R"({"b":{"<<":1}})");
  EXPECT_EQ(json_of("b:\n  <<: 1\n"), "yaml: line 2: map merge requires map or sequence of maps as the value");
}

TEST(YamlReader, AliasBombsAreRefused) {
  constexpr YamlLimits kSmall{.max_nodes = 20'000};
  std::string text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 12; ++i) {
    std::string before = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
    for (int j = 0; j < 9; ++j) text += "," + before;
    text += "]\n";
  }
  EXPECT_THAT(json_of(text, kSmall), HasSubstr("excessive aliasing"));
  std::string tower = "a0: &a0 [x]\n";
  for (int i = 1; i < 100; ++i)
    tower += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [*a" + std::to_string(i - 1) + "]\n";
  EXPECT_THAT(json_of(tower, {.max_depth = 50}), HasSubstr("nested more than 50 levels deep"));
  std::string nested = "x: ";
  for (int i = 0; i < 400; ++i) nested += "&a" + std::to_string(i) + " [";
  for (int i = 0; i < 5000; ++i) nested += "1,";
  EXPECT_THAT(json_of(nested + std::string(400, ']'), {.max_nodes = 100'000}), HasSubstr("excessive aliasing"));
}

TEST(YamlReader, LimitsHold) {
  EXPECT_THAT(json_of(std::string(100'000, '[')), HasSubstr("nested more than 500 levels deep"));
  std::string block;
  for (int i = 0; i < 3000; ++i) block += "- ";
  EXPECT_THAT(json_of(block + "x"), HasSubstr("nested more than 500 levels deep"));
  std::string flow;
  for (int i = 0; i < 20'000; ++i) flow += "{a: ";
  EXPECT_THAT(json_of(flow), HasSubstr("nested more than 500 levels deep"));
  EXPECT_THAT(json_of("[1,2,3]", {.max_nodes = 3}), HasSubstr("more than 3 values"));
  EXPECT_THAT(json_of("[1,2,3]", {.max_bytes = 3}), HasSubstr("7 bytes long, the limit is 3"));
}

TEST(YamlReader, Streams) {
  auto documents = parse_yaml_stream("# first\n---\na: 1\n---\n# nothing\n---\n{\"b\": [1, 2]}\n...\n---\n");
  ASSERT_TRUE(documents);
  ASSERT_EQ(documents->size(), 2u);
  EXPECT_EQ(write_json((*documents)[1]), R"({"b":[1,2]})");
  EXPECT_TRUE(parse_yaml_stream("")->empty());
  EXPECT_EQ(json_of(""), "yaml: expected one document, found 0: the text is empty");
  EXPECT_EQ(json_of("a: 1\n---\nb: 2\n"), "yaml: expected one document, found 2: split them");
}

std::string yaml_of(std::string_view json) { return write_yaml(*parse_json(json)); }

TEST(YamlWriter, QuotesAsGoYamlDoes) {
  struct Case {
    std::string_view text, yaml;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"hi", "hi"},           {"true", "\"true\""},   {"y", "\"y\""},         {"No", "\"No\""},     {"10", "\"10\""},
           {"", "\"\""},           {"null", "\"null\""},   {"~", "\"~\""},         {"0.1", "\"0.1\""},   {"-", "'-'"},
           {"- a", "'- a'"},       {"-a", "-a"},           {"<foo>", "<foo>"},     {"1:1", "\"1:1\""},   {"b: c", "'b: c'"},
           {"a:b", "a:b"},         {"a:", "'a:'"},         {"x #y", "'x #y'"},     {"x#y", "x#y"},       {"#x", "'#x'"},
           {"it's", "it's"},       {"'x", "'''x'"},        {"\"x\"", "'\"x\"'"},   {" x", "' x'"},       {"x ", "'x '"},
           {"*", "'*'"},           {"@x", "'@x'"},         {"%x", "'%x'"},         {"[a]", "'[a]'"},     {"{a}", "'{a}'"},
           {"?x", "?x"},           {"? x", "'? x'"},       {"!x", "'!x'"},         {"---", "'---'"},     {"...", "'...'"},
           {"a\tb", "\"a\\tb\""},  {"\x01", "\"\\x01\""},  {"<<", "\"<<\""},       {"0x1F", "\"0x1F\""}, {"1e3", "\"1e3\""},
           {"100m", "100m"},       {"10.96.0.1", "10.96.0.1"}, {"2015-02-24T18:19:39Z", "\"2015-02-24T18:19:39Z\""},
           {"2015-02-24", "\"2015-02-24\""}, {"2015-02-30", "2015-02-30"}, {"\u4f60\u597d", "\u4f60\u597d"},
           {"\U0001F600", "\"\\U0001F600\""}, {".inf", "\".inf\""}, {"=", "="}, {"10:30", "\"10:30\""}, {"fd00::1", "fd00::1"},
           {"12:34:56:78:9a:bc", "12:34:56:78:9a:bc"}, {"a\rb", "\"a\\rb\""}, {"1_000", "\"1_000\""},
       }) {
    EXPECT_EQ(write_yaml(Value(Object{{"a", Value(c.text)}})), "a: " + std::string(c.yaml) + "\n") << c.text;
    auto back = parse_yaml(write_yaml(Value(Object{{"a", Value(c.text)}})));
    ASSERT_TRUE(back) << c.text;
    EXPECT_EQ((*back)["a"].as_string(), c.text);
  }
}

TEST(YamlWriter, LaysOutBlocks) {
  EXPECT_EQ(yaml_of(R"({"v":["A",1,{"B":[2,3],"C":{"x":1}},[],{},[1,[2]]],"e":{},"nil":null,"t":true})"),
            "e: {}\nnil: null\nt: true\nv:\n- A\n- 1\n- B:\n  - 2\n  - 3\n  C:\n    x: 1\n- []\n- {}\n- - 1\n  - - 2\n");
  EXPECT_EQ(yaml_of("[]"), "[]\n");
  EXPECT_EQ(yaml_of("{}"), "{}\n");
  EXPECT_EQ(yaml_of("\"x\""), "x\n");
  EXPECT_EQ(yaml_of("[\"a\"]"), "- a\n");
}

TEST(YamlWriter, LiteralBlocks) {
  EXPECT_EQ(yaml_of(R"({"a":"x\ny\n","b":"x\ny","c":"x\n\n","d":"\n","e":" x\ny\n","f":["A","B\nC"],"g":"\n\nx","h":1})"),
            "a: |\n  x\n  y\nb: |-\n  x\n  y\nc: |+\n  x\n\nd: |2+\n\ne: |2\n   x\n  y\nf:\n- A\n- |-\n  B\n  C\ng: |2-\n\n\n  x\nh: 1\n");
  EXPECT_EQ(yaml_of(R"({"a":"x \ny","b":"x\n\ty","c":"x\ny "})"), "a: \"x \\ny\"\nb: \"x\\n\\ty\"\nc: \"x\\ny \"\n");
}

TEST(YamlWriter, FoldsLongLinesAsKubectlDoes) {
  EXPECT_EQ(yaml_of(R"({"a":"abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ 1234567890 abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ 1234567890 "})"),
            "a: 'abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ 1234567890 abcdefghijklmnopqrstuvwxyz\n"
            "  ABCDEFGHIJKLMNOPQRSTUVWXYZ 1234567890 '\n");
  EXPECT_EQ(yaml_of(R"({"t":"this is very long line with spaces and it must be longer than 80 so we will repeat that it must be longer that 80"})"),
            "t: this is very long line with spaces and it must be longer than 80 so we will repeat\n  that it must be longer that 80\n");
}

TEST(YamlWriter, SortsKeysNaturally) {
  std::vector<std::string> order = {"",     ".1",   ".2",   ".a",  "1",  "2",  "a!10", "a/0001", "a/002",  "a/3",
                                    "a/10", "a/11", "a/0012", "a/100", "a~10", "ab/1", "b/1",  "b/01",   "b/2",    "b/02",
                                    "b/3",  "b/03", "b1",   "b01", "b3", "c2.10", "c10.2", "d1", "d7", "d7abc", "d12", "d12a"};
  Object object;
  for (auto it = order.rbegin(); it != order.rend(); ++it) object.set(*it, Value(1));
  auto lines = write_yaml(Value(object));
  size_t last = 0;
  for (const std::string& key : order) {
    bool quoted = key.empty() || key == ".1" || key == ".2" || key == "1" || key == "2";
    size_t at = ("\n" + lines).find("\n" + (quoted ? "\"" + key + "\"" : key) + ": 1\n");
    ASSERT_NE(at, std::string::npos) << key;
    EXPECT_GE(at, last) << key;
    last = at;
  }
}

TEST(YamlWriter, SortingDoesNotDependOnTheOrderOfMembers) {
  // go-yaml's order has circles: 10 < 1a < 2 < 10.
  std::string forth = yaml_of(R"({"10":0,"1a":0,"2":0,"33333333333333333333333":0,"3a":0})");
  EXPECT_EQ(forth, yaml_of(R"({"3a":0,"33333333333333333333333":0,"2":0,"1a":0,"10":0})"));
  EXPECT_EQ(forth, yaml_of(R"({"1a":0,"33333333333333333333333":0,"10":0,"2":0,"3a":0})"));
}

TEST(YamlWriter, Numbers) {
  EXPECT_EQ(yaml_of("[1.10,1e3,1e6,1.5e-7,18446744073709551615,-9223372036854775808,100000.5,-0,1e21]"),
            "- 1.1\n- 1000\n- 1e+06\n- 1.5e-07\n- 18446744073709551615\n- -9223372036854775808\n- 100000.5\n- 0\n- 1e+21\n");
}

TEST(YamlWriter, LongKeysAreComplexKeys) {
  std::string key(130, 'k');
  Object inner{{"x", Value(1)}, {"y", Value(Array{Value(2)})}};
  std::string text = write_yaml(Value(Object{{"m", Value(Object{{key, Value(inner)}})}}));
  EXPECT_EQ(text, "m:\n  ? " + key + "\n  : x: 1\n    \"y\":\n    - 2\n");
  EXPECT_EQ((*parse_yaml(text))["m"][key]["x"].as_int(), 1);
}

TEST(YamlWriter, DeepValuesDoNotOverflow) {
  std::string json = std::string(5'000, '[') + std::string(5'000, ']');
  EXPECT_GT(yaml_of(json).size(), 5'000u);
}

}  // namespace
}  // namespace base
