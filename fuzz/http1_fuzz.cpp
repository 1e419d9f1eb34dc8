// links: net
// Http1Parser and parse_target on any bytes. Two things must hold: no crash, and the same reading whatever the pieces
// are in which the bytes come.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "net/http1.hpp"

namespace {

struct Reading {
  int messages = 0;
  int error = 0;
  size_t bytes = 0;  // consumed
  std::string text;  // what was understood
  bool operator==(const Reading&) const = default;
};

Reading read(net::Http1Parser::Kind kind, std::string_view bytes, size_t step) {
  net::Http1Parser parser(kind, {.max_header_bytes = 4096, .max_headers = 20, .max_body = 4096});
  Reading reading;
  while (!bytes.empty()) {
    const size_t used = parser.feed(bytes.substr(0, step));
    bytes.remove_prefix(used);
    reading.bytes += used;
    if (parser.failed()) {
      reading.error = parser.error_status();
      return reading;
    }
    if (!parser.complete()) {
      if (used == 0) abort();  // neither progress nor an end
      continue;
    }
    ++reading.messages;
    reading.text += parser.method() + ' ' + parser.target() + ' ' + std::to_string(parser.status()) + '\n';
    for (const auto& [name, value] : parser.headers().fields()) reading.text += name + ':' + value + '\n';
    reading.text += parser.body();
    if (auto target = net::parse_target(parser.target())) reading.text += target->path + target->query.encode();
    parser.reset();
  }
  return reading;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0 || size > 1 << 16) return 0;
  const auto kind = data[0] % 2 == 0 ? net::Http1Parser::Kind::request : net::Http1Parser::Kind::response;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  const Reading whole = read(kind, bytes, SIZE_MAX);
  const Reading split = read(kind, bytes, 1 + data[0] / 2 % 16);
  if (whole.error != split.error || whole.messages != split.messages || whole.text != split.text) abort();
  return 0;
}
