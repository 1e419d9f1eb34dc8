// links: base
// Whatever parses is written and read back as the same value, compact and pretty; nothing else may happen than an error.
#include <cstdint>
#include <cstdlib>

#include "base/json.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto parsed = base::parse_json_strictly(text, {.max_depth = 500});
  if (!parsed) {
    if (parsed.error().reason != base::Reason::bad_request || parsed.error().message.empty()) std::abort();
    return 0;
  }
  std::string written = base::write_json(parsed->value);
  auto again = base::parse_json_strictly(written);
  if (!again || !again->duplicate_keys.empty() || !(again->value == parsed->value)) std::abort();
  if (base::write_json(again->value) != written) std::abort();
  auto pretty = base::parse_json(base::write_json_pretty(parsed->value));
  if (!pretty || !(*pretty == parsed->value)) std::abort();
  return 0;
}
