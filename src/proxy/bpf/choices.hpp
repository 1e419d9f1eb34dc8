// The order in which a Service's endpoints stand in the kernel's `choices`, by balance mode and weight: the programs
// only ever index it. Pure; any thread.
//
// Source: maglev: Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016, 3.4.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "proxy/bpf/abi.h"

namespace proxy::bpf {

struct Choice {
  uint32_t endpoint = 0;  // what to write
  uint64_t hash = 0;      // of its address and port: the same on every node
  uint32_t weight = 1;    // 0: no new connections, unless all have 0
};

// Empty without choices; else each endpoint with a weight stands there at least once.
std::vector<uint32_t> plan_choices(std::span<const Choice> among, int balance);

uint64_t hash_bytes(const void* bytes, size_t size, uint64_t seed = 0);

}  // namespace proxy::bpf
