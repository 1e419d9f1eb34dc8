// Random objects that follow a schema, for the property tests of this folder. Not for other threads than its
// maker's.
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>

#include "api/kinds.hpp"
#include "base/value.hpp"

namespace api {

// Makes values that decode_object leaves as they are: canonical, and without zeroes that mean absent.
class RandomObject {
 public:
  explicit RandomObject(unsigned seed) : random_(seed) {}

  base::Value make(const Kind& kind) {
    base::Value out = make(*kind.schema, 0);
    out.object().set("kind", kind.kind);
    out.object().set("apiVersion", kind.api_version());
    return out;
  }

 private:
  base::Value make(const Schema& schema, int depth) {
    switch (schema.type) {
      case Schema::Type::object:
        return make_object(schema, depth);
      case Schema::Type::map:
        return base::Object{{"k0", make(*schema.items, depth + 1)}, {"k1", make(*schema.items, depth + 1)}};
      case Schema::Type::array: {
        base::Array out;
        for (uint64_t i = 0, n = 1 + random_() % 2; i < n; ++i) out.push_back(make(*schema.items, depth + 1));
        return out;
      }
      case Schema::Type::integer:
        return schema.format == "int32" ? int64_t{static_cast<int32_t>(random_()) | 1}
                                        : static_cast<int64_t>(random_() | 1);
      case Schema::Type::number:
        return 1.5;
      case Schema::Type::boolean:
        return true;
      case Schema::Type::string:
        return "s\u00e9" + std::to_string(random_() % 1000);
      case Schema::Type::int_or_string:
        return random_() % 2 ? base::Value(8080) : base::Value("http");
      case Schema::Type::quantity:
        return random_() % 2 ? "500m" : "1Gi";
      case Schema::Type::time:
        return "2026-11-22T23:58:04Z";
      case Schema::Type::micro_time:
        return "1969-11-22T23:58:04.123456Z";
      case Schema::Type::bytes:
        return "aGk=";
      case Schema::Type::any:
        if (schema.items) return make(*schema.items, depth + 1);
        return base::Object{{"f:a", base::Object()}};
    }
    return {};
  }

  // A schema, or what may stand in its place.
  base::Value make_alternative(const Schema& schema, int depth) {
    if (depth < 6 && random_() % 2) return make(*schema.items, depth + 1);
    if (schema.name.ends_with("OrBool")) return random_() % 2 == 0;
    if (schema.name.ends_with("OrStringArray") || depth > 6) return base::Array{"a", "b"};
    return base::Array{make(*schema.items, depth + 1)};
  }

  base::Value make_object(const Schema& schema, int depth) {
    base::Object out;
    for (const auto& property : schema.properties) {
      const bool required = std::ranges::find(schema.required, property.name) != schema.required.end();
      const bool skipped = (depth > 2 && random_() % 4 == 0) || depth > 9;
      if (property.proto == 0 || (skipped && !required)) continue;
      out.append(property.name, make(*property.schema, depth + 1));
    }
    return out;
  }

  std::mt19937_64 random_;
};

}  // namespace api
