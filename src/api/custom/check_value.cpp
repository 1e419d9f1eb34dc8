// A value against a schema, with the texts of kube-openapi: "spec.replicas in body must be of type integer: ...".
#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <unordered_map>
#include <unordered_set>

#include <fmt/format.h>

#include "api/custom/rules.hpp"
#include "api/patch_editor.hpp"
#include "api/status.hpp"
#include "base/json.hpp"
#include "base/strings.hpp"

namespace api {

using base::Value;

namespace {

// A float as Go's %v writes it: 1e+21, 0.5, 3.
std::string go_float(double number) {
  char buffer[64];
  const double size = std::fabs(number);
  const bool scientific = size != 0 && (size < 1e-4 || size >= 1e21);
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, number,
                                 scientific ? std::chars_format::scientific : std::chars_format::fixed);
  return {buffer, end.ptr};
}

// As Go's JSON decoder splits them: int64 where it fits and no fraction is written, else float64.
struct Number {
  bool is_int = false;
  int64_t integer = 0;
  double real = 0;

  explicit Number(const Value::Number& from) {
    if (const auto parsed = base::parse_int(from.text)) {
      is_int = true;
      integer = *parsed;
      real = static_cast<double>(*parsed);
    } else {
      real = Value(from).as_double().value_or(0);
    }
  }
  std::string text() const { return is_int ? std::to_string(integer) : go_float(real); }
  Value value() const { return is_int ? Value(integer) : Value(real); }
};

// Whether a float is a whole number, as go-openapi's swag sees it.
bool is_json_integer(double number) {
  constexpr double kLargest = 9007199254740991.0;
  if (std::isnan(number) || std::isinf(number) || number < -kLargest || number > kLargest) return false;
  const double whole = std::trunc(number), diff = std::fabs(number - whole);
  if (number == whole) return true;
  return diff / std::min(std::fabs(number) + std::fabs(whole), std::numeric_limits<double>::max()) < 1e-9;
}

// Errors with the text that tells doubles, and how many checks were made: of alternatives, that with the most counts.
struct Outcome {
  std::vector<std::pair<std::string, FieldError>> errors;
  int matches = 0;

  bool ok() const { return errors.empty(); }
  // A list of a million mistakes is told in part: doubles are found by looking at all that is there.
  static constexpr size_t kMostErrors = 200;
  void add(std::string text, FieldError error) {
    if (errors.size() >= kMostErrors) return;
    const bool seen = std::ranges::any_of(errors, [&](const auto& one) { return one.first == text; });
    if (!seen) errors.emplace_back(std::move(text), std::move(error));
  }
  void merge(Outcome other) {
    for (auto& [text, error] : other.errors) add(std::move(text), std::move(error));
    matches += other.matches;
  }
};

// Errors about no field in particular stand at a field that Go prints so.
constexpr const char* kNoField = "<nil>";

class Validator {
 public:
  Outcome check(const Schema& schema, const Value& value, const std::string& path, const Value* old) {
    Outcome out = check_all(schema, value, path, old);
    // What was wrong before and did not change may stay (ratcheting).
    if (!out.ok() && old && *old == value) out.errors.clear();
    return out;
  }

 private:
  Outcome check_all(const Schema& schema, const Value& value, const std::string& path, const Value* old) {
    Outcome out;
    check_type(schema, value, path, out);
    if (value.is_null()) {
      if (schema.rules) check_enum(*schema.rules, value, path, out);
      return out;
    }
    if (schema.rules) check_combinations(*schema.rules, value, path, old, out);
    if (const auto* text = value.if_string()) check_string(schema, *text, path, out);
    if (const auto* number = value.if_number()) check_number(schema, Number(*number), path, out);
    if (const auto* list = value.if_array()) check_list(schema, *list, path, old, out);
    if (schema.rules) check_enum(*schema.rules, value, path, out);
    if (const auto* object = value.if_object()) check_object(schema, *object, path, old, out);
    ++out.matches;
    return out;
  }

  static std::string in_body(const std::string& path) { return path + " in body "; }
  // The field that belongs to a path: at the root, none.
  static std::string field_of(const std::string& path) { return path.empty() ? kNoField : path; }

  static void invalid(Outcome& out, const std::string& path, Value value, const std::string& problem) {
    std::string text = in_body(path) + problem;
    out.add(text, invalid_field(field_of(path), std::move(value), text));
  }

  static void wrong_type(Outcome& out, const std::string& path, std::string_view wanted, std::string_view found) {
    std::string text = fmt::format("{}must be of type {}: {}", in_body(path), wanted, base::quote(found));
    out.add(text, {FieldError::Type::type_invalid, field_of(path), Value(found), text});
  }

  // The format, where it is one that is known for the type.
  static std::string_view known_format(const Schema& schema, std::string_view type) {
    const std::string_view format = schema.format;
    if (type == "integer") return format == "int32" || format == "int64" ? format : "";
    if (type == "number") return format == "float" || format == "double" ? format : "";
    return (type.empty() || type == "string") && is_known_format(format) ? format : "";
  }

  static void check_type(const Schema& schema, const Value& value, const std::string& path, Outcome& out) {
    const bool either = schema.type == Schema::Type::int_or_string;
    const std::string_view type = either ? "" : json_type_of(schema);
    const std::string_view format = known_format(schema, type);
    const std::string_view wanted = either ? "integer,string" : type;
    if (wanted.empty() && format.empty()) return;
    ++out.matches;
    if (value.is_null()) {
      if (!wanted.empty() && !schema.nullable) wrong_type(out, path, wanted, "null");
      return;
    }
    std::string_view found = value.is_bool() ? "boolean" : value.kind_name(), found_format;
    bool whole = false, fits_number = false;
    if (const auto* text = value.if_number()) {
      const Number number(*text);
      found = number.is_int ? "integer" : "number";
      found_format = number.is_int ? "int64" : "float64";
      whole = !number.is_int && is_json_integer(number.real) && (type == "integer" || either);
      fits_number = number.is_int && type == "number";
    }
    const bool right = (either && (found == "integer" || found == "string")) || (!either && type == found);
    const bool textual = value.is_string() || value.is_array();
    if (!textual && !format.empty() && !(right || found_format == format || whole || fits_number))
      return wrong_type(out, path, format, found_format);
    if (textual && !format.empty() && type != "number" && type != "integer" && !either) return;
    if (!(right || whole || fits_number)) wrong_type(out, path, wanted, found);
  }

  static bool same(const Value& a, const Value& b) {
    if (a.is_number() && b.is_number()) return a == b || a.as_double() == b.as_double();
    return a == b;
  }

  bool is_listed(const SchemaRules& rules, const Value& value) {
    if (value.is_null()) return false;
    constexpr size_t kFew = 32;
    if (!value.is_string() || rules.enum_values.size() <= kFew)
      return std::ranges::any_of(rules.enum_values, [&](const Value& one) { return same(one, value); });
    auto& texts = enum_texts_[&rules];
    if (texts.empty())
      for (const Value& one : rules.enum_values)
        if (one.is_string()) texts.insert(one.as_string());
    return texts.contains(value.as_string());
  }

  void check_enum(const SchemaRules& rules, const Value& value, const std::string& path, Outcome& out) {
    ++out.matches;
    if (rules.enum_values.empty()) return;
    if (is_listed(rules, value)) return;
    std::vector<std::string> supported;
    std::string listed = "the values of the definition";
    if (listed_ < kMostListed) {
      for (const Value& one : rules.enum_values)
        supported.push_back(one.is_string() ? std::string(one.as_string()) : base::write_json(one));
      listed = base::join(supported, " ");
      listed_ += listed.size();
    }
    --out.matches;
    out.add(in_body(path) + "should be one of " + listed, unsupported_field(field_of(path), value, std::move(supported)));
  }

  static void check_string(const Schema& schema, const std::string& text, const std::string& path, Outcome& out) {
    if (schema.rules) check_length(*schema.rules, text, path, out);
    const std::string_view format =
        known_format(schema, schema.type == Schema::Type::int_or_string ? "" : json_type_of(schema));
    if (!format.empty() && !schema.format.starts_with("int") && !has_format(format, text)) {
      std::string message = fmt::format("{}must be of type {}: {}", in_body(path), schema.format, base::quote(text));
      out.add(message, {FieldError::Type::type_invalid, field_of(path), text, message});
    }
    ++out.matches;
  }

  static void check_length(const SchemaRules& rules, const std::string& text, const std::string& path,
                           Outcome& out) {
    const auto size = static_cast<int64_t>(
        std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
    if (rules.max_length && size > *rules.max_length) {
      out.add(fmt::format("{}should be at most {} chars long", in_body(path), *rules.max_length),
              too_long_field(field_of(path), static_cast<size_t>(std::max<int64_t>(*rules.max_length, 0))));
    } else if (rules.min_length && size < *rules.min_length) {
      invalid(out, path, text, fmt::format("should be at least {} chars long", *rules.min_length));
    } else if (rules.pattern && !rules.pattern->matches(text)) {
      invalid(out, path, text, fmt::format("should match '{}'", rules.pattern->text()));
    }
  }

  static std::string bound_text(const Number& number, double bound) {
    if (!number.is_int) return go_float(bound);
    // What does not fit becomes what Go makes of it on most machines.
    const bool fits = bound >= -9223372036854775808.0 && bound < 9223372036854775808.0;
    return std::to_string(fits ? static_cast<int64_t>(bound) : std::numeric_limits<int64_t>::min());
  }

  static void check_range(const Schema& schema, const Number& number, const std::string& path, Outcome& out) {
    const std::string_view type = json_type_of(schema);
    const std::string_view format = known_format(schema, type);
    bool fits = true;
    if (type == "integer") {
      constexpr double kInt64 = 9223372036854775808.0;
      fits = number.is_int || (number.real >= -kInt64 && number.real < kInt64 && number.real == std::trunc(number.real));
      if (format == "int32") fits = fits && number.real >= -2147483648.0 && number.real <= 2147483647.0;
    } else if (format == "float") {
      fits = std::fabs(number.real) <= static_cast<double>(std::numeric_limits<float>::max());
    }
    if (fits) return;
    std::string text =
        format.empty() ? fmt::format("Checked value must be of type {} (default format) in {}", type, path)
                       : fmt::format("Checked value must be of type {} with format {} in {}", type, format, path);
    out.add(text, invalid_field(kNoField, "", text));
  }

  static void check_number(const Schema& schema, const Number& number, const std::string& path, Outcome& out) {
    check_range(schema, number, path, out);
    ++out.matches;
    if (!schema.rules) return;
    const SchemaRules& rules = *schema.rules;
    if (rules.multiple_of) check_multiple(number, *rules.multiple_of, path, out);
    if (rules.maximum) {
      const bool beyond =
          number.is_int ? exceeds(number.integer, *rules.maximum) : number.real > *rules.maximum;
      const bool equal = number.real == *rules.maximum;
      if (beyond || (rules.exclusive_maximum && equal))
        invalid(out, path, number.value(), fmt::format("should be less than {}{}", rules.exclusive_maximum ? "" : "or equal to ",
                                                       bound_text(number, *rules.maximum)));
    }
    if (rules.minimum) {
      const bool below =
          number.is_int ? precedes(number.integer, *rules.minimum) : number.real < *rules.minimum;
      const bool equal = number.real == *rules.minimum;
      if (below || (rules.exclusive_minimum && equal))
        invalid(out, path, number.value(), fmt::format("should be greater than {}{}", rules.exclusive_minimum ? "" : "or equal to ",
                                                       bound_text(number, *rules.minimum)));
    }
  }

  // Integers against a bound that a definition may write as 1.5 or 1e30.
  static bool exceeds(int64_t number, double bound) {
    if (bound >= 9223372036854775808.0) return false;
    return bound < -9223372036854775808.0 || number > static_cast<int64_t>(std::floor(bound));
  }
  static bool precedes(int64_t number, double bound) {
    if (bound < -9223372036854775808.0) return false;
    return bound >= 9223372036854775808.0 || number < static_cast<int64_t>(std::ceil(bound));
  }

  static void check_multiple(const Number& number, double factor, const std::string& path, Outcome& out) {
    if (factor <= 0) {
      std::string text = fmt::format("factor MultipleOf declared for {} must be positive: {}", path, go_float(factor));
      return out.add(text, invalid_field(field_of(path), factor, text));
    }
    const bool whole = factor == std::trunc(factor) && factor < 9e18;
    const bool ok = number.is_int && whole ? number.integer % static_cast<int64_t>(factor) == 0
                    : factor < 1            ? is_json_integer(1 / factor * number.real)
                                            : is_json_integer(number.real / factor);
    if (!ok) invalid(out, path, number.value(), "should be a multiple of " + go_float(factor));
  }

  // Elements of lists of type map belong together by their keys; those of other lists do not.
  class OldElements {
   public:
    OldElements(const Schema& schema, const Value* old) : schema_(schema) {
      if (!old || schema.list_type != Schema::ListType::map || schema.list_map_keys.empty()) return;
      for (const Value& one : old->as_array())
        if (one.is_object()) by_keys_.emplace(keys_of(one), &one);
    }
    const Value* find(const Value& item) const {
      if (by_keys_.empty() || !item.is_object()) return nullptr;
      const auto found = by_keys_.find(keys_of(item));
      return found == by_keys_.end() ? nullptr : found->second;
    }

   private:
    std::string keys_of(const Value& item) const {
      std::string out;
      for (const std::string& key : schema_.list_map_keys) {
        base::append_json(out, item[key]);
        out += ',';
      }
      return out;
    }

    const Schema& schema_;
    std::unordered_map<std::string, const Value*> by_keys_;
  };

  void check_list(const Schema& schema, const base::Array& list, const std::string& path, const Value* old,
                  Outcome& out) {
    const Schema* items = schema.type == Schema::Type::map ? nullptr : schema.items.get();
    const OldElements before(schema, items ? old : nullptr);
    for (size_t i = 0; items && i < list.size(); ++i)
      out.merge(check(*items, list[i], fmt::format("{}[{}]", path, i), before.find(list[i])));
    ++out.matches;
    if (!schema.rules) return;
    const auto size = static_cast<int64_t>(list.size());
    if (const auto& min = schema.rules->min_items; min && size < *min)
      invalid(out, path, size, fmt::format("should have at least {} items", *min));
    if (const auto& max = schema.rules->max_items; max && size > *max)
      out.add(fmt::format("{}should have at most {} items", in_body(path), *max),
              too_many_field(field_of(path), list.size(), static_cast<size_t>(std::max<int64_t>(*max, 0))));
  }

  static void check_size(const SchemaRules& rules, const base::Object& object, const std::string& path,
                         Outcome& out) {
    const auto size = static_cast<int64_t>(object.size());
    if (rules.min_properties && size < *rules.min_properties)
      invalid(out, path, size, fmt::format("should have at least {} properties", *rules.min_properties));
    if (rules.max_properties && size > *rules.max_properties)
      out.add(fmt::format("{}should have at most {} properties", in_body(path), *rules.max_properties),
              too_many_field(field_of(path), object.size(),
                             static_cast<size_t>(std::max<int64_t>(*rules.max_properties, 0))));
  }

  void check_object(const Schema& schema, const base::Object& object, const std::string& path, const Value* old,
                    Outcome& out) {
    const SchemaRules* rules = schema.rules.get();
    if (rules) check_size(*rules, object, path, out);
    const bool correlates = old && old->is_object() && !schema.atomic_map;
    const ObjectIndex before(correlates ? old->as_object() : Value().as_object());
    for (const auto& [name, member] : object) {
      const std::string at = path.empty() ? name : path + "." + name;
      const Schema::Property* own = own_meta(rules, name);
      bool known = false;
      const Schema* inner = own ? own->schema.get() : member_schema(schema, name, known);
      // Metadata that the definition says nothing of is checked elsewhere.
      if (!own && is_meta_field(name) && (path.empty() || schema.embedded_resource)) continue;
      if (!inner) {
        if (rules && rules->additional_forbidden && !known) {
          std::string text = fmt::format("{}.{} in body is a forbidden property", path, name);
          out.add(text, invalid_field(field_of(path), name, text));
        }
        continue;
      }
      const bool type_meta = path.empty() && (name == "kind" || name == "apiVersion");
      out.merge(check(*inner, member, at, correlates && !type_meta ? before.find(name) : nullptr));
    }
    for (const std::string& name : schema.required) {
      if (object.contains(name)) continue;
      const std::string at = path.empty() ? name : path + "." + name;
      out.add(at + " in body is required", required_field(at));
    }
    ++out.matches;
  }

  static const Schema::Property* own_meta(const SchemaRules* rules, std::string_view name) {
    if (!rules || !is_meta_field(name)) return nullptr;
    const auto it = std::ranges::find(rules->own_meta, name, &Schema::Property::name);
    return it == rules->own_meta.end() ? nullptr : &*it;
  }

  static void general(Outcome& out, std::string text) { out.add(text, invalid_field(kNoField, "", text)); }

  void check_combinations(const SchemaRules& rules, const Value& value, const std::string& path, const Value* old,
                          Outcome& out) {
    if (!rules.any_of.empty()) check_any(rules.any_of, value, path, old, out);
    if (!rules.one_of.empty()) check_one(rules.one_of, value, path, old, out);
    if (!rules.all_of.empty()) {
      size_t valid = 0;
      for (const SchemaPtr& one : rules.all_of) {
        Outcome result = check_all(*one, value, path, old);
        valid += result.ok();
        out.merge(std::move(result));
      }
      if (valid != rules.all_of.size())
        general(out, fmt::format("{} must validate all the schemas (allOf){}", base::quote(path),
                                 valid == 0 ? ". None validated" : ""));
    }
    if (rules.none_of && check_all(*rules.none_of, value, path, old).ok())
      general(out, fmt::format("{} must not validate the schema (not)", base::quote(path)));
    ++out.matches;
  }

  void check_any(const std::vector<SchemaPtr>& schemas, const Value& value, const std::string& path, const Value* old,
                 Outcome& out) {
    std::optional<Outcome> best;
    for (const SchemaPtr& one : schemas) {
      Outcome result = check_all(*one, value, path, old);
      if (result.ok()) {
        out.merge(std::move(result));
        return;
      }
      if (!best || result.matches > best->matches) best = std::move(result);
    }
    general(out, fmt::format("{} must validate at least one schema (anyOf)", base::quote(path)));
    out.merge(std::move(*best));
  }

  void check_one(const std::vector<SchemaPtr>& schemas, const Value& value, const std::string& path, const Value* old,
                 Outcome& out) {
    std::optional<Outcome> best, first;
    size_t valid = 0;
    for (const SchemaPtr& one : schemas) {
      Outcome result = check_all(*one, value, path, old);
      if (result.ok()) {
        ++valid;
        best.reset();
        if (!first) first = std::move(result);
      } else if (valid == 0 && (!best || result.matches > best->matches)) {
        best = std::move(result);
      }
    }
    if (valid == 1) return out.merge(std::move(*first));
    general(out, fmt::format("{} must validate one and only one schema (oneOf). {}", base::quote(path),
                             valid == 0 ? "Found none valid" : fmt::format("Found {} valid alternatives", valid)));
    if (best) out.merge(std::move(*best));
  }

  // Lists of supported values are not repeated beyond that: each of a thousand errors may be about a thousand values.
  static constexpr size_t kMostListed = 256u << 10;
  size_t listed_ = 0;
  std::unordered_map<const SchemaRules*, std::unordered_set<std::string_view>> enum_texts_;  // of long lists
};

}  // namespace

std::vector<FieldError> check_value(const Schema& schema, const Value& value, const Value* old) {
  Outcome outcome = Validator().check(schema, value, "", old);
  std::vector<FieldError> out;
  out.reserve(outcome.errors.size());
  for (auto& [text, error] : outcome.errors) out.push_back(std::move(error));
  return out;
}

}  // namespace api
