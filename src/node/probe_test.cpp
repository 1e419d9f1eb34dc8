#include <gtest/gtest.h>

#include "node/pod_status.hpp"
#include "node/probe_plan.hpp"
#include "sys/clock.hpp"

namespace node {
namespace {

using namespace std::chrono_literals;
using Kind = ProbeAnswer::Kind;

ProbeTiming timing(int success, int failure) {
  ProbeTiming timing;
  timing.success_threshold = success;
  timing.failure_threshold = failure;
  return timing;
}

api::Container container() {
  api::Container container;
  container.name = "web";
  api::ContainerPort port;
  port.name = "http";
  port.container_port = 8080;
  container.ports.push_back(port);
  return container;
}

TEST(ProbeRun, ReadinessFollowsItsThresholds) {
  sys::FakeClock clock;
  ProbeRun run(ProbeKind::readiness, timing(2, 3), clock.steady_now());
  EXPECT_FALSE(run.good());
  EXPECT_FALSE(run.note(Kind::success));
  EXPECT_FALSE(run.good());
  EXPECT_TRUE(run.note(Kind::success));
  EXPECT_TRUE(run.good());
  EXPECT_FALSE(run.note(Kind::failure));
  EXPECT_FALSE(run.note(Kind::failure));
  EXPECT_FALSE(run.note(Kind::success));  // the row of failures is broken
  EXPECT_FALSE(run.note(Kind::failure));
  EXPECT_FALSE(run.note(Kind::failure));
  EXPECT_TRUE(run.good());
  EXPECT_TRUE(run.note(Kind::failure));
  EXPECT_FALSE(run.good());
  EXPECT_FALSE(run.note(Kind::failure));  // no news
  EXPECT_FALSE(run.resting());
  EXPECT_FALSE(run.must_restart());
}

TEST(ProbeRun, AnErrorIsNoAnswerAndAWarningIsSuccess) {
  sys::FakeClock clock;
  ProbeRun run(ProbeKind::readiness, timing(1, 2), clock.steady_now());
  EXPECT_FALSE(run.note(Kind::error));
  EXPECT_TRUE(run.note(Kind::warning));
  EXPECT_FALSE(run.note(Kind::failure));
  EXPECT_FALSE(run.note(Kind::error));  // does not break the row
  EXPECT_TRUE(run.note(Kind::failure));
}

TEST(ProbeRun, LivenessFailsOnceAndRests) {
  sys::FakeClock clock;
  ProbeRun run(ProbeKind::liveness, timing(1, 2), clock.steady_now());
  EXPECT_TRUE(run.good());
  EXPECT_FALSE(run.note(Kind::failure));
  EXPECT_FALSE(run.must_restart());
  EXPECT_TRUE(run.note(Kind::failure));
  EXPECT_TRUE(run.must_restart());
  EXPECT_TRUE(run.resting());
  EXPECT_FALSE(run.note(Kind::success));
  EXPECT_TRUE(run.must_restart());
}

TEST(ProbeRun, StartupRestsOnceItIsGoodOrFailsForGood) {
  sys::FakeClock clock;
  ProbeRun good(ProbeKind::startup, timing(1, 2), clock.steady_now());
  EXPECT_FALSE(good.good());
  EXPECT_FALSE(good.note(Kind::failure));
  EXPECT_TRUE(good.note(Kind::success));
  EXPECT_TRUE(good.resting());
  EXPECT_FALSE(good.must_restart());
  ProbeRun bad(ProbeKind::startup, timing(1, 1), clock.steady_now());
  EXPECT_TRUE(bad.note(Kind::failure));
  EXPECT_TRUE(bad.must_restart());
}

TEST(ProbeRun, WhatAnEarlierAgentKnewGoesOn) {
  sys::FakeClock clock;
  ProbeRun ready(ProbeKind::readiness, timing(1, 3), clock.steady_now(), true);
  EXPECT_TRUE(ready.good());
  ProbeRun started(ProbeKind::startup, timing(1, 3), clock.steady_now(), true);
  EXPECT_TRUE(started.resting());
}

TEST(ProbeRun, KeepsTheBeatAndItsInitialDelay) {
  sys::FakeClock clock;
  const Steady first = clock.steady_now() + 5s;
  ProbeTiming slow;
  slow.period = 10s;
  ProbeRun run(ProbeKind::readiness, slow, first);
  run.hurry(clock.steady_now());
  EXPECT_EQ(run.due(), first);
  clock.advance(6s);
  run.begin(clock.steady_now());
  EXPECT_EQ(run.due(), first + 10s);  // from when it was due, not from when it was done
  clock.advance(60s);
  run.begin(clock.steady_now());
  EXPECT_EQ(run.due(), clock.steady_now() + 10s);  // what was missed is not made up for
  run.hurry(clock.steady_now());
  EXPECT_EQ(run.due(), clock.steady_now());
}

TEST(ProbeSpec, DefaultsNamedPortsAndUrls) {
  api::Probe probe;
  probe.http_get = api::HTTPGetAction{};
  probe.http_get->port = "http";
  probe.http_get->path = "ready now?x=a b&y=%20#top";
  auto spec = probe_spec(probe, container(), "10.0.0.7");
  ASSERT_TRUE(spec) << spec.error().message;
  EXPECT_EQ(spec->action.url(), "http://10.0.0.7:8080/ready%20now?x=a%20b&y=%20");
  EXPECT_EQ(spec->timing, ProbeTiming());
  EXPECT_EQ(spec->timing.period, 10s);

  probe.http_get->scheme = "HTTPS";
  probe.http_get->host = "fd00::1";
  probe.http_get->port = 8443;
  probe.http_get->path = "";
  probe.period_seconds = 3;
  probe.failure_threshold = 7;
  spec = probe_spec(probe, container(), "10.0.0.7");
  ASSERT_TRUE(spec);
  EXPECT_EQ(spec->action.url(), "https://[fd00::1]:8443/");
  EXPECT_EQ(spec->timing.period, 3s);
  EXPECT_EQ(spec->timing.failure_threshold, 7);
}

TEST(ProbeSpec, WhatCannotBeTriedSaysWhy) {
  api::Probe probe;
  probe.tcp_socket = api::TCPSocketAction{};
  probe.tcp_socket->port = "metrics";
  auto spec = probe_spec(probe, container(), "10.0.0.7");
  ASSERT_FALSE(spec);
  EXPECT_EQ(spec.error().message, "port metrics not found");
  probe.tcp_socket->port = 70000;
  EXPECT_EQ(probe_spec(probe, container(), "10.0.0.7").error().message, "invalid port number: 70000");
  EXPECT_FALSE(probe_spec(api::Probe(), container(), "10.0.0.7"));
}

ProbeAction url(const std::string& host, int port, const std::string& target) {
  ProbeAction action;
  action.kind = ProbeAction::Kind::http;
  action.host = host;
  action.port = port;
  action.target = target;
  return action;
}

TEST(ProbeJudge, StatusCodes) {
  const auto asked = url("10.0.0.7", 8080, "/");
  EXPECT_EQ(judge_http(asked, asked, 0, 200, "", "ok").answer->kind, Kind::success);
  EXPECT_EQ(judge_http(asked, asked, 0, 204, "", "").answer->kind, Kind::success);
  const auto failed = judge_http(asked, asked, 0, 500, "", "");
  EXPECT_EQ(failed.answer->kind, Kind::failure);
  EXPECT_EQ(failed.answer->text, "HTTP probe failed with statuscode: 500");
  EXPECT_EQ(judge_http(asked, asked, 0, 404, "", "").answer->text, "HTTP probe failed with statuscode: 404");
  EXPECT_EQ(judge_http(asked, asked, 0, 304, "", "").answer->kind, Kind::warning);
}

TEST(ProbeJudge, RedirectsStayOnTheHost) {
  const auto first = url("10.0.0.7", 8080, "/a/b?c=d");
  const auto next = [&](const std::string& location) {
    const auto verdict = judge_http(first, first, 0, 302, location, "");
    return verdict.answer ? "answer" : verdict.next.url();
  };
  EXPECT_EQ(next("/x"), "http://10.0.0.7:8080/x");
  EXPECT_EQ(next("y?z=1"), "http://10.0.0.7:8080/a/y?z=1");
  EXPECT_EQ(next("?q=2"), "http://10.0.0.7:8080/a/b?q=2");
  EXPECT_EQ(next("https://10.0.0.7/secure"), "https://10.0.0.7:443/secure");
  EXPECT_EQ(next("//10.0.0.7:81"), "http://10.0.0.7:81/");
  const auto away = judge_http(first, first, 0, 301, "http://example.com/", "moved");
  ASSERT_TRUE(away.answer);
  EXPECT_EQ(away.answer->kind, Kind::warning);
  EXPECT_EQ(away.answer->text, "Probe terminated redirects, Response body: moved");
  const auto endless = judge_http(first, first, 9, 302, "/x", "");
  ASSERT_TRUE(endless.answer);
  EXPECT_EQ(endless.answer->kind, Kind::failure);
  EXPECT_NE(endless.answer->text.find("stopped after 10 redirects"), std::string::npos);
}

TEST(ProbeJudge, Grpc) {
  EXPECT_EQ(judge_grpc(0, "", 1, 1s).kind, Kind::success);
  EXPECT_EQ(judge_grpc(0, "", 2, 1s).text, "service unhealthy (responded with \"NOT_SERVING\")");
  EXPECT_NE(judge_grpc(12, "unknown service", 0, 1s).text.find("does not implement the grpc health protocol"),
            std::string::npos);
  EXPECT_EQ(judge_grpc(5, "unknown service", 0, 1s).text,
            "error: health rpc probe failed: rpc error: code = NotFound desc = unknown service");
}

TEST(ProbeJudge, Events) {
  EXPECT_FALSE(event_of(ProbeKind::readiness, {Kind::success, "ok"}));
  EXPECT_EQ(event_of(ProbeKind::readiness, {Kind::failure, "no"})->message, "Readiness probe failed: no");
  EXPECT_EQ(event_of(ProbeKind::liveness, {Kind::failure, "no"})->reason, "Unhealthy");
  EXPECT_EQ(event_of(ProbeKind::startup, {Kind::warning, "w"})->reason, "ProbeWarning");
  EXPECT_EQ(event_of(ProbeKind::readiness, {Kind::error, "e"})->message,
            "Readiness probe errored and resulted in unknown state: e");
}

class ProbedStatus : public ::testing::Test {
 protected:
  ProbedStatus() {
    pod_.spec.restart_policy = "Always";
    pod_.spec.containers = {container()};
    record_.sandbox_ready = true;
    record_.ip = "10.1.0.2";
    record_.containers.resize(1);
    record_.containers[0].name = "web";
    record_.containers[0].id = "run1";
    record_.containers[0].state = ContainerRecord::State::running;
  }
  std::string condition(const std::string& type) {
    for (const auto& c : make_pod_status(pod_, record_, inputs_).conditions) {
      if (c.type == type) return c.status + "/" + c.reason + "/" + c.message;
    }
    return "";
  }
  api::Pod pod_;
  PodRecord record_;
  StatusInputs inputs_;
};

TEST_F(ProbedStatus, NotReadyUntilItsProbeSaysSo) {
  inputs_.probed_ready["web"] = false;
  EXPECT_EQ(condition("Ready"), "False/ContainersNotReady/containers with unready status: [web]");
  EXPECT_EQ(condition("ContainersReady"), "False/ContainersNotReady/containers with unready status: [web]");
  const auto status = make_pod_status(pod_, record_, inputs_);
  EXPECT_FALSE(status.container_statuses[0].ready);
  EXPECT_EQ(status.container_statuses[0].started, true);
  EXPECT_EQ(status.phase, "Running");
  inputs_.probed_ready["web"] = true;
  EXPECT_EQ(condition("Ready"), "True//");
}

TEST_F(ProbedStatus, NotStartedIsNotReady) {
  inputs_.probed_started["web"] = false;
  const auto status = make_pod_status(pod_, record_, inputs_);
  EXPECT_EQ(status.container_statuses[0].started, false);
  EXPECT_FALSE(status.container_statuses[0].ready);
}

TEST_F(ProbedStatus, ReadinessGatesAreConditionsOfOthers) {
  for (const char* type : {"example.com/a", "example.com/b"}) {
    api::PodReadinessGate gate;
    gate.condition_type = type;
    pod_.spec.readiness_gates.push_back(gate);
  }
  EXPECT_EQ(condition("ContainersReady"), "True//");
  EXPECT_EQ(condition("Ready"),
            "False/ReadinessGatesNotReady/corresponding condition of pod readiness gate \"example.com/a\" "
            "does not exist., "
            "corresponding condition of pod readiness gate \"example.com/b\" does not exist.");
  api::PodCondition open;
  open.type = "example.com/a";
  open.status = "True";
  api::PodCondition closed;
  closed.type = "example.com/b";
  closed.status = "False";
  pod_.status.conditions = {open, closed};
  EXPECT_EQ(condition("Ready"),
            "False/ReadinessGatesNotReady/the status of pod readiness gate \"example.com/b\" is not "
            "\"True\", but False");
  pod_.status.conditions[1].status = "True";
  EXPECT_EQ(condition("Ready"), "True//");
}

TEST(ProbeRecord, VerdictsSurviveInTheFile) {
  PodRecord record;
  record.uid = "u";
  record.namespace_ = "n";
  record.name = "p";
  record.containers.resize(1);
  auto& container = record.containers[0];
  container.probed_id = "run1";
  container.probed_started = true;
  container.probed_ready = true;
  container.condemned_id = "run1";
  container.condemned_until = base::Time(5s);
  const auto again = pod_record_from(to_value(record));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->containers[0].probed_id, "run1");
  EXPECT_TRUE(again->containers[0].probed_started);
  EXPECT_TRUE(again->containers[0].probed_ready);
  EXPECT_EQ(again->containers[0].condemned_id, "run1");
  EXPECT_EQ(again->containers[0].condemned_until, base::Time(5s));
}

}  // namespace
}  // namespace node
