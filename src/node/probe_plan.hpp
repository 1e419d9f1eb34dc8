// What a probe asks for and what its answers mean: pure values and one small state machine per probe of one
// run of a container, driven by a clock that the caller reads. One thread at a time.
//
// Source: the API's documentation of Probe; thresholds, first values and words as the kubelet has them.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/types.hpp"
#include "base/result.hpp"

namespace node {

using Steady = std::chrono::steady_clock::time_point;

enum class ProbeKind : uint8_t { startup, readiness, liveness };
std::string_view probe_kind_name(ProbeKind kind);  // "Readiness"

struct ProbeTiming {
  std::chrono::milliseconds initial_delay{0};
  std::chrono::milliseconds period{10'000};
  std::chrono::milliseconds timeout{1'000};
  int success_threshold = 1;
  int failure_threshold = 3;
  bool operator==(const ProbeTiming&) const = default;
};

struct ProbeAction {
  enum class Kind : uint8_t { exec, http, tcp, grpc };
  Kind kind = Kind::exec;
  std::vector<std::string> command;
  std::string host;  // of the URL; an IP address or a name
  int port = 0;
  bool tls = false;
  std::string target;  // of the URL: path and query, encoded
  std::vector<std::pair<std::string, std::string>> headers;
  std::string service;  // of gRPC
  bool operator==(const ProbeAction&) const = default;

  std::string url() const;  // as Go prints it: http://10.0.0.1:8080/ready
};

struct ProbeSpec {
  ProbeAction action;
  ProbeTiming timing;
  std::optional<int64_t> grace;  // terminationGracePeriodSeconds
  bool operator==(const ProbeSpec&) const = default;
};

// An error: the probe cannot be tried, with the reason in the kubelet's words.
base::Result<ProbeSpec> probe_spec(const api::Probe& probe, const api::Container& container,
                                   const std::string& pod_ip);

struct ProbeAnswer {
  enum class Kind : uint8_t { success, warning, failure, error };
  Kind kind = Kind::failure;
  std::string text;
};

// One probe of one run of a container.
class ProbeRun {
 public:
  // `known`: the verdict that an agent before this one had reached.
  ProbeRun(ProbeKind kind, const ProbeTiming& timing, Steady first, std::optional<bool> known = {});

  // Ready, started, alive: what the thresholds make of the answers so far.
  bool good() const { return good_; }
  // A liveness or startup probe has failed for good: this run of the container must end. No more tries then.
  bool must_restart() const { return must_restart_; }
  // No try is due any more.
  bool resting() const { return must_restart_ || (kind_ == ProbeKind::startup && good_); }
  Steady due() const { return due_; }
  // What it waited for has happened: now, but not before its initial delay is over.
  void hurry(Steady now) { due_ = std::max(first_, std::min(due_, now)); }
  void begin(Steady now);
  // True when the verdict has changed by this answer.
  bool note(ProbeAnswer::Kind answer);

 private:
  const ProbeKind kind_;
  const ProbeTiming timing_;
  const Steady first_;
  Steady due_;
  bool good_;
  bool must_restart_ = false;
  std::optional<bool> last_;
  int run_ = 0;
};

// What an HTTP answer means, and where it sends us: a redirect on the same host is followed.
struct HttpVerdict {
  std::optional<ProbeAnswer> answer;
  ProbeAction next;  // when there is no answer yet
};
HttpVerdict judge_http(const ProbeAction& first, const ProbeAction& asked, int redirects, int status,
                       std::string_view location, const std::string& body);
ProbeAnswer judge_grpc(int grpc_status, const std::string& message, int serving,
                       std::chrono::milliseconds timeout);

// The events that an answer is worth: nothing for a success.
struct ProbeEvent {
  std::string reason;
  std::string message;
};
std::optional<ProbeEvent> event_of(ProbeKind kind, const ProbeAnswer& answer);

std::string seconds_text(std::chrono::milliseconds time);  // "1s"

}  // namespace node
