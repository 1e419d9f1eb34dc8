// links: net
// WebSocketCodec, either end, on any bytes in any pieces: no crash, no message above the limit, and after the end
// nothing is sent any more.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "net/websocket.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kLimit = 1000;
  if (size == 0 || size > 1 << 16) return 0;
  const auto role = data[0] % 2 == 0 ? net::WebSocketCodec::Role::server : net::WebSocketCodec::Role::client;
  const size_t step = 1 + data[0] / 2;
  net::WebSocketCodec codec(role, kLimit);
  std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, step);
    codec.feed(piece);
    bytes.remove_prefix(piece.size());
    for (const auto& message : codec.take_messages()) {
      if (message.bytes.size() > kLimit) abort();
    }
    codec.take_output();
  }
  if (!codec.close_sent() && !codec.send_binary("x")) abort();
  codec.close(1000, "bye");
  codec.take_output();
  if (codec.send_binary("x") || !codec.take_output().empty()) abort();
  return 0;
}
