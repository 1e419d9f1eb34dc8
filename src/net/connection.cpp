#include "net/connection.hpp"

#include <openssl/err.h>
#include <openssl/sslerr.h>
#include <sys/socket.h>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/log.hpp"
#include "net/http1.hpp"

namespace net {

namespace {
constexpr std::string_view kHttp2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr int kReadsPerTurn = 16;
}  // namespace

Connection::Connection(ServerLoop& loop, int fd, std::string peer_address)
    : loop_(loop),
      socket_(loop.context, fd),
      resume_(loop.context, SteadyTime::max()),
      channel_(fd, loop.tls ? make_ssl(loop.tls.get(), fd) : nullptr) {
  peer_.address = std::move(peer_address);
  set_deadline(std::chrono::seconds(loop.config.header_seconds));
}

asio::awaitable<void> Connection::run(std::shared_ptr<Connection> self) {
  boost::system::error_code error;
  auto readable = asio::posix::stream_descriptor::wait_read;
  for (;;) {
    const Io state = self->handshake();
    if (state == Io::ok) break;
    if (state != Io::want_read && state != Io::want_write) {
      self->answer_plain_http();
      self->close();
      co_return;
    }
    co_await self->socket_.async_wait(state == Io::want_read ? readable : asio::posix::stream_descriptor::wait_write,
                                      asio::redirect_error(asio::use_awaitable, error));
    if (self->phase_ == Phase::closed) co_return;
  }
  self->choose_protocol();
  self->settle();
  while (self->phase_ != Phase::closed) {
    if (!self->channel_.buffered()) {
      co_await self->socket_.async_wait(readable, asio::redirect_error(asio::use_awaitable, error));
    }
    self->on_readable();
    while (self->parked()) co_await self->resume_.async_wait(asio::redirect_error(asio::use_awaitable, error));
  }
}

Io Connection::handshake() {
  if (!loop_.tls) return Io::ok;
  if (!channel_.ssl()) return Io::failed;
  return channel_.accept();
}

// A client that speaks plain HTTP to a TLS port learns of it.
void Connection::answer_plain_http() {
  if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST) {
    static constexpr std::string_view kAnswer =
        "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\n\r\n"
        "Client sent an HTTP request to an HTTPS server.\n";
    (void)::send(socket_.native_handle(), kAnswer.data(), kAnswer.size(), MSG_NOSIGNAL);
    ::shutdown(socket_.native_handle(), SHUT_WR);
    while (::recv(socket_.native_handle(), loop_.scratch.data(), loop_.scratch.size(), 0) > 0) {
    }
  }
  ERR_clear_error();
}

void Connection::identify() {
  if (loop_.tls) identify_peer(channel_.ssl(), loop_.trust.get(), peer_);
  // A certificate may have no name.
  client_ = !peer_.common_name.empty() ? peer_.common_name : peer_.address.substr(0, peer_.address.rfind(':'));
  one_too_many_ = !loop_.join(client_);
}

void Connection::choose_protocol() {
  phase_ = Phase::open;
  identify();
  if (!loop_.tls) {  // the first bytes will tell
    set_deadline(std::chrono::seconds(loop_.config.idle_seconds));
    return;
  }
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(channel_.ssl(), &name, &size);
  const bool http2 = std::string_view(reinterpret_cast<const char*>(name), size) == "h2";
  protocol_ = http2 ? make_http2_protocol(*this) : make_http1_protocol(*this);
}

void Connection::on_bytes(std::string_view bytes) {
  if (phase_ != Phase::open) return;
  if (protocol_) {
    protocol_->on_bytes(bytes);
    return;
  }
  sniffed_.append(bytes);
  const size_t n = std::min(sniffed_.size(), kHttp2Preface.size());
  const bool alike = std::string_view(sniffed_).substr(0, n) == kHttp2Preface.substr(0, n);
  if (alike && n < kHttp2Preface.size()) return;
  protocol_ = alike ? make_http2_protocol(*this) : make_http1_protocol(*this);
  const std::string first = std::exchange(sniffed_, {});
  protocol_->on_bytes(first);
}

void Connection::on_readable() {
  for (int turn = 0; turn < kReadsPerTurn && phase_ != Phase::closed && !cut_; ++turn) {
    size_t got = 0;
    const Io result = channel_.read(loop_.scratch.data(), loop_.scratch.size(), got);
    if (result == Io::ok) {
      on_bytes({loop_.scratch.data(), got});
      const bool maybe_more = got == loop_.scratch.size() || channel_.buffered() || (channel_.ssl() && got >= 8192);
      if (!maybe_more || (protocol_ && !protocol_->wants_bytes())) break;
      continue;
    }
    if (result == Io::end) {
      input_ended_ = true;
      if (phase_ == Phase::lingering || !protocol_) cut_ = true;
      else protocol_->on_end();
    } else if (result == Io::failed) {
      cut_ = true;
    } else if (result == Io::want_write) {
      arm_write();
    }
    break;
  }
  loop_.drain();
  settle();
}

bool Connection::parked() const {
  if (phase_ == Phase::closed) return false;
  if (phase_ == Phase::lingering) return input_ended_;
  return input_ended_ || (protocol_ && !protocol_->wants_bytes());
}

void Connection::settle() {
  const auto self = shared_from_this();
  try {
    apply();
  } catch (const std::exception& e) {  // the root of whatever a connection does: it ends, the server goes on
    cut(e.what());
  }
  if (cut_) close();
  if (phase_ != Phase::closed && !parked()) resume_.cancel();
}

void Connection::apply() {
  while (next_ && phase_ == Phase::open && !cut_) {
    protocol_ = std::move(next_);
    const std::string bytes = std::exchange(next_bytes_, {});
    if (!bytes.empty()) protocol_->on_bytes(bytes);
  }
  if (phase_ == Phase::open && !cut_) flush();
}

void Connection::flush() {
  const size_t before = output_.size();
  Io result = Io::ok;
  size_t filled = 0;
  for (;;) {
    if (protocol_) protocol_->fill();
    filled += output_.size();
    if (output_.empty()) break;
    result = channel_.write(output_);
    if (result != Io::ok) break;
  }
  if (result == Io::failed) {
    cut_ = true;
    return;
  }
  if (protocol_ && protocol_->queued() > loop_.config.max_pending) {
    cut("it does not read what it asked for");
    return;
  }
  if (output_.empty()) {
    stall_deadline_ = SteadyTime::max();
    if (close_when_flushed_) linger();
    return;
  }
  const bool progress = output_.size() < std::max(before, filled);
  if (protocol_ && !protocol_->sends_whole_answer()) {
    stall_deadline_ = SteadyTime::max();
  } else if (progress || stall_deadline_ == SteadyTime::max()) {
    stall_deadline_ = std::chrono::steady_clock::now() + std::chrono::seconds(loop_.config.stall_seconds);
    loop_.note_deadline(stall_deadline_);
  }
  if (result == Io::want_write) arm_write();
}

void Connection::arm_write() {
  if (write_armed_) return;
  write_armed_ = true;
  socket_.async_wait(asio::posix::stream_descriptor::wait_write,
                     [self = shared_from_this()](const boost::system::error_code&) {
                       self->write_armed_ = false;
                       if (self->phase_ != Phase::closed) self->settle();
                     });
}

// All is written: say goodbye, and read until the peer does too, so that no reset destroys what it has not read yet.
void Connection::linger() {
  phase_ = Phase::lingering;
  if (protocol_) protocol_->on_gone();
  channel_.shutdown_write();
  channel_.drop_tls();
  if (input_ended_) cut_ = true;
  set_deadline(kLingerTime);
}

void Connection::close() {
  if (phase_ == Phase::closed) return;
  const auto self = shared_from_this();
  phase_ = Phase::closed;
  if (protocol_) protocol_->on_gone();
  if (next_) next_->on_gone();
  output_.clear();
  boost::system::error_code ignored;
  socket_.close(ignored);
  resume_.cancel();
  set_collecting(0);
  if (!client_.empty()) loop_.leave(std::exchange(client_, {}));
  loop_.forget(this);
}

void Connection::set_collecting(size_t bytes) {
  if (bytes == collecting_) return;
  const size_t before = std::exchange(collecting_, bytes);
  if (bytes > before) collected_at_ = std::chrono::steady_clock::now();
  if (before == 0) collecting_since_ = collected_at_;
  loop_.note_collecting(before, bytes);
}

void Connection::stop() {
  if (phase_ == Phase::open) {
    if (protocol_) protocol_->on_stop();
    flush();
    if (phase_ == Phase::open && output_.empty()) channel_.shutdown_write();
  }
  close();
}

void Connection::handle(Request request, const std::shared_ptr<Exchange>& exchange) {
  if (one_too_many_) {
    auto response = failure_response(429, fmt::format("this client has {} connections already: share them, or raise "
                                                      "--max-connections-per-client", loop_.config.max_connections_per_client));
    response.headers.set("Retry-After", "1");
    make_responder(exchange)->send(std::move(response));
    return;
  }
  try {
    loop_.handler(std::move(request), make_responder(exchange));
  } catch (const std::exception& e) {  // the responder, dropped, has answered 500
    base::log_error("net", "a request handler threw: {}", e.what());
  } catch (...) {
    base::log_error("net", "a request handler threw something that is no std::exception");
  }
}

void Connection::set_deadline(std::chrono::seconds from_now) {
  if (one_too_many_) from_now = std::min(from_now, kLingerTime);
  deadline_ = std::chrono::steady_clock::now() + from_now;
  loop_.note_deadline(deadline_);
}

void Connection::cut(std::string_view why) {
  cut_ = true;
  if (!why.empty()) base::log_warning("net", "cutting the connection of {}: {}", peer_.address, why);
}

void Connection::replace_protocol(std::unique_ptr<Protocol> next, std::string bytes) {
  next_ = std::move(next);
  next_bytes_ = std::move(bytes);
}

}  // namespace net
