// The cells of custom kinds' tables.
#include <cmath>

#include "api/custom/definition.hpp"
#include "base/jsonpath.hpp"

namespace api {

using base::Value;

namespace {

std::optional<int64_t> whole(const Value& value) {
  if (const auto number = value.as_int()) return number;
  const auto real = value.as_double();
  if (!real || !(std::fabs(*real) < 9e18)) return std::nullopt;
  return static_cast<int64_t>(*real);
}

Value date_cell(const Value& value, base::Time now) {
  if (!value.is_string()) return nullptr;
  if (value.as_string().empty()) return "<unknown>";
  const auto time = base::parse_time(value.as_string());
  return time ? base::human_duration(now - *time) : "<invalid>";
}

Value cell_of(const Column& column, const Value& value, base::Time now) {
  if (column.type == "string") return value.is_null() ? Value("<no value>") : Value(base::jsonpath_text(value));
  if (column.type == "date") return date_cell(value, now);
  if (column.type == "integer" && value.is_number()) {
    const auto number = whole(value);
    return number ? Value(*number) : Value();
  }
  if (column.type == "number" && value.is_number()) return value;
  if (column.type == "boolean" && value.is_bool()) return value;
  return nullptr;
}

}  // namespace

std::vector<Value> custom_cells(const Kind& kind, const Value& object, base::Time now) {
  std::vector<Value> out;
  out.reserve(kind.columns.size());
  for (const Column& column : kind.columns) {
    const auto found = base::select_jsonpath("{" + column.json_path + "}", object);
    out.push_back(found && !found->empty() ? cell_of(column, found->front(), now) : Value());
  }
  return out;
}

}  // namespace api
