#include "base/gzip.hpp"

#include <zlib.h>

#include <algorithm>
#include <new>

namespace base {

namespace {

constexpr int kGzipWindow = 15 + 16;  // the largest window, with a gzip header
constexpr size_t kStep = 1u << 30;    // zlib counts in 32 bits

Bytef* bytes_of(std::string_view text) { return reinterpret_cast<Bytef*>(const_cast<char*>(text.data())); }

// Runs deflate over what next_in holds, growing `out` as needed.
void drain(z_stream& stream, std::string& out, int flush) {
  while (true) {
    const size_t used = out.size();
    const size_t room = std::max<size_t>(16u << 10, std::min<size_t>(used, 4u << 20));
    out.resize(used + room);
    stream.next_out = bytes_of(std::string_view(out).substr(used));
    stream.avail_out = static_cast<uInt>(room);
    const int state = deflate(&stream, flush);
    const bool full = stream.avail_out == 0;
    out.resize(used + room - stream.avail_out);
    if (state == Z_STREAM_END || !full) return;
  }
}

}  // namespace

struct Gzip::State {
  z_stream stream{};
};

void Gzip::Delete::operator()(State* state) const {
  deflateEnd(&state->stream);
  delete state;
}

Gzip::Gzip(int level) {
  auto state = std::make_unique<State>();
  if (deflateInit2(&state->stream, level, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) != Z_OK) throw std::bad_alloc();
  state_.reset(state.release());
}

void Gzip::write(std::string_view piece, std::string& out) {
  while (!piece.empty()) {
    const size_t now = std::min(piece.size(), kStep);
    state_->stream.next_in = bytes_of(piece);
    state_->stream.avail_in = static_cast<uInt>(now);
    drain(state_->stream, out, Z_NO_FLUSH);
    piece.remove_prefix(now);
  }
}

void Gzip::finish(std::string& out) {
  state_->stream.next_in = nullptr;
  state_->stream.avail_in = 0;
  drain(state_->stream, out, Z_FINISH);
}

std::string gzip(std::span<const std::string_view> pieces, int level) {
  Gzip stream(level);
  std::string out;
  for (std::string_view piece : pieces) stream.write(piece, out);
  stream.finish(out);
  return out;
}

std::string gzip(std::string_view text, int level) { return gzip(std::span(&text, 1), level); }

Result<std::string> gunzip(std::string_view bytes, size_t max_bytes) {
  z_stream stream{};
  if (inflateInit2(&stream, kGzipWindow) != Z_OK) throw std::bad_alloc();
  std::string out;
  stream.next_in = bytes_of(bytes);
  stream.avail_in = static_cast<uInt>(std::min(bytes.size(), kStep));
  int state = Z_OK;
  while (state == Z_OK && out.size() <= max_bytes) {
    const size_t used = out.size();
    const size_t room = std::min<size_t>(std::max<size_t>(16u << 10, used), max_bytes + 1 - used);
    out.resize(used + room);
    stream.next_out = bytes_of(std::string_view(out).substr(used));
    stream.avail_out = static_cast<uInt>(room);
    state = inflate(&stream, Z_NO_FLUSH);
    out.resize(used + room - stream.avail_out);
    if (state == Z_BUF_ERROR || (state == Z_OK && stream.avail_in == 0 && stream.avail_out != 0)) break;
  }
  const bool whole = state == Z_STREAM_END && stream.avail_in == 0;
  inflateEnd(&stream);
  if (out.size() > max_bytes) return fail(Reason::bad_request, "the gzip data is too long when unpacked");
  if (!whole) return fail(Reason::bad_request, "the gzip data is damaged or cut off");
  return out;
}

}  // namespace base
