#include "controllers/selector.hpp"

#include <utility>

namespace controllers {

Selector::Selector(const api::LabelSelector& selector) : matcher_(api::LabelMatcher::nothing()) {
  if (selector.match_labels.empty() && selector.match_expressions.empty()) return;
  if (auto matcher = api::LabelMatcher::from_object(api::to_value(selector))) matcher_ = std::move(*matcher);
}

bool Selector::matches(const Labels& labels) const {
  return matcher_.matches([&](std::string_view key) -> std::optional<std::string_view> {
    auto it = labels.find(std::string(key));
    if (it == labels.end()) return std::nullopt;
    return it->second;
  });
}

}  // namespace controllers
