// The half of unpacking that runs in the child: tar entries from a pipe become files below "/", which is the
// layer's folder by then. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace node {

struct WriterLimits {
  int64_t max_bytes;
  int64_t max_entries;
};

// Returns the folders that entries implied without describing them.
base::Result<std::vector<std::string>> write_layer(int input, const WriterLimits& limits);

}  // namespace node
