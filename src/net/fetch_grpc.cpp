// grpc.health.v1.Health/Check over HTTP/2 without TLS, with prior knowledge: one call on a connection of its
// own.
//
// Source: the gRPC over HTTP/2 protocol, the gRPC health checking protocol.
#include <nghttp2/nghttp2.h>

#include <cerrno>
#include <new>

#include "base/strings.hpp"
#include "net/fetch_dial.hpp"

namespace net {
namespace {

constexpr size_t kMaxAnswer = 64 << 10;

// HealthCheckRequest{service = 1} in a gRPC frame: a flag, the length, the message.
std::string health_request(const std::string& service) {
  std::string message;
  if (!service.empty()) {
    message += '\x0a';
    for (size_t left = service.size();; left >>= 7) {
      message += static_cast<char>(left < 0x80 ? left : (left & 0x7f) | 0x80);
      if (left < 0x80) break;
    }
    message += service;
  }
  std::string frame(1, '\0');
  for (int shift = 24; shift >= 0; shift -= 8) frame += static_cast<char>(message.size() >> shift & 0xff);
  return frame + message;
}

// HealthCheckResponse{status = 1}; unknown members are passed over. Empty: it is no such message.
std::optional<int> serving_status(std::string_view frame) {
  if (frame.size() < 5 || frame[0] != 0) return {};
  frame.remove_prefix(5);
  int status = 0;
  const auto varint = [&frame]() -> std::optional<uint64_t> {
    uint64_t value = 0;
    for (int shift = 0; shift < 64 && !frame.empty(); shift += 7) {
      const auto byte = static_cast<uint8_t>(frame[0]);
      frame.remove_prefix(1);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return {};
  };
  while (!frame.empty()) {
    const auto tag = varint();
    const auto value = varint();
    if (!tag || !value) return {};
    if (*tag == 8)
      status = static_cast<int>(*value);
    else if ((*tag & 7) == 2 && *value <= frame.size())
      frame.remove_prefix(*value);
    else if ((*tag & 7) != 0)
      return {};
  }
  return status;
}

nghttp2_nv field(std::string_view name, std::string_view value) {
  return {reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
          reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
          NGHTTP2_NV_FLAG_NONE};
}

class GrpcHealthFetch final : public DialledFetch {
 public:
  GrpcHealthFetch(const FetchAddress& address, const std::string& service, std::string user_agent)
      : DialledFetch(address), user_agent_(std::move(user_agent)), request_(health_request(service)) {}
  ~GrpcHealthFetch() override { nghttp2_session_del(session_); }

 private:
  static GrpcHealthFetch& self(void* user_data) { return *static_cast<GrpcHealthFetch*>(user_data); }

  static int on_header(nghttp2_session*, const nghttp2_frame*, const uint8_t* name, size_t name_size,
                       const uint8_t* value, size_t value_size, uint8_t, void* user_data) {
    const std::string_view key(reinterpret_cast<const char*>(name), name_size);
    const std::string_view text(reinterpret_cast<const char*>(value), value_size);
    auto& me = self(user_data);
    if (key == ":status") me.status_ = static_cast<int>(base::parse_int(text).value_or(0));
    if (key == "grpc-status") me.grpc_status_ = static_cast<int>(base::parse_int(text).value_or(2));
    if (key == "grpc-message") me.grpc_message_ = percent_decode(text).value_or(std::string(text));
    return 0;
  }
  static int on_data(nghttp2_session*, uint8_t, int32_t, const uint8_t* data, size_t size, void* user_data) {
    auto& me = self(user_data);
    if (me.body_.size() + size > kMaxAnswer) return NGHTTP2_ERR_CALLBACK_FAILURE;
    me.body_.append(reinterpret_cast<const char*>(data), size);
    return 0;
  }
  static int on_close(nghttp2_session*, int32_t, uint32_t error, void* user_data) {
    self(user_data).finish(error);
    return 0;
  }
  static ssize_t read_request(nghttp2_session*, int32_t, uint8_t* buffer, size_t size, uint32_t* flags,
                              nghttp2_data_source*, void* user_data) {
    auto& me = self(user_data);
    const size_t n = std::min(size, me.request_.size() - me.sent_);
    std::copy_n(me.request_.data() + me.sent_, n, buffer);
    me.sent_ += n;
    if (me.sent_ == me.request_.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(n);
  }

  void finish(uint32_t error) {
    state_ = State::done;
    if (grpc_status_ < 0) {
      grpc_status_ = error == NGHTTP2_NO_ERROR ? 2 : 14;
      grpc_message_ = error != NGHTTP2_NO_ERROR
                          ? "stream terminated by RST_STREAM with error code: " + std::to_string(error)
                          : "unexpected HTTP status code received from server: " + std::to_string(status_);
      return;
    }
    if (grpc_status_ != 0) return;
    const auto serving = serving_status(body_);
    if (serving)
      serving_ = *serving;
    else
      grpc_status_ = 13, grpc_message_ = "the answer is no HealthCheckResponse";
  }

  void connected() override {
    state_ = State::working;
    nghttp2_session_callbacks* callbacks = nullptr;
    if (nghttp2_session_callbacks_new(&callbacks) != 0) throw std::bad_alloc();
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    const int made = nghttp2_session_client_new(&session_, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
    if (made != 0) throw std::bad_alloc();
    const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0}};
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, 1);
    const nghttp2_nv fields[] = {field(":method", "POST"),
                                 field(":scheme", "http"),
                                 field(":path", "/grpc.health.v1.Health/Check"),
                                 field(":authority", where_),
                                 field("content-type", "application/grpc"),
                                 field("user-agent", user_agent_),
                                 field("te", "trailers")};
    nghttp2_data_provider body{};
    body.read_callback = read_request;
    if (nghttp2_submit_request(session_, nullptr, fields, std::size(fields), &body, nullptr) < 0)
      return fail("http2: the request was refused");
    channel_.emplace(fd_.get(), nullptr);
    proceed();
  }

  void proceed() override {
    if (!send()) return;
    char buffer[16 << 10];
    while (!over()) {
      size_t got = 0;
      const Io io = channel_->read(buffer, sizeof buffer, got);
      if (io == Io::want_read || io == Io::want_write) return;
      if (io == Io::end) return fail("error reading server preface: EOF");
      if (io != Io::ok) return lost("read", errno);
      const ssize_t n = nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(buffer), got);
      if (over()) return;
      if (n < 0)
        return fail("error reading server preface: " + std::string(nghttp2_strerror(static_cast<int>(n))));
      if (!send()) return;
    }
  }

  // False when that ended it, or when the peer has to read first.
  bool send() {
    for (;;) {
      const uint8_t* bytes = nullptr;
      const ssize_t n = nghttp2_session_mem_send(session_, &bytes);
      if (n <= 0) break;
      output_.text({reinterpret_cast<const char*>(bytes), static_cast<size_t>(n)});
    }
    const Io io = channel_->write(output_);
    want_write_ = io == Io::want_write;
    if (io == Io::failed) lost("write", errno);
    return io == Io::ok;
  }

  const std::string user_agent_;
  const std::string request_;
  size_t sent_ = 0;
  nghttp2_session* session_ = nullptr;
  std::optional<Channel> channel_;
  Output output_;
};

}  // namespace

std::unique_ptr<Fetch> fetch_grpc_health(const FetchAddress& address, const std::string& service,
                                         const std::string& user_agent) {
  return std::make_unique<GrpcHealthFetch>(address, service, user_agent);
}

}  // namespace net
