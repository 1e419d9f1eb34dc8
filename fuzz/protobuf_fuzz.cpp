// links: base api
// Bytes -> object -> bytes -> object: what was read once must be written and read again as the same. The same bytes
// are also taken as JSON text by the writer, which must refuse or write them, whatever they are.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "api/decode.hpp"
#include "api/protobuf.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const api::Registry kinds = api::load_builtin_kinds().value();
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const auto& kind : kinds.all()) {
    std::string text;
    if (api::append_message(text, *kind->schema, bytes)) {
      const auto read = api::decode_protobuf(
          *kind, api::envelope_head(kind->api_version(), kind->kind, text.size()) + text);
      (void)read;  // numbers and texts that no decoder would have let through may be refused here
    }
    const auto first = api::decode_protobuf(*kind, bytes);
    if (!first) continue;
    const auto object = api::decode_object(*kind, *first, {}, api::FieldValidation::strict, &kinds);
    if (!object) continue;
    const auto second = api::decode_protobuf(*kind, api::encode_protobuf(*kind, object->object));
    if (!second) std::abort();
    const auto again = api::decode_object(*kind, *second, {}, api::FieldValidation::strict);
    if (!again || !(again->object == object->object)) std::abort();
  }
  return 0;
}
