// What must hold for every object of every built-in kind, however odd: random objects from fixed seeds, most
// of them nothing that anybody would write.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "api/columns.hpp"
#include "api/convert.hpp"
#include "api/decode.hpp"
#include "api/defaults.hpp"
#include "api/field_set_schema.hpp"
#include "api/protobuf.hpp"
#include "api/validate.hpp"
#include "base/json.hpp"

namespace api {
namespace {

using base::Array;
using base::Object;
using base::Value;
using Type = Schema::Type;

constexpr unsigned kObjects = 30;  // of each kind

std::string text(const Value& value) { return base::write_json(value); }

const Registry& registry() {
  static const Registry kKinds = load_builtin_kinds().value();
  return kKinds;
}

// Right by type, and otherwise anything: empty lists and texts, absent parts, numbers at the edges.
class OddObject {
 public:
  explicit OddObject(uint64_t seed) : state_(seed) {}

  Value make(const Kind& kind) {
    dense_ = 1 + below(4);
    Value out = make_object(*kind.schema, 0);
    out.object().set("kind", kind.kind);
    out.object().set("apiVersion", kind.api_version());
    return out;
  }

 private:
  size_t below(size_t n) {
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return (z ^ (z >> 31)) % n;
  }
  template <size_t N>
  std::string one_of(const char* const (&list)[N]) {
    return list[below(N)];
  }

  Value make_object(const Schema& schema, int depth) {
    Object out;
    for (const auto& property : schema.properties)
      if (below(10) < (depth < 2 ? 6 : 2 * dense_) && depth < 10)
        out.set(property.name, make(*property.schema, depth + 1));
    return out;
  }

  Value make(const Schema& schema, int depth) {
    if (!schema.enum_values.empty() && below(4) > 0)
      return schema.enum_values[below(schema.enum_values.size())];
    switch (schema.type) {
      case Type::object:
        return make_object(schema, depth);
      case Type::map: {
        Object out;
        for (size_t n = below(3); n > 0; --n) out.set(word(), make(*schema.items, depth + 1));
        return out;
      }
      case Type::array: {
        Array out;
        for (size_t n = below(3); n > 0; --n) out.push_back(make(*schema.items, depth + 1));
        return out;
      }
      case Type::integer: {
        constexpr int64_t kEdges[] = {0, 1, -1, 80, 65536, INT32_MAX, INT32_MIN};
        if (schema.format != "int32" && below(4) == 0) return below(2) ? INT64_MAX : INT64_MIN;
        return kEdges[below(std::size(kEdges))];
      }
      case Type::number:
        return below(2) ? Value(1.5) : Value(0);
      case Type::boolean:
        return below(2) == 0;
      case Type::string:
        return word();
      case Type::int_or_string:
        return below(2) ? Value(static_cast<int64_t>(below(70'000))) : Value(word());
      case Type::quantity:
        return one_of({"0", "1", "-1", "100m", "1Gi", "1e3", "0.5", "999999999999Ei", "1n"});
      case Type::time:
      case Type::micro_time:
        return one_of({"2026-11-22T23:58:04Z", "0001-01-01T00:00:00Z", "0001-01-01T00:00:01Z",
                       "9999-12-31T23:59:59.9Z", "1969-12-31T23:59:59.5+01:00"});
      case Type::bytes:
        return one_of({"", "aGk=", "AA=="});
      case Type::any:
        if (schema.items) return make(*schema.items, depth + 1);
        return below(2) ? Value(Object{{"a", Array{1, "x", nullptr}}}) : Value(Object{});
    }
    return {};
  }

  std::string word() {
    return one_of({"",          "a",
                   "web",       "TCP",
                   "UDP",       "ClusterIP",
                   "None",      "10.0.0.1",
                   "::1",       "10.0.0.0/8",
                   "fd00::/8",  "Always",
                   "In",        "example.com/x",
                   "-",         "\u00fc\u0001",
                   "80",        "50%",
                   "* * * * *", "true",
                   "*",         "/a",
                   "../b",      "$(A)",
                   "IPv6"});
  }

  uint64_t state_;
  size_t dense_ = 1;
};

// Calls for every kind and seed with an object that decode_object made.
template <class Call>
void for_objects(Call call) {
  uint64_t seed = 1;
  size_t made = 0;
  for (const auto& kind : registry().all()) {
    for (unsigned i = 0; i < kObjects; ++i) {
      Value raw = OddObject(seed++).make(*kind);
      auto decoded = decode_object(*kind, raw, {}, FieldValidation::strict);
      ASSERT_TRUE(decoded) << kind->kind << " " << text(raw) << "\n" << decoded.error().message;
      ++made;
      call(*kind, std::move(decoded->object));
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
  EXPECT_GT(made, 1'000u);
}

TEST(EveryKind, DecodingAgainChangesNothing) {
  for_objects([](const Kind& kind, const Value& object) {
    auto parsed = base::parse_json(text(object));
    ASSERT_TRUE(parsed);
    auto again = decode_object(kind, *parsed, {}, FieldValidation::strict);
    ASSERT_TRUE(again) << kind.kind << " " << text(object) << "\n" << again.error().message;
    ASSERT_EQ(text(again->object), text(object)) << kind.kind;
    Value ordered = object;
    order_members(*kind.schema, ordered);
    ASSERT_EQ(text(ordered), text(object)) << kind.kind;
  });
}

TEST(EveryKind, DefaultsTwiceAreDefaultsOnce) {
  for_objects([](const Kind& kind, Value object) {
    apply_defaults(kind, object);
    Value twice = object;
    apply_defaults(kind, twice);
    ASSERT_EQ(text(twice), text(object)) << kind.kind;
    // What defaults made is what decoding leaves as it is.
    auto decoded = decode_object(kind, object, {}, FieldValidation::strict);
    ASSERT_TRUE(decoded) << kind.kind << " " << text(object) << "\n" << decoded.error().message;
    // Nulls that Go writes for lists that must be there come back with the defaults.
    apply_defaults(kind, decoded->object);
    ASSERT_EQ(text(decoded->object), text(object)) << kind.kind;
  });
}

TEST(EveryKind, ValidationAlwaysAnswers) {
  Value before;
  for_objects([&](const Kind& kind, Value object) {
    apply_defaults(kind, object);
    for (const auto& error : check_create(kind, object)) ASSERT_FALSE(error.text().empty());
    const Value old = before["kind"].as_string() == kind.kind ? before : Value(Object{});
    for (const char* part : {"", "status"})
      for (const auto& error : check_update(kind, object, old, part)) ASSERT_FALSE(error.text().empty());
    (void)warnings_for(kind, object);
    before = std::move(object);
  });
}

TEST(EveryKind, RowsHaveACellPerColumn) {
  const base::Time now{std::chrono::seconds(1'795'000'000)};
  for_objects([&](const Kind& kind, Value object) {
    for (int defaulted = 0; defaulted < 2; ++defaulted) {
      auto cells = table_cells(kind, object, now);
      ASSERT_EQ(cells.size(), columns_of(kind).size()) << kind.kind;
      for (const auto& cell : cells)
        ASSERT_FALSE(cell.is_object() || cell.is_array()) << kind.kind << " " << text(cell);
      apply_defaults(kind, object);
    }
  });
}

TEST(EveryKind, FieldsReadBack) {
  for_objects([](const Kind& kind, const Value& object) {
    FieldSet fields = fields_of(object, kind.schema.get());
    auto back = FieldSet::from_value(fields.to_value());
    ASSERT_TRUE(back) << kind.kind << " " << text(fields.to_value()) << "\n" << back.error().message;
    ASSERT_TRUE(*back == fields) << kind.kind << " " << text(fields.to_value());
    ASSERT_TRUE(compare_fields(object, object, kind.schema.get(), true).empty())
        << kind.kind << " " << text(object);
  });
}

TEST(EveryKind, ProtobufReadsBackToWhatDecodes) {
  for_objects([](const Kind& kind, const Value& object) {
    auto back = decode_protobuf(kind, encode_protobuf(kind, object));
    ASSERT_TRUE(back) << kind.kind << " " << text(object) << "\n" << back.error().message;
    auto once = decode_object(kind, *back, {}, FieldValidation::strict);
    ASSERT_TRUE(once) << kind.kind << " " << text(*back) << "\n" << once.error().message;
    // Empty lists and none are the same there: the second time nothing is left to lose.
    auto again = decode_protobuf(kind, encode_protobuf(kind, once->object));
    ASSERT_TRUE(again);
    ASSERT_EQ(text(*again), text(*back)) << kind.kind;
  });
}

TEST(EveryKind, WhatIsStoredDecodesAsItsKind) {
  size_t converted = 0;
  for_objects([&](const Kind& kind, Value object) {
    if (!kind.stored_as) return;
    auto stored_kind =
        registry().find_resource(kind.stored_as->group, kind.stored_as->version, kind.stored_as->plural);
    ASSERT_TRUE(stored_kind);
    apply_defaults(kind, object);
    auto stored = convert(kind, *stored_kind, object);
    if (!stored) return;  // nonsense may be refused
    ++converted;
    auto decoded = decode_object(*stored_kind, *stored, {}, FieldValidation::strict);
    ASSERT_TRUE(decoded) << kind.kind << " " << text(*stored) << "\n" << decoded.error().message;
    auto served = convert(*stored_kind, kind, decoded->object);
    ASSERT_TRUE(served) << served.error().message;
    auto shown = decode_object(kind, *served, {}, FieldValidation::strict);
    ASSERT_TRUE(shown) << kind.kind << " " << text(*served) << "\n" << shown.error().message;
  });
  EXPECT_GT(converted, kObjects);
}

}  // namespace
}  // namespace api
