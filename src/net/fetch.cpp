#include "net/fetch.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "base/strings.hpp"
#include "net/fetch_dial.hpp"
#include "net/http1.hpp"

namespace net {
namespace {

// Tells that the peer accepts connections.
class ConnectFetch final : public DialledFetch {
 public:
  using DialledFetch::DialledFetch;

 private:
  void connected() override { state_ = State::done; }
  void proceed() override {}
};

// The context of all probes: no verification, no identity. Made once; an SSL_CTX may be shared by threads.
SSL_CTX* trusting_context() {
  static const SslContextPtr context = [] {
    ClientConfig config;
    config.insecure_skip_verify = true;
    auto made = make_client_context(config);
    return made ? std::move(*made) : SslContextPtr();
  }();
  return context.get();
}

class GetFetch final : public DialledFetch {
 public:
  GetFetch(const FetchAddress& address, const FetchGet& get)
      : DialledFetch(address),
        get_(get),
        parser_(Http1Parser::Kind::response,
                {.max_header_bytes = 64u << 10, .max_headers = 1000, .max_body = UINT64_MAX}) {
    if (!over()) write_head();
  }

 private:
  void write_head() {
    std::string head = "GET " + get_.target + " HTTP/1.1\r\n";
    bool sound = is_field_value(get_.target) && get_.target.find(' ') == std::string::npos;
    for (const auto& [name, value] : get_.headers.fields()) {
      sound = sound && is_http_token(name) && is_field_value(value);
      head += name + ": " + value + "\r\n";
    }
    if (!sound) return fail("the request holds characters that HTTP forbids");
    output_.text(head + "\r\n");
  }

  void connected() override {
    state_ = State::working;
    SslPtr ssl;
    if (get_.tls) {
      if (SSL_CTX* context = trusting_context()) ssl = make_ssl(context, fd_.get());
      if (!ssl) return fail("tls: out of memory");
      if (!get_.server_name.empty()) SSL_set_tlsext_host_name(ssl.get(), get_.server_name.c_str());
      shaking_ = true;
    }
    channel_.emplace(fd_.get(), std::move(ssl));
    proceed();
  }

  void proceed() override {
    if (shaking_ && !shake()) return;
    if (!output_.empty()) {
      const Io io = channel_->write(output_);
      want_write_ = io == Io::want_write;
      if (io == Io::failed || io == Io::end) return lost("write", errno);
      if (!output_.empty()) return;
    }
    read();
  }

  bool shake() {
    const Io io = channel_->connect();
    want_write_ = io == Io::want_write;
    shaking_ = io != Io::ok;
    if (io == Io::failed || io == Io::end) {
      const std::string why = openssl_error_text();
      if (why.find("wrong version number") != std::string::npos ||
          why.find("http request") != std::string::npos)
        fail("http: server gave HTTP response to HTTPS client");
      else
        fail(why.empty() ? "EOF" : "tls: " + why);
    }
    return io == Io::ok;
  }

  void read() {
    char buffer[16 << 10];
    for (;;) {
      size_t got = 0;
      const Io io = channel_->read(buffer, sizeof buffer, got);
      want_write_ = io == Io::want_write;
      if (io == Io::want_read || io == Io::want_write) return;
      if (io == Io::failed && errno != 0 && !channel_->ssl()) return lost("read", errno);
      if (io == Io::ok) {
        take({buffer, got});
      } else if (!parser_.untouched() && parser_.feed_eof()) {
        finish();
      } else {
        fail(parser_.untouched() ? "EOF" : "unexpected EOF");
      }
      if (over()) return;
    }
  }

  void take(std::string_view bytes) {
    while (!bytes.empty() && !parser_.failed() && !parser_.complete()) {
      bytes.remove_prefix(parser_.feed(bytes));
      if (parser_.complete() && parser_.status() < 200) parser_.reset();
    }
    if (parser_.failed()) return fail("net/http: malformed HTTP response: " + parser_.error_text());
    if (parser_.complete() || (parser_.head_complete() && parser_.body().size() >= get_.max_body)) finish();
  }

  void finish() {
    state_ = State::done;
    status_ = parser_.status();
    headers_ = parser_.headers();
    body_ = std::move(parser_.body());
    if (body_.size() > get_.max_body) body_.resize(get_.max_body);
  }

  FetchGet get_;
  Http1Parser parser_;
  Output output_;
  std::optional<Channel> channel_;
  bool shaking_ = false;
};

}  // namespace

std::string FetchAddress::text() const {
  return (ip.find(':') == std::string::npos ? ip : "[" + ip + "]") + ":" + std::to_string(port);
}

std::string go_errno(int error) {
  char buffer[128];
  std::string text = ::strerror_r(error, buffer, sizeof buffer);
  if (!text.empty()) text[0] = base::to_lower(text.substr(0, 1))[0];
  return text;
}

DialledFetch::DialledFetch(const FetchAddress& address) : where_(address.text()) {
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  sockaddr* to = nullptr;
  socklen_t size = 0;
  if (::inet_pton(AF_INET, address.ip.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(static_cast<uint16_t>(address.port));
    to = reinterpret_cast<sockaddr*>(&v4);
    size = sizeof v4;
  } else if (::inet_pton(AF_INET6, address.ip.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(static_cast<uint16_t>(address.port));
    to = reinterpret_cast<sockaddr*>(&v6);
    size = sizeof v6;
  } else {
    fail("dial tcp: lookup " + address.ip + ": only IP addresses can be probed yet");
    return;
  }
  fd_.reset(::socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd_) {
    fail_dial(errno);
    return;
  }
  const int on = 1;
  ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(fd_.get(), to, size) != 0 && errno != EINPROGRESS) fail_dial(errno);
}

short DialledFetch::events() const { return want_write_ ? POLLOUT : POLLIN; }

void DialledFetch::fail_dial(int error) {
  fail("dial tcp " + where_ + ": " + (error == ETIMEDOUT ? "i/o timeout" : "connect: " + go_errno(error)));
}

void DialledFetch::lost(const char* doing, int error) {
  if (error == 0 || error == EAGAIN) return fail("EOF");
  fail(std::string(doing) + " tcp " + where_ + ": " + doing + ": " + go_errno(error));
}

void DialledFetch::advance() {
  if (over()) return;
  if (state_ == State::connecting) {
    pollfd now{fd_.get(), POLLOUT, 0};
    if (::poll(&now, 1, 0) <= 0) return;
    int error = 0;
    socklen_t size = sizeof error;
    if (::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
    if (error != 0) return fail_dial(error);
    return connected();
  }
  proceed();
}

std::unique_ptr<Fetch> fetch_connect(const FetchAddress& address) {
  return std::make_unique<ConnectFetch>(address);
}

std::unique_ptr<Fetch> fetch_get(const FetchAddress& address, const FetchGet& get) {
  return std::make_unique<GetFetch>(address, get);
}

}  // namespace net
