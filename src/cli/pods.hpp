// Which pod and container exec and logs mean: POD, TYPE/NAME, -c. One thread.
#pragma once

#include <string>
#include <vector>

#include <chrono>

#include "base/result.hpp"
#include "base/value.hpp"
#include "cli/session.hpp"

namespace cli {

// Which pods the operand means, and what for.
struct PodRequest {
  std::string operand;
  std::string selector;
  std::string_view purpose;       // for errors: "get the logs from", "attach to"
  std::chrono::nanoseconds wait;  // for the first pod of a Service or controller
};

// The pod itself, or the first (running) one that a Service or controller selects.
base::Result<base::Value> find_pod(Session& session, const PodRequest& request);
// All pods that the operand means, for logs.
base::Result<std::vector<base::Value>> find_pods(Session& session, const PodRequest& request);
// The container that is meant when none is given; says so on stderr when there is a choice (and `quiet` is
// false).
std::string default_container(const base::Value& pod, bool quiet);

}  // namespace cli
