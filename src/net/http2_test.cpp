// HTTP/2 with nghttp2's client session against the server, over plain TCP with prior knowledge, and over TLS with ALPN.
#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>

#include <atomic>
#include <map>
#include <thread>

#include "net/channel.hpp"
#include "net/test_peer.hpp"

namespace net {
namespace {

struct Got {
  std::map<std::string, std::string> headers;
  std::string body;
  bool closed = false;
  uint32_t error = 0;
};

// A client session on one connection; the test thread pumps it.
class Peer2 {
 public:
  explicit Peer2(int port) : raw_(port) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_option* option = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_option_new(&option);
    nghttp2_option_set_max_send_header_block_length(option, 1 << 20);
    nghttp2_session_callbacks_set_on_header_callback(
        callbacks, [](nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
                      const uint8_t* value, size_t value_size, uint8_t, void* user) {
          auto& got = static_cast<Peer2*>(user)->got[frame->hd.stream_id];
          got.headers[std::string(reinterpret_cast<const char*>(name), name_size)] =
              std::string(reinterpret_cast<const char*>(value), value_size);
          return 0;
        });
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        callbacks, [](nghttp2_session*, uint8_t, int32_t id, const uint8_t* data, size_t size, void* user) {
          static_cast<Peer2*>(user)->got[id].body.append(reinterpret_cast<const char*>(data), size);
          return 0;
        });
    nghttp2_session_callbacks_set_on_stream_close_callback(
        callbacks, [](nghttp2_session*, int32_t id, uint32_t error, void* user) {
          auto& got = static_cast<Peer2*>(user)->got[id];
          got.closed = true;
          got.error = error;
          return 0;
        });
    nghttp2_session_callbacks_set_on_frame_recv_callback(
        callbacks, [](nghttp2_session*, const nghttp2_frame* frame, void* user) {
          if (frame->hd.type == NGHTTP2_GOAWAY) static_cast<Peer2*>(user)->goaway = static_cast<int>(frame->goaway.error_code);
          return 0;
        });
    nghttp2_session_client_new2(&session, callbacks, this, option);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, nullptr, 0);
  }
  ~Peer2() { nghttp2_session_del(session); }

  int32_t request(const std::string& method, const std::string& path, std::string body = "",
                  std::vector<std::pair<std::string, std::string>> more = {}) {
    std::vector<std::pair<std::string, std::string>> all = {
        {":method", method}, {":scheme", "http"}, {":authority", "host"}, {":path", path}};
    all.insert(all.end(), more.begin(), more.end());
    std::vector<nghttp2_nv> fields;
    for (auto& [name, value] : all) {
      fields.push_back({reinterpret_cast<uint8_t*>(name.data()), reinterpret_cast<uint8_t*>(value.data()), name.size(),
                        value.size(), NGHTTP2_NV_FLAG_NONE});
    }
    nghttp2_data_provider provider{};
    auto* source = new std::pair<std::string, size_t>(std::move(body), 0);
    sources_.emplace_back(source);
    provider.source.ptr = source;
    provider.read_callback = [](nghttp2_session*, int32_t, uint8_t* buffer, size_t size, uint32_t* flags,
                                nghttp2_data_source* from, void*) -> ssize_t {
      auto& [text, done] = *static_cast<std::pair<std::string, size_t>*>(from->ptr);
      const size_t n = text.copy(reinterpret_cast<char*>(buffer), size, done);
      done += n;
      if (done == text.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
      return static_cast<ssize_t>(n);
    };
    return nghttp2_submit_request(session, nullptr, fields.data(), fields.size(), source->first.empty() ? nullptr : &provider,
                                  nullptr);
  }

  // A request whose body comes a byte at a time: one whenever the stream is resumed.
  int32_t trickle(const std::string& method, const std::string& path) {
    std::vector<std::pair<std::string, std::string>> all = {
        {":method", method}, {":scheme", "http"}, {":authority", "host"}, {":path", path}};
    std::vector<nghttp2_nv> fields;
    for (auto& [name, value] : all) {
      fields.push_back({reinterpret_cast<uint8_t*>(name.data()), reinterpret_cast<uint8_t*>(value.data()), name.size(),
                        value.size(), NGHTTP2_NV_FLAG_NONE});
    }
    nghttp2_data_provider provider{};
    provider.source.ptr = &odd_;
    provider.read_callback = [](nghttp2_session*, int32_t, uint8_t* buffer, size_t, uint32_t*, nghttp2_data_source* from,
                                void*) -> ssize_t {
      bool& odd = *static_cast<bool*>(from->ptr);
      odd = !odd;
      if (!odd) return NGHTTP2_ERR_DEFERRED;
      *buffer = 'x';
      return 1;
    };
    return nghttp2_submit_request(session, nullptr, fields.data(), fields.size(), &provider, nullptr);
  }

  bool flush() {
    for (;;) {
      const uint8_t* bytes = nullptr;
      const ssize_t n = nghttp2_session_mem_send(session, &bytes);
      if (n <= 0) return n == 0;
      if (!raw_.send({reinterpret_cast<const char*>(bytes), static_cast<size_t>(n)})) return false;
    }
  }
  bool pump() {
    flush();
    const std::string bytes = raw_.read_some();
    if (bytes.empty()) return false;
    nghttp2_session_mem_recv(session, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
    flush();
    return true;
  }
  // Until the stream is closed or the connection gone.
  Got& finish(int32_t id) {
    while (!got[id].closed && pump()) {
    }
    return got[id];
  }
  bool wait_for_body(int32_t id, std::string_view text) {
    while (got[id].body.find(text) == std::string::npos && !got[id].closed && pump()) {
    }
    return got[id].body.find(text) != std::string::npos;
  }
  RawPeer& raw() { return raw_; }

  nghttp2_session* session = nullptr;
  std::map<int32_t, Got> got;
  int goaway = -1;

 private:
  RawPeer raw_;
  std::vector<std::unique_ptr<std::pair<std::string, size_t>>> sources_;
  bool odd_ = false;
};

void echo(Request request, std::shared_ptr<Responder> responder) {
  responder->send({201,
                   {{"X-Method", request.method}, {"Connection", "close"}, {"X-Host", std::string(request.headers.get("host"))}},
                   {make_chunk(request.path + "?" + request.query.encode() + "\n"), make_chunk(std::move(request.body))}});
}

TEST(Http2, RoundTrips) {
  TestServer server(echo, false);
  Peer2 peer(server.port);
  const int32_t small = peer.request("GET", "/a%20b?q=1");
  const int32_t large = peer.request("POST", "/large", std::string(3'000'000, 'x'));
  const int32_t head = peer.request("HEAD", "/head");
  Got& got = peer.finish(small);
  EXPECT_EQ(got.headers[":status"], "201");
  EXPECT_EQ(got.headers["x-method"], "GET");
  EXPECT_EQ(got.headers["x-host"], "host");
  EXPECT_EQ(got.headers.count("connection"), 0u);
  EXPECT_NE(got.headers["date"], "");
  EXPECT_EQ(got.headers["content-length"], "9");
  EXPECT_EQ(got.body, "/a b?q=1\n");
  EXPECT_EQ(peer.finish(large).body, "/large?\n" + std::string(3'000'000, 'x'));
  EXPECT_EQ(peer.finish(head).headers["content-length"], "7");
  EXPECT_EQ(peer.got[head].body, "");
}

TEST(Http2, ManyStreamsAtOnce) {
  TestServer server(echo, false);
  Peer2 peer(server.port);
  std::vector<int32_t> ids;
  for (int i = 0; i < 1000; ++i) ids.push_back(peer.request("GET", "/" + std::to_string(i)));
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(peer.finish(ids[static_cast<size_t>(i)]).body, "/" + std::to_string(i) + "?\n");
}

TEST(Http2, StreamsEachWriteAtOnce) {
  auto sink = std::make_shared<std::promise<std::shared_ptr<BodyStream>>>();
  TestServer server(
      [sink](Request, std::shared_ptr<Responder> responder) { sink->set_value(responder->stream(200, {})); }, false);
  Peer2 peer(server.port);
  const int32_t id = peer.request("GET", "/watch");
  peer.flush();
  auto body = sink->get_future().get();
  for (int i = 0; i < 50; ++i) {
    const std::string event = "event " + std::to_string(i) + "\n";
    EXPECT_TRUE(body->write(make_chunk(event)));
    EXPECT_TRUE(peer.wait_for_body(id, event));
  }
  std::promise<void> closed;
  body->on_close([&] { closed.set_value(); });
  body->finish();
  EXPECT_EQ(peer.finish(id).error, 0u);
  closed.get_future().get();
  EXPECT_EQ(body->pending(), 0u);
}

TEST(Http2, HearsThatTheReaderCancelled) {
  auto sink = std::make_shared<std::promise<std::shared_ptr<BodyStream>>>();
  TestServer server(
      [sink](Request request, std::shared_ptr<Responder> responder) {
        if (request.path == "/watch") sink->set_value(responder->stream(200, {}));
        else responder->send({});
      },
      false);
  Peer2 peer(server.port);
  const int32_t id = peer.request("GET", "/watch");
  peer.flush();
  auto body = sink->get_future().get();
  std::promise<void> closed;
  body->on_close([&] { closed.set_value(); });
  nghttp2_submit_rst_stream(peer.session, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
  peer.flush();
  ASSERT_EQ(closed.get_future().wait_for(std::chrono::seconds(5)), std::future_status::ready);
  EXPECT_FALSE(body->write(make_chunk("x")));
  EXPECT_EQ(peer.finish(peer.request("GET", "/")).headers[":status"], "200") << "the connection lives on";
}

TEST(Http2, ADroppedStreamIsReset) {
  TestServer server(
      [](Request, std::shared_ptr<Responder> responder) { responder->stream(200, {})->write(make_chunk("half")); }, false);
  Peer2 peer(server.port);
  EXPECT_EQ(peer.finish(peer.request("GET", "/")).error, static_cast<uint32_t>(NGHTTP2_INTERNAL_ERROR));
}

TEST(Http2, TooLargeBodyIsAnswered413) {
  TestServer server(echo, false);
  Peer2 peer(server.port);
  const int32_t unannounced = peer.request("POST", "/", std::string(4'000'000, 'x'));
  EXPECT_EQ(peer.finish(unannounced).headers[":status"], "413");
  EXPECT_NE(peer.got[unannounced].body.find("Request entity too large: limit is 3145728"), std::string::npos);
  const int32_t announced = peer.request("POST", "/", std::string(3'145'729, 'x'), {{"content-length", "3145729"}});
  EXPECT_EQ(peer.finish(announced).headers[":status"], "413");
  EXPECT_EQ(peer.finish(peer.request("POST", "/", std::string(3'145'728, 'x'))).headers[":status"], "201");
}

TEST(Http2, BadRequestsAreRefusedAlone) {
  TestServer server(echo, false);
  Peer2 peer(server.port);
  EXPECT_EQ(peer.finish(peer.request("GET", "/a%zz")).headers[":status"], "400");
  EXPECT_EQ(peer.finish(peer.request("GET", "/a%00")).headers[":status"], "400");
  EXPECT_EQ(peer.finish(peer.request("GET", "/", "", {{"x", std::string(40000, 'x')}, {"y", std::string(40000, 'y')}})).headers[":status"], "431");
  std::vector<std::pair<std::string, std::string>> many;
  for (int i = 0; i < 101; ++i) many.emplace_back("x", "y");
  EXPECT_EQ(peer.finish(peer.request("GET", "/", "", many)).headers[":status"], "431");
  EXPECT_EQ(peer.finish(peer.request("GET", "/ok")).headers[":status"], "201");
}

TEST(Http2, NoAnswerIs500) {
  TestServer server([](Request, std::shared_ptr<Responder>) {}, false);
  Peer2 peer(server.port);
  EXPECT_EQ(peer.finish(peer.request("GET", "/")).headers[":status"], "500");
}

TEST(Http2, RapidResetsEndTheConnection) {
  TestServer server([keep = std::make_shared<std::vector<std::shared_ptr<Responder>>>()](
                        Request, std::shared_ptr<Responder> responder) { keep->push_back(std::move(responder)); },
                    false);
  Peer2 peer(server.port);
  for (int i = 0; i < 10'000 && peer.goaway < 0; ++i) {
    const int32_t id = peer.request("GET", "/");
    if (!peer.flush()) break;
    nghttp2_submit_rst_stream(peer.session, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
    if (!peer.flush()) break;
  }
  while (peer.pump()) {
  }
  EXPECT_GT(peer.goaway, 0) << "by nghttp2's own limit or by ours";
  EXPECT_FALSE(peer.raw().timed_out);
}

TEST(Http2, PingAndSettingsFloodsEndTheConnection) {
  for (const bool pings : {true, false}) {
    TestServer server(echo, false);
    Peer2 peer(server.port);
    const nghttp2_settings_entry entry{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 65535};
    for (int i = 0; i < 10'000; ++i) {
      if (pings) nghttp2_submit_ping(peer.session, NGHTTP2_FLAG_NONE, nullptr);
      else nghttp2_submit_settings(peer.session, NGHTTP2_FLAG_NONE, &entry, 1);
      if (!peer.flush()) break;
    }
    while (peer.pump()) {
    }
    EXPECT_FALSE(peer.raw().timed_out) << "closed by the server";
  }
}

// CVE-2023-45288, CVE-2024-28182: header blocks that never end.
TEST(Http2, AContinuationFloodEndsTheConnection) {
  TestServer server(echo, false);
  Peer2 peer(server.port);
  peer.finish(peer.request("GET", "/"));
  auto frame = [](uint8_t type, uint8_t flags, std::string_view payload) {
    std::string out;
    out += static_cast<char>(payload.size() >> 16);
    out += static_cast<char>(payload.size() >> 8);
    out += static_cast<char>(payload.size());
    out += static_cast<char>(type);
    out += static_cast<char>(flags);
    out += std::string("\0\0\0\x03", 4);
    return out.append(payload);
  };
  // An indexed field, ":method: GET", then never END_HEADERS: a literal field in each frame.
  bool open = peer.raw().send(frame(1, 1, "\x82"));
  const std::string field = std::string("\x00\x01" "a\x7f\x81\x7e", 6) + std::string(16'000, 'x');
  size_t sent = 0;
  while (open && sent < (256u << 20)) {
    open = peer.raw().send(frame(9, 0, field));
    sent += field.size();
  }
  EXPECT_FALSE(open) << "closed by the server";
  EXPECT_LT(sent, 64u << 20);
}

TEST(Http2, AZeroWindowIsNoParkingPlace) {
  TestServer server(
      [](Request, std::shared_ptr<Responder> responder) {
        responder->send({200, {}, {make_chunk(std::string(1u << 20, 'x'))}});
      },
      false, {.idle_seconds = 1});
  Peer2 peer(server.port);
  const nghttp2_settings_entry entry{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0};
  nghttp2_submit_settings(peer.session, NGHTTP2_FLAG_NONE, &entry, 1);
  peer.request("GET", "/");
  while (peer.pump()) {
  }
  EXPECT_FALSE(peer.raw().timed_out) << "closed by the server";
}

TEST(Http2, ABodyThatTricklesIsReset) {
  auto sink = std::make_shared<std::promise<std::shared_ptr<BodyStream>>>();
  TestServer server(
      [sink](Request, std::shared_ptr<Responder> responder) { sink->set_value(responder->stream(200, {})); }, false,
      {.body_seconds = 1});
  Peer2 peer(server.port);
  peer.request("GET", "/watch");  // keeps the connection in use
  const int32_t id = peer.trickle("POST", "/slow");
  auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!peer.got[id].closed && std::chrono::steady_clock::now() < end) {
    nghttp2_session_resume_data(peer.session, id);
    peer.flush();
    if (!peer.raw().wait_readable(20)) continue;
    peer.pump();
  }
  EXPECT_TRUE(peer.got[id].closed);
  EXPECT_LT(peer.goaway, 0) << "only the stream goes";
}

TEST(Http2, NobodyIsToldSoOnce) {
  TestServer server([](Request, std::shared_ptr<Responder> responder) { responder->send({401, {}, {make_chunk("no")}}); },
                    false);
  Peer2 peer(server.port);
  auto& first = peer.finish(peer.request("GET", "/"));
  EXPECT_EQ(first.body, "no");
  while (peer.pump()) {
  }
  EXPECT_EQ(peer.goaway, 0);
  EXPECT_FALSE(peer.raw().timed_out) << "closed by the server";
}

TEST(Http2, LongTargets) {
  TestServer server(echo, false);
  Peer2 peer(server.port);
  EXPECT_EQ(peer.finish(peer.request("GET", "/" + std::string(40'000, 'a'))).headers[":status"], "414");
  EXPECT_EQ(peer.finish(peer.request("GET", "/" + std::string(30'000, 'a'))).headers[":status"], "201");
}

TEST(Http2, APeerThatDoesNotReadIsCut) {
  auto sink = std::make_shared<std::promise<std::shared_ptr<BodyStream>>>();
  TestServer server(
      [sink](Request, std::shared_ptr<Responder> responder) { sink->set_value(responder->stream(200, {})); }, false,
      {.max_pending = 1u << 20});
  Peer2 peer(server.port);
  peer.request("GET", "/watch");
  peer.flush();
  auto body = sink->get_future().get();
  std::promise<void> closed;
  body->on_close([&] { closed.set_value(); });
  const Chunk chunk = make_chunk(std::string(64 << 10, 'x'));
  size_t written = 0;
  while (written < (1u << 30) && body->write(chunk)) {
    written += chunk->size();
    while (body->pending() > (8u << 20)) std::this_thread::yield();
  }
  ASSERT_EQ(closed.get_future().wait_for(std::chrono::seconds(5)), std::future_status::ready);
  server.server->stop();  // the loop has seen every write now
  EXPECT_LT(body->pending(), 1u << 20);
}

TEST(Http2, StopSaysGoodbye) {
  TestServer server(echo, false);
  Peer2 peer(server.port);
  peer.finish(peer.request("GET", "/"));
  server.server->stop();
  while (peer.pump()) {
  }
  EXPECT_EQ(peer.goaway, 0);
}

// A first line that looks like HTTP/2 for a while, and one that is none at all.
TEST(Http2, SniffsTheFirstBytes) {
  TestServer server(echo, false);
  RawPeer almost(server.port);
  almost.send("PRI ");
  almost.send("* HTTP/2.0\r\nX: y\r\n\r\n");
  EXPECT_TRUE(almost.read_to_end().starts_with("HTTP/1.1 505 ")) << almost.seen;
  RawPeer post(server.port);
  post.send("P");
  post.send("OST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(post.read_to_end().starts_with("HTTP/1.1 201 "));
}

// curl is the second opinion, over TLS with ALPN.
TEST(Http2, CurlOverTls) {
  TestServer server(echo, true);
  const std::string command = "curl -sk --http2 -m 10 -w '%{http_version} %{http_code}' -d abc https://127.0.0.1:" +
                              std::to_string(server.port) + "/curl 2>&1";
  FILE* pipe = popen(command.c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  std::string output;
  char buffer[256];
  while (const size_t n = fread(buffer, 1, sizeof buffer, pipe)) output.append(buffer, n);
  if (WEXITSTATUS(pclose(pipe)) == 127) GTEST_SKIP() << "no curl here";
  EXPECT_EQ(output, "/curl?\nabc2 201");
}

}  // namespace
}  // namespace net
