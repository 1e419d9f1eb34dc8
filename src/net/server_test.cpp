#include "net/server.hpp"

#include <sys/resource.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "net/test_peer.hpp"

namespace net {
namespace {

void echo(Request request, std::shared_ptr<Responder> responder) {
  Response response;
  response.headers.add("X-Method", request.method);
  response.headers.add("X-Peer", request.peer.address);
  response.body = {make_chunk(request.path + "?" + request.query.encode() + "\n"), make_chunk(std::move(request.body))};
  responder->send(std::move(response));
}

class BothWays : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Transport, BothWays, testing::Values(false, true),
                         [](const auto& info) { return info.param ? "tls" : "plain"; });

TEST_P(BothWays, RoundTrips) {
  TestServer server(echo, GetParam());
  auto client = server.client();
  for (const size_t size : {0u, 1u, 70'000u, 3'000'000u}) {
    Request request = post("/a b", std::string(size, 'x'));
    request.query.add("q", "1 2");
    const auto response = client->round_trip(request);
    ASSERT_TRUE(response) << response.error().message;
    EXPECT_EQ(response->status, 200);
    EXPECT_EQ(response->headers.get("x-method"), "POST");
    EXPECT_NE(response->headers.get("date"), "");
    EXPECT_EQ(body_of(*response), "/a b?q=1%202\n" + std::string(size, 'x'));
  }
}

TEST_P(BothWays, KeepsConnectionsAlive) {
  TestServer server(echo, GetParam());
  auto client = server.client();
  const auto first = client->round_trip(get("/1"));
  const auto second = client->round_trip(get("/2"));
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->headers.get("x-peer"), second->headers.get("x-peer"));
}

TEST_P(BothWays, HeadHasLengthButNoBody) {
  TestServer server(echo, GetParam());
  auto client = server.client();
  for (int i = 0; i < 2; ++i) {  // twice: the connection stays in step
    Request request = get("/abc");
    request.method = "HEAD";
    const auto response = client->round_trip(request);
    ASSERT_TRUE(response) << response.error().message;
    EXPECT_EQ(response->headers.get("content-length"), "6");
    EXPECT_TRUE(response->body.empty());
  }
}

TEST_P(BothWays, StreamsEachWriteAtOnce) {
  auto sink = std::make_shared<std::promise<std::shared_ptr<BodyStream>>>();
  TestServer server(
      [sink](Request, std::shared_ptr<Responder> responder) {
        sink->set_value(responder->stream(200, {{"Content-Type", "application/json"}}));
      },
      GetParam());
  auto client = server.client();
  auto stream = client->open_stream(get("/watch"));
  ASSERT_TRUE(stream) << stream.error().message;
  EXPECT_EQ((*stream)->headers().get("content-type"), "application/json");
  auto body = sink->get_future().get();
  for (int i = 0; i < 50; ++i) {  // each is read before the next is written
    const std::string event = "event " + std::to_string(i);
    EXPECT_TRUE(body->write(make_chunk(event)));
    EXPECT_EQ((*stream)->read().value(), event);
  }
  std::promise<void> closed;
  body->on_close([&] { closed.set_value(); });
  body->finish();
  EXPECT_EQ((*stream)->read().value(), "");
  closed.get_future().get();
  EXPECT_FALSE(body->write(make_chunk("late")));
  EXPECT_EQ(body->pending(), 0u);
}

TEST_P(BothWays, HearsThatTheReaderWent) {
  auto sink = std::make_shared<std::promise<std::shared_ptr<BodyStream>>>();
  TestServer server(
      [sink](Request, std::shared_ptr<Responder> responder) { sink->set_value(responder->stream(200, {})); }, GetParam());
  auto client = server.client();
  auto stream = client->open_stream(get("/watch"));
  ASSERT_TRUE(stream);
  auto body = sink->get_future().get();
  std::promise<void> closed;
  body->on_close([&] { closed.set_value(); });
  stream->reset();
  ASSERT_EQ(closed.get_future().wait_for(std::chrono::seconds(5)), std::future_status::ready);
  EXPECT_FALSE(body->write(make_chunk("x")));
  std::promise<void> again;
  body->on_close([&] { again.set_value(); });  // at once: it has happened
  again.get_future().get();
}

TEST_P(BothWays, CancelEndsABlockedRead) {
  auto sink = std::make_shared<std::promise<std::shared_ptr<BodyStream>>>();
  TestServer server(
      [sink](Request, std::shared_ptr<Responder> responder) { sink->set_value(responder->stream(200, {})); }, GetParam());
  auto client = server.client();
  auto stream = client->open_stream(get("/watch"));
  ASSERT_TRUE(stream);
  auto body = sink->get_future().get();
  auto read = std::async(std::launch::async, [&] { return (*stream)->read(); });
  (*stream)->cancel();
  const auto result = read.get();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().reason, base::Reason::service_unavailable);
}

TEST_P(BothWays, ADroppedStreamIsNoProperEnd) {
  TestServer server(
      [](Request, std::shared_ptr<Responder> responder) { responder->stream(200, {})->write(make_chunk("half")); },
      GetParam());
  const auto response = server.client()->round_trip(get("/"));
  EXPECT_FALSE(response);
}

TEST_P(BothWays, TooLargeBodyIsAnswered413) {
  TestServer server(echo, GetParam());
  auto client = server.client();
  const auto response = client->round_trip(post("/", std::string(3'145'729, 'x')));
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->status, 413);
  EXPECT_EQ(body_of(*response),
            "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\"Request entity too "
            "large: limit is 3145728\",\"reason\":\"RequestEntityTooLarge\",\"code\":413}\n");
  EXPECT_EQ(client->round_trip(post("/", std::string(3'145'728, 'x')))->status, 200);
  EXPECT_EQ(client->round_trip(post("/", std::string(60'000'000, 'x')))->status, 413);
}

TEST_P(BothWays, NoAnswerIs500AndSoIsAThrow) {
  TestServer server(
      [](Request request, std::shared_ptr<Responder> responder) {
        if (request.path == "/throw") throw std::runtime_error("broken");
        if (request.path == "/thread") std::thread([responder] {}).detach();
      },
      GetParam());
  auto client = server.client();
  for (const char* path : {"/drop", "/throw", "/thread"}) {
    const auto response = client->round_trip(get(path));
    ASSERT_TRUE(response) << response.error().message;
    EXPECT_EQ(response->status, 500) << path;
  }
}

TEST_P(BothWays, TwoHundredConnectionsAnsweredFromAnotherThread) {
  std::vector<std::jthread> workers;
  std::mutex mutex;
  std::vector<std::shared_ptr<Responder>> waiting;
  std::condition_variable ready;
  TestServer server(
      [&](Request, std::shared_ptr<Responder> responder) {
        const std::lock_guard lock(mutex);
        waiting.push_back(std::move(responder));
        ready.notify_one();
      },
      GetParam());
  std::atomic<int> good{0};
  constexpr int kClients = 200;
  for (int i = 0; i < kClients; ++i) {
    workers.emplace_back([&] {
      const auto response = server.client()->round_trip(get("/"));
      if (response && body_of(*response) == "all together") ++good;
    });
  }
  std::unique_lock lock(mutex);
  ASSERT_TRUE(ready.wait_for(lock, std::chrono::seconds(30), [&] { return waiting.size() == kClients; }));
  for (auto& responder : waiting) responder->send({200, {}, {make_chunk("all "), make_chunk("together")}});
  waiting.clear();
  lock.unlock();
  workers.clear();
  EXPECT_EQ(good.load(), kClients);
}

TEST_P(BothWays, StopEndsStreamsAndRefusesNewOnes) {
  auto sink = std::make_shared<std::promise<std::shared_ptr<BodyStream>>>();
  TestServer server(
      [sink](Request, std::shared_ptr<Responder> responder) { sink->set_value(responder->stream(200, {})); }, GetParam());
  auto client = server.client();
  auto stream = client->open_stream(get("/watch"));
  ASSERT_TRUE(stream);
  auto body = sink->get_future().get();
  std::atomic<bool> closed{false};
  body->on_close([&] { closed = true; });
  server.server->stop();
  EXPECT_TRUE(closed.load());
  EXPECT_FALSE(body->write(make_chunk("x")));
  EXPECT_FALSE((*stream)->read());
  const auto refused = client->round_trip(get("/"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, base::Reason::service_unavailable);
  EXPECT_EQ(refused.error().message, "The connection to the server 127.0.0.1:" + std::to_string(server.port) +
                                         " was refused - did you specify the right host or port?");
  body.reset();  // outlives the loop's work
}

// --- who is at the other end -----------------------------------------------------------------------------------------

void who(Request request, std::shared_ptr<Responder> responder) {
  std::string text = request.peer.certificate_verified ? "yes" : "no";
  text += " " + request.peer.common_name;
  for (const std::string& group : request.peer.organizations) text += " " + group;
  responder->send({200, {}, {make_chunk(text)}});
}

TEST(Tls, ClientCertificates) {
  const TestPki& pki = TestPki::shared();
  TestServer server(who, true);
  auto ask = [&](const KeyPair& pair) {
    ClientConfig config = server.client_config();
    config.certificate_pem = pair.certificate_pem;
    config.key_pem = pair.key_pem;
    const auto response = make_http_client(config)->round_trip(get("/"));
    return response ? body_of(*response) : response.error().message;
  };
  EXPECT_EQ(ask({}), "no ");
  EXPECT_EQ(ask(pki.client(pki.ca, "alice", {"system:masters", "dev"})), "yes alice system:masters dev");
  EXPECT_EQ(ask(pki.client(pki.ca, "late", {}, true, std::chrono::hours(1))), "no ") << "expired";
  EXPECT_EQ(ask(pki.client(pki.ca, "server", {}, false)), "no ") << "serverAuth only";
  const KeyPair other = *make_ca("test-ca", pki.now - std::chrono::hours(1), std::chrono::hours(100));
  EXPECT_EQ(ask(pki.client(other, "mallory", {"system:masters"})), "no ") << "another CA of the same name";
}

TEST(Tls, ClientSaysWhatIsWrongWithTheServer) {
  const TestPki& pki = TestPki::shared();
  TestServer server(echo, true);
  const std::string prefix = "Unable to connect to the server: tls: failed to verify certificate: x509: ";
  ClientConfig config = server.client_config();
  config.tls_server_name = "example.com";
  auto response = make_http_client(config)->round_trip(get("/"));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().message, prefix + "certificate is valid for localhost, 127.0.0.1, not example.com");
  config.tls_server_name = "localhost";
  EXPECT_TRUE(make_http_client(config)->round_trip(get("/")));
  config.ca_pem = make_ca("x", pki.now - std::chrono::hours(1), std::chrono::hours(100))->certificate_pem;
  response = make_http_client(config)->round_trip(get("/"));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().message, prefix + "certificate signed by unknown authority");
  config.insecure_skip_verify = true;
  EXPECT_TRUE(make_http_client(config)->round_trip(get("/")));
  config.ca_pem = "nonsense";
  config.insecure_skip_verify = false;
  EXPECT_EQ(make_http_client(config)->round_trip(get("/")).error().message,
            "certificate authority: the CA holds no PEM certificate");

  TestServer plain(echo, false);
  config = plain.client_config();
  config.tls = true;
  config.insecure_skip_verify = true;
  EXPECT_EQ(make_http_client(config)->round_trip(get("/")).error().message,
            "Unable to connect to the server: http: server gave HTTP response to HTTPS client");
}

TEST(Tls, PlainHttpToATlsPort) {
  TestServer server(echo, true);
  RawPeer peer(server.port);
  peer.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_NE(peer.read_to_end().find("Client sent an HTTP request to an HTTPS server."), std::string::npos);
}

TEST(Tls, BadConfig) {
  EXPECT_FALSE(make_server({.certificate_pem = "x", .key_pem = "y"}, echo));
  const TestPki& pki = TestPki::shared();
  const auto mixed = make_server({.certificate_pem = pki.server.certificate_pem, .key_pem = pki.ca.key_pem}, echo);
  ASSERT_FALSE(mixed);
  EXPECT_NE(mixed.error().message.find("does not belong to the certificate"), std::string::npos);
}

// --- raw HTTP/1.1 ----------------------------------------------------------------------------------------------------

TEST(Http1Server, RefusesAndCloses) {
  TestServer server(echo, false);
  RawPeer peer(server.port);
  peer.send("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled");
  const std::string answer = peer.read_to_end();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 Bad Request\r\n")) << answer;
  EXPECT_NE(answer.find("\r\nConnection: close\r\n"), std::string::npos);
  EXPECT_EQ(answer.find("smuggled"), std::string::npos);
  EXPECT_FALSE(peer.timed_out || peer.reset);
}

TEST(Http1Server, AnswersPipelinedRequestsInOrder) {
  TestServer server(echo, false);
  RawPeer peer(server.port);
  peer.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab"
            "GET /3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /4 HTTP/1.1\r\n");
  const std::string answer = peer.read_to_end();
  const size_t one = answer.find("/1?");
  const size_t two = answer.find("/2?\nab");
  const size_t three = answer.find("/3?");
  EXPECT_LT(one, two);
  EXPECT_LT(two, three);
  EXPECT_NE(three, std::string::npos);
  EXPECT_EQ(answer.find("/4?"), std::string::npos);
}

TEST(Http1Server, ContinuesWhenAsked) {
  TestServer server(echo, false);
  RawPeer peer(server.port);
  peer.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_TRUE(peer.read_until("\r\n\r\n").starts_with("HTTP/1.1 100 Continue\r\n"));
  peer.send("ab");
  EXPECT_NE(peer.read_until("/x?\nab").find("HTTP/1.1 200 OK"), std::string::npos);
}

TEST(Http1Server, Http10StreamEndsWithTheConnection) {
  TestServer server(
      [](Request, std::shared_ptr<Responder> responder) {
        auto body = responder->stream(200, {});
        body->write(make_chunk("abc"));
        body->finish();
      },
      false);
  RawPeer peer(server.port);
  peer.send("GET / HTTP/1.0\r\n\r\n");
  const std::string answer = peer.read_to_end();
  EXPECT_TRUE(answer.ends_with("\r\n\r\nabc")) << answer;
  EXPECT_EQ(answer.find("chunked"), std::string::npos);
}

TEST(Http1Server, AHalfClosedClientGetsItsAnswer) {
  TestServer server(echo, false);
  RawPeer peer(server.port);
  peer.send("GET /half HTTP/1.1\r\nHost: a\r\n\r\n");
  peer.finish();
  EXPECT_NE(peer.read_to_end().find("/half?"), std::string::npos);
  EXPECT_FALSE(peer.timed_out);
}

TEST(Http1Server, AHalfClosedClientGetsAllItsAnswers) {
  TestServer server(echo, false);
  RawPeer peer(server.port);
  peer.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /half HT");
  peer.finish();
  EXPECT_NE(peer.read_to_end().find("/2?"), std::string::npos);
  EXPECT_FALSE(peer.timed_out);
}

TEST(Http1Server, WithoutFileDescriptorsNewConnectionsWait) {
  const int listener = *listen_tcp("127.0.0.1", 0);
  auto server = make_server({}, echo);
  ASSERT_TRUE(server);
  RawPeer peer(bound_port(listener));  // in the backlog
  peer.send("GET /late HTTP/1.1\r\nHost: a\r\n\r\n");
  (*server)->add_listener(listener);
  const int next = ::dup(0);  // the lowest free one
  ::close(next);
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  const rlimit none{static_cast<rlim_t>(next), before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  const auto cpu = [] {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_utime.tv_sec * 1'000'000 + usage.ru_utime.tv_usec + usage.ru_stime.tv_sec * 1'000'000 + usage.ru_stime.tv_usec;
  };
  (*server)->start();
  const long used_before = cpu();
  pollfd nothing{-1, 0, 0};
  ::poll(&nothing, 1, 400);
  const long used = cpu() - used_before;
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_LT(used, 200'000) << "it must not spin";
  EXPECT_NE(peer.read_until("/late?").find("200 OK"), std::string::npos);
}

TEST(Http1Server, SlowHeadIsCut) {
  TestServer server(echo, false, {.header_seconds = 1});
  RawPeer peer(server.port);
  peer.send("GET / HTTP/1.1\r\nHos");
  EXPECT_EQ(peer.read_to_end(), "");
  EXPECT_FALSE(peer.timed_out);
}

TEST(Http1Server, ABodyThatTricklesIsCut) {
  TestServer server(echo, false, {.body_seconds = 1});
  RawPeer peer(server.port);
  peer.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
  // Bytes go on coming: each is no excuse for the whole.
  while (peer.send("x") && !peer.wait_closed(50)) {
  }
  EXPECT_EQ(peer.read_to_end(), "");
  EXPECT_FALSE(peer.timed_out);
}

TEST(Http1Server, TooManySlowBodiesAtOnce) {
  TestServer server(echo, false, {.max_collecting = 1u << 20});
  std::vector<std::unique_ptr<RawPeer>> slow;
  for (int i = 0; i < 20; ++i) {
    slow.push_back(std::make_unique<RawPeer>(server.port));
    slow.back()->send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n" + std::string(100'000, 'x'));
  }
  // 2 MB are held; the senders rest. Who comes after a second with a whole body is served, and slow ones go.
  EXPECT_FALSE(slow[0]->wait_closed(1'200));
  auto reply = server.client()->round_trip(post("/in", std::string(2'000'000, 'y')));
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_EQ(reply->status, 200);
  int cut = 0;
  for (auto& peer : slow) cut += peer->wait_closed(0) ? 1 : 0;
  EXPECT_GE(cut, 10);
}

TEST(Http1Server, LongTargets) {
  TestServer server(echo, false);
  for (bool whole : {true, false}) {
    RawPeer peer(server.port);
    peer.send("GET /" + std::string(40'000, 'a'));
    if (whole) peer.send(" HTTP/1.1\r\nHost: a\r\n\r\n");
    auto text = peer.read_to_end();
    EXPECT_TRUE(text.starts_with("HTTP/1.1 414 ")) << text.substr(0, 200);
  }
  RawPeer peer(server.port);
  peer.send("GET /" + std::string(30'000, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(peer.read_until("\r\n").starts_with("HTTP/1.1 200 "));
}

TEST(Http1Server, NobodyIsToldSoOnce) {
  TestServer server([](Request, std::shared_ptr<Responder> responder) { responder->send({401, {}, {}}); }, false);
  RawPeer peer(server.port);
  peer.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_NE(peer.read_to_end().find("Connection: close"), std::string::npos);
  EXPECT_FALSE(peer.timed_out);
}

TEST(Http1Server, NoNewConnectionsOnTheWayOut) {
  TestServer server(echo, false);
  RawPeer peer(server.port);
  peer.send("GET /one HTTP/1.1\r\nHost: a\r\n\r\n");
  peer.read_until("/one?");
  server.server->stop_accepting();
  while (RawPeer(server.port).connected) std::this_thread::yield();
  peer.send("GET /two HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_NE(peer.read_until("/two?").find("/two?"), std::string::npos) << "those that are open go on";
}

TEST(Http1Server, IdleConnectionIsClosed) {
  TestServer server(echo, false, {.idle_seconds = 1});
  RawPeer peer(server.port);
  peer.send("GET /one HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_NE(peer.read_to_end().find("/one?"), std::string::npos);
  EXPECT_FALSE(peer.timed_out || peer.reset);
}

TEST(Http1Server, APeerThatDoesNotReadIsCut) {
  auto sink = std::make_shared<std::promise<std::shared_ptr<BodyStream>>>();
  TestServer server(
      [sink](Request, std::shared_ptr<Responder> responder) { sink->set_value(responder->stream(200, {})); }, false,
      {.max_pending = 1u << 20});
  RawPeer peer(server.port, 4096);
  peer.send("GET /watch HTTP/1.1\r\nHost: a\r\n\r\n");
  auto body = sink->get_future().get();
  std::promise<void> closed;
  body->on_close([&] { closed.set_value(); });
  const Chunk chunk = make_chunk(std::string(64 << 10, 'x'));
  size_t written = 0;
  while (written < (1u << 30) && body->write(chunk)) {
    written += chunk->size();
    while (body->pending() > (8u << 20)) std::this_thread::yield();  // the loop has not seen it yet
  }
  ASSERT_EQ(closed.get_future().wait_for(std::chrono::seconds(5)), std::future_status::ready);
  EXPECT_LT(written, 1u << 30);
}

TEST(Http1Server, PendingCountsWhatTheKernelHasNotTaken) {
  auto sink = std::make_shared<std::promise<std::shared_ptr<BodyStream>>>();
  TestServer server(
      [sink](Request, std::shared_ptr<Responder> responder) { sink->set_value(responder->stream(200, {})); }, false);
  RawPeer peer(server.port, 4096);
  peer.send("GET /watch HTTP/1.1\r\nHost: a\r\n\r\n");
  auto body = sink->get_future().get();
  const size_t total = 8u << 20;
  body->write(make_chunk(std::string(total, 'x')));
  EXPECT_GT(body->pending(), 1u << 20);
  size_t read = 0;
  while (read < total) {
    const std::string bytes = peer.read_some();
    ASSERT_FALSE(bytes.empty());
    read += bytes.size();
  }
  body->finish();
  peer.read_until("0\r\n\r\n");
  EXPECT_EQ(body->pending(), 0u);
}

TEST(Http1Server, MaxConnections) {
  TestServer server(echo, false, {.max_connections = 2});
  auto first = std::make_unique<RawPeer>(server.port);
  RawPeer second(server.port);
  for (RawPeer* peer : {first.get(), &second}) {
    peer->send("GET /in HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_NE(peer->read_until("/in?").find("200 OK"), std::string::npos);
  }
  RawPeer third(server.port);  // waits in the backlog until one goes
  third.send("GET /in HTTP/1.1\r\nHost: a\r\n\r\n");
  first.reset();
  EXPECT_NE(third.read_until("/in?").find("200 OK"), std::string::npos);
}

TEST(Http1Server, OneClientHasSoManyConnections) {
  TestServer server(echo, false, {.max_connections_per_client = 2});
  auto first = std::make_unique<RawPeer>(server.port);
  RawPeer second(server.port);
  for (RawPeer* peer : {first.get(), &second}) {
    peer->send("GET /in HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_NE(peer->read_until("/in?").find("200 OK"), std::string::npos);
  }
  RawPeer third(server.port);
  third.send("GET /in HTTP/1.1\r\nHost: a\r\n\r\n");
  const std::string refusal = third.read_to_end();
  EXPECT_NE(refusal.find("HTTP/1.1 429"), std::string::npos) << refusal;
  EXPECT_NE(refusal.find("Retry-After: 1"), std::string::npos);
  EXPECT_NE(refusal.find("--max-connections-per-client"), std::string::npos);
  first.reset();
  for (bool served = false; !served;) {  // as soon as the server has seen it go
    RawPeer fourth(server.port);
    fourth.send("GET /in HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    served = fourth.read_to_end().find("200 OK") != std::string::npos;
  }
}

// A certificate without a name is counted by its address, and given back.
TEST(Http1Server, ConnectionsOfTheNamelessAreGivenBack) {
  TestServer server(echo, true, {.max_connections_per_client = 1});
  const TestPki& pki = TestPki::shared();
  const KeyPair nameless = pki.client(pki.ca, "", {"some"});
  ClientConfig config = server.client_config();
  config.certificate_pem = nameless.certificate_pem;
  config.key_pem = nameless.key_pem;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  for (int i = 0; i < 3; ++i) {
    int status = 0;
    while (status != 200 && std::chrono::steady_clock::now() < end) {  // as soon as the one before is seen to be gone
      auto client = make_http_client(config);
      const auto response = client->round_trip(get("/in"));
      ASSERT_TRUE(response) << response.error().message;
      status = response->status;
    }
    EXPECT_EQ(status, 200);
  }
}

TEST(Client, DoesNotRepeatWhatMayHaveBeenDone) {
  std::atomic<int> posts{0};
  std::atomic<int> gets{0};
  // A server that takes one request on a connection, then closes it without an answer.
  const int listener = *listen_tcp("127.0.0.1", 0);
  const int port = bound_port(listener);
  std::jthread peer([&] {
    for (int i = 0; i < 4; ++i) {
      pollfd item{listener, POLLIN, 0};
      if (::poll(&item, 1, 10'000) <= 0) return;
      const int fd = ::accept(listener, nullptr, nullptr);
      char buffer[4096];
      for (;;) {
        const ssize_t n = ::recv(fd, buffer, sizeof buffer, 0);
        if (n <= 0) break;
        const std::string_view request(buffer, static_cast<size_t>(n));
        (request.starts_with("POST") ? posts : gets)++;
        if (request.find("/close") != std::string_view::npos) break;
        (void)::send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 38, MSG_NOSIGNAL);
      }
      ::close(fd);
    }
  });
  ClientConfig config{.host = "127.0.0.1", .port = port, .tls = false};
  auto client = make_http_client(config);
  ASSERT_TRUE(client->round_trip(get("/open")));
  EXPECT_FALSE(client->round_trip(post("/close", "x")));
  EXPECT_EQ(posts.load(), 1);
  ASSERT_TRUE(client->round_trip(get("/open")));
  EXPECT_FALSE(client->round_trip(get("/close")));
  EXPECT_EQ(gets.load(), 4) << "a GET on a kept-alive connection is tried once more";
  ASSERT_TRUE(client->round_trip(get("/open")));
  client.reset();
  ::shutdown(listener, SHUT_RDWR);
  peer.join();
  ::close(listener);
}

TEST(Client, TimesOut) {
  TestServer server([keep = std::make_shared<std::vector<std::shared_ptr<Responder>>>()](
                        Request, std::shared_ptr<Responder> responder) { keep->push_back(std::move(responder)); },
                    false);
  ClientConfig config = server.client_config();
  config.request_timeout_ms = 50;
  const auto response = make_http_client(config)->round_trip(get("/"));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().reason, base::Reason::timeout);
}

TEST(Client, UnknownHost) {
  const auto response = make_http_client({.host = "no-such-host.invalid", .port = 1, .tls = false})->round_trip(get("/"));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().message, "Unable to connect to the server: dial tcp: lookup no-such-host.invalid: no such host");
}

TEST(Listen, SaysWhatIsWrong) {
  EXPECT_FALSE(listen_tcp("localhost", 0));
  EXPECT_FALSE(listen_tcp("127.0.0.1", 70000));
  const int fd = *listen_tcp("127.0.0.1", 0);
  const auto taken = listen_tcp("127.0.0.1", bound_port(fd));
  ASSERT_FALSE(taken);
  EXPECT_NE(taken.error().message.find("Address already in use"), std::string::npos);
  ::close(fd);
}

}  // namespace
}  // namespace net
