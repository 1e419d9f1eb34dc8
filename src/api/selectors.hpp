// The matchers under the names that the API gives to selectors. Not together with api/types.hpp, which has a
// LabelSelector of its own, the one that stands in objects: such files include api/matchers.hpp. Any thread.
#pragma once

#include "api/matchers.hpp"

namespace api {

using LabelSelector = LabelMatcher;
using FieldSelector = FieldMatcher;

}  // namespace api
