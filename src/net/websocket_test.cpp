#include "net/websocket.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "net/http1.hpp"
#include "net/test_peer.hpp"
#include "net/tls.hpp"

namespace net {
namespace {

// --- the codec -------------------------------------------------------------------------------------------------------

// A frame as a client sends it, masked with zeros so that the bytes can be read.
std::string masked(int first, std::string_view payload) {
  std::string frame(1, static_cast<char>(first));
  if (payload.size() < 126) {
    frame += static_cast<char>(0x80 | payload.size());
  } else {
    frame += static_cast<char>(0x80 | 126);
    frame += static_cast<char>(payload.size() >> 8);
    frame += static_cast<char>(payload.size());
  }
  return frame + std::string(4, '\0') + std::string(payload);
}

// The code of a close frame, or 0.
int close_code(std::string_view output) {
  if (output.size() < 4 || output[0] != '\x88') return 0;
  return static_cast<unsigned char>(output[2]) * 256 + static_cast<unsigned char>(output[3]);
}

struct Broken {
  const char* name;
  std::string bytes;
  int code;
};
class WebSocketRefuses : public testing::TestWithParam<Broken> {};

TEST_P(WebSocketRefuses, WithACloseFrame) {
  for (const size_t step : {size_t{1} << 20, size_t{1}}) {
    WebSocketCodec codec(WebSocketCodec::Role::server, 1 << 20);
    for (size_t i = 0; i < GetParam().bytes.size(); i += step) codec.feed(std::string_view(GetParam().bytes).substr(i, step));
    EXPECT_EQ(close_code(codec.take_output()), GetParam().code);
    EXPECT_TRUE(codec.finished());
    EXPECT_FALSE(codec.close_received());
    EXPECT_FALSE(codec.send_binary("x"));
    EXPECT_TRUE(codec.take_messages().empty());
  }
}

INSTANTIATE_TEST_SUITE_P(
    Table, WebSocketRefuses,
    testing::Values(Broken{"unmasked", "\x82\x01x", 1002}, Broken{"rsv_bit", masked(0xc2, "x"), 1002},
                    Broken{"fragmented_ping", masked(0x09, "x"), 1002},
                    Broken{"long_ping", masked(0x89, std::string(126, 'x')), 1002},
                    Broken{"unknown_opcode", masked(0x83, "x"), 1002},
                    Broken{"continuation_first", masked(0x80, "x"), 1002},
                    Broken{"new_message_inside", masked(0x02, "x") + masked(0x82, "y"), 1002},
                    Broken{"bad_utf8", masked(0x81, "\xff"), 1007},
                    Broken{"length_2_63", std::string("\x82\xff\x80\0\0\0\0\0\0\0", 10) + std::string(4, '\0'), 1002},
                    Broken{"too_large", std::string("\x82\xff\0\0\0\0\0\x10\0\1", 10) + std::string(5, '\0'), 1009}),
    [](const auto& info) { return info.param.name; });

TEST(WebSocketCodec, JoinsFragmentsAroundAPing) {
  WebSocketCodec codec(WebSocketCodec::Role::server, 1 << 20);
  const std::string bytes = masked(0x02, "ab") + masked(0x89, "hello") + masked(0x00, "cd") + masked(0x80, "e");
  for (char c : bytes) codec.feed({&c, 1});
  const auto messages = codec.take_messages();
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].bytes, "abcde");
  EXPECT_TRUE(messages[0].binary);
  EXPECT_EQ(codec.take_output(), "\x8a\x05hello");
}

TEST(WebSocketCodec, EndlessFragmentsAreRefused) {
  WebSocketCodec codec(WebSocketCodec::Role::server, 1 << 20);
  codec.feed(masked(0x02, ""));
  for (int i = 0; i < 10'000 && !codec.finished(); ++i) codec.feed(masked(0x00, ""));
  EXPECT_EQ(close_code(codec.take_output()), 1008);
}

TEST(WebSocketCodec, BothEndsUnderstandEachOther) {
  WebSocketCodec server(WebSocketCodec::Role::server, 1 << 20);
  WebSocketCodec client(WebSocketCodec::Role::client, 1 << 20);
  for (const size_t size : {0u, 1u, 125u, 126u, 65535u, 65536u, 1u << 20}) {
    const std::string payload(size, 'p');
    ASSERT_TRUE(client.send_binary(payload));
    server.feed(client.take_output());
    auto messages = server.take_messages();
    ASSERT_EQ(messages.size(), 1u);
    EXPECT_EQ(messages[0].bytes, payload);
    client.feed(websocket_frame_header(size) + payload);
    messages = client.take_messages();
    ASSERT_EQ(messages.size(), 1u);
    EXPECT_EQ(messages[0].bytes, payload);
  }
  client.close(1000, "bye");
  EXPECT_TRUE(client.close_sent());
  server.feed(client.take_output());
  EXPECT_TRUE(server.close_received() && server.finished());
  client.feed(server.take_output());
  EXPECT_TRUE(client.finished() && client.close_received());
}

TEST(WebSocketCodec, CloseCodesAndReasonsThatMustNotBeSent) {
  WebSocketCodec codec(WebSocketCodec::Role::server, 1 << 20);
  codec.close(1005, std::string(122, 'x') + "\xc3\xa4");
  const std::string output = codec.take_output();
  EXPECT_EQ(close_code(output), 1000);
  EXPECT_EQ(output.size(), 4 + 122u) << "no half character";
}

// --- over the wire ---------------------------------------------------------------------------------------------------

void echo_socket(Request request, std::shared_ptr<Responder> responder) {
  if (!request.websocket_upgrade) {
    responder->send({400, {}, {make_chunk("Upgrade request required")}});
    return;
  }
  if (request.path == "/forbidden") {
    responder->send({403, {{"X-Why", "because"}}, {make_chunk("no, because of this")}});
    return;
  }
  const std::string wanted(request.headers.get("sec-websocket-protocol"));
  auto socket = *responder->websocket(wanted.substr(0, wanted.find(',')));
  socket->on_close([socket] {});  // a cycle that the end of the connection must break
  socket->on_message([socket](std::string message, bool) {
    if (message == "close") socket->close(1000, "done");
    else if (message == "throw") throw std::runtime_error("broken");
    else socket->send_binary(std::move(message));
  });
}

class WebSocketServer : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Transport, WebSocketServer, testing::Values(false, true),
                         [](const auto& info) { return info.param ? "tls" : "plain"; });

TEST_P(WebSocketServer, EchoesAndClosesInGoodOrder) {
  TestServer server(echo_socket, GetParam());
  auto client = server.client();
  auto socket = client->open_websocket(get("/exec"), {"v5.channel.k8s.io", "v4.channel.k8s.io"}, nullptr);
  ASSERT_TRUE(socket) << socket.error().message;
  EXPECT_EQ((*socket)->subprotocol(), "v5.channel.k8s.io");
  for (const size_t size : {0u, 1u, 200u, 100'000u, 1u << 20}) {
    const std::string message(size, 'm');
    ASSERT_TRUE((*socket)->send_binary(message));
    const auto back = (*socket)->receive();
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(back->value(), message);
  }
  ASSERT_TRUE((*socket)->send_binary("close"));
  const auto last = (*socket)->receive();
  ASSERT_TRUE(last) << last.error().message;
  EXPECT_FALSE(last->has_value());
  EXPECT_FALSE((*socket)->send_binary("late"));
}

TEST_P(WebSocketServer, ManyMessagesBothWaysAtOnce) {
  TestServer server(echo_socket, GetParam());
  auto socket = *server.client()->open_websocket(get("/exec"), {}, nullptr);
  constexpr int kMessages = 2000;
  std::jthread sender([&] {
    for (int i = 0; i < kMessages; ++i) ASSERT_TRUE(socket->send_binary(std::to_string(i)));
  });
  for (int i = 0; i < kMessages; ++i) {
    const auto back = socket->receive();
    ASSERT_TRUE(back && *back);
    EXPECT_EQ(**back, std::to_string(i));
  }
}

TEST_P(WebSocketServer, CloseEndsAReceiveOfAnotherThread) {
  TestServer server(echo_socket, GetParam());
  auto socket = *server.client()->open_websocket(get("/exec"), {}, nullptr);
  auto received = std::async(std::launch::async, [&] { return socket->receive(); });
  socket->close();
  const auto result = received.get();
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_FALSE(result->has_value());
}

TEST_P(WebSocketServer, RefusalIsSeen) {
  TestServer server(echo_socket, GetParam());
  UpgradeRefused refused;
  const auto socket = server.client()->open_websocket(get("/forbidden"), {"a"}, &refused);
  ASSERT_FALSE(socket);
  EXPECT_EQ(socket.error().reason, base::Reason::bad_request);
  EXPECT_EQ(socket.error().message, "the server refused the WebSocket: HTTP 403 Forbidden: no, because of this");
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(refused.headers.get("x-why"), "because");
  EXPECT_EQ(refused.body, "no, because of this");
}

TEST_P(WebSocketServer, TooLargeMessageEndsIt) {
  TestServer server(echo_socket, GetParam());
  auto socket = *server.client()->open_websocket(get("/exec"), {}, nullptr);
  (void)socket->send_binary(std::string((1u << 20) + 1, 'x'));
  const auto result = socket->receive();
  EXPECT_TRUE(!result || !*result);
}

TEST_P(WebSocketServer, ServerSpeaksFirstAndStops) {
  TestServer server(
      [](Request, std::shared_ptr<Responder> responder) {
        std::thread([responder] { (*responder->websocket(""))->send_binary("first"); }).detach();
      },
      GetParam());
  auto socket = *server.client()->open_websocket(get("/exec"), {}, nullptr);
  EXPECT_EQ(socket->receive().value(), "first");
  EXPECT_EQ(socket->receive().value(), std::nullopt) << "dropped by its owner: closed in good order";
}

TEST(WebSocketServerRaw, MessagesRightBehindTheRequest) {
  TestServer server(echo_socket, false);
  RawPeer peer(server.port);
  peer.send("GET /exec HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" +
            masked(0x82, "early"));
  const std::string answer = peer.read_until("early");
  EXPECT_NE(answer.find("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), std::string::npos) << answer;
  EXPECT_TRUE(answer.ends_with("\r\n\r\n\x82\x05"
                               "early"));
  peer.send(masked(0x82, "throw"));
  EXPECT_NE(peer.read_until("\x88").find("\x88"), std::string::npos);
}

TEST(WebSocketServerRaw, WithoutAProperHandshakeItIsAPlainRequest) {
  TestServer server(echo_socket, false);
  for (const char* fields : {"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
                             "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\nSec-WebSocket-Key: "
                             "dGhlIHNhbXBsZSBub25jZQ==\r\n",
                             "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: a\r\n",
                             "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"}) {
    RawPeer peer(server.port);
    peer.send(std::string("GET /exec HTTP/1.1\r\nHost: a\r\n") + fields + "\r\n");
    EXPECT_NE(peer.read_until("required").find("400 Bad Request"), std::string::npos) << fields;
  }
}

TEST(WebSocketServerRaw, PausedReadingLeavesBytesInTheKernel) {
  auto accepted = std::make_shared<std::promise<std::shared_ptr<WebSocket>>>();
  auto received = std::make_shared<std::atomic<size_t>>(0);
  TestServer server(
      [=](Request, std::shared_ptr<Responder> responder) {
        auto socket = *responder->websocket("");
        socket->set_reading(false);
        socket->on_message([received](std::string message, bool) { *received += message.size(); });
        accepted->set_value(socket);
      },
      false);
  auto client = server.client();
  auto socket = *client->open_websocket(get("/exec"), {}, nullptr);
  auto theirs = accepted->get_future().get();
  constexpr size_t kTotal = 32u << 20;
  std::promise<void> sent;
  std::jthread sender([&] {
    for (size_t i = 0; i < kTotal; i += 1u << 20) ASSERT_TRUE(socket->send_binary(std::string(1u << 20, 'x')));
    sent.set_value();
  });
  auto done = sent.get_future();
  EXPECT_EQ(done.wait_for(std::chrono::milliseconds(200)), std::future_status::timeout);
  EXPECT_LT(received->load(), 4u << 20);
  theirs->set_reading(true);
  EXPECT_EQ(done.wait_for(std::chrono::seconds(20)), std::future_status::ready);
}

// The peer is still sending when its command has ended: it must not wait until it is cut.
TEST(WebSocketServerRaw, ClosingReadsOnAlthoughItWasPaused) {
  TestServer server(
      [](Request, std::shared_ptr<Responder> responder) {
        auto socket = *responder->websocket("");
        socket->on_message([](std::string, bool) {});
        socket->set_reading(false);
        std::thread([socket] {
          std::this_thread::sleep_for(std::chrono::milliseconds(100));
          socket->send_binary("exit 0");
          socket->close(1000, "");
          socket->set_reading(false);
        }).detach();
      },
      false);
  auto client = server.client();
  auto socket = *client->open_websocket(get("/exec"), {}, nullptr);
  // More than the sockets' buffers hold: who is cut does not get rid of it.
  constexpr int kMessages = 16;
  int sent = 0;
  while (sent < kMessages && socket->send_binary(std::string(1u << 20, 'x'))) ++sent;
  EXPECT_EQ(sent, kMessages);
  EXPECT_EQ(socket->receive().value(), "exit 0");
  EXPECT_EQ(socket->receive().value(), std::nullopt);
}

}  // namespace
}  // namespace net
