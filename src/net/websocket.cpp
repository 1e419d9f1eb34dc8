#include "net/websocket.hpp"

#include <openssl/rand.h>
#include <wslay/wslay.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "base/strings.hpp"

namespace net {

namespace {
constexpr int kMaxFragments = 4096;  // of one message: each costs far more memory than it carries
constexpr size_t kMaxReason = 123;

bool is_close_code(int code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1011) || (code >= 3000 && code <= 4999);
}
}  // namespace

struct WebSocketCodec::Machine {
  Role role = Role::server;
  wslay_event_context_ptr context = nullptr;
  std::string_view input;
  std::string output;
  std::vector<Message> messages;
  int fragments = 0;
  bool broken = false;
  bool too_many_fragments = false;

  static Machine& of(void* user_data) { return *static_cast<Machine*>(user_data); }

  static ssize_t on_recv(wslay_event_context_ptr context, uint8_t* buffer, size_t size, int, void* user_data) {
    Machine& machine = of(user_data);
    if (machine.input.empty()) {
      wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK);
      return -1;
    }
    const size_t n = std::min(size, machine.input.size());
    std::memcpy(buffer, machine.input.data(), n);
    machine.input.remove_prefix(n);
    return static_cast<ssize_t>(n);
  }

  static ssize_t on_send(wslay_event_context_ptr, const uint8_t* data, size_t size, int, void* user_data) {
    of(user_data).output.append(reinterpret_cast<const char*>(data), size);
    return static_cast<ssize_t>(size);
  }

  static int on_mask(wslay_event_context_ptr, uint8_t* buffer, size_t size, void*) {
    return RAND_bytes(buffer, static_cast<int>(size)) == 1 ? 0 : -1;
  }

  static void on_frame(wslay_event_context_ptr, const wslay_event_on_frame_recv_start_arg* frame, void* user_data) {
    Machine& machine = of(user_data);
    if (wslay_is_ctrl_frame(frame->opcode)) return;
    machine.fragments = frame->opcode == WSLAY_CONTINUATION_FRAME ? machine.fragments + 1 : 0;
    if (machine.fragments > kMaxFragments) machine.too_many_fragments = true;
  }

  static void on_message(wslay_event_context_ptr, const wslay_event_on_msg_recv_arg* message, void* user_data) {
    if (wslay_is_ctrl_frame(message->opcode)) return;
    of(user_data).messages.push_back({std::string(reinterpret_cast<const char*>(message->msg), message->msg_length),
                                      message->opcode == WSLAY_BINARY_FRAME});
  }

  void pump() {
    if (wslay_event_send(context) != 0) broken = true;
  }
};

WebSocketCodec::WebSocketCodec(Role role, size_t max_message) : machine_(std::make_unique<Machine>()) {
  machine_->role = role;
  wslay_event_callbacks callbacks{};
  callbacks.recv_callback = Machine::on_recv;
  callbacks.send_callback = Machine::on_send;
  callbacks.genmask_callback = Machine::on_mask;
  callbacks.on_frame_recv_start_callback = Machine::on_frame;
  callbacks.on_msg_recv_callback = Machine::on_message;
  const int made = role == Role::server
                       ? wslay_event_context_server_init(&machine_->context, &callbacks, machine_.get())
                       : wslay_event_context_client_init(&machine_->context, &callbacks, machine_.get());
  if (made != 0) throw std::bad_alloc();
  wslay_event_config_set_max_recv_msg_length(machine_->context, max_message);
}

WebSocketCodec::~WebSocketCodec() { wslay_event_context_free(machine_->context); }

void WebSocketCodec::feed(std::string_view bytes) {
  Machine& machine = *machine_;
  if (machine.broken) return;
  machine.input = bytes;
  while (!machine.input.empty() && !machine.broken && wslay_event_want_read(machine.context)) {
    if (wslay_event_recv(machine.context) != 0) machine.broken = true;
  }
  machine.input = {};
  if (machine.broken) {  // a frame that could not even be delimited: wslay would close without a code
    machine.output += machine.role == Role::server ? std::string_view("\x88\x02\x03\xea", 4)
                                                   : std::string_view("\x88\x82\0\0\0\0\x03\xea", 8);
    return;
  }
  if (machine.too_many_fragments) {
    close(1008, "too many fragments in one message");
    wslay_event_shutdown_read(machine.context);
  }
  machine.pump();
}

std::vector<WebSocketCodec::Message> WebSocketCodec::take_messages() { return std::exchange(machine_->messages, {}); }

std::string WebSocketCodec::take_output() { return std::exchange(machine_->output, {}); }

bool WebSocketCodec::send_binary(std::string_view message) {
  if (close_sent()) return false;
  const wslay_event_msg out{WSLAY_BINARY_FRAME, reinterpret_cast<const uint8_t*>(message.data()), message.size()};
  if (wslay_event_queue_msg(machine_->context, &out) != 0) return false;
  machine_->pump();
  return true;
}

void WebSocketCodec::close(int code, std::string_view reason) {
  if (close_sent()) return;
  reason = reason.substr(0, kMaxReason);
  reason = reason.substr(0, base::valid_utf8_prefix(reason));
  wslay_event_queue_close(machine_->context, static_cast<uint16_t>(is_close_code(code) ? code : 1000),
                          reinterpret_cast<const uint8_t*>(reason.data()), reason.size());
  machine_->pump();
}

bool WebSocketCodec::close_sent() const { return machine_->broken || wslay_event_get_close_sent(machine_->context); }

bool WebSocketCodec::close_received() const { return wslay_event_get_close_received(machine_->context); }

bool WebSocketCodec::finished() const {
  return machine_->broken || (!wslay_event_want_read(machine_->context) && !wslay_event_want_write(machine_->context));
}

std::string websocket_frame_header(size_t payload) {
  std::string header;
  header += '\x82';
  if (payload < 126) {
    header += static_cast<char>(payload);
    return header;
  }
  const int bytes = payload < 65536 ? 2 : 8;
  header += static_cast<char>(bytes == 2 ? 126 : 127);
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) {
    header += static_cast<char>(static_cast<uint64_t>(payload) >> shift);
  }
  return header;
}

}  // namespace net
