// Which pod and container exec and logs mean: POD, TYPE/NAME, -c. One thread.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/value.hpp"
#include "cli/session.hpp"

namespace cli {

// The pod itself, or the first (running) one that a Service or controller selects.
base::Result<base::Value> find_pod(Session& session, const std::string& operand);
// All pods that the operand means, for logs.
base::Result<std::vector<base::Value>> find_pods(Session& session, const std::string& operand, const std::string& selector);
// The container that is meant when none is given; says so on stderr when there is a choice (and `quiet` is false).
std::string default_container(const base::Value& pod, bool quiet);

}  // namespace cli
