#include "base/value.hpp"

#include <gtest/gtest.h>

#include "base/json.hpp"

namespace base {
namespace {

TEST(Value, NumbersKeepTheirText) {
  Value v = *parse_json(R"({"big":123456789012345678901234567890,"price":1.10})");
  EXPECT_EQ(write_json(v), R"({"big":123456789012345678901234567890,"price":1.10})");
  EXPECT_EQ(v["big"].as_int(), std::nullopt);
  EXPECT_EQ(v["price"].as_int(), std::nullopt);
  EXPECT_DOUBLE_EQ(*v["price"].as_double(), 1.1);
}

TEST(Value, WholeNumbersAreIntsHoweverWritten) {
  EXPECT_EQ(Value(Value::Number{"80.0"}).as_int(), 80);
  EXPECT_EQ(Value(Value::Number{"1e3"}).as_int(), 1000);
  EXPECT_EQ(Value(Value::Number{"-9223372036854775808"}).as_int(), INT64_MIN);
  EXPECT_EQ(Value(Value::Number{"9223372036854775808"}).as_int(), std::nullopt);
  EXPECT_EQ(Value("80").as_int(), std::nullopt);
}

TEST(Value, DoublesAreWrittenAsGoWritesThem) {
  EXPECT_EQ(write_json(Value(1.5)), "1.5");
  EXPECT_EQ(write_json(Value(1e20)), "100000000000000000000");
  EXPECT_EQ(write_json(Value(1e21)), "1e+21");
  EXPECT_EQ(write_json(Value(1e-7)), "1e-7");
  EXPECT_EQ(write_json(Value(0.000001)), "0.000001");
  EXPECT_EQ(write_json(Value(-0.0)), "0");
}

TEST(Value, NumbersAreEqualByValueWhereWhole) {
  EXPECT_EQ(Value(Value::Number{"0"}), Value(Value::Number{"-0"}));
  EXPECT_EQ(Value(7), Value(Value::Number{"7"}));
  EXPECT_NE(Value(Value::Number{"1.0"}), Value(1));
  EXPECT_NE(Value(1), Value("1"));
}

TEST(Value, ObjectsAreEqualInAnyOrder) {
  EXPECT_EQ(*parse_json(R"({"a":1,"b":{"c":2,"d":3}})"), *parse_json(R"({"b":{"d":3,"c":2},"a":1})"));
  EXPECT_NE(*parse_json(R"({"a":1,"b":2})"), *parse_json(R"({"a":1,"c":2})"));
  EXPECT_NE(*parse_json(R"({"a":1})"), *parse_json(R"({"a":1,"b":2})"));
  EXPECT_NE(*parse_json("[1,2]"), *parse_json("[2,1]"));
  Object a{{"x", Value(1)}, {"y", Value(2)}};
  Object b{{"y", Value(2)}, {"x", Value(1)}};
  EXPECT_TRUE(a == b);
  b.set("x", Value(3));
  EXPECT_FALSE(a == b);
}

TEST(Value, ObjectKeepsOrderAndSetsInPlace) {
  Object o{{"b", Value(1)}, {"a", Value(2)}};
  o.set("b", Value(3));
  o["c"] = Value(4);
  EXPECT_EQ(write_json(Value(o)), R"({"b":3,"a":2,"c":4})");
  EXPECT_TRUE(o.erase("a"));
  EXPECT_FALSE(o.erase("a"));
  o.sort();
  EXPECT_EQ(write_json(Value(o)), R"({"b":3,"c":4})");
}

TEST(Value, ReadsWhatIsNotThereAsEmpty) {
  Value v = *parse_json(R"({"spec":{"clusterIP":"10.96.0.1"}})");
  EXPECT_EQ(v.at({"spec", "clusterIP"}).as_string(), "10.96.0.1");
  EXPECT_TRUE(v.at({"status", "loadBalancer", "ingress"}).is_null());
  EXPECT_TRUE(v["spec"]["clusterIP"].as_array().empty());
  EXPECT_EQ(v["spec"].kind_name(), "object");
}

TEST(Value, MakesThePathOnTheWay) {
  Value v;
  v.make({"metadata", "labels"}).object().set("app", Value("web"));
  v.make({"spec", "ports"}).array().push_back(Value(80));
  EXPECT_EQ(write_json(v), R"({"metadata":{"labels":{"app":"web"}},"spec":{"ports":[80]}})");
}

TEST(Value, CopiesAreDeepAndSelfAssignmentIsHarmless) {
  Value v = *parse_json(R"({"a":[{"b":1},[],{}]})");
  Value copy = v;
  copy.object()["a"].array()[0].object().set("b", Value(2));
  EXPECT_EQ(write_json(v), R"({"a":[{"b":1},[],{}]})");
  EXPECT_EQ(write_json(copy), R"({"a":[{"b":2},[],{}]})");
  v = *&v;
  EXPECT_EQ(write_json(v), R"({"a":[{"b":1},[],{}]})");
  v = v["a"];  // a part of itself
  EXPECT_EQ(write_json(v), R"([{"b":1},[],{}])");
}

TEST(Value, DeepValuesCopyCompareAndDie) {
  Value deep;
  for (int i = 0; i < 50'000; ++i) {
    Array a;
    a.push_back(std::move(deep));
    deep = Value(std::move(a));
  }
  Value copy = deep;
  EXPECT_TRUE(copy == deep);
}

}  // namespace
}  // namespace base
