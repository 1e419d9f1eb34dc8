// Edits the members of one object: linear look-up while it is small, hashed when it is wide, so that a patch of n members
// onto n members costs n. A value for one thread.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/value.hpp"

namespace api {

class ObjectEditor {
 public:
  explicit ObjectEditor(base::Object object) : object_(std::move(object)) {}

  base::Value* find(std::string_view key) {
    if (object_.size() <= kWide) return object_.find(key);
    if (places_.empty()) index();
    auto found = places_.find(key);
    return found == places_.end() ? nullptr : &(object_.begin() + static_cast<ptrdiff_t>(found->second))->value;
  }

  void set(std::string_view key, base::Value value) {
    if (base::Value* existing = find(key)) {
      *existing = std::move(value);
      return;
    }
    object_.append(std::string(key), std::move(value));
    if (!places_.empty()) places_.emplace(std::string(key), object_.size() - 1);
  }

  void erase(std::string_view key) {
    if (places_.empty() && object_.size() <= kWide) {
      object_.erase(key);
      return;
    }
    if (places_.empty()) index();
    auto found = places_.find(key);
    if (found == places_.end()) return;
    erased_.resize(object_.size(), false);
    erased_[found->second] = true;
    places_.erase(found);
  }

  const base::Object& members() const { return object_; }

  base::Object take() && {
    if (erased_.empty()) return std::move(object_);
    base::Object out;
    out.reserve(object_.size());
    size_t i = 0;
    for (auto& [key, value] : object_) {
      if (i >= erased_.size() || !erased_[i]) out.append(std::move(key), std::move(value));
      ++i;
    }
    return out;
  }

 private:
  static constexpr size_t kWide = 48;
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };

  void index() {
    places_.reserve(object_.size());
    size_t i = 0;
    for (const auto& member : object_) places_.emplace(member.key, i++);
  }

  base::Object object_;
  std::unordered_map<std::string, size_t, Hash, std::equal_to<>> places_;  // empty while the object is small
  std::vector<bool> erased_;
};

// Looks members of an object up that does not change meanwhile, in the same way.
class ObjectIndex {
 public:
  explicit ObjectIndex(const base::Object& object) : object_(object) {
    if (object.size() <= kWide) return;
    for (const auto& member : object) places_.emplace(member.key, &member.value);
  }

  const base::Value* find(std::string_view key) const {
    if (places_.empty()) return object_.find(key);
    auto found = places_.find(key);
    return found == places_.end() ? nullptr : found->second;
  }

 private:
  static constexpr size_t kWide = 48;
  const base::Object& object_;
  std::unordered_map<std::string_view, const base::Value*> places_;  // empty when the object is small
};

}  // namespace api
