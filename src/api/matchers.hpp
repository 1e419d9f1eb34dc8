// Label and field selectors: parsed from the query syntax or from objects, and matched. Values; any thread.
//
// Source: apimachinery's labels.Parse, fields.ParseSelector and metav1.LabelSelectorAsSelector.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "base/value.hpp"

namespace api {

class LabelMatcher {
 public:
  enum class Operator : uint8_t { equals, not_equals, in, not_in, exists, not_exists, greater, less };
  struct Requirement {
    std::string key;
    Operator op = Operator::exists;
    std::vector<std::string> values;  // sorted
    bool operator==(const Requirement&) const = default;
  };

  LabelMatcher() = default;  // matches everything
  static LabelMatcher nothing();

  // "a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1,m<2"; "" matches everything. bad_request with upstream's text.
  static base::Result<LabelMatcher> parse(std::string_view text);
  // From a plain map: a Service's or a ReplicationController's spec.selector. Not validated. {} matches everything.
  static LabelMatcher from_map(const base::Value& map);
  // From a metav1.LabelSelector object. null matches nothing, {} everything.
  static base::Result<LabelMatcher> from_object(const base::Value& selector);

  // `labels` is an object's metadata.labels; null counts as none.
  bool matches(const base::Value& labels) const;
  // The same over any look-up: the label's value, or nothing when it is not set.
  using Lookup = std::function<std::optional<std::string_view>(std::string_view key)>;
  bool matches(const Lookup& lookup) const;

  bool matches_everything() const { return !nothing_ && requirements_.empty(); }
  bool matches_nothing() const { return nothing_; }
  const std::vector<Requirement>& requirements() const { return requirements_; }
  // In the query syntax, by key: what parse() reads back.
  std::string text() const;
  bool operator==(const LabelMatcher&) const = default;

 private:
  static base::Result<Requirement> make_requirement(std::string key, Operator op, std::vector<std::string> values);
  static bool holds(const Requirement& requirement, std::optional<std::string_view> value);

  bool nothing_ = false;
  std::vector<Requirement> requirements_;  // sorted by key
};

class FieldMatcher {
 public:
  struct Requirement {
    std::string field;
    std::string value;
    bool negated = false;
    bool operator==(const Requirement&) const = default;
  };

  FieldMatcher() = default;  // matches everything

  // "metadata.name=x,status.phase!=Running"; `\`, `,` and `=` in values are escaped with `\`.
  static base::Result<FieldMatcher> parse(std::string_view text);

  // `lookup` gives a field's value, "" when it is not set.
  using Lookup = std::function<std::string(std::string_view field)>;
  bool matches(const Lookup& lookup) const;

  bool matches_everything() const { return requirements_.empty(); }
  const std::vector<Requirement>& requirements() const { return requirements_; }
  // The same on other names: those of another version of the kind.
  void rename(const std::function<std::string(std::string_view field)>& name_of) {
    for (auto& requirement : requirements_) requirement.field = name_of(requirement.field);
  }
  // The value that the field must be equal to, if there is one: metadata.name= makes a list a single get.
  std::optional<std::string> required_value(std::string_view field) const;
  std::string text() const;
  bool operator==(const FieldMatcher&) const = default;

 private:
  std::vector<Requirement> requirements_;
};

}  // namespace api
