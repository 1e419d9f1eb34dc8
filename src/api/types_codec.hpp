// How a struct of api/types.hpp is read from and written to a Value: by a table of its fields, so that the
// code is there once and not once per type. Only the generated codecs include this. Constants and pure
// functions; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "api/types_base.hpp"
#include "base/result.hpp"
#include "base/value.hpp"

namespace api {

// Reads into, and writes from, a place of one C++ type.
struct CodecOps {
  // False: `problem` starts with the path below this place (".a[0]"), or with ": " when the place itself is
  // wrong.
  bool (*read)(const base::Value& from, void* to, std::string& problem);
  base::Value (*write)(const void* from);
  bool (*is_absent)(const void* from);  // nothing to write, unless the field is required
};

struct CodecField {
  std::string_view name;
  size_t offset;
  bool required;
  const CodecOps* ops;
};

template <class T>
std::span<const CodecField> codec_fields();
template <class T>
const CodecOps& codec_ops();

bool read_fields(const base::Value& from, void* to, std::span<const CodecField> fields, std::string& problem);
// apiVersion and kind are left out when empty.
base::Value write_fields(const void* from, std::span<const CodecField> fields,
                         std::string_view api_version = {}, std::string_view kind = {});
bool all_absent(const void* from, std::span<const CodecField> fields);
base::Result<void> read_root(const base::Value& from, void* to, std::span<const CodecField> fields);

template <>
const CodecOps& codec_ops<std::string>();
template <>
const CodecOps& codec_ops<int64_t>();
template <>
const CodecOps& codec_ops<bool>();
template <>
const CodecOps& codec_ops<double>();
template <>
const CodecOps& codec_ops<base::Value>();
template <>
const CodecOps& codec_ops<IntOrString>();
template <>
const CodecOps& codec_ops<std::optional<int64_t>>();
template <>
const CodecOps& codec_ops<std::optional<bool>>();

bool wrong_kind(const base::Value& from, std::string_view want, std::string& problem);

template <class C>
struct Codec {  // a struct with a table
  static bool read(const base::Value& from, void* to, std::string& problem) {
    return read_fields(from, to, codec_fields<C>(), problem);
  }
  static base::Value write(const void* from) { return write_fields(from, codec_fields<C>()); }
  static bool is_absent(const void* from) { return all_absent(from, codec_fields<C>()); }
};

template <class T>
struct Codec<std::optional<T>> {
  static bool read(const base::Value& from, void* to, std::string& problem) {
    return codec_ops<T>().read(from, &static_cast<std::optional<T>*>(to)->emplace(), problem);
  }
  static base::Value write(const void* from) {
    const auto& value = *static_cast<const std::optional<T>*>(from);
    return value ? codec_ops<T>().write(&*value) : base::Value();
  }
  static bool is_absent(const void* from) { return !static_cast<const std::optional<T>*>(from)->has_value(); }
};

template <class T>
struct Codec<std::vector<T>> {
  static bool read(const base::Value& from, void* to, std::string& problem) {
    if (!from.is_array()) return wrong_kind(from, "a list", problem);
    auto& list = *static_cast<std::vector<T>*>(to);
    list.clear();
    list.reserve(from.as_array().size());
    for (const base::Value& item : from.as_array()) {
      if (codec_ops<T>().read(item, &list.emplace_back(), problem)) continue;
      problem.insert(0, "[" + std::to_string(list.size() - 1) + "]");
      return false;
    }
    return true;
  }
  static base::Value write(const void* from) {
    base::Array out;
    const auto& list = *static_cast<const std::vector<T>*>(from);
    out.reserve(list.size());
    for (const T& item : list) out.push_back(codec_ops<T>().write(&item));
    return out;
  }
  static bool is_absent(const void* from) { return static_cast<const std::vector<T>*>(from)->empty(); }
};

template <class T>
struct Codec<std::map<std::string, T>> {
  static bool read(const base::Value& from, void* to, std::string& problem) {
    if (!from.is_object()) return wrong_kind(from, "an object", problem);
    auto& map = *static_cast<std::map<std::string, T>*>(to);
    map.clear();
    for (const auto& [key, value] : from.as_object()) {
      if (value.is_null() || codec_ops<T>().read(value, &map[key], problem)) continue;
      problem.insert(0, "[" + key + "]");
      return false;
    }
    return true;
  }
  static base::Value write(const void* from) {
    base::Object out;
    const auto& map = *static_cast<const std::map<std::string, T>*>(from);
    out.reserve(map.size());
    for (const auto& [key, value] : map) out.append(key, codec_ops<T>().write(&value));
    return out;
  }
  static bool is_absent(const void* from) {
    return static_cast<const std::map<std::string, T>*>(from)->empty();
  }
};

template <class T>
const CodecOps& codec_ops() {
  static constexpr CodecOps ops{&Codec<T>::read, &Codec<T>::write, &Codec<T>::is_absent};
  return ops;
}

}  // namespace api
