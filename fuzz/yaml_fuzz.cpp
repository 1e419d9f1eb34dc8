// links: base
// Whatever parses is written as YAML that reads back, and is then written the same way again.
#include <cstdint>
#include <cstdlib>

#include "base/json.hpp"
#include "base/yaml.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto documents = base::parse_yaml_stream(text, {.max_bytes = 1 << 16, .max_depth = 100, .max_nodes = 10'000});
  if (!documents) {
    if (documents.error().reason != base::Reason::bad_request || documents.error().message.empty()) std::abort();
    return 0;
  }
  for (const base::Value& value : *documents) {
    std::string written = base::write_yaml(value);
    auto again = base::parse_yaml(written);
    if (!again || base::write_yaml(*again) != written) std::abort();
    // Strings, which may look like anything, must come back to the byte; floats are rounded by the writer.
    if (!base::parse_json(base::write_json(value))) std::abort();
  }
  return 0;
}
