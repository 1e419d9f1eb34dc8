#include "cli/output.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "base/json.hpp"
#include "base/jsonpath.hpp"
#include "base/strings.hpp"
#include "base/yaml.hpp"
#include "cli/targets.hpp"

namespace cli {
namespace {

using base::Value;

constexpr std::string_view kFormats =
    "custom-columns,custom-columns-file,json,jsonpath,jsonpath-file,name,wide,yaml";

// Nothing from the server may move the cursor or colour the terminal (CVE-2021-25743).
std::string escape_controls(std::string_view cell) {
  std::string out;
  for (char c : cell) {
    unsigned char u = static_cast<unsigned char>(c);
    if (u < 0x20 || u == 0x7f) {
      out += '^';
      out += static_cast<char>(u ^ 0x40);
    } else {
      out += c;
    }
  }
  return out;
}

// Of a column with the blanks behind it.
constexpr size_t kNarrowest = 6;

size_t width_of(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string layout(const std::vector<std::vector<std::string>>& rows, std::vector<size_t>* kept) {
  std::vector<size_t> own;
  std::vector<size_t>& widths = kept ? *kept : own;
  for (auto& row : rows) {
    if (widths.size() < row.size()) widths.resize(row.size());
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  std::string out;
  for (auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      out += row[i];
      if (i + 1 < row.size()) out.append(std::max(widths[i] + 3, kNarrowest) - width_of(row[i]), ' ');
    }
    out += '\n';
  }
  return out;
}

std::string cell_text(const Value& cell) {
  if (auto* s = cell.if_string()) return escape_controls(*s);
  if (cell.is_null()) return "<none>";
  return escape_controls(base::write_json(cell));
}

std::string to_upper(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return out;
}

// As Go prints it with %v: map[a:1 b:2], [x y].
std::string go_text(const Value& value) {
  if (value.is_null()) return "<nil>";
  if (auto* object = value.if_object()) {
    base::Object sorted = *object;
    sorted.sort();
    std::vector<std::string> pieces;
    for (auto& member : sorted) pieces.push_back(member.key + ":" + go_text(member.value));
    return "map[" + base::join(pieces, " ") + "]";
  }
  if (auto* array = value.if_array()) {
    std::vector<std::string> pieces;
    for (auto& item : *array) pieces.push_back(go_text(item));
    return "[" + base::join(pieces, " ") + "]";
  }
  return cell_text(value);
}

base::Result<std::string> custom_columns(const std::string& spec, const Value& object, bool with_headers) {
  TextTable table;
  std::vector<std::string> headers, paths;
  for (auto& column : base::split(spec, ',')) {
    size_t colon = column.find(':');
    if (colon == std::string::npos)
      return base::fail(
          base::Reason::unknown,
          fmt::format("unexpected custom-columns spec: {}, expected <header>:<json-path-expr>", column));
    headers.push_back(column.substr(0, colon));
    paths.push_back(column.substr(colon + 1));
  }
  if (with_headers) table.row(headers);
  std::vector<const Value*> rows;
  if (object["kind"].as_string().ends_with("List") && object["items"].is_array()) {
    for (auto& item : object["items"].as_array()) rows.push_back(&item);
  } else {
    rows.push_back(&object);
  }
  for (const Value* row : rows) {
    std::vector<std::string> cells;
    for (auto& path : paths) {
      TRY(auto values, base::select_jsonpath(path, *row));
      std::vector<std::string> texts;
      for (auto& value : values) texts.push_back(go_text(value));
      cells.push_back(texts.empty() ? "<none>" : base::join(texts, ","));
    }
    table.row(std::move(cells));
  }
  return table.text();
}

std::string object_name(const Value& object) {
  std::string kind = base::to_lower(object["kind"].as_string());
  std::string_view version = object["apiVersion"].as_string();
  size_t slash = version.find('/');
  std::string group = slash == std::string_view::npos ? "" : "." + std::string(version.substr(0, slash));
  return fmt::format("{}{}/{}\n", kind, group, object.at({"metadata", "name"}).as_string());
}

// Who owns which fields is long, and seldom what one looks for.
Value without_managed_fields(const Value& object) {
  Value out = object;
  auto drop = [](Value& one) {
    if (one["metadata"]["managedFields"].is_array()) one.make({"metadata"}).object().erase("managedFields");
  };
  drop(out);
  if (out["items"].is_array())
    for (auto& item : out.make({"items"}).array()) drop(item);
  return out;
}

}  // namespace

std::string TextTable::text() const { return layout(rows_, nullptr); }

base::Result<OutputFormat> parse_output(const std::string& text) {
  using Kind = OutputFormat::Kind;
  if (text.empty()) return OutputFormat{};
  if (text == "wide") return OutputFormat{Kind::wide, ""};
  if (text == "yaml") return OutputFormat{Kind::yaml, ""};
  if (text == "json") return OutputFormat{Kind::json, ""};
  if (text == "name") return OutputFormat{Kind::name, ""};
  size_t equals = text.find('=');
  std::string name = text.substr(0, equals),
              rest = equals == std::string::npos ? "" : text.substr(equals + 1);
  if (name.ends_with("-file")) {
    std::ifstream in(rest);
    if (!in)
      return base::fail(
          base::Reason::unknown,
          fmt::format("error reading template {}, open {}: no such file or directory", rest, rest));
    rest.assign(std::istreambuf_iterator<char>(in), {});
    name.resize(name.size() - 5);
  }
  if (name == "jsonpath") {
    if (rest.empty())
      return base::fail(base::Reason::unknown, "template format specified but no template given");
    return OutputFormat{Kind::jsonpath, rest};
  }
  if (name == "custom-columns") {
    if (rest.empty())
      return base::fail(base::Reason::unknown, "custom-columns format specified but no custom columns given");
    return OutputFormat{Kind::custom_columns, rest};
  }
  return base::fail(
      base::Reason::unknown,
      fmt::format("unable to match a printer suitable for the output format \"{}\", allowed formats are: {}",
                  text, kFormats));
}

base::Result<std::string> format_object(const OutputFormat& format, const Value& object) {
  switch (format.kind) {
    case OutputFormat::Kind::yaml:
      return base::write_yaml(format.managed_fields ? object : without_managed_fields(object));
    case OutputFormat::Kind::json:
      return base::write_json_pretty(format.managed_fields ? object : without_managed_fields(object)) + "\n";
    case OutputFormat::Kind::jsonpath:
      return base::evaluate_jsonpath(format.text, object);
    case OutputFormat::Kind::custom_columns:
      return custom_columns(format.text, object, format.headers);
    case OutputFormat::Kind::name: {
      if (!object["items"].is_array()) return object_name(object);
      std::string out;
      for (auto& item : object["items"].as_array()) out += object_name(item);
      return out;
    }
    default:
      return base::fail(base::Reason::unknown, "this output format needs the server's table");
  }
}

base::Result<std::string> format_result(const std::string& output, const ApiResource& resource,
                                        const Value& object, std::string_view verb, std::string_view suffix) {
  if (output.empty())
    return fmt::format("{} {}{}\n", display_name(resource, object.at({"metadata", "name"}).as_string()), verb,
                       suffix);
  TRY(auto format, parse_output(output));
  return format_object(format, object);
}

std::string format_table(const Value& table, const TableOptions& options, std::vector<size_t>* widths) {
  std::vector<size_t> shown;
  std::vector<std::string> header;
  if (options.with_namespace) header.push_back("NAMESPACE");
  const auto& columns = table["columnDefinitions"].as_array();
  for (size_t i = 0; i < columns.size(); ++i) {
    if (columns[i]["priority"].int_or(0) > 0 && !options.wide) continue;
    shown.push_back(i);
    header.push_back(to_upper(columns[i]["name"].as_string()));
  }
  for (auto& label : options.label_columns) header.push_back(to_upper(label.substr(label.rfind('/') + 1)));
  if (options.show_labels) header.push_back("LABELS");
  std::vector<std::vector<std::string>> rows;
  if (options.headers) rows.push_back(header);
  for (const Value& row : table["rows"].as_array()) {
    std::vector<std::string> cells;
    const Value& metadata = row["object"]["metadata"];
    if (options.with_namespace) cells.push_back(escape_controls(metadata["namespace"].as_string()));
    for (size_t n = 0; n < shown.size(); ++n) {
      const auto& all = row["cells"].as_array();
      std::string text = shown[n] < all.size() ? cell_text(all[shown[n]]) : "";
      cells.push_back(n == 0 && options.with_kind ? options.kind_prefix + "/" + text : text);
    }
    for (auto& label : options.label_columns)
      cells.push_back(escape_controls(metadata["labels"][label].as_string()));
    if (options.show_labels) {
      std::vector<std::string> labels;
      for (auto& label : metadata["labels"].as_object())
        labels.push_back(label.key + "=" + std::string(label.value.as_string()));
      std::sort(labels.begin(), labels.end());
      cells.push_back(labels.empty() ? "<none>" : escape_controls(base::join(labels, ",")));
    }
    rows.push_back(std::move(cells));
  }
  return layout(rows, widths);
}

}  // namespace cli
