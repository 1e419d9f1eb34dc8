#include "api/patch.hpp"

#include <gtest/gtest.h>

#include <random>

#include "base/json.hpp"

namespace api {
namespace {

using base::Reason;
using base::Value;

Value json(std::string_view text) {
  auto parsed = base::parse_json(text);
  EXPECT_TRUE(parsed) << text;
  return parsed ? *parsed : Value();
}

struct PatchCase {
  const char* document;
  const char* patch;
  const char* result;  // null: an error
  Reason reason = Reason::invalid;
};

TEST(JsonPatch, Table) {
  const PatchCase cases[] = {
      {R"({"a":1})", R"([{"op":"add","path":"/b","value":2}])", R"({"a":1,"b":2})"},
      {R"({"a":1})", R"([{"op":"add","path":"/a","value":2}])", R"({"a":2})"},
      {R"({"a":[1,3]})", R"([{"op":"add","path":"/a/1","value":2}])", R"({"a":[1,2,3]})"},
      {R"({"a":[1]})", R"([{"op":"add","path":"/a/-","value":2}])", R"({"a":[1,2]})"},
      {R"({"a":[1]})", R"([{"op":"add","path":"/a/1","value":2}])", R"({"a":[1,2]})"},
      {R"({"a":[1]})", R"([{"op":"add","path":"/a/2","value":2}])", nullptr},
      {R"({"a":[1]})", R"([{"op":"add","path":"/a/01","value":2}])", nullptr},
      {R"({"a":[1]})", R"([{"op":"add","path":"/a/-1","value":2}])", nullptr},
      {R"({"a":1})", R"([{"op":"add","path":"","value":[1]}])", R"([1])"},
      {R"({})", R"([{"op":"add","path":"/a/b","value":1}])", nullptr},
      {R"({"a":{"b":1}})", R"([{"op":"remove","path":"/a/b"}])", R"({"a":{}})"},
      {R"({"a":[1,2,3]})", R"([{"op":"remove","path":"/a/1"}])", R"({"a":[1,3]})"},
      {R"({"a":1})", R"([{"op":"remove","path":"/b"}])", nullptr},
      {R"({"a":1})", R"([{"op":"replace","path":"/a","value":{"x":null}}])", R"({"a":{"x":null}})"},
      {R"({"a":1})", R"([{"op":"replace","path":"/b","value":1}])", nullptr},
      {R"({"a":1,"b":2})", R"([{"op":"move","from":"/a","path":"/c"}])", R"({"b":2,"c":1})"},
      {R"({"a":{"b":1}})", R"([{"op":"move","from":"/a","path":"/a/b"}])", nullptr},
      {R"({"a":1})", R"([{"op":"move","from":"/a","path":"/a"}])", R"({"a":1})"},
      {R"({"a":[1,2,3]})", R"([{"op":"move","from":"/a/0","path":"/a/2"}])", R"({"a":[2,3,1]})"},
      {R"({"a":[1]})", R"([{"op":"copy","from":"/a","path":"/b"}])", R"({"a":[1],"b":[1]})"},
      {R"({"a":1})", R"([{"op":"test","path":"/a","value":1},{"op":"remove","path":"/a"}])", R"({})"},
      {R"({"a":1})", R"([{"op":"test","path":"/a","value":2},{"op":"remove","path":"/a"}])", nullptr},
      {R"({"a":1})", R"([{"op":"test","path":"/b","value":null}])", R"({"a":1})"},
      {R"({"a":{"x":1,"y":2}})", R"([{"op":"test","path":"/a","value":{"y":2,"x":1}}])",
       R"({"a":{"x":1,"y":2}})"},
      {R"({"a/b":1,"c~d":2})",
       R"([{"op":"remove","path":"/a~1b"},{"op":"replace","path":"/c~0d","value":3}])", R"({"c~d":3})"},
      {R"({"":1})", R"([{"op":"replace","path":"/","value":2}])", R"({"":2})"},
      {R"({})", R"([])", R"({})"},
      {R"({})", R"({"op":"add"})", nullptr, Reason::bad_request},
      {R"({})", R"(["x"])", nullptr, Reason::bad_request},
      {R"({})", R"([{"op":"frobnicate","path":"/a"}])", nullptr, Reason::bad_request},
      {R"({})", R"([{"op":"add","path":"/a"}])", nullptr, Reason::bad_request},
      {R"({})", R"([{"op":"add","path":"a","value":1}])", nullptr, Reason::bad_request},
      {R"({})", R"([{"op":"add","path":"/~2","value":1}])", nullptr, Reason::bad_request},
      {R"({})", R"([{"op":"add","value":1}])", nullptr, Reason::bad_request},
  };
  for (const auto& one : cases) {
    auto result = apply_json_patch(json(one.document), json(one.patch));
    if (one.result == nullptr) {
      ASSERT_FALSE(result) << one.patch;
      EXPECT_EQ(result.error().reason, one.reason) << one.patch << ": " << result.error().message;
    } else {
      ASSERT_TRUE(result) << one.patch << ": " << result.error().message;
      EXPECT_EQ(*result, json(one.result)) << one.patch << " gave " << base::write_json(*result);
    }
  }
}

TEST(JsonPatch, AtMostTenThousandOperations) {
  base::Array many(kMaxPatchOperations + 1, json(R"({"op":"test","path":"/a","value":1})"));
  auto result = apply_json_patch(json(R"({"a":1})"), Value(many));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().reason, Reason::request_entity_too_large);
  EXPECT_EQ(result.error().message,
            "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001");
  many.pop_back();
  EXPECT_TRUE(apply_json_patch(json(R"({"a":1})"), Value(many)));
}

TEST(JsonPatch, CopiesThatDoubleEndAtTheLimit) {
  base::Array doubling;
  for (int i = 0; i < 60; ++i) doubling.push_back(json(R"({"op":"copy","from":"/a","path":"/a/-"})"));
  auto result = apply_json_patch(json(R"({"a":["0123456789"]})"), Value(doubling));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().reason, Reason::request_entity_too_large);
}

// Six such copies made a document of 300,000 levels, and an end of the server.
TEST(JsonPatch, CopiesThatNestEndAtTheLimit) {
  auto repeat = [](std::string_view piece, size_t times) {
    std::string text;
    for (size_t i = 0; i < times; ++i) text += piece;
    return text;
  };
  const std::string high = repeat(R"({"a":)", 3000) + "1" + repeat("}", 3000);
  base::Array operations;
  for (size_t levels = 3000; levels < 100'000; levels *= 2) {
    operations.push_back(base::Object{{"op", "copy"}, {"from", "/x"}, {"path", "/x" + repeat("/a", levels)}});
  }
  auto result = apply_json_patch(json(R"({"x":)" + high + "}"), Value(operations));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().reason, Reason::invalid);
  EXPECT_NE(result.error().message.find("nested more than 10000 levels deep (operation 1)"),
            std::string::npos);
  for (const char* op : {"add", "replace"}) {
    base::Array adding(5,
                       base::Object{{"op", op}, {"path", "/x" + repeat("/a", 2999)}, {"value", json(high)}});
    EXPECT_TRUE(apply_json_patch(json(R"({"x":)" + high + "}"), Value(adding)));
    adding.push_back(base::Object{{"op", op}, {"path", "/x" + repeat("/a", 7000)}, {"value", json(high)}});
    EXPECT_FALSE(apply_json_patch(json(R"({"x":)" + high + "}"), Value(adding)));
  }
}

TEST(JsonPatch, AThousandMovesAreNoDepth) {
  base::Array moves;
  for (int i = 0; i < 500; ++i) {
    moves.push_back(json(R"({"op":"move","from":"/a","path":"/b/c"})"));
    moves.push_back(json(R"({"op":"move","from":"/b/c","path":"/a"})"));
  }
  EXPECT_TRUE(apply_json_patch(json(R"({"a":1,"b":{}})"), Value(moves)));
}

TEST(MergePatch, TheTableOfTheRfc) {
  const char* cases[][3] = {
      {R"({"a":"b"})", R"({"a":"c"})", R"({"a":"c"})"},
      {R"({"a":"b"})", R"({"b":"c"})", R"({"a":"b","b":"c"})"},
      {R"({"a":"b"})", R"({"a":null})", R"({})"},
      {R"({"a":"b","b":"c"})", R"({"a":null})", R"({"b":"c"})"},
      {R"({"a":["b"]})", R"({"a":"c"})", R"({"a":"c"})"},
      {R"({"a":"c"})", R"({"a":["b"]})", R"({"a":["b"]})"},
      {R"({"a":{"b":"c"}})", R"({"a":{"b":"d","c":null}})", R"({"a":{"b":"d"}})"},
      {R"({"a":[{"b":"c"}]})", R"({"a":[1]})", R"({"a":[1]})"},
      {R"(["a","b"])", R"(["c","d"])", R"(["c","d"])"},
      {R"({"a":"b"})", R"(["c"])", R"(["c"])"},
      {R"({"a":"foo"})", R"(null)", R"(null)"},
      {R"({"a":"foo"})", R"("bar")", R"("bar")"},
      {R"({"e":null})", R"({"a":1})", R"({"e":null,"a":1})"},
      {R"([1,2])", R"({"a":"b","c":null})", R"({"a":"b"})"},
      {R"({})", R"({"a":{"bb":{"ccc":null}}})", R"({"a":{"bb":{}}})"},
  };
  for (const auto& one : cases)
    EXPECT_EQ(apply_merge_patch(json(one[0]), json(one[1])), json(one[2])) << one[0] << " + " << one[1];
}

TEST(MergePatch, WideObjectsAreNotQuadratic) {
  base::Object from, patch;
  constexpr int kWide = 50'000;
  for (int i = 0; i < kWide; ++i) {
    from.append("key" + std::to_string(i), i);
    patch.append("key" + std::to_string(kWide - 1 - i), i % 2 == 0 ? Value() : Value("x"));
  }
  Value result = apply_merge_patch(Value(std::move(from)), Value(std::move(patch)));
  EXPECT_EQ(result.as_object().size(), static_cast<size_t>(kWide / 2));
}

// Values without null members, which a merge patch cannot say.
Value random_value(std::mt19937& random, int depth) {
  switch (random() % (depth > 0 ? 6 : 4)) {
    case 0:
      return Value(static_cast<int64_t>(random() % 3));
    case 1:
      return Value(random() % 2 == 0);
    case 2:
      return Value(std::string(1, static_cast<char>('a' + random() % 3)));
    case 3:
      return Value(base::Object{});
    case 4: {
      base::Array out;
      for (size_t n = random() % 3; n > 0; --n) out.push_back(random_value(random, depth - 1));
      return out;
    }
    default: {
      base::Object out;
      for (size_t n = random() % 5; n > 0; --n)
        out.set(std::string(1, static_cast<char>('a' + random() % 5)), random_value(random, depth - 1));
      return out;
    }
  }
}

TEST(JsonPatch, EndsWhenItMovesTooMuch) {
  // Ten thousand insertions in front of 400,000 elements took 20 seconds.
  Value original(base::Object{{"a", base::Array(400'000, Value(0))}});
  for (const char* operation : {R"({"op":"add","path":"/a/0","value":1})", R"({"op":"remove","path":"/a/0"})",
                                R"({"op":"move","from":"/a/0","path":"/a/-"})"}) {
    auto refused = apply_json_patch(original, base::Array(kMaxPatchOperations, json(operation)));
    ASSERT_FALSE(refused) << operation;
    EXPECT_EQ(refused.error().reason, base::Reason::request_entity_too_large) << operation;
  }
  // At the end, nothing is moved.
  auto appended = apply_json_patch(original, base::Array(kMaxPatchOperations, json(R"({"op":"add","path":"/a/-","value":1})")));
  ASSERT_TRUE(appended) << appended.error().message;
  EXPECT_EQ((*appended)["a"].as_array().size(), 400'000 + kMaxPatchOperations);
}

TEST(MergePatch, PatchOfADifferenceGivesTheOther) {
  std::mt19937 random(20'260'822);
  for (int i = 0; i < 2'000; ++i) {
    Value a = random_value(random, 4), b = random_value(random, 4);
    Value patch = make_merge_patch(a, b);
    ASSERT_EQ(apply_merge_patch(a, patch), b)
        << base::write_json(a) << " -> " << base::write_json(b) << " by " << base::write_json(patch);
    if (a.is_object() && a == b) ASSERT_TRUE(patch.as_object().empty());
  }
}

}  // namespace
}  // namespace api
