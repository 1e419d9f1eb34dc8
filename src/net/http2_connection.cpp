// HTTP/2 on an accepted connection: nghttp2 keeps the protocol, this file maps streams to exchanges and guards against
// floods. DATA frames are sent from the chunks themselves, without a copy. Loop thread only.
#include <fmt/format.h>
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <deque>
#include <unordered_map>

#include "base/log.hpp"
#include "base/strings.hpp"
#include "net/http1.hpp"
#include "net/protocol.hpp"

namespace net {

namespace {

using Op = Command::Op;

constexpr uint32_t kMaxStreams = 100;  // upstream's value
constexpr uint32_t kStreamWindow = 1u << 20;
constexpr int32_t kConnectionWindow = 4 << 20;
constexpr size_t kFillTo = 256u << 10;           // of output before the kernel takes some
constexpr size_t kMaxUnsentRequests = 64u << 20;  // request bodies being collected, all streams together
constexpr size_t kMaxDiscarded = 16u << 20;  // of one refused body, before its stream is reset
constexpr double kFloodBurst = 2000;              // control frames and resets: that many at once,
constexpr double kFloodPerSecond = 200;           // that many in the long run

// Lets through a burst, then so many in a second.
class Bucket {
 public:
  bool take() {
    const auto now = std::chrono::steady_clock::now();
    const double elapsed = std::chrono::duration<double>(now - last_).count();
    last_ = now;
    level_ = std::min(kFloodBurst, level_ + elapsed * kFloodPerSecond);
    level_ -= 1;
    return level_ >= 0;
  }

 private:
  double level_ = kFloodBurst;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

struct Slice {
  Chunk chunk;
  size_t begin = 0;
};

struct Stream {
  int32_t id = 0;
  Request request;
  std::string authority;
  size_t header_bytes = 0;
  size_t header_count = 0;
  int refusal = 0;  // status to answer instead of calling the handler
  size_t discarded = 0;   // bytes of a refused body
  bool request_ended = false;
  std::chrono::steady_clock::time_point began = std::chrono::steady_clock::now();
  bool expects_continue = false;
  bool answered = false;
  bool streaming = false;
  bool finished = false;  // nothing is added to `waiting` any more
  std::shared_ptr<Exchange> exchange;
  std::deque<Slice> waiting;
  size_t waiting_bytes = 0;
};

nghttp2_nv field(std::string_view name, std::string_view value) {
  return {reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
          reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

std::string_view view(const uint8_t* bytes, size_t size) { return {reinterpret_cast<const char*>(bytes), size}; }

// Of HTTP/1.1 only (RFC 9113 section 8.2.2), or written by us.
bool is_dropped_field(std::string_view name) {
  for (std::string_view dropped : {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "date"}) {
    if (base::equal_ignoring_case(name, dropped)) return true;
  }
  return false;
}

class Http2Connection final : public Protocol {
 public:
  explicit Http2Connection(Link& link);
  ~Http2Connection() override { nghttp2_session_del(session_); }

  void on_bytes(std::string_view bytes) override;
  void on_end() override { link_.cut(""); }
  bool wants_bytes() const override { return link_.output().size() < 4 * kFillTo; }
  void fill() override;
  size_t queued() const override { return stream_bytes_; }
  bool sends_whole_answer() const override { return streaming_ == 0; }
  void on_stop() override;
  void on_gone() override;
  void on_command(Command& command) override;

 private:
  static Http2Connection& of(void* user_data) { return *static_cast<Http2Connection*>(user_data); }
  static int begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user_data);
  static int header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
                    const uint8_t* value, size_t value_size, uint8_t, void* user_data);
  static int frame_received(nghttp2_session*, const nghttp2_frame* frame, void* user_data);
  static int data_chunk(nghttp2_session*, uint8_t, int32_t id, const uint8_t* data, size_t size, void* user_data);
  static int frame_sent(nghttp2_session*, const nghttp2_frame* frame, void* user_data);
  static int stream_closed(nghttp2_session*, int32_t id, uint32_t error_code, void* user_data);
  static ssize_t read_body(nghttp2_session*, int32_t id, uint8_t*, size_t length, uint32_t* flags,
                           nghttp2_data_source*, void* user_data);
  static int send_data(nghttp2_session*, nghttp2_frame* frame, const uint8_t* frame_head, size_t length,
                       nghttp2_data_source*, void* user_data);

  Stream* find(int32_t id);
  void take_field(Stream& stream, std::string_view name, std::string_view value);
  void take_frame(const nghttp2_frame* frame);
  void count_flood(std::string_view what);
  void set_request_bytes(size_t bytes);
  void drop_slow_bodies();
  void request_head(Stream& stream, bool ended);
  void request_ended(Stream& stream);
  void refuse(Stream& stream, int status, std::string_view text);
  void answer(Stream& stream, Response response);
  void submit(Stream& stream, int status, const Headers& headers, const std::string* length, bool has_body);
  void add_body(Stream& stream, Chunk chunk);
  void drop_waiting(Stream& stream);
  void update_deadline();

  nghttp2_session* session_ = nullptr;
  std::unordered_map<int32_t, std::unique_ptr<Stream>> streams_;
  Bucket floods_;
  bool terminated_ = false;
  size_t request_bytes_ = 0;  // bodies being collected
  std::chrono::steady_clock::time_point looked_at_bodies_{};
  size_t stream_bytes_ = 0;   // of streams, waiting for window or output
  int streaming_ = 0;         // streams with a BodyStream
  int in_handler_ = 0;        // streams whose handler has not answered yet
};

Http2Connection::Http2Connection(Link& link) : Protocol(link) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_option* option = nullptr;
  if (nghttp2_session_callbacks_new(&callbacks) != 0 || nghttp2_option_new(&option) != 0) throw std::bad_alloc();
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, begin_headers);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, frame_received);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, data_chunk);
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, frame_sent);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, stream_closed);
  nghttp2_session_callbacks_set_send_data_callback(callbacks, send_data);
  nghttp2_option_set_no_closed_streams(option, 1);
  const int made = nghttp2_session_server_new2(&session_, callbacks, this, option);
  nghttp2_session_callbacks_del(callbacks);
  nghttp2_option_del(option);
  if (made != 0) throw std::bad_alloc();
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, kMaxStreams},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindow},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<uint32_t>(link.config().max_header_bytes)},
  };
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings));
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kConnectionWindow);
  update_deadline();
}

void Http2Connection::on_bytes(std::string_view bytes) {
  const ssize_t n = nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  if (n < 0) link_.cut(n == NGHTTP2_ERR_BAD_CLIENT_MAGIC ? "" : nghttp2_strerror(static_cast<int>(n)));
}

void Http2Connection::fill() {
  while (link_.output().size() < kFillTo) {
    const uint8_t* bytes = nullptr;
    const ssize_t n = nghttp2_session_mem_send(session_, &bytes);
    if (n < 0) {
      link_.cut(nghttp2_strerror(static_cast<int>(n)));
      return;
    }
    if (n == 0) break;
    link_.output().text(view(bytes, static_cast<size_t>(n)));
  }
  if (!nghttp2_session_want_read(session_) && !nghttp2_session_want_write(session_)) link_.close_when_flushed();
}

void Http2Connection::on_stop() { nghttp2_session_terminate_session(session_, NGHTTP2_NO_ERROR); }

void Http2Connection::on_gone() {
  auto streams = std::move(streams_);
  streams_.clear();
  for (auto& [id, stream] : streams) {
    drop_waiting(*stream);
    if (stream->exchange) stream->exchange->close();
  }
}

Stream* Http2Connection::find(int32_t id) {
  const auto it = streams_.find(id);
  return it == streams_.end() ? nullptr : it->second.get();
}

// --- from the peer ---------------------------------------------------------------------------------------------------

int Http2Connection::begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
  if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
  Http2Connection& self = of(user_data);
  auto stream = std::make_unique<Stream>();
  stream->id = frame->hd.stream_id;
  self.streams_[stream->id] = std::move(stream);
  self.update_deadline();
  return 0;
}

int Http2Connection::header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
                            const uint8_t* value, size_t value_size, uint8_t, void* user_data) {
  Http2Connection& self = of(user_data);
  if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;  // a trailer
  Stream* stream = self.find(frame->hd.stream_id);
  if (!stream) return 0;
  stream->header_bytes += name_size + value_size + 32;
  const ServerConfig& config = self.link_.config();
  if (++stream->header_count > config.max_headers || stream->header_bytes > config.max_header_bytes) {
    stream->refusal = 431;
    // Far beyond it is an attack on the decoder (a HPACK bomb): not even an answer.
    return stream->header_bytes > 4 * config.max_header_bytes ? NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE : 0;
  }
  self.take_field(*stream, view(name, name_size), view(value, value_size));
  return 0;
}

void Http2Connection::take_field(Stream& stream, std::string_view name, std::string_view value) {
  Request& request = stream.request;
  if (name == ":method") {
    request.method = value;
  } else if (name == ":path") {
    request.raw_target = value;
  } else if (name == ":authority") {
    stream.authority = value;
  } else if (!name.starts_with(':')) {
    if (name == "expect" && base::equal_ignoring_case(value, "100-continue")) stream.expects_continue = true;
    request.headers.add(std::string(name), std::string(value));
  }
}

int Http2Connection::frame_received(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
  of(user_data).take_frame(frame);
  return 0;
}

void Http2Connection::take_frame(const nghttp2_frame* frame) {
  const bool ends = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
      if (Stream* stream = find(frame->hd.stream_id)) {
        if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) request_head(*stream, ends);
        else if (ends) request_ended(*stream);
      }
      return;
    case NGHTTP2_DATA:
      if (Stream* stream = find(frame->hd.stream_id); stream && ends) request_ended(*stream);
      if (frame->hd.length > 0 || ends) return;
      break;  // an empty frame that says nothing
    case NGHTTP2_WINDOW_UPDATE: return;  // as many as there is data
    case NGHTTP2_SETTINGS:
      if (frame->hd.flags & NGHTTP2_FLAG_ACK) return;
      break;
    default: break;
  }
  count_flood("control frames");
}

void Http2Connection::count_flood(std::string_view what) {
  if (floods_.take() || terminated_) return;
  terminated_ = true;
  base::log_warning("net", "{}: too many HTTP/2 {}", link_.peer().address, what);
  nghttp2_session_terminate_session(session_, NGHTTP2_ENHANCE_YOUR_CALM);
}

void Http2Connection::set_request_bytes(size_t bytes) {
  request_bytes_ = bytes;
  link_.set_collecting(bytes);
}

// A body that trickles keeps its stream alive, but not for ever. Looked at when any body goes on, once a second.
void Http2Connection::drop_slow_bodies() {
  const auto now = std::chrono::steady_clock::now();
  if (now - looked_at_bodies_ < std::chrono::seconds(1)) return;
  looked_at_bodies_ = now;
  const std::chrono::seconds limit(link_.config().body_seconds);
  for (const auto& [id, stream] : streams_) {
    if (stream->request_ended || stream->request.body.empty() || now - stream->began < limit) continue;
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
  }
}

void Http2Connection::request_head(Stream& stream, bool ended) {
  Request& request = stream.request;
  auto target = parse_target(request.raw_target);
  if (request.raw_target.size() > link_.config().max_target) return refuse(stream, 414, "the request target is too long");
  const bool rooted = request.raw_target.starts_with('/') || (request.raw_target == "*" && request.method == "OPTIONS");
  if (!target || !rooted || !is_http_method(request.method)) {
    stream.refusal = 400;
  } else {
    request.path = std::move(target->path);
    request.query = std::move(target->query);
  }
  if (!stream.authority.empty()) request.headers.set("host", std::move(stream.authority));
  request.peer = link_.peer();
  if (stream.refusal != 0) {
    refuse(stream, stream.refusal, stream.refusal == 431 ? "the request head is too large: send fewer or shorter fields"
                                                         : "the request has no proper method or path");
    return;
  }
  const auto length = base::parse_int(request.headers.get("content-length"));
  if (length && *length > static_cast<int64_t>(link_.config().max_body)) {
    refuse(stream, 413, "");
  } else if (ended) {
    request_ended(stream);
  } else if (stream.expects_continue) {
    const nghttp2_nv status = field(":status", "100");
    nghttp2_submit_headers(session_, NGHTTP2_FLAG_NONE, stream.id, nullptr, &status, 1, nullptr);
  }
}

int Http2Connection::data_chunk(nghttp2_session* session, uint8_t, int32_t id, const uint8_t* data, size_t size,
                                void* user_data) {
  Http2Connection& self = of(user_data);
  Stream* stream = self.find(id);
  if (!stream) return 0;
  if (stream->answered || stream->refusal != 0) {  // the rest of what was refused
    stream->discarded += size;
    if (stream->discarded > kMaxDiscarded) nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_NO_ERROR);
    return 0;
  }
  if (stream->request.body.size() + size > self.link_.config().max_body) {
    self.refuse(*stream, 413, "");
    return 0;
  }
  if (self.request_bytes_ + size > kMaxUnsentRequests) {
    nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_ENHANCE_YOUR_CALM);
    return 0;
  }
  if (stream->request.body.empty()) {
    stream->began = std::chrono::steady_clock::now();
    const auto length = base::parse_int(stream->request.headers.get("content-length"));
    if (length && *length > 0 && *length <= static_cast<int64_t>(self.link_.config().max_body)) {
      stream->request.body.reserve(static_cast<size_t>(*length));
    }
  }
  self.set_request_bytes(self.request_bytes_ + size);
  stream->request.body.append(view(data, size));
  self.drop_slow_bodies();
  return 0;
}

void Http2Connection::request_ended(Stream& stream) {
  stream.request_ended = true;
  if (stream.answered || stream.refusal != 0) return;
  set_request_bytes(request_bytes_ - stream.request.body.size());
  stream.exchange = std::make_shared<Exchange>(link_.mailbox(), this);
  stream.exchange->stream_id = stream.id;
  stream.exchange->head_request = stream.request.method == "HEAD";
  ++in_handler_;
  update_deadline();
  link_.handle(std::move(stream.request), stream.exchange);
}

int Http2Connection::stream_closed(nghttp2_session*, int32_t id, uint32_t error_code, void* user_data) {
  Http2Connection& self = of(user_data);
  const auto it = self.streams_.find(id);
  if (it == self.streams_.end()) return 0;
  const std::unique_ptr<Stream> stream = std::move(it->second);
  self.streams_.erase(it);
  self.drop_waiting(*stream);
  if (stream->streaming) --self.streaming_;
  if (!stream->exchange) self.set_request_bytes(self.request_bytes_ - std::min(self.request_bytes_, stream->request.body.size()));
  if (stream->exchange && !stream->answered) --self.in_handler_;
  if (stream->exchange) stream->exchange->close();
  // Opening and resetting costs the peer nothing and us a request (CVE-2023-44487).
  if (error_code != NGHTTP2_NO_ERROR) self.count_flood("stream resets");
  self.update_deadline();
  return 0;
}

// --- to the peer -----------------------------------------------------------------------------------------------------

void Http2Connection::refuse(Stream& stream, int status, std::string_view text) {
  stream.refusal = status;
  set_request_bytes(request_bytes_ - std::min(request_bytes_, stream.request.body.size()));
  stream.request.body = {};
  answer(stream, failure_response(status, status == 413 ? fmt::format("Request entity too large: limit is {}",
                                                                      link_.config().max_body)
                                                        : std::string(text)));
}

void Http2Connection::submit(Stream& stream, int status, const Headers& headers, const std::string* length,
                             bool has_body) {
  stream.answered = true;
  if (stream.exchange) --in_handler_;
  const std::string code = std::to_string(status);
  std::vector<std::string> names;
  names.reserve(headers.fields().size());
  std::vector<nghttp2_nv> fields;
  fields.reserve(headers.fields().size() + 3);
  fields.push_back(field(":status", code));
  for (const auto& [name, value] : headers.fields()) {
    if (is_dropped_field(name) || base::equal_ignoring_case(name, "content-length")) continue;
    if (!is_http_token(name) || !is_field_value(value)) continue;
    names.push_back(base::to_lower(name));
    fields.push_back(field(names.back(), value));
  }
  std::string_view date = link_.date_field();  // "Date: ...\r\n"
  date = date.substr(6, date.size() - 8);
  fields.push_back(field("date", date));
  if (length) fields.push_back(field("content-length", *length));
  nghttp2_data_provider body{};
  body.read_callback = read_body;
  nghttp2_submit_response(session_, stream.id, fields.data(), fields.size(), has_body ? &body : nullptr);
}

void Http2Connection::answer(Stream& stream, Response response) {
  size_t size = 0;
  for (const Chunk& chunk : response.body) size += chunk ? chunk->size() : 0;
  const bool head_only = stream.request.method == "HEAD" || (stream.exchange && stream.exchange->head_request);
  const bool bodiless = is_bodiless_status(response.status);
  const bool has_body = size > 0 && !head_only && !bodiless;
  const std::string length = std::to_string(size);
  submit(stream, response.status, response.headers, bodiless ? nullptr : &length, has_body);
  stream.finished = true;
  // Who is nobody is told so once, and has no other stream to ask on.
  if (response.status == 401 && !link_.peer().certificate_verified && !terminated_) {
    terminated_ = true;
    nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_), NGHTTP2_NO_ERROR,
                          nullptr, 0);
  }
  if (!has_body) return;
  for (Chunk& chunk : response.body) {
    if (chunk && !chunk->empty()) add_body(stream, std::move(chunk));
  }
}

void Http2Connection::add_body(Stream& stream, Chunk chunk) {
  stream.waiting_bytes += chunk->size();
  if (stream.streaming) stream_bytes_ += chunk->size();
  stream.waiting.push_back({std::move(chunk), 0});
}

void Http2Connection::drop_waiting(Stream& stream) {
  if (stream.streaming) {
    stream_bytes_ -= stream.waiting_bytes;
    stream.exchange->pending -= stream.waiting_bytes;
  }
  stream.waiting.clear();
  stream.waiting_bytes = 0;
}

ssize_t Http2Connection::read_body(nghttp2_session*, int32_t id, uint8_t*, size_t length, uint32_t* flags,
                                   nghttp2_data_source*, void* user_data) {
  Stream* stream = of(user_data).find(id);
  if (!stream) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  if (stream->waiting_bytes == 0 && !stream->finished) return NGHTTP2_ERR_DEFERRED;
  const size_t n = std::min(length, stream->waiting_bytes);
  *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (stream->finished && n == stream->waiting_bytes) *flags |= NGHTTP2_DATA_FLAG_EOF;
  return static_cast<ssize_t>(n);
}

int Http2Connection::send_data(nghttp2_session*, nghttp2_frame* frame, const uint8_t* frame_head, size_t length,
                               nghttp2_data_source*, void* user_data) {
  Http2Connection& self = of(user_data);
  Stream* stream = self.find(frame->hd.stream_id);
  if (!stream || frame->data.padlen > 0) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  self.link_.output().text(view(frame_head, 9));
  stream->waiting_bytes -= length;
  if (stream->streaming) self.stream_bytes_ -= length;
  while (length > 0) {
    Slice& slice = stream->waiting.front();
    const size_t n = std::min(length, slice.chunk->size() - slice.begin);
    self.link_.output().slice(slice.chunk, slice.begin, slice.begin + n,
                              stream->streaming ? std::shared_ptr<Account>(stream->exchange) : nullptr);
    slice.begin += n;
    length -= n;
    if (slice.begin == slice.chunk->size()) stream->waiting.pop_front();
  }
  if (self.sends_whole_answer()) self.update_deadline();
  return 0;
}

// Answered before the request was through: the peer need not send the rest (RFC 9113 section 8.1).
int Http2Connection::frame_sent(nghttp2_session* session, const nghttp2_frame* frame, void* user_data) {
  const bool ends = (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
                    (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  if (!ends) return 0;
  const Stream* stream = of(user_data).find(frame->hd.stream_id);
  // What is too large is read on for a while and thrown away: clients that are still sending do not see an answer that a
  // reset follows (curl 7.88).
  if (stream && !stream->request_ended && stream->refusal != 413) {
    nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_NO_ERROR);
  }
  return 0;
}

// A connection without streams may lie idle for a while; one with streams that all send whole answers must get on.
void Http2Connection::update_deadline() {
  if (streaming_ > 0 || in_handler_ > 0) link_.clear_deadline();
  else link_.set_deadline(std::chrono::seconds(link_.config().idle_seconds));
}

void Http2Connection::on_command(Command& command) {
  Stream* stream = find(command.exchange->stream_id);
  if (!stream) return;
  switch (command.op) {
    case Op::answer:
      answer(*stream, std::move(*command.response));
      update_deadline();
      break;
    case Op::start:
      stream->streaming = true;
      ++streaming_;
      submit(*stream, command.response->status, command.response->headers, nullptr, !command.exchange->head_request);
      update_deadline();
      break;
    case Op::write:
      if (command.exchange->head_request) {
        command.exchange->pending -= command.chunk->size();
        break;
      }
      add_body(*stream, std::move(command.chunk));
      nghttp2_session_resume_data(session_, stream->id);
      break;
    case Op::finish:
      stream->finished = true;
      nghttp2_session_resume_data(session_, stream->id);
      break;
    case Op::abort:
      nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_INTERNAL_ERROR);
      break;
    default: break;
  }
}

}  // namespace

std::unique_ptr<Protocol> make_http2_protocol(Link& link) { return std::make_unique<Http2Connection>(link); }

}  // namespace net
