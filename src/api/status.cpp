#include "api/status.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "base/json.hpp"
#include "base/strings.hpp"

namespace api {

using base::Array;
using base::Error;
using base::ErrorDetails;
using base::Object;
using base::Reason;
using base::Value;

namespace {

// A value in a message is cut there, and a message names no more errors once it is that long: what a small request can
// make of itself must stay small.
constexpr size_t kMaxShown = 4u << 10;
constexpr size_t kMaxErrorsText = 256u << 10;

struct Code {
  Reason reason;
  int code;
};

// The first reason of a code is the one that a client assumes for it.
constexpr Code kCodes[] = {
    {Reason::bad_request, 400},         {Reason::unauthorized, 401},      {Reason::forbidden, 403},
    {Reason::not_found, 404},           {Reason::method_not_allowed, 405}, {Reason::not_acceptable, 406},
    {Reason::conflict, 409},            {Reason::already_exists, 409},    {Reason::expired, 410},
    {Reason::gone, 410},                {Reason::request_entity_too_large, 413},
    {Reason::unsupported_media_type, 415}, {Reason::invalid, 422},        {Reason::too_many_requests, 429},
    {Reason::internal_error, 500},      {Reason::server_timeout, 500},    {Reason::unknown, 500},
    {Reason::service_unavailable, 503}, {Reason::timeout, 504},
};

struct Resource {
  std::string name;
  std::string group;
};

Resource split_resource(std::string_view resource) {
  size_t dot = resource.find('.');
  if (dot == std::string_view::npos) return {std::string(resource), ""};
  return {std::string(resource.substr(0, dot)), std::string(resource.substr(dot + 1))};
}

Error about_resource(Reason reason, std::string message, std::string_view resource, std::string_view name) {
  auto [plural, group] = split_resource(resource);
  ErrorDetails details;
  details.name = name;
  details.group = group;
  details.kind = plural;
  return {reason, std::move(message), std::make_shared<const ErrorDetails>(std::move(details))};
}

void set_text(Object& object, std::string_view key, const std::string& text) {
  if (!text.empty()) object.append(std::string(key), text);
}

Value details_value(const ErrorDetails& details) {
  Object out;
  set_text(out, "name", details.name);
  set_text(out, "group", details.group);
  set_text(out, "kind", details.kind);
  set_text(out, "uid", details.uid);
  if (!details.causes.empty()) {
    Array causes;
    for (const auto& cause : details.causes) {
      Object entry;
      set_text(entry, "reason", cause.reason);
      set_text(entry, "message", cause.message);
      set_text(entry, "field", cause.field);
      causes.emplace_back(std::move(entry));
    }
    out.append("causes", std::move(causes));
  }
  if (details.retry_after_seconds > 0) out.append("retryAfterSeconds", details.retry_after_seconds);
  return out;
}

Object status_frame(std::string_view outcome) {
  Object out;
  out.append("kind", "Status");
  out.append("apiVersion", "v1");
  out.append("metadata", Object{});
  out.append("status", outcome);
  return out;
}

}  // namespace

int http_code(Reason reason) {
  for (const auto& entry : kCodes)
    if (entry.reason == reason) return entry.code;
  return 500;
}

Reason reason_of_http_code(int code) {
  for (const auto& entry : kCodes)
    if (entry.code == code) return entry.reason;
  return code >= 500 ? Reason::internal_error : Reason::unknown;
}

Value make_status(const Error& error) {
  Object out = status_frame("Failure");
  set_text(out, "message", error.message);
  set_text(out, "reason", std::string(base::reason_name(error.reason)));
  if (error.details) out.append("details", details_value(*error.details));
  out.append("code", http_code(error.reason));
  return out;
}

Value make_success_status(std::string_view name, std::string_view group, std::string_view resource,
                          std::string_view uid) {
  Object out = status_frame("Success");
  ErrorDetails details;
  details.name = name;
  details.group = group;
  details.kind = resource;
  details.uid = uid;
  out.append("details", details_value(details));
  return out;
}

Error error_from_status(const Value& status, int code) {
  Error error;
  error.reason = base::reason_from_name(status["reason"].as_string());
  if (error.reason == Reason::unknown) error.reason = reason_of_http_code(code);
  if (status["kind"].as_string() != "Status") {
    error.message =
        fmt::format("the server responded with the status code {} but did not return more information", code);
    return error;
  }
  error.message = status["message"].as_string();
  if (error.message.empty()) error.message = fmt::format("the server answered {} without a message", code);
  const Value& from = status["details"];
  if (!from.is_object()) return error;
  ErrorDetails details;
  details.name = from["name"].as_string();
  details.group = from["group"].as_string();
  details.kind = from["kind"].as_string();
  details.uid = from["uid"].as_string();
  details.retry_after_seconds =
      static_cast<int>(std::clamp<int64_t>(from["retryAfterSeconds"].int_or(0), 0, 86'400));
  for (const auto& cause : from["causes"].as_array())
    details.causes.push_back({std::string(cause["reason"].as_string()), std::string(cause["message"].as_string()),
                              std::string(cause["field"].as_string())});
  error.details = std::make_shared<const ErrorDetails>(std::move(details));
  return error;
}

Error not_found(std::string_view resource, std::string_view name) {
  return about_resource(Reason::not_found, fmt::format("{} {} not found", resource, base::quote(name)), resource,
                        name);
}

Error already_exists(std::string_view resource, std::string_view name) {
  return about_resource(Reason::already_exists,
                        fmt::format("{} {} already exists", resource, base::quote(name)), resource, name);
}

Error conflict(std::string_view resource, std::string_view name, std::string_view why) {
  if (why.empty())
    why = "the object has been modified; please apply your changes to the latest version and try again";
  return about_resource(
      Reason::conflict,
      fmt::format("Operation cannot be fulfilled on {} {}: {}", resource, base::quote(name), why), resource, name);
}

Error forbidden(std::string_view resource, std::string_view name, std::string_view why) {
  std::string message = resource.empty() ? fmt::format("forbidden: {}", why)
                        : name.empty()   ? fmt::format("{} is forbidden: {}", resource, why)
                                         : fmt::format("{} {} is forbidden: {}", resource, base::quote(name), why);
  return about_resource(Reason::forbidden, std::move(message), resource, name);
}

Error bad_request(std::string message) { return {Reason::bad_request, std::move(message), nullptr}; }

Error method_not_supported(std::string_view resource, std::string_view verb) {
  return about_resource(Reason::method_not_allowed,
                        fmt::format("{} is not supported on resources of kind {}", verb, base::quote(resource)),
                        resource, "");
}

Error too_many_requests(std::string message, int retry_after_seconds) {
  ErrorDetails details;
  details.retry_after_seconds = retry_after_seconds;
  return {Reason::too_many_requests, std::move(message), std::make_shared<const ErrorDetails>(std::move(details))};
}

Error expired(std::string message) { return {Reason::expired, std::move(message), nullptr}; }

std::string FieldError::text() const { return field + ": " + body(); }

std::string FieldError::body() const {
  std::string out;
  bool with_value = true;
  switch (type) {
    case Type::not_found: out = "Not found"; break;
    case Type::required: out = "Required value"; with_value = false; break;
    case Type::duplicate: out = "Duplicate value"; break;
    case Type::invalid:
    case Type::type_invalid: out = "Invalid value"; break;
    case Type::not_supported: out = "Unsupported value"; break;
    case Type::forbidden: out = "Forbidden"; with_value = false; break;
    case Type::too_long: out = "Too long"; with_value = false; break;
    case Type::too_many: out = "Too many"; break;
    case Type::internal: out = "Internal error"; with_value = false; break;
  }
  if (with_value) {
    out += ": ";
    std::string shown = value.is_string() ? base::quote(value.as_string()) : base::write_json(value);
    if (shown.size() > kMaxShown) {
      shown.resize(base::valid_utf8_prefix(std::string_view(shown).substr(0, kMaxShown)));
      shown += "...";
    }
    out += shown;
  }
  if (!detail.empty()) out += ": " + detail;
  return out;
}

std::string_view FieldError::cause_reason() const {
  switch (type) {
    case Type::not_found: return "FieldValueNotFound";
    case Type::required: return "FieldValueRequired";
    case Type::duplicate: return "FieldValueDuplicate";
    case Type::invalid: return "FieldValueInvalid";
    case Type::not_supported: return "FieldValueNotSupported";
    case Type::forbidden: return "FieldValueForbidden";
    case Type::too_long: return "FieldValueTooLong";
    case Type::too_many: return "FieldValueTooMany";
    case Type::internal: return "InternalError";
    case Type::type_invalid: return "FieldValueTypeInvalid";
  }
  return "FieldValueInvalid";
}

FieldError required_field(std::string field, std::string detail) {
  return {FieldError::Type::required, std::move(field), "", std::move(detail)};
}

FieldError invalid_field(std::string field, Value value, std::string detail) {
  return {FieldError::Type::invalid, std::move(field), std::move(value), std::move(detail)};
}

FieldError duplicate_field(std::string field, Value value) {
  return {FieldError::Type::duplicate, std::move(field), std::move(value), ""};
}

FieldError forbidden_field(std::string field, std::string detail) {
  return {FieldError::Type::forbidden, std::move(field), "", std::move(detail)};
}

FieldError not_found_field(std::string field, Value value) {
  return {FieldError::Type::not_found, std::move(field), std::move(value), ""};
}

FieldError unsupported_field(std::string field, Value value, std::vector<std::string> supported) {
  for (auto& one : supported) one = base::quote(one);
  std::string detail = supported.empty() ? "" : "supported values: " + base::join(supported, ", ");
  return {FieldError::Type::not_supported, std::move(field), std::move(value), std::move(detail)};
}

FieldError too_long_field(std::string field, size_t max_bytes) {
  return {FieldError::Type::too_long, std::move(field), "",
          fmt::format("may not be more than {} {}", max_bytes, max_bytes == 1 ? "byte" : "bytes")};
}

FieldError too_many_field(std::string field, size_t actual, size_t max) {
  return {FieldError::Type::too_many, std::move(field), static_cast<uint64_t>(actual),
          fmt::format("must have at most {} {}", max, max == 1 ? "item" : "items")};
}

Error invalid(std::string_view group, std::string_view kind, std::string_view name,
              const std::vector<FieldError>& errors) {
  ErrorDetails details;
  details.name = name;
  details.group = group;
  details.kind = kind;
  std::vector<std::string> texts;
  std::unordered_set<std::string> seen;
  size_t written = 0;
  for (const auto& error : errors) {
    if (written > kMaxErrorsText) {
      texts.push_back(fmt::format("and {} errors more", errors.size() - details.causes.size()));
      break;
    }
    details.causes.push_back({std::string(error.cause_reason()), error.body(), error.field});
    written += error.field.size() + details.causes.back().message.size();
    if (std::string text = error.text(); seen.insert(text).second) texts.push_back(std::move(text));
  }
  std::string message = fmt::format("{}{}{} {} is invalid", kind, group.empty() ? "" : ".", group, base::quote(name));
  if (texts.size() == 1) message += ": " + texts[0];
  if (texts.size() > 1) message += ": [" + base::join(texts, ", ") + "]";
  return {Reason::invalid, std::move(message), std::make_shared<const ErrorDetails>(std::move(details))};
}

}  // namespace api
