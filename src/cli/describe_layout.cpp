#include "cli/describe_layout.hpp"

#include <algorithm>
#include <vector>

namespace cli {
namespace {

struct Line {
  std::vector<std::string_view> cells;  // at least one: the last is in no column
  std::vector<size_t> widths;           // of the cells that are in columns
};

size_t code_points(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

std::vector<Line> cut(std::string_view text) {
  std::vector<Line> lines(1);
  size_t start = 0;
  for (size_t at = 0; at <= text.size(); ++at) {
    if (at < text.size() && text[at] != '\t' && text[at] != '\n') continue;
    lines.back().cells.push_back(text.substr(start, at - start));
    start = at + 1;
    if (at < text.size() && text[at] == '\n') lines.emplace_back();
  }
  return lines;
}

// Column by column, over the lines that reach so far: the work is that of the cells, however they are spread.
void measure(std::vector<Line>& lines) {
  constexpr size_t kPadding = 2;
  std::vector<size_t> reaching(lines.size());
  for (size_t i = 0; i < lines.size(); ++i) reaching[i] = i;
  for (size_t column = 0; !reaching.empty(); ++column) {
    std::erase_if(reaching, [&](size_t i) { return lines[i].cells.size() <= column + 1; });
    for (size_t from = 0; from < reaching.size();) {
      size_t to = from, width = 0;
      for (; to < reaching.size() && reaching[to] - reaching[from] == to - from; ++to)
        width = std::max(width, code_points(lines[reaching[to]].cells[column]) + kPadding);
      for (; from < to; ++from) lines[reaching[from]].widths.push_back(width);
    }
  }
}

}  // namespace

std::string align_columns(std::string_view text) {
  std::vector<Line> lines = cut(text);
  measure(lines);
  std::string out;
  out.reserve(text.size() * 2);
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i) out += '\n';
    const Line& line = lines[i];
    for (size_t n = 0; n < line.cells.size(); ++n) {
      out += line.cells[n];
      if (n < line.widths.size()) out.append(line.widths[n] - code_points(line.cells[n]), ' ');
    }
  }
  return out;
}

std::string escape_terminal(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    auto byte = static_cast<unsigned char>(text[i]);
    if (byte == '\r') {
      out += "\\r";
    } else if ((byte < 0x20 && byte != '\t' && byte != '\n') || byte == 0x7f) {
      out += '^';
      out += static_cast<char>(byte ^ 0x40);
    } else if (byte == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0) {
      out += fmt::format("\\u{:04x}",
                         static_cast<unsigned char>(text[++i]));  // C1: some terminals take it as ESC
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace cli
