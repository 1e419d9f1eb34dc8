#include "client/events.hpp"

#include <gtest/gtest.h>

#include "base/json.hpp"
#include "client/scripted_transport_test.hpp"

namespace client {
namespace {

struct EventsTest : testing::Test {
  std::shared_ptr<ScriptedTransport> transport = std::make_shared<ScriptedTransport>();
  sys::FakeClock clock;
  EventRecorder recorder{Client(transport), clock, "kubelet", "node-1"};
  ObjectRef pod{.api_version = "v1", .kind = "Pod", .namespace_ = "default", .name = "web", .uid = "u1"};

  base::Value body(size_t index) {
    auto value = base::parse_json(transport->wait_requests(index + 1)[index].body);
    return value ? *value : base::Value();
  }
};

TEST_F(EventsTest, WritesAnEvent) {
  transport->answer(201, "{}");
  recorder.normal(pod, "Started", "Container started");
  recorder.flush();
  auto requests = transport->wait_requests(1);
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].method, "POST");
  EXPECT_EQ(requests[0].path, "/api/v1/namespaces/default/events");
  base::Value event = body(0);
  EXPECT_TRUE(event.at({"metadata", "name"}).as_string().starts_with("web."));
  EXPECT_EQ(event.at({"involvedObject", "uid"}).as_string(), "u1");
  EXPECT_EQ(event["type"].as_string(), "Normal");
  EXPECT_EQ(event["reason"].as_string(), "Started");
  EXPECT_EQ(event["count"].as_int(), 1);
  EXPECT_EQ(event.at({"source", "component"}).as_string(), "kubelet");
  EXPECT_EQ(event.at({"source", "host"}).as_string(), "node-1");
  EXPECT_EQ(event["firstTimestamp"].as_string(), base::format_time(clock.now()));
}

TEST_F(EventsTest, CountsWhatIsRepeated) {
  transport->answer(201, "{}");
  transport->answer(200, "{}");
  transport->answer(200, "{}");
  recorder.warning(pod, "BackOff", "restarting");
  recorder.flush();
  clock.advance(std::chrono::seconds(30));
  recorder.warning(pod, "BackOff", "restarting");
  recorder.warning(pod, "BackOff", "restarting");
  recorder.flush();
  auto requests = transport->wait_requests(3);
  ASSERT_EQ(requests.size(), 3u);
  EXPECT_EQ(requests[2].method, "PATCH");
  EXPECT_EQ(requests[2].path, requests[1].path);
  EXPECT_EQ(body(1)["count"].as_int(), 2);
  EXPECT_EQ(body(2)["count"].as_int(), 3);
  EXPECT_EQ(body(2)["lastTimestamp"].as_string(), base::format_time(clock.now()));
}

TEST_F(EventsTest, BeginsAnewWhenTheOldOneExpired) {
  transport->answer(201, "{}");
  transport->answer(404, R"({"kind":"Status","reason":"NotFound","code":404,"message":"gone"})");
  transport->answer(201, "{}");
  recorder.warning(pod, "BackOff", "restarting");
  recorder.warning(pod, "BackOff", "restarting");
  recorder.flush();
  auto requests = transport->wait_requests(3);
  ASSERT_EQ(requests.size(), 3u);
  EXPECT_EQ(requests[1].method, "PATCH");
  EXPECT_EQ(requests[2].method, "POST");
  EXPECT_EQ(body(2)["count"].as_int(), 1);
}

TEST_F(EventsTest, EventsOfClusterScopedObjectsLiveInDefault) {
  transport->answer(201, "{}");
  recorder.normal({.api_version = "v1", .kind = "Node", .name = "n"}, "NodeReady", "ready");
  recorder.flush();
  EXPECT_EQ(transport->wait_requests(1)[0].path, "/api/v1/namespaces/default/events");
}

TEST_F(EventsTest, ALostEventDoesNotStopTheNext) {
  recorder.normal(pod, "A", "lost: nothing is scripted");
  transport->wait_requests(1);
  transport->answer(201, "{}");
  recorder.normal(pod, "B", "kept");
  recorder.flush();
  EXPECT_EQ(body(1)["reason"].as_string(), "B");
}

}  // namespace
}  // namespace client
