// links: base api
// A label selector and a field selector: whatever parses must print as something that parses to the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "api/matchers.hpp"
#include "base/value.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  if (auto labels = api::LabelMatcher::parse(input)) {
    auto again = api::LabelMatcher::parse(labels->text());
    if (!again || *again != *labels) std::abort();
    base::Object some;
    some.set("a", "b");
    some.set("n", "5");
    const base::Value value(std::move(some));
    if (labels->matches(value) != again->matches(value)) std::abort();
  }
  if (auto fields = api::FieldMatcher::parse(input)) {
    auto again = api::FieldMatcher::parse(fields->text());
    if (!again || *again != *fields) std::abort();
  }
  return 0;
}
