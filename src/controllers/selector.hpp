// A label selector of an object, ready to be asked about many objects. A value; any thread.
//
// Source: metav1.LabelSelectorAsSelector.
#pragma once

#include "api/matchers.hpp"
#include "api/types.hpp"
#include "controllers/pods.hpp"

namespace controllers {

class Selector {
 public:
  // A selector without any requirement matches nothing here: what it would say ("everything") is never meant
  // by those who own what they select.
  explicit Selector(const api::LabelSelector& selector);
  bool matches(const Labels& labels) const;

 private:
  api::LabelMatcher matcher_;
};

}  // namespace controllers
