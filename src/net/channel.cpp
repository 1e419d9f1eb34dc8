#include "net/channel.hpp"

#include <openssl/err.h>
#include <sys/socket.h>

#include <cerrno>
#include <algorithm>
#include <cstring>

namespace net {

namespace {
constexpr size_t kRecord = 16 << 10;  // what one TLS record carries at most
constexpr size_t kMaxPieces = 64;
constexpr size_t kFairShare = 1 << 20;  // of one write(): other connections want their turn
}  // namespace

void Output::text(std::string_view bytes) {
  if (bytes.empty()) return;
  if (head_ == pieces_.size() || pieces_.back().chunk) pieces_.emplace_back();
  Piece& last = pieces_.back();
  last.text.append(bytes);
  last.end = last.text.size();
  size_ += bytes.size();
}

void Output::slice(Chunk chunk, size_t begin, size_t end, std::shared_ptr<Account> account) {
  if (begin == end) return;
  size_ += end - begin;
  pieces_.push_back(Piece{{}, std::move(chunk), begin, end, std::move(account)});
}

void Output::chunk(Chunk whole, std::shared_ptr<Account> account) {
  const size_t size = whole->size();
  slice(std::move(whole), 0, size, std::move(account));
}

size_t Output::gather(iovec* pieces, size_t limit) const {
  size_t count = 0;
  for (size_t i = head_; i < pieces_.size() && count < limit; ++i) {
    const Piece& piece = pieces_[i];
    pieces[count++] = {const_cast<char*>(piece.data()), piece.end - piece.begin};
  }
  return count;
}

void Output::consume(size_t bytes) {
  size_ -= bytes;
  while (bytes > 0) {
    Piece& piece = pieces_[head_];
    const size_t n = std::min(bytes, piece.end - piece.begin);
    if (piece.account) piece.account->pending -= n;
    piece.begin += n;
    bytes -= n;
    if (piece.begin < piece.end) break;
    piece = Piece();
    ++head_;
  }
  if (head_ == pieces_.size()) {
    if (pieces_.capacity() > 4 * kMaxPieces) pieces_ = std::vector<Piece>();
    pieces_.clear();
    head_ = 0;
  } else if (head_ >= kMaxPieces && head_ * 2 >= pieces_.size()) {
    pieces_.erase(pieces_.begin(), pieces_.begin() + static_cast<ptrdiff_t>(head_));
    head_ = 0;
  }
}

void Output::clear() { consume(size_); }

Io Channel::ssl_result(int result) {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_NONE: return Io::ok;
    case SSL_ERROR_WANT_READ: return Io::want_read;
    case SSL_ERROR_WANT_WRITE: return Io::want_write;
    case SSL_ERROR_ZERO_RETURN: return Io::end;
    default: broken_ = true; return Io::failed;
  }
}

Io Channel::accept() {
  ERR_clear_error();
  return ssl_result(SSL_accept(ssl_.get()));
}

Io Channel::connect() {
  ERR_clear_error();
  return ssl_result(SSL_connect(ssl_.get()));
}

Io Channel::read(char* buffer, size_t size, size_t& got) {
  got = 0;
  if (ssl_) {
    ERR_clear_error();
    return ssl_result(SSL_read_ex(ssl_.get(), buffer, size, &got));
  }
  for (;;) {
    const ssize_t n = ::recv(fd_, buffer, size, 0);
    if (n > 0) {
      got = static_cast<size_t>(n);
      return Io::ok;
    }
    if (n == 0) return Io::end;
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return Io::want_read;
    broken_ = true;
    return Io::failed;
  }
}

bool Channel::buffered() const { return ssl_ && SSL_pending(ssl_.get()) > 0; }

Io Channel::write(Output& output) { return ssl_ ? write_tls(output) : write_plain(output); }

Io Channel::write_plain(Output& output) {
  size_t done = 0;
  while (!output.empty()) {
    iovec pieces[kMaxPieces];
    msghdr message{};
    message.msg_iov = pieces;
    message.msg_iovlen = output.gather(pieces, kMaxPieces);
    const ssize_t n = ::sendmsg(fd_, &message, MSG_NOSIGNAL);
    if (n >= 0) {
      output.consume(static_cast<size_t>(n));
      done += static_cast<size_t>(n);
      if (done >= kFairShare && !output.empty()) return Io::want_write;
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return Io::want_write;
    } else if (errno != EINTR) {
      broken_ = true;
      return Io::failed;
    }
  }
  return Io::ok;
}

// Small pieces are gathered into one record; a large one goes straight from its chunk. After a write that could not be
// finished OpenSSL wants the same bytes again: the queue only grows at its end, so the same choice gives them.
Io Channel::write_tls(Output& output) {
  char record[kRecord];
  size_t done = 0;
  while (!output.empty()) {
    iovec pieces[kMaxPieces];
    const size_t count = output.gather(pieces, kMaxPieces);
    const char* data = static_cast<const char*>(pieces[0].iov_base);
    size_t size = pieces[0].iov_len;
    if (size < kRecord && count > 1) {
      size = 0;
      for (size_t i = 0; i < count && size < kRecord; ++i) {
        const size_t n = std::min(kRecord - size, pieces[i].iov_len);
        std::memcpy(record + size, pieces[i].iov_base, n);
        size += n;
      }
      data = record;
    }
    ERR_clear_error();
    size_t written = 0;
    const Io result = ssl_result(SSL_write_ex(ssl_.get(), data, size, &written));
    if (result != Io::ok) return result == Io::end ? Io::failed : result;
    output.consume(written);
    done += written;
    if (done >= kFairShare && !output.empty()) return Io::want_write;
  }
  return Io::ok;
}

void Channel::shutdown_write() {
  if (ssl_ && !broken_ && SSL_is_init_finished(ssl_.get())) {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
  }
  ::shutdown(fd_, SHUT_WR);
}

}  // namespace net
