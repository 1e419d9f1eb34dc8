// Log lines in klog's text form on stderr: `I1122 21:41:22.000000 pid area] message`. Any thread; one write(2) a line.
// Control characters in messages are escaped, so that no client can forge a line. Secrets never go in here.
#pragma once

#include <fmt/format.h>

#include <string_view>

namespace base {

enum class Level : char { info = 'I', warning = 'W', error = 'E', fatal = 'F' };

void log_line(Level level, std::string_view area, std::string_view message);

template <class... Args>
void log_info(std::string_view area, fmt::format_string<Args...> format, Args&&... args) {
  log_line(Level::info, area, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_warning(std::string_view area, fmt::format_string<Args...> format, Args&&... args) {
  log_line(Level::warning, area, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_error(std::string_view area, fmt::format_string<Args...> format, Args&&... args) {
  log_line(Level::error, area, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace base
