// How `kubectl describe` puts text on the page: lines with levels, whose tab-separated cells become columns.
// Pure values; one thread each.
//
// Source: Go's text/tabwriter (minwidth 0, padding 2, blanks), whose column rule kubectl's output follows.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace cli {

// A tab ends a cell; what follows a line's last tab belongs to no column. Neighbouring lines that have a cell
// in a column share its width: the widest cell, counted in code points, and two blanks.
std::string align_columns(std::string_view text);

// Nothing from the server may move the cursor or colour the terminal: ESC is shown as ^[, CR as \r, other
// control characters likewise; tabs and newlines stay.
std::string escape_terminal(std::string_view text);

// Text that grows line by line. Two blanks of indentation per level.
class Page {
 public:
  // Escaped, else as it is.
  void put(std::string_view text) { open_ += escape_terminal(text); }
  void line(int level, std::string_view text) {
    open_.append(static_cast<size_t>(level) * 2, ' ');
    put(text);
    open_ += '\n';
  }
  // "Name:\tvalue"
  void field(int level, std::string_view name, std::string_view value) {
    line(level, fmt::format("{}:\t{}", name, value));
  }
  void field(int level, std::string_view name, int64_t value) {
    field(level, name, fmt::format("{}", value));
  }
  // Columns of what follows have nothing to do with those before.
  void end_columns() {
    done_ += align_columns(open_);
    open_.clear();
  }
  // With the tabs that align_columns would take away.
  std::string raw() const { return done_ + open_; }
  std::string text() {
    end_columns();
    return done_;
  }

 private:
  std::string done_;
  std::string open_;
};

}  // namespace cli
