#include "base/log.hpp"

#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <string>

namespace base {

void log_line(Level level, std::string_view area, std::string_view message) {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  tm local{};
  ::localtime_r(&now.tv_sec, &local);
  std::string line = fmt::format("{}{:02}{:02} {:02}:{:02}:{:02}.{:06} {:>7} {}] ", static_cast<char>(level),
                                 local.tm_mon + 1, local.tm_mday, local.tm_hour, local.tm_min, local.tm_sec,
                                 now.tv_nsec / 1000, ::getpid(), area);
  for (char c : message) {
    auto byte = static_cast<unsigned char>(c);
    if (c == '\n') line += "\\n";
    else if (c == '\t') line += "\\t";
    else if (byte < 0x20 || byte == 0x7f) line += fmt::format("\\x{:02x}", byte);
    else line += c;
  }
  line += '\n';
  // One write a line: lines of several threads do not mix. A reader that is gone is no reason to fail.
  while (::write(STDERR_FILENO, line.data(), line.size()) < 0 && errno == EINTR) {
  }
}

}  // namespace base
