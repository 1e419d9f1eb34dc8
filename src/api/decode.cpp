#include "api/decode.hpp"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "api/custom/rules.hpp"
#include "api/meta.hpp"
#include "api/protobuf.hpp"
#include "api/status.hpp"
#include "base/instant.hpp"
#include "base/json.hpp"
#include "base/quantity.hpp"
#include "base/strings.hpp"
#include "base/yaml.hpp"

namespace api {

using base::Reason;
using base::Result;
using base::Value;

namespace {

constexpr size_t kMaxDepth = 500;        // of types that contain themselves, such as JSONSchemaProps
constexpr size_t kMaxStrictErrors = 100;  // as upstream's decoder: the rest is not worth reading

// How Go's JSON decoder names what it found.
std::string found_name(const Value& value) {
  if (value.is_number()) return "number";
  return std::string(value.kind_name());
}

// The Go type that upstream's message names.
std::string go_type(const Schema& schema) {
  switch (schema.type) {
    case Schema::Type::integer:
      return schema.format.empty() ? "int64" : schema.format;
    case Schema::Type::number:
      return "float64";
    case Schema::Type::boolean:
      return "bool";
    case Schema::Type::bytes:
      return "[]uint8";
    case Schema::Type::array:
      return "[]" + go_type(*schema.items);
    case Schema::Type::map:
      return "map[string]" + go_type(*schema.items);
    case Schema::Type::object:
      return "v1." + schema.name;
    default:
      return "string";
  }
}

bool is_zero(const Value& value) {
  if (const auto* text = value.if_string()) return text->empty();
  if (const auto* number = value.if_number()) return number->text == "0";
  if (const auto* list = value.if_array()) return list->empty();
  if (const auto* map = value.if_object()) return map->empty();
  return value.is_null() || !value.as_bool(true);
}

// What Go leaves in a list or a map where the document says null.
Value zero_of(const Schema& schema) {
  switch (schema.type) {
    case Schema::Type::object:
    case Schema::Type::map:
      return base::Object();
    case Schema::Type::array:
      return base::Array();
    case Schema::Type::integer:
    case Schema::Type::number:
    case Schema::Type::int_or_string:
      return 0;
    case Schema::Type::boolean:
      return false;
    case Schema::Type::quantity:
      return "0";
    case Schema::Type::any:
    case Schema::Type::time:
    case Schema::Type::micro_time:
      return nullptr;
    default:
      return "";
  }
}

// One walk over an object along its schema.
class Checker {
 public:
  explicit Checker(bool want_unknown, std::string path = "") : want_unknown_(want_unknown), path_(std::move(path)) {}

  Result<Value> check(const Schema& schema, const Value& value) {
    switch (schema.type) {
      case Schema::Type::object:
        return check_object(schema, value);
      case Schema::Type::map:
        return check_map(schema, value);
      case Schema::Type::array:
        return check_array(schema, value);
      case Schema::Type::integer:
        return check_integer(schema, value);
      case Schema::Type::number:
        return value.is_number() ? Result<Value>(value) : mismatch(schema, value);
      case Schema::Type::boolean:
        return value.is_bool() ? Result<Value>(value) : mismatch(schema, value);
      case Schema::Type::string:
        return value.is_string() ? Result<Value>(value) : mismatch(schema, value);
      case Schema::Type::bytes:
        return check_bytes(schema, value);
      case Schema::Type::int_or_string:
        return check_int_or_string(value);
      case Schema::Type::quantity:
        return check_quantity(value);
      case Schema::Type::time:
      case Schema::Type::micro_time:
        return check_time(schema, value);
      case Schema::Type::any:
        return schema.items ? check_one_or_many(*schema.items, value) : Result<Value>(value);
    }
    return value;
  }

  std::vector<std::string> unknown;  // paths, in the order of the document

 private:
  std::unexpected<base::Error> mismatch(const Schema& schema, const Value& value,
                                        std::string found = {}) const {
    if (found.empty()) found = found_name(value);
    if (names_.empty()) {
      return base::fail(Reason::bad_request, fmt::format("json: cannot unmarshal {} into Go value of type {}",
                                                         found, go_type(schema)));
    }
    return base::fail(Reason::bad_request,
                      fmt::format("json: cannot unmarshal {} into Go struct field {}.{} of type {}", found,
                                  owner_, base::join(names_, "."), go_type(schema)));
  }

  Result<Value> check_object(const Schema& schema, const Value& value) {
    const auto* from = value.if_object();
    if (!from) return mismatch(schema, value);
    if (names_.size() > kMaxDepth) return base::fail(Reason::bad_request, "exceeded max depth");
    std::vector<Value> slots(schema.properties.size());
    for (const auto& [name, member] : *from) {
      const Schema::Property* property = schema.find(name);
      if (!property) {
        note_unknown(name);
        continue;
      }
      if (member.is_null()) continue;
      std::string owner = std::exchange(owner_, struct_name(schema));
      names_.push_back(name);
      const size_t path_size = path_.size();
      if (want_unknown_) path_ += (path_.empty() ? "" : ".") + name;
      auto checked = check(*property->schema, member);
      if (!checked) return checked;
      path_.resize(path_size);
      names_.pop_back();
      owner_ = std::move(owner);
      if (drops(*property, *checked)) continue;
      slots[static_cast<size_t>(property - schema.properties.data())] = std::move(*checked);
    }
    base::Object out;
    for (size_t i = 0; i < slots.size(); ++i) {
      if (!slots[i].is_null()) out.append(schema.properties[i].name, std::move(slots[i]));
    }
    return out;
  }

  static bool drops(const Schema::Property& property, const Value& value) {
    const bool is_struct =
        property.schema->type == Schema::Type::object || property.schema->type == Schema::Type::any;
    return !property.keeps_zero && !is_struct && property.schema->type != Schema::Type::quantity &&
           is_zero(value);
  }

  static std::string struct_name(const Schema& schema) {
    const size_t dot = schema.openapi_key.rfind('.');
    return dot == std::string::npos ? schema.name : schema.openapi_key.substr(dot + 1);
  }

  void note_unknown(const std::string& name) {
    if (!want_unknown_ || unknown.size() >= kMaxStrictErrors) return;
    unknown.push_back(path_.empty() ? name : path_ + "." + name);
  }

  Result<Value> check_map(const Schema& schema, const Value& value) {
    const auto* from = value.if_object();
    if (!from) return mismatch(schema, value);
    base::Object out;
    out.reserve(from->size());
    for (const auto& [name, member] : *from) {
      if (member.is_null()) {
        out.append(name, zero_of(*schema.items));
        continue;
      }
      const size_t path_size = path_.size();
      if (want_unknown_) path_ += (path_.empty() ? "" : ".") + name;
      auto checked = check(*schema.items, member);
      if (!checked) return checked;
      path_.resize(path_size);
      out.append(name, std::move(*checked));
    }
    out.sort();
    return out;
  }

  Result<Value> check_array(const Schema& schema, const Value& value) {
    const auto* from = value.if_array();
    if (!from) return mismatch(schema, value);
    base::Array out;
    out.reserve(from->size());
    for (const Value& item : *from) {
      if (item.is_null()) {
        out.push_back(zero_of(*schema.items));
        continue;
      }
      const size_t path_size = path_.size();
      if (want_unknown_) path_ += "[" + std::to_string(out.size()) + "]";
      auto checked = check(*schema.items, item);
      if (!checked) return checked;
      path_.resize(path_size);
      out.push_back(std::move(*checked));
    }
    return out;
  }

  // Objects, also those in a list, follow the schema; anything else stays as it is.
  Result<Value> check_one_or_many(const Schema& schema, const Value& value) {
    if (value.is_object()) return check(schema, value);
    const auto* from = value.if_array();
    if (!from) return value;
    base::Array out;
    for (const Value& item : *from) {
      const size_t path_size = path_.size();
      if (want_unknown_) path_ += "[" + std::to_string(out.size()) + "]";
      auto checked = item.is_object() ? check(schema, item) : Result<Value>(item);
      if (!checked) return checked;
      path_.resize(path_size);
      out.push_back(std::move(*checked));
    }
    return out;
  }

  Result<Value> check_integer(const Schema& schema, const Value& value) const {
    const auto* number = value.if_number();
    if (!number) return mismatch(schema, value);
    const auto parsed = base::parse_int(number->text);
    const bool fits =
        parsed && (schema.format != "int32" || (*parsed >= std::numeric_limits<int32_t>::min() &&
                                                *parsed <= std::numeric_limits<int32_t>::max()));
    if (!fits) return mismatch(schema, value, "number " + number->text);
    return *parsed;
  }

  static Result<Value> check_int_or_string(const Value& value) {
    if (value.is_string()) return value;
    std::string found = found_name(value);
    if (const auto* number = value.if_number()) {
      const auto parsed = base::parse_int(number->text);
      if (parsed && *parsed == static_cast<int32_t>(*parsed)) return *parsed;
      found += " " + number->text;
    }
    return base::fail(Reason::bad_request,
                      fmt::format("json: cannot unmarshal {} into Go value of type int32", found));
  }

  Result<Value> check_bytes(const Schema& schema, const Value& value) const {
    const auto* text = value.if_string();
    if (!text) return mismatch(schema, value);
    const auto bytes = base::base64_decode(*text);
    if (!bytes)
      return base::fail(Reason::bad_request,
                        "illegal base64 data at input byte " + std::to_string(bad_base64(*text)));
    return base::base64_encode(*bytes);
  }

  // The offset that Go would name.
  static size_t bad_base64(std::string_view text) {
    const auto is_digit = [](unsigned char c) {
      return std::isalnum(c) || c == '+' || c == '/' || c == '\n' || c == '\r';
    };
    size_t at = 0;
    while (at < text.size() && is_digit(static_cast<unsigned char>(text[at]))) ++at;
    return at == text.size() ? at / 4 * 4 : at;
  }

  static Result<Value> check_quantity(const Value& value) {
    std::string_view text = value.as_string();
    if (const auto* number = value.if_number()) text = number->text;
    if (const auto quantity = base::Quantity::parse(base::trim(text))) return quantity->text();
    // What remains after the number decides which of upstream's two texts it is.
    const size_t suffix = text.find_first_not_of("+-.0123456789");
    const bool only_suffix_letters =
        suffix != 0 && suffix != std::string_view::npos &&
        text.find_first_not_of("eEinumkKMGTP+-0123456789", suffix) == std::string_view::npos;
    return base::fail(Reason::bad_request, only_suffix_letters
                                               ? "unable to parse quantity's suffix"
                                               : "quantities must match the regular expression "
                                                 "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
  }

  static Result<Value> check_time(const Schema& schema, const Value& value) {
    const bool micro = schema.type == Schema::Type::micro_time;
    const auto* text = value.if_string();
    if (!text) {
      return base::fail(
          Reason::bad_request,
          fmt::format("json: cannot unmarshal {} into Go value of type string", found_name(value)));
    }
    if (const auto time = base::parse_instant(*text))
      return time->is_zero() ? Value() : Value(base::format_instant(*time, micro));
    return base::fail(
        Reason::bad_request,
        fmt::format("parsing time {} as \"{}\": cannot parse {} as \"2006\"", base::quote(*text),
                    micro ? "2006-01-02T15:04:05.000000Z07:00" : "2006-01-02T15:04:05Z07:00",
                    base::quote(*text)));
  }

  bool want_unknown_;
  std::string path_;                // spec.ports[0]: only kept when unknown fields are wanted
  std::vector<std::string> names_;  // spec, ports, port: lists leave no trace in Go's texts
  std::string owner_;               // the innermost struct
};

// The beginning of a body as upstream quotes it: JSON as it is, anything else in hexadecimal digits.
std::string summary_of(std::string_view body) {
  constexpr size_t kMax = 30;
  if (body.empty()) return "<empty>";
  const std::string_view head = body.substr(0, kMax);
  std::string out;
  if (body[0] == '{') {
    out = head.substr(0, base::valid_utf8_prefix(head));
  } else {
    for (const char c : head) out += fmt::format("{:02x}", static_cast<unsigned char>(c));
  }
  return body.size() > kMax ? out + " ..." : out;
}

std::unexpected<base::Error> unrecognized(const Kind& kind, std::string_view problem, std::string_view body) {
  return base::fail(Reason::bad_request,
                    fmt::format("the object provided is unrecognized (must be of type {}): {} ({})", kind.kind,
                                problem, summary_of(body)));
}

std::unexpected<base::Error> cannot_be_handled(const Kind& kind, std::string_view found_kind,
                                               std::string_view version, std::string_view problem) {
  return base::fail(Reason::bad_request, fmt::format("{} in version {} cannot be handled as a {}: {}",
                                                     found_kind, base::quote(version), kind.kind, problem));
}

// The group version and kind in the body against those of the URL.
Result<void> check_type(const Kind& kind, const Value& parsed, const Registry* registry) {
  if (!parsed.is_object() && !parsed.is_null()) {
    return unrecognized(
        kind,
        fmt::format("couldn't get version/kind; json parse error: json: cannot unmarshal {} into Go value of "
                    "type struct {{ APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string "
                    "\"json:\\\"kind,omitempty\\\"\" }}",
                    found_name(parsed)),
        base::write_json(parsed));
  }
  for (const char* member : {"apiVersion", "kind"}) {
    const Value& value = parsed[member];
    if (value.is_null() || value.is_string()) continue;
    return unrecognized(
        kind,
        fmt::format(
            "couldn't get version/kind; json parse error: json: cannot unmarshal {} into Go struct field "
            ".{} of type string",
            found_name(value), member),
        base::write_json(parsed));
  }
  const std::string own_version = kind.api_version();
  std::string_view api_version = parsed["apiVersion"].as_string(), name = parsed["kind"].as_string();
  if (api_version.empty()) api_version = own_version;
  if (name.empty()) name = kind.kind;
  if (api_version == own_version && name == kind.kind) return {};
  if (name == "DeleteOptions" && kind.kind == "DeleteOptions") return {};  // every group version has its own
  const std::string_view version = api_version.substr(api_version.rfind('/') + 1);
  if (registry && !registry->find_kind(api_version, name)) {
    return cannot_be_handled(kind, name, version,
                             fmt::format("no kind {} is registered for version {} in scheme "
                                         "\"k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30\"",
                                         base::quote(name), base::quote(api_version)));
  }
  if (api_version != own_version) {
    return base::fail(
        Reason::bad_request,
        fmt::format("the API version in the data ({}) does not match the expected API version ({})",
                    api_version, own_version));
  }
  return cannot_be_handled(
      kind, name, version,
      fmt::format("converting ({}.{}) to ({}.{}): unknown conversion", version, name,
                  kind.group.empty() ? "core" : kind.group.substr(0, kind.group.find('.')), kind.kind));
}

// A custom object says itself what it is.
Result<void> check_custom_type(const Kind& kind, const Value& parsed) {
  for (const auto& [member, missing] : {std::pair{"kind", "Kind"}, std::pair{"apiVersion", "apiVersion"}}) {
    const Value& value = parsed[member];
    if (!value.is_string() && !value.is_null()) {
      return unrecognized(kind, fmt::format("couldn't get version/kind; json parse error: json: cannot unmarshal {} "
                                            "into Go struct field .{} of type string",
                                            found_name(value), member),
                          base::write_json(parsed));
    }
    if (value.as_string().empty())
      return base::fail(Reason::bad_request,
                        fmt::format("Object '{}' is missing in '{}'", missing, base::write_json(parsed)));
  }
  if (parsed["apiVersion"].as_string() != kind.api_version()) {
    return base::fail(
        Reason::bad_request,
        fmt::format("the API version in the data ({}) does not match the expected API version ({})",
                    parsed["apiVersion"].as_string(), kind.api_version()));
  }
  if (parsed["kind"].as_string() == kind.kind) return {};
  return std::unexpected(invalid(kind.group, kind.kind, name_of(parsed),
                                 {invalid_field("kind", parsed["kind"], "must be " + kind.kind)}));
}

// What is unknown goes; metadata is that of any object. Types are a matter of validation.
Result<Value> decode_custom(const Kind& kind, const Value& parsed, std::vector<std::string>* unknown) {
  if (!parsed.is_object()) return unrecognized(kind, "json: cannot unmarshal " + found_name(parsed) + " into an object", base::write_json(parsed));
  CHECK_OK(check_custom_type(kind, parsed));
  base::Object out;
  out.append("apiVersion", kind.api_version());
  out.append("kind", kind.kind);
  out.append("metadata", base::Object());
  const auto* metadata = kind.schema->find("metadata");
  if (!parsed["metadata"].is_null() && metadata) {
    auto decoded = decode_part(*metadata->schema, parsed["metadata"], "metadata", unknown);
    if (!decoded) return cannot_be_handled(kind, kind.kind, kind.version, decoded.error().message);
    out.set("metadata", std::move(*decoded));
  }
  for (const auto& [name, value] : parsed.as_object())
    if (!is_meta_field(name)) out.append(name, value);
  Value object(std::move(out));
  auto pruned = prune(*kind.schema, object, true, unknown);
  if (!pruned) return cannot_be_handled(kind, kind.kind, kind.version, pruned.error().message);
  prune_nulls(*kind.schema, object);
  return object;
}

// "" for what is no media type: also when one of its parameters has no value.
std::string media_type_of(std::string_view content_type) {
  const auto pieces = base::split(content_type, ';');
  for (size_t i = 1; i < pieces.size(); ++i) {
    const std::string_view piece = base::trim(pieces[i]);
    if (piece.empty() ? i + 1 != pieces.size() : !piece.contains('=')) return "";
  }
  return base::to_lower(base::trim(pieces[0]));
}

Result<Value> decode_builtin(const Kind& kind, const Value& parsed, bool want_unknown,
                             std::vector<std::string>& unknown) {
  Checker checker(want_unknown);
  auto object = checker.check(*kind.schema, parsed.is_null() ? Value(base::Object()) : parsed);
  if (!object) return cannot_be_handled(kind, kind.kind, kind.version, object.error().message);
  unknown = std::move(checker.unknown);
  // Upstream's readers expect the type in front.
  base::Object typed;
  typed.append("kind", kind.kind);
  typed.append("apiVersion", kind.api_version());
  for (auto& [name, value] : object->object()) {
    if (name != "kind" && name != "apiVersion") typed.append(name, std::move(value));
  }
  return Value(std::move(typed));
}

void order_object(const Schema& schema, base::Object& object) {
  base::Object out;
  out.reserve(object.size());
  for (const Schema::Property& property : schema.properties) {
    Value* member = object.find(property.name);
    if (!member) continue;
    order_members(*property.schema, *member);
    out.append(property.name, std::move(*member));
  }
  for (auto& [name, value] : object) {
    if (!schema.find(name)) out.append(name, std::move(value));
  }
  object = std::move(out);
}

}  // namespace

std::optional<FieldValidation> parse_field_validation(std::string_view text) {
  if (text == "Ignore") return FieldValidation::ignore;
  if (text == "Strict") return FieldValidation::strict;
  if (text.empty() || text == "Warn") return FieldValidation::warn;
  return std::nullopt;
}

Result<ParsedBody> parse_body(const Kind& kind, std::string_view content_type, std::string_view body) {
  const std::string media = content_type.empty() ? "application/json" : media_type_of(content_type);
  if (media == "application/json") {
    auto parsed = base::parse_json_strictly(body);
    if (!parsed) {
      return unrecognized(kind, "couldn't get version/kind; json parse error: " + parsed.error().message, body);
    }
    return ParsedBody{std::move(parsed->value), std::move(parsed->duplicate_keys)};
  }
  if (media == "application/yaml") {
    auto parsed = base::parse_yaml(body);
    if (!parsed) return unrecognized(kind, "error converting YAML to JSON: " + parsed.error().message, body);
    return ParsedBody{std::move(*parsed), {}};
  }
  if (media == kProtobufMediaType && has_protobuf(kind)) {
    auto value = decode_protobuf(kind, body);
    if (!value) return unrecognized(kind, value.error().message, body);
    return ParsedBody{std::move(*value), {}};
  }
  return base::fail(
      Reason::unsupported_media_type,
      std::string("the body of the request was in an unknown format - accepted media types include: "
                  "application/json, application/yaml") +
          (has_protobuf(kind) ? ", application/vnd.kubernetes.protobuf" : ""));
}

Result<Value> decode_part(const Schema& schema, const Value& value, std::string path,
                          std::vector<std::string>* unknown) {
  Checker checker(unknown != nullptr, std::move(path));
  TRY(Value out, checker.check(schema, value));
  if (unknown) unknown->insert(unknown->end(), checker.unknown.begin(), checker.unknown.end());
  return out;
}

Result<Decoded> decode_object(const Kind& kind, const Value& parsed, std::vector<std::string> duplicate_keys,
                              FieldValidation validation, const Registry* registry) {
  Decoded out;
  std::vector<std::string> unknown;
  if (kind.custom) {
    TRY(out.object, decode_custom(kind, parsed, validation != FieldValidation::ignore ? &unknown : nullptr));
  } else {
    CHECK_OK(check_type(kind, parsed, registry));
    TRY(out.object, decode_builtin(kind, parsed, validation != FieldValidation::ignore, unknown));
  }
  if (validation == FieldValidation::ignore) return out;
  for (const std::string& path : duplicate_keys)
    out.warnings.push_back("duplicate field " + base::quote(path));
  for (const std::string& path : unknown) out.warnings.push_back("unknown field " + base::quote(path));
  if (out.warnings.size() > kMaxStrictErrors) out.warnings.resize(kMaxStrictErrors);
  if (validation == FieldValidation::warn || out.warnings.empty()) return out;
  return cannot_be_handled(kind, kind.kind, kind.version,
                           "strict decoding error: " + base::join(out.warnings, ", "));
}

Result<Decoded> decode_body(const Registry& registry, const Kind& kind, std::string_view content_type,
                            std::string_view body, FieldValidation validation) {
  TRY(ParsedBody parsed, parse_body(kind, content_type, body));
  return decode_object(kind, parsed.value, std::move(parsed.duplicate_keys), validation, &registry);
}

Result<void> check_request_names(const Value& object, std::string_view name, std::string_view namespace_name,
                                 bool creating) {
  const std::string_view own_name = object.at({"metadata", "name"}).as_string();
  const std::string_view own_namespace = object.at({"metadata", "namespace"}).as_string();
  if (!own_namespace.empty() && own_namespace != namespace_name) {
    return base::fail(
        Reason::bad_request,
        creating
            ? "the namespace of the provided object does not match the namespace sent on the request"
            : fmt::format("the namespace of the object ({}) does not match the namespace on the request ({})",
                          own_namespace, namespace_name));
  }
  const bool may_lack = creating || own_name.empty();
  if (!name.empty() && own_name != name && !(may_lack && own_name.empty())) {
    return base::fail(
        Reason::bad_request,
        fmt::format("the name of the object ({}) does not match the name on the URL ({})", own_name, name));
  }
  return {};
}

void order_members(const Schema& schema, Value& value) {
  if (auto* list = value.if_array()) {
    if (schema.type != Schema::Type::array) return;
    for (Value& item : *list) order_members(*schema.items, item);
    return;
  }
  auto* object = value.if_object();
  if (!object) return;
  if (schema.type == Schema::Type::object) return order_object(schema, *object);
  if (schema.type != Schema::Type::map) return;
  for (auto& [name, member] : *object) order_members(*schema.items, member);
  object->sort();
}

}  // namespace api
