// The kubectl: one function per verb in a table of commands. Talks to any Kubernetes API server by kubeconfig.
#pragma once

#include <span>
#include <string>

namespace cli {

// Runs `kubectl args...`; returns the exit code. Output on stdout, `error: ...` on stderr.
int run_kubectl(std::span<const std::string> args);

}  // namespace cli
