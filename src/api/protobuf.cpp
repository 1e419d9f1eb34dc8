#include "api/protobuf.hpp"

#include <algorithm>
#include <map>
#include <optional>

#include <fmt/format.h>

#include "base/instant.hpp"
#include "base/json.hpp"
#include "base/strings.hpp"

namespace api {

using base::Reason;
using base::Result;
using base::Value;

namespace {

constexpr std::string_view kMagic{"k8s\0", 4};
constexpr int kMaxGroups = 100;
constexpr int kMaxDepth = 500;  // of schemas that contain themselves

enum class Wire : uint8_t { varint = 0, fixed64 = 1, bytes = 2, group = 3, end_group = 4, fixed32 = 5 };

std::unexpected<base::Error> malformed(std::string_view what) {
  return base::fail(Reason::bad_request, fmt::format("the protobuf body is malformed: {}", what));
}

struct Field {
  int number = 0;
  Wire wire = Wire::varint;
  uint64_t varint = 0;
  std::string_view bytes;
};

// The fields of one message, in turn. Views into the input: nothing is copied or reserved for a length that
// is only claimed.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  // Nothing at the end of the message. Groups are skipped: no type of the API has one.
  Result<std::optional<Field>> next() {
    while (!rest_.empty()) {
      TRY(const uint64_t tag, varint());
      Field field;
      if (tag >> 3 == 0 || tag >> 3 > 0x1fffffff) return malformed("a field number is out of range");
      field.number = static_cast<int>(tag >> 3);
      field.wire = static_cast<Wire>(tag & 7);
      if (field.wire == Wire::group) {
        CHECK_OK(skip_group(field.number));
        continue;
      }
      CHECK_OK(content(field));
      return field;
    }
    return std::nullopt;
  }

  // A single varint: the elements of a packed list.
  Result<uint64_t> varint() {
    uint64_t value = 0;
    for (size_t i = 0; i < 10; ++i) {
      if (i >= rest_.size()) return malformed("it ends within a number");
      const auto byte = static_cast<uint8_t>(rest_[i]);
      if (i == 9 && byte > 1) return malformed("a number has more than 64 bits");
      value |= static_cast<uint64_t>(byte & 0x7f) << (7 * i);
      if (byte < 0x80) {
        rest_.remove_prefix(i + 1);
        return value;
      }
    }
    return malformed("a number has more than 64 bits");
  }

  bool empty() const { return rest_.empty(); }

 private:
  Result<void> content(Field& field) {
    if (field.wire == Wire::varint) {
      TRY(field.varint, varint());
      return {};
    }
    size_t size = 0;
    if (field.wire == Wire::bytes) {
      TRY(const uint64_t length, varint());
      if (length > rest_.size()) return malformed("a length is beyond its end");
      size = static_cast<size_t>(length);
    } else if (field.wire == Wire::fixed64 || field.wire == Wire::fixed32) {
      size = field.wire == Wire::fixed64 ? 8 : 4;
      if (size > rest_.size()) return malformed("it ends within a number");
    } else {
      return malformed(fmt::format("wire type {}", static_cast<int>(field.wire)));
    }
    field.bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return {};
  }

  Result<void> skip_group(int number) {
    std::vector<int> open{number};
    while (!open.empty()) {
      if (rest_.empty()) return malformed("it ends within a group");
      TRY(const uint64_t tag, varint());
      Field field;
      field.number = static_cast<int>(tag >> 3 & 0x1fffffff);
      field.wire = static_cast<Wire>(tag & 7);
      if (field.wire == Wire::end_group) {
        if (open.back() != field.number) return malformed("a group ends that did not begin");
        open.pop_back();
      } else if (field.wire == Wire::group) {
        if (open.size() >= kMaxGroups) return malformed("groups are nested too deep");
        open.push_back(field.number);
      } else {
        CHECK_OK(content(field));
      }
    }
    return {};
  }

  std::string_view rest_;
};

std::unexpected<base::Error> wrong_wire(const Field& field, std::string_view name) {
  return base::fail(Reason::bad_request, fmt::format("proto: wrong wireType = {} for field {}",
                                                     static_cast<int>(field.wire), name));
}

Result<Value> read_text(std::string_view bytes, std::string_view name) {
  if (base::valid_utf8_prefix(bytes) != bytes.size())
    return malformed(fmt::format("field {} is not valid UTF-8", name));
  return Value(bytes);
}

// Time and MicroTime: seconds = 1, nanos = 2; empty is no time.
Result<Value> read_time(std::string_view bytes, bool micro) {
  if (bytes.empty()) return Value();
  int64_t seconds = 0, nanos = 0;
  Reader reader(bytes);
  while (true) {
    TRY(const auto field, reader.next());
    if (!field) break;
    if (field->wire != Wire::varint) continue;
    if (field->number == 1) seconds = static_cast<int64_t>(field->varint);
    if (field->number == 2) nanos = static_cast<int64_t>(field->varint);
  }
  if (nanos < 0 || nanos > 999'999'999) return malformed("a time is out of range");
  const base::Instant time{seconds, static_cast<int32_t>(nanos)};
  if (!base::is_formattable(time)) return malformed("a time is out of range");
  return time.is_zero() ? Value() : Value(base::format_instant(time, micro));
}

// IntOrString: type = 1 (0: number, 1: text), intVal = 2, strVal = 3.
Result<Value> read_int_or_string(std::string_view bytes) {
  uint64_t type = 0;
  int64_t number = 0;
  std::string_view text;
  Reader reader(bytes);
  while (true) {
    TRY(const auto field, reader.next());
    if (!field) break;
    if (field->number == 1 && field->wire == Wire::varint) type = field->varint;
    if (field->number == 2 && field->wire == Wire::varint) number = static_cast<int32_t>(field->varint);
    if (field->number == 3 && field->wire == Wire::bytes) text = field->bytes;
  }
  if (type == 1) return read_text(text, "strVal");
  return Value(number);
}

// The first field of a message that is one field only: Quantity, FieldsV1, RawExtension.
Result<std::string_view> read_wrapped(std::string_view bytes) {
  std::string_view out;
  Reader reader(bytes);
  while (true) {
    TRY(const auto field, reader.next());
    if (!field) return out;
    if (field->number == 1 && field->wire == Wire::bytes) out = field->bytes;
  }
}

// Property::proto_inside of what is inlined twice has three digits per level: 2002 is field 2 of field 2.
constexpr int kLevel = 1000;

// The next step on the way from the message `inside` down to `path`; 0 when it does not lead through there.
int step_towards(int inside, int path) {
  while (path / kLevel > inside) path /= kLevel;
  return path / kLevel == inside ? path % kLevel : 0;
}

bool is_scalar_varint(const Schema& schema) {
  return schema.type == Schema::Type::integer || schema.type == Schema::Type::boolean;
}

Value varint_value(const Schema& schema, uint64_t raw) {
  if (schema.type == Schema::Type::boolean) return raw != 0;
  return schema.format == "int32" ? static_cast<int64_t>(static_cast<int32_t>(raw))
                                  : static_cast<int64_t>(raw);
}

// How often one property of a message was seen, for lists and maps that come in pieces.
class MessageReader {
 public:
  MessageReader(const Schema& schema, int depth)
      : schema_(schema), depth_(depth), slots_(schema.properties.size()) {}

  Result<void> read(std::string_view bytes, int inside = 0) {
    Reader reader(bytes);
    while (true) {
      TRY(const auto field, reader.next());
      if (!field) return {};
      CHECK_OK(take(*field, inside));
    }
  }

  Value finish() {
    base::Object out;
    for (size_t i = 0; i < slots_.size(); ++i) {
      const Schema::Property& property = schema_.properties[i];
      if (slots_[i].is_null() || (!property.keeps_zero && is_zero(property, slots_[i]))) continue;
      out.append(property.name, std::move(slots_[i]));
    }
    return out;
  }

 private:
  static bool is_zero(const Schema::Property& property, const Value& value) {
    if (property.schema->type == Schema::Type::object || property.schema->type == Schema::Type::any)
      return false;
    if (const auto* text = value.if_string()) return text->empty();
    if (value.is_number()) return value.as_int() == 0;
    return value.is_bool() && !value.as_bool();
  }

  Result<void> take(const Field& field, int inside) {
    for (size_t i = 0; i < slots_.size(); ++i) {
      const Schema::Property& property = schema_.properties[i];
      if (property.proto_inside == inside && property.proto == field.number)
        return set(property, field, slots_[i]);
      if (step_towards(inside, property.proto_inside) == field.number) {
        if (field.wire != Wire::bytes) return wrong_wire(field, property.name);
        return read(field.bytes, inside * kLevel + field.number);
      }
    }
    return {};  // of a newer version
  }

  Result<void> set(const Schema::Property& property, const Field& field, Value& slot) {
    const Schema& schema = *property.schema;
    if (schema.type == Schema::Type::array) return append(property, field, slot.array());
    if (schema.type == Schema::Type::map) return insert(property, field, slot.object());
    if (is_scalar_varint(schema)) {
      if (field.wire != Wire::varint) return wrong_wire(field, property.name);
      slot = varint_value(schema, field.varint);
      return {};
    }
    if (schema.type == Schema::Type::number) {
      if (field.wire != Wire::fixed64) return wrong_wire(field, property.name);
      double number;
      std::copy_n(field.bytes.data(), sizeof number, reinterpret_cast<char*>(&number));
      slot = Value(number);
      return {};
    }
    if (field.wire != Wire::bytes) return wrong_wire(field, property.name);
    TRY(slot, value_of(schema, field.bytes, property.name));
    return {};
  }

  Result<void> append(const Schema::Property& property, const Field& field, base::Array& list) {
    const Schema& items = *property.schema->items;
    if (is_scalar_varint(items)) {
      if (field.wire == Wire::varint) {
        list.push_back(varint_value(items, field.varint));
        return {};
      }
      if (field.wire != Wire::bytes) return wrong_wire(field, property.name);
      Reader packed(field.bytes);
      while (!packed.empty()) {
        TRY(const uint64_t raw, packed.varint());
        list.push_back(varint_value(items, raw));
      }
      return {};
    }
    if (field.wire != Wire::bytes) return wrong_wire(field, property.name);
    TRY(Value item, value_of(items, field.bytes, property.name));
    list.push_back(std::move(item));
    return {};
  }

  Result<void> insert(const Schema::Property& property, const Field& field, base::Object& map) {
    if (field.wire != Wire::bytes) return wrong_wire(field, property.name);
    const Schema& items = *property.schema->items;
    std::string_view key, value;
    Reader reader(field.bytes);
    while (true) {
      TRY(const auto part, reader.next());
      if (!part) break;
      if (part->wire != Wire::bytes) return wrong_wire(*part, property.name);
      if (part->number == 1) key = part->bytes;
      if (part->number == 2) value = part->bytes;
    }
    TRY(const Value name, read_text(key, property.name));
    TRY(Value content, value_of(items, value, property.name));
    map.append(std::string(name.as_string()),
               std::move(content));  // double keys are sorted out by remove_doubles
    return {};
  }

  // A list as the value of a map: a message with the elements as its field 1 (authentication's ExtraValue).
  Result<Value> read_inner_list(const Schema& schema, std::string_view bytes, std::string_view name) {
    base::Array list;
    Reader reader(bytes);
    while (true) {
      TRY(const auto field, reader.next());
      if (!field) return list;
      if (field->number != 1) continue;
      if (field->wire != Wire::bytes) return wrong_wire(*field, name);
      TRY(Value item, value_of(*schema.items, field->bytes, name));
      list.push_back(std::move(item));
    }
  }

  // JSONSchemaPropsOrBool: allows = 1, schema = 2; JSONSchemaPropsOrArray and OrStringArray: schema = 1, the
  // list = 2.
  Result<Value> read_alternative(const Schema& schema, std::string_view bytes) {
    const bool or_bool = schema.name.ends_with("OrBool"), texts = schema.name.ends_with("OrStringArray");
    Value out;
    base::Array list;
    Reader reader(bytes);
    while (true) {
      TRY(const auto field, reader.next());
      if (!field) break;
      if (or_bool && field->number == 1) {
        if (field->wire != Wire::varint) return wrong_wire(*field, "allows");
        if (out.is_null()) out = Value(field->varint != 0);
      } else if (field->number == 1 || field->number == 2) {
        if (field->wire != Wire::bytes) return wrong_wire(*field, schema.name);
        const bool is_list = !or_bool && field->number == 2;
        TRY(Value value, is_list && texts ? read_text(field->bytes, schema.name)
                                          : value_of(*schema.items, field->bytes, schema.name));
        if (is_list) {
          list.push_back(std::move(value));
        } else {
          out = std::move(value);
        }
      }
    }
    if (out.is_null() && !list.empty()) out = std::move(list);
    return out;
  }

  Result<Value> value_of(const Schema& schema, std::string_view bytes, std::string_view name) {
    switch (schema.type) {
      case Schema::Type::object:
        return message(schema, bytes, depth_ + 1);
      case Schema::Type::string:
        return read_text(bytes, name);
      case Schema::Type::bytes:
        return Value(base::base64_encode(bytes));
      case Schema::Type::array:
        return read_inner_list(schema, bytes, name);
      case Schema::Type::time:
        return read_time(bytes, false);
      case Schema::Type::micro_time:
        return read_time(bytes, true);
      case Schema::Type::int_or_string:
        return read_int_or_string(bytes);
      case Schema::Type::quantity: {
        TRY(const std::string_view text, read_wrapped(bytes));
        return read_text(text.empty() ? "0" : text, name);
      }
      case Schema::Type::any: {
        if (schema.items) return read_alternative(schema, bytes);
        TRY(const std::string_view json, read_wrapped(bytes));
        if (json.empty()) return Value();
        return base::parse_json(json);
      }
      default:
        return malformed(fmt::format("field {} has no protobuf form here", name));
    }
  }

 public:
  static Result<Value> message(const Schema& schema, std::string_view bytes, int depth = 0) {
    if (depth > kMaxDepth) return malformed("it is nested too deep");
    MessageReader reader(schema, depth);
    CHECK_OK(reader.read(bytes));
    reader.remove_doubles();
    return reader.finish();
  }

 private:
  // Of entries of a map with the same key the last one counts. Sorted, not searched: a body may hold a
  // million of them.
  void remove_doubles() {
    for (size_t i = 0; i < slots_.size(); ++i) {
      auto* map = schema_.properties[i].schema->type == Schema::Type::map ? slots_[i].if_object() : nullptr;
      if (!map) continue;
      std::vector<base::Member> entries(std::make_move_iterator(map->begin()),
                                        std::make_move_iterator(map->end()));
      std::map<std::string_view, size_t> last;
      for (size_t k = 0; k < entries.size(); ++k) last[entries[k].key] = k;
      base::Object out;
      out.reserve(last.size());
      for (const auto& [key, k] : last) out.append(std::string(key), std::move(entries[k].value));
      *map = std::move(out);
    }
  }

  const Schema& schema_;
  int depth_;
  std::vector<Value> slots_;
};

struct Envelope {
  std::string_view api_version, kind, raw, encoding, content_type;
};

// runtime.Unknown: typeMeta = 1 (apiVersion = 1, kind = 2), raw = 2, contentEncoding = 3, contentType = 4.
Result<Envelope> read_envelope(std::string_view bytes) {
  Envelope out;
  std::string_view type;
  Reader reader(bytes);
  while (true) {
    TRY(const auto field, reader.next());
    if (!field) break;
    if (field->number > 4) continue;
    if (field->wire != Wire::bytes) return wrong_wire(*field, "Unknown");
    std::string_view* places[] = {&type, &out.raw, &out.encoding, &out.content_type};
    *places[field->number - 1] = field->bytes;
  }
  Reader types(type);
  while (true) {
    TRY(const auto field, types.next());
    if (!field) return out;
    if (field->wire != Wire::bytes) continue;
    if (field->number == 1) out.api_version = field->bytes;
    if (field->number == 2) out.kind = field->bytes;
  }
}

}  // namespace

bool has_protobuf(const Schema& schema) {
  return std::ranges::any_of(schema.properties, [](const Schema::Property& p) { return p.proto > 0; });
}

bool has_protobuf(const Kind& kind) { return !kind.custom && kind.schema && has_protobuf(*kind.schema); }

Result<Value> decode_protobuf(const Kind& kind, std::string_view bytes) {
  if (!bytes.starts_with(kMagic)) {
    return base::fail(
        Reason::bad_request,
        "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]");
  }
  TRY(const Envelope envelope, read_envelope(bytes.substr(kMagic.size())));
  if (!envelope.encoding.empty()) return malformed("the content has an encoding, and none is known");
  if (!envelope.content_type.empty() && envelope.content_type != kProtobufMediaType) {
    return malformed("the envelope holds something else than protobuf");
  }
  TRY(Value api_version, read_text(envelope.api_version, "apiVersion"));
  TRY(Value name, read_text(envelope.kind, "kind"));
  const bool other_kind = (!name.as_string().empty() && name.as_string() != kind.kind);
  // The message of another kind means nothing by these field numbers: the caller refuses it by its names.
  Value object{base::Object()};
  if (!other_kind) {
    TRY(object, MessageReader::message(*kind.schema, envelope.raw));
  }
  base::Object out;
  if (!name.as_string().empty()) out.append("kind", std::move(name));
  if (!api_version.as_string().empty()) out.append("apiVersion", std::move(api_version));
  for (auto& [key, value] : object.object()) out.append(key, std::move(value));
  return out;
}

}  // namespace api
