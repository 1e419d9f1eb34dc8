// One try of a probe, under way: a command in the container, a connection, an HTTP GET, a gRPC health check.
// Never blocks; the thread that made it polls and advances it.
#pragma once

#include <poll.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "node/probe_plan.hpp"
#include "node/runtime.hpp"

namespace node {

class ProbeAttempt {
 public:
  virtual ~ProbeAttempt() = default;
  // Adds none when the answer is there already.
  virtual void add_polls(std::vector<pollfd>& polls) const = 0;
  // The answer, once it is there.
  virtual std::optional<ProbeAnswer> advance() = 0;
  // Gives up and says what that means. What is left of it is over when is_gone().
  virtual ProbeAnswer time_out() = 0;
  virtual bool is_gone() { return true; }
};

// In the container, with its user and environment; `scratch` is the path of files to come and go.
std::unique_ptr<ProbeAttempt> try_command(const Runtime& runtime, const std::string& container_id,
                                          const std::string& bundle, const ProbeSpec& spec,
                                          std::string scratch);
// From the node.
std::unique_ptr<ProbeAttempt> try_network(const ProbeSpec& spec);

}  // namespace node
