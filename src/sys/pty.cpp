#include "sys/pty.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>

#include <algorithm>
#include <cerrno>

namespace sys {

base::Result<Pty> open_pty() {
  Fd master(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!master || ::grantpt(master.get()) != 0 || ::unlockpt(master.get()) != 0) {
    return std::unexpected(base::errno_error("open a pseudo-terminal", errno));
  }
  Fd slave(::ioctl(master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!slave) return std::unexpected(base::errno_error("open a pseudo-terminal", errno));
  return Pty{std::move(master), std::move(slave)};
}

base::Result<void> resize_pty(int master, int columns, int rows) {
  winsize size{};
  size.ws_col = static_cast<unsigned short>(std::clamp(columns, 1, 65535));
  size.ws_row = static_cast<unsigned short>(std::clamp(rows, 1, 65535));
  if (::ioctl(master, TIOCSWINSZ, &size) != 0)
    return std::unexpected(base::errno_error("resize a terminal", errno));
  return {};
}

}  // namespace sys
