// Pseudo-terminals for interactive exec. Any thread.
#pragma once

#include "base/result.hpp"
#include "sys/fd.hpp"

namespace sys {

struct Pty {
  Fd master;
  Fd slave;
};
base::Result<Pty> open_pty();
base::Result<void> resize_pty(int master, int columns, int rows);

}  // namespace sys
