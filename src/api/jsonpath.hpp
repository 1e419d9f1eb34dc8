// JSONPath as kubectl has it: `{.items[*].metadata.name}`, filters, ranges, unions, `{range}...{end}`, text between.
// Also the simple paths of printer columns. A compiled template is immutable; any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/value.hpp"

namespace api {

class JsonPath {
 public:
  struct Node;

  // A whole template. bad_request with where and why.
  static base::Result<JsonPath> parse(std::string_view text);

  // The template filled in. `allow_missing`: a missing member prints nothing instead of being an error.
  base::Result<std::string> print(const base::Value& data, bool allow_missing = true) const;
  // What the path expressions of the template find, in order; text between them is left out.
  base::Result<std::vector<base::Value>> find(const base::Value& data, bool allow_missing = true) const;

 private:
  std::shared_ptr<const std::vector<Node>> nodes_;
};

}  // namespace api
