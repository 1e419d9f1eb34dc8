// The loop of the probes with answers that the test gives.
#include "node/probes.hpp"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <condition_variable>
#include <deque>
#include <mutex>

#include "node/fake_api.hpp"

namespace node {
namespace {

using namespace std::chrono_literals;
using Kind = ProbeAnswer::Kind;

// What tries answer, by the command's first word; without an answer they hang.
class Script {
 public:
  void say(const std::string& command, std::vector<ProbeAnswer> answers) {
    std::lock_guard lock(mutex_);
    for (auto& answer : answers) answers_[command].push_back(std::move(answer));
  }
  std::optional<ProbeAnswer> next(const std::string& command) {
    std::lock_guard lock(mutex_);
    auto& list = answers_[command];
    if (list.empty()) return {};
    auto answer = std::move(list.front());
    if (list.size() > 1)
      list.pop_front();  // the last one is given for good
    else
      list.front() = answer;
    return answer;
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::deque<ProbeAnswer>> answers_;
};

class ScriptedAttempt final : public ProbeAttempt {
 public:
  ScriptedAttempt(Script& script, std::string command) : script_(script), command_(std::move(command)) {
    answer_ = script_.next(command_);
  }
  void add_polls(std::vector<pollfd>& polls) const override {
    if (!answer_) polls.push_back({never_.get(), POLLIN, 0});
  }
  std::optional<ProbeAnswer> advance() override { return answer_; }
  ProbeAnswer time_out() override { return {Kind::failure, "timed out"}; }

 private:
  Script& script_;
  const std::string command_;
  std::optional<ProbeAnswer> answer_;
  sys::Fd never_{::eventfd(0, EFD_CLOEXEC)};
};

class ProbesTest : public ::testing::Test {
 protected:
  ProbesTest()
      : api_(std::make_shared<FakeApi>()),
        events_(client::Client(api_), clock_, "kubelet", "node1"),
        probes_(
            [this](const std::string&, const std::string&, const ProbeSpec& spec) {
              return std::make_unique<ScriptedAttempt>(script_, spec.action.command[0]);
            },
            clock_, events_,
            [this](const std::string& key) {
              std::lock_guard lock(mutex_);
              EXPECT_EQ(key, "default/web");
              ++changes_;
              changed_.notify_all();
            }) {
    EXPECT_TRUE(probes_.start());
  }
  void watch(std::map<ProbeKind, ProbeSpec> probes, std::string id = "run1") {
    ProbedContainer container;
    container.id = std::move(id);
    container.started = clock_.now();
    container.about.api_version = "v1";
    container.about.kind = "Pod";
    container.about.namespace_ = "default";
    container.about.name = "web";
    container.probes = std::move(probes);
    probes_.set("uid", "default/web", {container});
  }
  static ProbeSpec spec(const std::string& command, int failures = 1) {
    ProbeSpec spec;
    spec.action.command = {command};
    spec.timing.period = 10ms;
    spec.timing.timeout = 10ms;
    spec.timing.failure_threshold = failures;
    return spec;
  }
  bool wait_for(const std::function<bool(const ProbeVerdict&)>& accept, const std::string& id = "run1") {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 20s, [&] {
      const auto verdict = probes_.verdict(id);
      return changes_ > 0 && verdict && accept(*verdict);
    });
  }

  Script script_;
  sys::SystemClock clock_;
  std::shared_ptr<FakeApi> api_;
  client::EventRecorder events_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int changes_ = 0;
  Probes probes_;
};

TEST_F(ProbesTest, ReadyAfterTheFirstSuccessAndWithAnEventBefore) {
  script_.say("ready", {{Kind::failure, "not yet"}, {Kind::success, ""}});
  watch({{ProbeKind::readiness, spec("ready")}});
  EXPECT_FALSE(probes_.verdict("run1")->ready);
  EXPECT_TRUE(wait_for([](const auto& verdict) { return verdict.ready; }));
  events_.flush();
  EXPECT_EQ(api_->event_messages(), std::vector<std::string>{"Readiness probe failed: not yet"});
  EXPECT_EQ(changes_, 1);
}

TEST_F(ProbesTest, OthersWaitForTheStartupProbeAndThenHurry) {
  script_.say("start", {{Kind::success, ""}});
  script_.say("ready", {{Kind::success, ""}});
  auto late = spec("ready");
  late.timing.period = 3600s;
  watch({{ProbeKind::startup, spec("start")}, {ProbeKind::readiness, late}});
  EXPECT_TRUE(wait_for([](const auto& verdict) { return verdict.started && verdict.ready; }));
}

TEST_F(ProbesTest, AHangingTryIsAFailureAfterItsTime) {
  watch({{ProbeKind::liveness, spec("hangs")}});
  EXPECT_TRUE(wait_for([](const auto& verdict) { return verdict.failed == ProbeKind::liveness; }));
  events_.flush();
  EXPECT_EQ(api_->event_messages(), std::vector<std::string>{"Liveness probe failed: timed out"});
}

TEST_F(ProbesTest, ANewRunBeginsAnew) {
  script_.say("ready", {{Kind::success, ""}});
  watch({{ProbeKind::readiness, spec("ready")}});
  EXPECT_TRUE(wait_for([](const auto& verdict) { return verdict.ready; }));
  watch({{ProbeKind::readiness, spec("hangs")}}, "run2");
  EXPECT_FALSE(probes_.verdict("run1"));
  EXPECT_FALSE(probes_.verdict("run2")->ready);
  probes_.forget("uid");
  EXPECT_FALSE(probes_.verdict("run2"));
}

}  // namespace
}  // namespace node
