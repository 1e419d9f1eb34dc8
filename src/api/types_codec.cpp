#include "api/types_codec.hpp"

#include <fmt/format.h>

namespace api {

namespace {

template <class T>
const T& at(const void* place) {
  return *static_cast<const T*>(place);
}

void* moved(void* place, size_t offset) { return static_cast<char*>(place) + offset; }
const void* moved(const void* place, size_t offset) { return static_cast<const char*>(place) + offset; }

bool read_int(const base::Value& from, void* to, std::string& problem) {
  const auto number = from.as_int();
  if (!number) return wrong_kind(from, "an integer", problem);
  *static_cast<int64_t*>(to) = *number;
  return true;
}

bool read_bool(const base::Value& from, void* to, std::string& problem) {
  if (!from.is_bool()) return wrong_kind(from, "true or false", problem);
  *static_cast<bool*>(to) = from.as_bool();
  return true;
}

}  // namespace

bool wrong_kind(const base::Value& from, std::string_view want, std::string& problem) {
  problem = fmt::format(": expected {}, found {}", want, from.kind_name());
  return false;
}

bool read_fields(const base::Value& from, void* to, std::span<const CodecField> fields,
                 std::string& problem) {
  if (from.is_null()) return true;
  if (!from.is_object()) return wrong_kind(from, "an object", problem);
  size_t next = 0;  // members mostly stand in the order of the table
  for (const auto& [name, value] : from.as_object()) {
    if (value.is_null()) continue;
    for (size_t tried = 0; tried < fields.size(); ++tried, next = (next + 1) % fields.size()) {
      const CodecField& field = fields[next];
      if (field.name != name) continue;
      if (!field.ops->read(value, moved(to, field.offset), problem)) {
        problem.insert(0, "." + name);
        return false;
      }
      break;
    }
  }
  return true;
}

base::Value write_fields(const void* from, std::span<const CodecField> fields, std::string_view api_version,
                         std::string_view kind) {
  base::Object out;
  if (!kind.empty()) {
    out.append("kind", kind);
    out.append("apiVersion", api_version);
  }
  for (const CodecField& field : fields) {
    const void* place = moved(from, field.offset);
    if (!field.required && field.ops->is_absent(place)) continue;
    out.append(std::string(field.name), field.ops->write(place));
  }
  return out;
}

bool all_absent(const void* from, std::span<const CodecField> fields) {
  for (const CodecField& field : fields) {
    if (!field.ops->is_absent(moved(from, field.offset))) return false;
  }
  return true;
}

base::Result<void> read_root(const base::Value& from, void* to, std::span<const CodecField> fields) {
  std::string problem;
  if (read_fields(from, to, fields, problem)) return {};
  return base::fail(base::Reason::bad_request, problem.substr(problem.starts_with('.') ? 1 : 2));
}

template <>
const CodecOps& codec_ops<std::string>() {
  static constexpr CodecOps ops{[](const base::Value& from, void* to, std::string& problem) {
                                  // Quantities may stand as numbers in an object that no server has seen.
                                  if (const auto* number = from.if_number())
                                    return *static_cast<std::string*>(to) = number->text, true;
                                  if (!from.is_string()) return wrong_kind(from, "a string", problem);
                                  *static_cast<std::string*>(to) = from.as_string();
                                  return true;
                                },
                                [](const void* from) { return base::Value(at<std::string>(from)); },
                                [](const void* from) { return at<std::string>(from).empty(); }};
  return ops;
}

template <>
const CodecOps& codec_ops<int64_t>() {
  static constexpr CodecOps ops{read_int, [](const void* from) { return base::Value(at<int64_t>(from)); },
                                [](const void* from) { return at<int64_t>(from) == 0; }};
  return ops;
}

template <>
const CodecOps& codec_ops<bool>() {
  static constexpr CodecOps ops{read_bool, [](const void* from) { return base::Value(at<bool>(from)); },
                                [](const void* from) { return !at<bool>(from); }};
  return ops;
}

template <>
const CodecOps& codec_ops<double>() {
  static constexpr CodecOps ops{[](const base::Value& from, void* to, std::string& problem) {
                                  const auto number = from.as_double();
                                  if (!number) return wrong_kind(from, "a number", problem);
                                  *static_cast<double*>(to) = *number;
                                  return true;
                                },
                                [](const void* from) { return base::Value(at<double>(from)); },
                                [](const void* from) { return at<double>(from) == 0; }};
  return ops;
}

template <>
const CodecOps& codec_ops<base::Value>() {
  static constexpr CodecOps ops{[](const base::Value& from, void* to, std::string&) {
                                  return *static_cast<base::Value*>(to) = from, true;
                                },
                                [](const void* from) { return at<base::Value>(from); },
                                [](const void* from) { return at<base::Value>(from).is_null(); }};
  return ops;
}

template <>
const CodecOps& codec_ops<IntOrString>() {
  static constexpr CodecOps ops{[](const base::Value& from, void* to, std::string& problem) {
                                  if (const auto number = from.as_int())
                                    return *static_cast<IntOrString*>(to) = *number, true;
                                  if (!from.is_string())
                                    return wrong_kind(from, "an integer or a string", problem);
                                  *static_cast<IntOrString*>(to) = from.as_string();
                                  return true;
                                },
                                [](const void* from) {
                                  const auto& value = at<IntOrString>(from);
                                  return value.is_string() ? base::Value(value.string_value())
                                                           : base::Value(value.int_value());
                                },
                                [](const void* from) { return at<IntOrString>(from).empty(); }};
  return ops;
}

template <>
const CodecOps& codec_ops<std::optional<int64_t>>() {
  static constexpr CodecOps ops{
      [](const base::Value& from, void* to, std::string& problem) {
        return read_int(from, &static_cast<std::optional<int64_t>*>(to)->emplace(), problem);
      },
      Codec<std::optional<int64_t>>::write, Codec<std::optional<int64_t>>::is_absent};
  return ops;
}

template <>
const CodecOps& codec_ops<std::optional<bool>>() {
  static constexpr CodecOps ops{[](const base::Value& from, void* to, std::string& problem) {
                                  return read_bool(from, &static_cast<std::optional<bool>*>(to)->emplace(),
                                                   problem);
                                },
                                Codec<std::optional<bool>>::write, Codec<std::optional<bool>>::is_absent};
  return ops;
}

}  // namespace api
