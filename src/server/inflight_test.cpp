#include "server/inflight.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.hpp"
#include "server/testing.hpp"

namespace server {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

class InflightTest : public ::testing::Test {
 protected:
  struct Call {
    std::shared_ptr<testing::Recorder> recorder;
    InflightPtr request;
    bool admitted = false;
  };
  Call begin(bool read_only, bool exempt = false, bool long_running = false) {
    Call call{std::make_shared<testing::Recorder>(), nullptr};
    net::Request request;
    request.method = read_only ? "GET" : "POST";
    call.request = inflight_.begin(request, call.recorder);
    RequestTraits traits;
    traits.labels = {.verb = long_running ? "WATCH" : request.method, .group = "", .version = "v1", .resource = "pods",
                     .subresource = "", .scope = "namespace"};
    traits.read_only = read_only;
    traits.exempt = exempt;
    traits.long_running = long_running;
    call.request->describe(std::move(traits), request);
    call.admitted = call.request->admit();
    return call;
  }
  static net::Response ok() { return {200, {{"Content-Type", "text/plain"}}, {net::make_chunk("fine")}}; }

  sys::FakeClock clock_;
  std::shared_ptr<Metrics> metrics_ = std::make_shared<Metrics>();
  Inflight inflight_{{.reading = 2, .mutating = 1}, metrics_, nullptr, clock_};
};

TEST_F(InflightTest, SoManyAtATime) {
  auto first = begin(true);
  auto second = begin(true);
  EXPECT_TRUE(first.admitted && second.admitted);
  auto third = begin(true);
  EXPECT_FALSE(third.admitted);
  EXPECT_EQ(third.recorder->status(), 429);
  EXPECT_EQ(third.recorder->body(), "Too many requests, please try again later.\n");
  EXPECT_EQ(third.recorder->headers().get("Retry-After"), "1");
  EXPECT_TRUE(begin(false).admitted) << "writes are counted apart";
  auto master = begin(true, true);
  EXPECT_TRUE(master.admitted);
  EXPECT_EQ(metrics_->reading.load(), 3);
  first.request->send(ok());
  master.request->send(ok());
  EXPECT_TRUE(begin(true).admitted);
  second.request.reset();
  EXPECT_EQ(metrics_->mutating.load(), 0);
}

TEST_F(InflightTest, LargeBodiesShareARoom) {
  Inflight inflight({.body_bytes = 1u << 20}, metrics_, nullptr, clock_);
  auto begin = [&](size_t bytes) {
    Call call{std::make_shared<testing::Recorder>(), nullptr};
    net::Request request;
    request.method = "POST";
    request.body.assign(bytes, 'x');
    call.request = inflight.begin(request, call.recorder);
    RequestTraits traits;
    traits.read_only = false;
    traits.exempt = true;
    call.request->describe(std::move(traits), request);
    call.admitted = call.request->admit();
    return call;
  };
  auto first = begin(3u << 20);
  EXPECT_TRUE(first.admitted) << "one is always let in";
  auto second = begin(100'000);
  EXPECT_FALSE(second.admitted);
  EXPECT_EQ(second.recorder->status(), 429);
  EXPECT_TRUE(begin(1'000).admitted) << "small ones are not counted";
  first.request->send(ok());
  EXPECT_TRUE(begin(100'000).admitted);
  EXPECT_EQ(metrics_->body_bytes.load(), 0);
}

// Who reads an answer may send its next body at once.
TEST_F(InflightTest, ThePlaceIsFreeBeforeTheAnswerIsSent) {
  struct Looking final : net::Responder {
    explicit Looking(std::shared_ptr<Metrics> m) : metrics(std::move(m)) {}
    void send(net::Response) override {
      body_bytes = metrics->body_bytes.load();
      mutating = metrics->mutating.load();
    }
    std::shared_ptr<net::BodyStream> stream(int, net::Headers) override { return nullptr; }
    base::Result<std::shared_ptr<net::WebSocket>> websocket(std::string_view) override {
      return base::fail(base::Reason::bad_request, "not in this test");
    }
    std::shared_ptr<Metrics> metrics;
    int64_t body_bytes = -1;
    int64_t mutating = -1;
  };
  Inflight inflight({.body_bytes = 1u << 20}, metrics_, nullptr, clock_);
  auto looking = std::make_shared<Looking>(metrics_);
  net::Request request;
  request.method = "POST";
  request.body.assign(3u << 20, 'x');
  auto one = inflight.begin(request, looking);
  RequestTraits traits;
  traits.read_only = false;
  one->describe(std::move(traits), request);
  ASSERT_TRUE(one->admit());
  EXPECT_EQ(metrics_->mutating.load(), 1);
  one->send(ok());
  EXPECT_EQ(looking->body_bytes, 0);
  EXPECT_EQ(looking->mutating, 0);
}

TEST_F(InflightTest, LongRunningOnesAreNotCounted) {
  auto a = begin(true), b = begin(true);
  auto watch = begin(true, false, true);
  EXPECT_TRUE(watch.admitted);
  auto stream = watch.request->stream(200, {});
  EXPECT_THAT(metrics_->page(), HasSubstr("apiserver_longrunning_requests{component=\"apiserver\",group=\"\",resource=\"pods\","
                                          "scope=\"namespace\",subresource=\"\",verb=\"WATCH\",version=\"v1\"} 1\n"));
  EXPECT_TRUE(stream->write(net::make_chunk("{}\n")));
  stream->finish();
  EXPECT_EQ(watch.recorder->body(), "{}\n");
  auto page = metrics_->page();
  EXPECT_THAT(page, HasSubstr("verb=\"WATCH\",version=\"v1\"} 0\n"));
  EXPECT_THAT(page, HasSubstr("apiserver_watch_events_total{group=\"\",resource=\"pods\",scope=\"namespace\",version=\"v1\"} 1\n"));
}

TEST_F(InflightTest, WhatTakesTooLongIsAnsweredOnce) {
  auto slow = begin(false);
  inflight_.limit_time(slow.request, seconds(60));
  clock_.advance(seconds(59));
  inflight_.expire();
  EXPECT_FALSE(slow.request->answered());
  clock_.advance(seconds(1));
  inflight_.expire();
  EXPECT_TRUE(slow.request->answered());
  EXPECT_EQ(slow.recorder->status(), 504);
  auto status = base::parse_json(slow.recorder->body());
  ASSERT_TRUE(status);
  EXPECT_EQ((*status)["reason"].as_string(), "Timeout");
  EXPECT_EQ((*status)["message"].as_string(), "Timeout: request did not complete within the allotted timeout");
  EXPECT_EQ(metrics_->mutating.load(), 0);
  slow.request->send(ok());
  EXPECT_EQ(slow.recorder->answers(), 1);
  EXPECT_FALSE(slow.request->stream(200, {})->write(net::make_chunk("late")));
  EXPECT_THAT(metrics_->page(), HasSubstr("apiserver_request_terminations_total{"));
}

TEST_F(InflightTest, TheClientMayWantLessTime) {
  net::Request request;
  EXPECT_EQ(*inflight_.timeout_of(request), seconds(60));
  auto with = [&](std::string_view text) {
    request.query = net::Query::parse("timeout=" + std::string(text));
    return inflight_.timeout_of(request);
  };
  EXPECT_EQ(*with("5s"), seconds(5));
  EXPECT_EQ(*with("0s"), seconds(60));
  EXPECT_EQ(*with("1h"), seconds(60));
  EXPECT_EQ(with("soon").error().message,
            "invalid timeout specified in the request URL - time: invalid duration \"soon\"");
  // A short one passes those that wait already.
  auto slow = begin(false, true), quick = begin(true);
  inflight_.limit_time(slow.request, seconds(60));
  inflight_.limit_time(quick.request, seconds(5));
  clock_.advance(seconds(5));
  inflight_.expire();
  EXPECT_TRUE(quick.request->answered());
  EXPECT_FALSE(slow.request->answered());
}

TEST_F(InflightTest, DroppedIsFiveHundred) {
  begin(true).request.reset();
  EXPECT_THAT(metrics_->page(), HasSubstr("apiserver_request_total{code=\"500\","));
  EXPECT_EQ(metrics_->reading.load(), 0);
}

}  // namespace
}  // namespace server
