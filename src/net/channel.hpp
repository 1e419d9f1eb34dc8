// The bytes of one connection: what waits to be written, gathered without copying, and a non-blocking socket with or
// without TLS. One thread at a time; no event loop in here, so that server and client share it.
#pragma once

#include <sys/uio.h>

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/http.hpp"
#include "net/tls.hpp"

namespace net {

// Bytes that somebody handed over and the kernel has not taken yet. Any thread.
struct Account {
  std::atomic<size_t> pending{0};
};

// A queue of pieces: own text (heads, frames) and slices of shared chunks.
class Output {
 public:
  void text(std::string_view bytes);
  // Sent bytes of it are taken off the account (may be null).
  void slice(Chunk chunk, size_t begin, size_t end, std::shared_ptr<Account> account);
  void chunk(Chunk whole, std::shared_ptr<Account> account = nullptr);

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  // The first bytes, as at most `limit` pieces.
  size_t gather(iovec* pieces, size_t limit) const;
  void consume(size_t bytes);
  void clear();

 private:
  struct Piece {
    std::string text;  // when chunk is null
    Chunk chunk;
    size_t begin = 0;
    size_t end = 0;
    std::shared_ptr<Account> account;
    const char* data() const { return (chunk ? chunk->data() : text.data()) + begin; }
  };

  std::vector<Piece> pieces_;
  size_t head_ = 0;
  size_t size_ = 0;
};

enum class Io : uint8_t { ok, want_read, want_write, end, failed };

class Channel {
 public:
  // `ssl` null: plain. The fd is closed by its owner.
  Channel(int fd, SslPtr ssl) : fd_(fd), ssl_(std::move(ssl)) {}

  SSL* ssl() { return ssl_.get(); }
  Io accept();
  Io connect();
  // ok: got > 0 bytes. end: the peer finished.
  Io read(char* buffer, size_t size, size_t& got);
  // Whether bytes wait inside TLS that the socket's readiness would not show.
  bool buffered() const;
  // Writes until the output is empty (ok), the socket is full (want_*), or the connection is dead (failed).
  Io write(Output& output);
  // Tells the peer that nothing more comes.
  void shutdown_write();
  // What the peer still sends is only thrown away: it is read as it comes, and the memory of TLS is free.
  void drop_tls() { ssl_.reset(); }

 private:
  Io ssl_result(int result);
  Io write_plain(Output& output);
  Io write_tls(Output& output);

  int fd_;
  SslPtr ssl_;
  bool broken_ = false;
};

}  // namespace net
