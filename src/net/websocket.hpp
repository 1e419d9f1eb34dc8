// WebSocket frames to messages and back, for either end: bytes in, messages and bytes out. Pure but for the random
// masks of a client; an object belongs to one thread at a time.
//
// Source: RFC 6455; the frame machine is wslay's.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace net {

class WebSocketCodec {
 public:
  enum class Role : uint8_t { server, client };
  struct Message {
    std::string bytes;
    bool binary = false;
  };

  WebSocketCodec(Role role, size_t max_message);
  ~WebSocketCodec();
  WebSocketCodec(const WebSocketCodec&) = delete;
  WebSocketCodec& operator=(const WebSocketCodec&) = delete;

  // Takes all of it. Pings are answered, broken frames and too large messages lead to a close frame.
  void feed(std::string_view bytes);
  std::vector<Message> take_messages();
  // Bytes for the peer.
  std::string take_output();

  // False once a close frame was sent.
  bool send_binary(std::string_view message);
  // The first one counts. A code that must not stand in a frame becomes 1000.
  void close(int code, std::string_view reason);
  bool close_sent() const;
  // The peer said goodbye in good order.
  bool close_received() const;
  // Nothing more will come and nothing more may be sent: close the connection after take_output().
  bool finished() const;

 private:
  struct Machine;
  std::unique_ptr<Machine> machine_;
};

// The header of an unmasked, whole binary frame: what a server puts before a payload that it does not want to copy.
std::string websocket_frame_header(size_t payload);

}  // namespace net
