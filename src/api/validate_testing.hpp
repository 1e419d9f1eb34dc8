// Tables of validation tests: an object, a merge patch onto it, and the errors that are expected. For tests only.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "api/kinds.hpp"
#include "api/patch.hpp"
#include "api/validate.hpp"
#include "base/json.hpp"
#include "base/strings.hpp"

namespace api::testing {

struct Case {
  std::string what;
  std::string patch;    // onto the table's object
  std::string expected; // texts joined with '|'; a '*' stands for anything; "" for no error
};

inline KindPtr built_in(std::string_view group, std::string_view name) {
  static const auto kKinds = load_builtin_kinds();
  if (!kKinds) {
    ADD_FAILURE() << kKinds.error().message;
    return std::make_shared<Kind>();
  }
  for (const auto& kind : kKinds->all())
    if (kind->group == group && kind->kind == name) return kind;
  ADD_FAILURE() << "no kind " << group << " " << name;
  return std::make_shared<Kind>();
}

inline base::Value json(std::string_view text) {
  auto parsed = base::parse_json(text);
  EXPECT_TRUE(parsed) << text;
  return parsed ? *parsed : base::Value();
}

inline std::string patched(std::string_view object, std::string_view patch) {
  return base::write_json(apply_merge_patch(json(object), json(patch)));
}

inline bool fits(std::string_view text, std::string_view pattern) {
  auto pieces = base::split(pattern, '*');
  if (pieces.size() == 1) return text == pattern;
  if (!text.starts_with(pieces.front()) || !text.ends_with(pieces.back())) return false;
  size_t at = pieces.front().size();
  for (size_t i = 1; i + 1 < pieces.size(); ++i) {
    at = text.find(pieces[i], at);
    if (at == std::string_view::npos) return false;
    at += pieces[i].size();
  }
  return true;
}

inline void expect_errors(const std::vector<FieldError>& errors, const Case& one) {
  std::string all;
  for (const auto& error : errors) all += (all.empty() ? "" : "|") + error.text();
  EXPECT_TRUE(fits(all, one.expected)) << one.what << "\n  expected " << one.expected.substr(0, 400) << "\n  got      "
                                       << all.substr(0, 400);
}

inline void expect_create(std::string_view group, std::string_view kind, std::string_view object,
                          const std::vector<Case>& cases) {
  for (const auto& one : cases)
    expect_errors(check_create(*built_in(group, kind), json(patched(object, one.patch))), one);
}

inline void expect_update(std::string_view group, std::string_view kind, std::string_view old,
                          const std::vector<Case>& cases, std::string_view subresource = "") {
  for (const auto& one : cases)
    expect_errors(check_update(*built_in(group, kind), json(patched(old, one.patch)), json(old), subresource), one);
}

}  // namespace api::testing
