#include "api/patch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "api/patch_editor.hpp"
#include "base/json.hpp"
#include "base/strings.hpp"

namespace api {

using base::Array;
using base::fail;
using base::Object;
using base::Reason;
using base::Result;
using base::Value;

namespace {

using Path = std::vector<std::string>;

std::unexpected<base::Error> malformed(std::string_view why) {
  return fail(Reason::bad_request, fmt::format("invalid JSON patch: {}", why));
}

std::unexpected<base::Error> refused(std::string_view why) {
  return fail(Reason::invalid,
              fmt::format("the server rejected our request due to an error in our request: {}", why));
}

// RFC 6901.
Result<Path> parse_pointer(std::string_view text) {
  Path path;
  if (text.empty()) return path;
  if (text[0] != '/') return malformed(fmt::format("path {} must start with '/'", base::quote(text)));
  for (auto& token : base::split(text.substr(1), '/')) {
    std::string plain;
    for (size_t i = 0; i < token.size(); ++i) {
      if (token[i] != '~') {
        plain += token[i];
        continue;
      }
      char next = i + 1 < token.size() ? token[i + 1] : '\0';
      if (next != '0' && next != '1')
        return malformed(fmt::format("path {} has a '~' that is neither ~0 nor ~1", base::quote(text)));
      plain += next == '0' ? '~' : '/';
      ++i;
    }
    path.push_back(std::move(plain));
  }
  return path;
}

// An index of an existing element, or (for add) of the place behind the last one.
Result<size_t> parse_index(std::string_view token, size_t size, bool may_append) {
  if (may_append && token == "-") return size;
  bool digits = !token.empty() && (token.size() == 1 || token[0] != '0') && token.size() < 10;
  for (char c : token) digits = digits && c >= '0' && c <= '9';
  if (!digits) return refused(fmt::format("{} is no array index", base::quote(token)));
  auto index = static_cast<size_t>(*base::parse_int(token));
  if (index > size || (index == size && !may_append))
    return refused(fmt::format("array index {} is out of bounds, the array has {} elements", index, size));
  return index;
}

// The document that is patched, and how many members and elements have been passed or moved for it.
struct Target {
  Value root;
  size_t work = 0;
};

// The value at path[0, depth).
Result<Value*> walk(Target& target, const Path& path, size_t depth) {
  Value* at = &target.root;
  for (size_t i = 0; i < depth; ++i) {
    if (auto* object = at->if_object()) {
      target.work += object->size();
      at = object->find(path[i]);
      if (at == nullptr)
        return refused(fmt::format("there is no member {} on the way", base::quote(path[i])));
    } else if (auto* array = at->if_array()) {
      TRY(size_t index, parse_index(path[i], array->size(), false));
      at = &(*array)[index];
    } else {
      return refused(fmt::format("{} is to be found in a {}", base::quote(path[i]), at->kind_name()));
    }
  }
  return at;
}

Result<void> add(Target& target, const Path& path, Value value) {
  if (path.empty()) {
    target.root = std::move(value);
    return {};
  }
  TRY(Value * parent, walk(target, path, path.size() - 1));
  if (auto* object = parent->if_object()) {
    target.work += object->size();
    object->set(path.back(), std::move(value));
    return {};
  }
  auto* array = parent->if_array();
  if (array == nullptr) return refused(fmt::format("cannot add to a {}", parent->kind_name()));
  TRY(size_t index, parse_index(path.back(), array->size(), true));
  target.work += array->size() - index;
  array->insert(array->begin() + static_cast<ptrdiff_t>(index), std::move(value));
  return {};
}

Result<Value> remove(Target& target, const Path& path) {
  if (path.empty()) return refused("the whole document cannot be removed");
  TRY(Value * parent, walk(target, path, path.size() - 1));
  if (auto* object = parent->if_object()) {
    target.work += object->size();
    Value* found = object->find(path.back());
    if (found == nullptr)
      return refused(fmt::format("there is no member {} to remove", base::quote(path.back())));
    Value out = std::move(*found);
    object->erase(path.back());
    return out;
  }
  auto* array = parent->if_array();
  if (array == nullptr) return refused(fmt::format("cannot remove from a {}", parent->kind_name()));
  TRY(size_t index, parse_index(path.back(), array->size(), false));
  target.work += array->size() - index;
  Value out = std::move((*array)[index]);
  array->erase(array->begin() + static_cast<ptrdiff_t>(index));
  return out;
}

Result<void> test(Target& target, const Path& path, const Value& expected, std::string_view pointer) {
  auto found = walk(target, path, path.size());
  // As upstream: an absent value is equal to null.
  bool equal = found ? **found == expected : expected.is_null();
  if (!equal) return refused(fmt::format("testing value {} failed", pointer));
  return {};
}

bool is_prefix(const Path& shorter, const Path& longer) {
  if (shorter.size() >= longer.size()) return false;
  for (size_t i = 0; i < shorter.size(); ++i)
    if (shorter[i] != longer[i]) return false;
  return true;
}

// How many values stand in each other; 1 for a scalar.
size_t height_of(const Value& value) {
  size_t below = 0;
  if (value.is_object())
    for (const auto& member : value.as_object()) below = std::max(below, height_of(member.value));
  else if (value.is_array())
    for (const auto& item : value.as_array()) below = std::max(below, height_of(item));
  return below + 1;
}

struct Patcher {
  explicit Patcher(const Value& original) : document{original}, height(height_of(original)) {}

  Target document;
  size_t copied = 0;
  size_t height;  // at most that

  // Pieces of lawful height put into each other would make a document that no recursion survives.
  Result<void> grow(const Path& path, size_t height_of_value) {
    height = std::max(height, path.size() + height_of_value);
    if (height <= kMaxPatchHeight) return {};
    return refused(fmt::format("the document would be nested more than {} levels deep", kMaxPatchHeight));
  }

  Result<void> apply(const Value& operation) {
    if (!operation.is_object()) return malformed("each operation must be an object");
    std::string_view op = operation["op"].as_string();
    if (!operation["path"].is_string())
      return malformed(fmt::format("operation {} has no path", base::quote(op)));
    TRY(Path path, parse_pointer(operation["path"].as_string()));
    if (op == "remove") {
      TRY(auto gone, remove(document, path));
      (void)gone;
      return {};
    }
    if (op == "move" || op == "copy") return transfer(op, operation, path);
    const Value* value = operation.as_object().find("value");
    if (op == "add" || op == "replace" || op == "test") {
      if (value == nullptr && op != "test")
        return malformed(fmt::format("operation {} has no value", base::quote(op)));
      static const Value null;
      if (op == "test") return test(document, path, value ? *value : null, operation["path"].as_string());
      CHECK_OK(grow(path, height_of(*value)));
      if (op == "replace") {
        TRY(Value * place, walk(document, path, path.size()));
        *place = *value;
        return {};
      }
      return add(document, path, *value);
    }
    return malformed(fmt::format("unknown operation {}", base::quote(op)));
  }

  Result<void> transfer(std::string_view op, const Value& operation, const Path& path) {
    if (!operation["from"].is_string())
      return malformed(fmt::format("operation {} has no from", base::quote(op)));
    TRY(Path from, parse_pointer(operation["from"].as_string()));
    if (op == "move") {
      if (is_prefix(from, path)) return refused("a value cannot be moved into itself");
      if (from == path) {
        CHECK_OK(walk(document, from, from.size()));
        return {};
      }
      CHECK_OK(grow(path, height - std::min(height, from.size())));
      TRY(Value value, remove(document, from));
      return add(document, path, std::move(value));
    }
    TRY(Value * source, walk(document, from, from.size()));
    copied += base::write_json(*source).size();
    if (copied > kMaxPatchCopyBytes)
      return fail(Reason::request_entity_too_large,
                  fmt::format("Request entity too large: the copies of a JSON patch may add up to {} bytes",
                              kMaxPatchCopyBytes));
    CHECK_OK(grow(path, height_of(*source)));
    Value value = *source;
    return add(document, path, std::move(value));
  }
};

}  // namespace

Result<Value> apply_json_patch(const Value& original, const Value& patch) {
  if (!patch.is_array()) return malformed("it must be an array of operations");
  const auto& operations = patch.as_array();
  if (operations.size() > kMaxPatchOperations)
    return fail(
        Reason::request_entity_too_large,
        fmt::format("Request entity too large: The allowed maximum operations in a JSON patch is {}, got {}",
                    kMaxPatchOperations, operations.size()));
  Patcher patcher(original);
  for (size_t i = 0; i < operations.size(); ++i) {
    auto done = patcher.apply(operations[i]);
    if (!done) {
      base::Error error = std::move(done).error();
      error.message += fmt::format(" (operation {})", i);
      return std::unexpected(std::move(error));
    }
    if (patcher.document.work > kMaxPatchWork)
      return fail(Reason::request_entity_too_large,
                  fmt::format("Request entity too large: the JSON patch passes or moves more than {} members and elements "
                              "(operation {}): send the whole list",
                              kMaxPatchWork, i));
  }
  return std::move(patcher.document.root);
}

Value apply_merge_patch(Value original, const Value& patch) {
  if (!patch.is_object()) return patch;
  ObjectEditor target(original.is_object() ? std::move(original.object()) : Object{});
  for (const auto& [key, value] : patch.as_object()) {
    if (value.is_null()) {
      target.erase(key);
    } else if (Value* existing = target.find(key)) {
      *existing = apply_merge_patch(std::move(*existing), value);
    } else {
      target.set(key, apply_merge_patch(Value(), value));
    }
  }
  return std::move(target).take();
}

Value make_merge_patch(const Value& from, const Value& to) {
  if (!from.is_object() || !to.is_object()) return to;
  Object patch;
  for (const auto& [key, value] : to.as_object()) {
    if (value.is_null()) continue;
    const Value* before = from.as_object().find(key);
    if (before != nullptr && *before == value) continue;
    if (before != nullptr && before->is_object() && value.is_object()) {
      Value inner = make_merge_patch(*before, value);
      if (!inner.as_object().empty()) patch.append(key, std::move(inner));
    } else {
      patch.append(key, value);
    }
  }
  for (const auto& [key, value] : from.as_object()) {
    const Value* after = to.as_object().find(key);
    if (after == nullptr || (after->is_null() && !value.is_null())) patch.append(key, nullptr);
  }
  return patch;
}

}  // namespace api
