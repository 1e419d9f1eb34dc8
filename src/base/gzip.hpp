// gzip in both directions, for answers and for documents that are kept small. Pure functions, any thread; a Gzip has
// one owner.
//
// Source: RFC 1952, by way of zlib.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace base {

// One member, bit by bit. Takes about 270 KiB while it lives.
class Gzip {
 public:
  // Level 1 is quick, 9 is small.
  explicit Gzip(int level);
  // Appends to `out` what is ready: it may be nothing.
  void write(std::string_view piece, std::string& out);
  // The rest. Nothing may follow.
  void finish(std::string& out);

 private:
  struct State;
  struct Delete {
    void operator()(State* state) const;
  };
  std::unique_ptr<State, Delete> state_;
};

// All pieces, one after the other, as one member.
std::string gzip(std::span<const std::string_view> pieces, int level);
std::string gzip(std::string_view text, int level);
// bad_request when it is no gzip, or would be longer than `max_bytes`.
Result<std::string> gunzip(std::string_view bytes, size_t max_bytes = 64u << 20);

}  // namespace base
