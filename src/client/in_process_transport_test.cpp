#include <gtest/gtest.h>

#include <thread>

#include "client/transport.hpp"

namespace client {
namespace {

net::Request get_request(std::string path) {
  net::Request request;
  request.method = "GET";
  request.path = std::move(path);
  return request;
}

std::string text_of(const net::Response& response) {
  std::string out;
  for (const auto& chunk : response.body) out += *chunk;
  return out;
}

TEST(InProcessTransport, CallsTheHandlerAsThatUser) {
  net::Peer seen;
  auto transport = make_in_process_transport(
      [&](net::Request request, std::shared_ptr<net::Responder> responder) {
        seen = request.peer;
        responder->send({.status = 201, .headers = {{"X", "y"}}, .body = {net::make_chunk("he"), net::make_chunk("llo")}});
      },
      "system:node:n", {"system:nodes"});
  auto response = transport->round_trip(get_request("/api"));
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->status, 201);
  EXPECT_EQ(response->headers.get("x"), "y");
  EXPECT_EQ(text_of(*response), "hello");
  EXPECT_EQ(seen.address, "in-process");
  EXPECT_TRUE(seen.certificate_verified);
  EXPECT_EQ(seen.common_name, "system:node:n");
  EXPECT_EQ(seen.organizations, std::vector<std::string>{"system:nodes"});
}

TEST(InProcessTransport, WaitsForAHandlerThatAnswersFromAnotherThread) {
  std::jthread later;
  auto transport = make_in_process_transport(
      [&](net::Request, std::shared_ptr<net::Responder> responder) {
        later = std::jthread([responder] { responder->send({.status = 200, .headers = {}, .body = {net::make_chunk("x")}}); });
      },
      "u", {});
  auto response = transport->round_trip(get_request("/"));
  ASSERT_TRUE(response);
  EXPECT_EQ(text_of(*response), "x");
}

TEST(InProcessTransport, AHandlerThatForgetsToAnswerIsAnError) {
  auto transport = make_in_process_transport([](net::Request, std::shared_ptr<net::Responder>) {}, "u", {});
  auto response = transport->round_trip(get_request("/"));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 500);
}

TEST(InProcessTransport, StreamsUntilTheHandlerFinishes) {
  std::shared_ptr<net::BodyStream> body;
  auto transport = make_in_process_transport(
      [&](net::Request, std::shared_ptr<net::Responder> responder) { body = responder->stream(200, {}); }, "u", {});
  auto stream = transport->open_stream(get_request("/watch"));
  ASSERT_TRUE(stream);
  EXPECT_EQ((*stream)->status(), 200);
  bool closed = false;
  body->on_close([&] { closed = true; });
  EXPECT_TRUE(body->write(net::make_chunk("one")));
  EXPECT_EQ(body->pending(), 3u);
  EXPECT_EQ((*stream)->read().value(), "one");
  EXPECT_EQ(body->pending(), 0u);
  EXPECT_TRUE(body->write(net::make_chunk("two")));
  body->finish();
  EXPECT_EQ((*stream)->read().value(), "two");
  EXPECT_FALSE(closed);
  EXPECT_EQ((*stream)->read().value(), "");
  EXPECT_TRUE(closed);
}

TEST(InProcessTransport, CancelWakesTheReaderAndTellsTheHandler) {
  std::shared_ptr<net::BodyStream> body;
  auto transport = make_in_process_transport(
      [&](net::Request, std::shared_ptr<net::Responder> responder) { body = responder->stream(200, {}); }, "u", {});
  auto stream = transport->open_stream(get_request("/watch"));
  ASSERT_TRUE(stream);
  int closed = 0;
  body->on_close([&] { ++closed; });
  std::jthread other([&] { (*stream)->cancel(); });
  auto read = (*stream)->read();
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().reason, base::Reason::service_unavailable);
  other.join();
  EXPECT_EQ(closed, 1);
  EXPECT_FALSE(body->write(net::make_chunk("late")));
  body->on_close([&] { ++closed; });  // at once: it has happened
  EXPECT_EQ(closed, 2);
}

TEST(InProcessTransport, AReaderThatDoesNotReadIsCut) {
  std::shared_ptr<net::BodyStream> body;
  auto transport = make_in_process_transport(
      [&](net::Request, std::shared_ptr<net::Responder> responder) { body = responder->stream(200, {}); }, "u", {});
  auto stream = transport->open_stream(get_request("/watch"));
  ASSERT_TRUE(stream);
  auto chunk = net::make_chunk(std::string(8u << 20, 'x'));
  int written = 0;
  while (written < 10 && body->write(chunk)) ++written;
  EXPECT_EQ(written, 4);
  EXPECT_FALSE((*stream)->read());
}

}  // namespace
}  // namespace client
