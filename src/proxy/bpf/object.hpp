// The compiled programs (sockets.bpf.c) as bytes of this binary. Any thread.
#pragma once

#include <span>

namespace proxy::bpf {

std::span<const char> object_file();

}  // namespace proxy::bpf
