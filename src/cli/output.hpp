// How objects are printed: -o yaml, json, name, jsonpath, custom-columns, and the server's tables. One
// thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/value.hpp"
#include "cli/session.hpp"

namespace cli {

struct OutputFormat {
  enum class Kind { table, wide, yaml, json, name, jsonpath, custom_columns } kind = Kind::table;
  std::string text;     // of jsonpath, custom_columns
  bool headers = true;  // of custom_columns
  bool managed_fields = false;  // yaml and json show metadata.managedFields
  bool needs_objects() const { return kind != Kind::table && kind != Kind::wide; }
};

// "", "wide", "yaml", "json", "name", "jsonpath=...", "jsonpath-file=...", "custom-columns=...".
base::Result<OutputFormat> parse_output(const std::string& text);

// An object, or a List, in one of the formats that need objects. Ends with a newline where kubectl does.
base::Result<std::string> format_object(const OutputFormat& format, const base::Value& object);
// For create, apply, label, ... with -o name or without -o: "service/kubia created"; `suffix` e.g. " (server
// dry run)".
base::Result<std::string> format_result(const std::string& output, const ApiResource& resource,
                                        const base::Value& object, std::string_view verb,
                                        std::string_view suffix = "");

// Columns side by side, three blanks between, the last one unpadded. Control characters in cells are escaped.
class TextTable {
 public:
  void row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  bool empty() const { return rows_.empty(); }
  size_t size() const { return rows_.size(); }
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

struct TableOptions {
  bool wide = false;
  bool headers = true;
  bool with_namespace = false;
  bool with_kind = false;   // NAME is printed as type/name
  std::string kind_prefix;  // that type
  bool show_labels = false;
  std::vector<std::string> label_columns;
};

// A meta.k8s.io/v1 Table as text. `widths`, may be null: column widths of earlier rows, for watches.
std::string format_table(const base::Value& table, const TableOptions& options,
                         std::vector<size_t>* widths = nullptr);

}  // namespace cli
