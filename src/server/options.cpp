#include "server/options.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "api/convert.hpp"
#include "api/meta.hpp"
#include "api/status.hpp"
#include "base/json.hpp"
#include "base/strings.hpp"
#include "server/negotiate.hpp"

namespace server {

namespace {

constexpr size_t kMaxFieldManager = 128;
constexpr size_t kMaxSelectorBytes = 64u << 10;

base::Error invalid_options(std::string_view type, std::vector<api::FieldError> errors) {
  return api::invalid("meta.k8s.io", type, "", errors);
}

base::Result<std::optional<int64_t>> parse_number(const net::Query& query, std::string_view name) {
  auto text = query.get(name);
  if (text.empty()) return std::nullopt;
  auto number = base::parse_int(text);
  if (!number || *number < 0) {
    return std::unexpected(api::bad_request(
        fmt::format("{}: Invalid value: {}: must be a whole number, zero or more", name, base::quote(text))));
  }
  return number;
}

std::string to_url_base64(std::string_view bytes) {
  std::string text = base::base64_encode(bytes);
  while (text.ends_with('=')) text.pop_back();
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  return text;
}

std::optional<std::string> from_url_base64(std::string_view encoded) {
  std::string text(encoded);
  std::replace(text.begin(), text.end(), '-', '+');
  std::replace(text.begin(), text.end(), '_', '/');
  while (text.ends_with('=')) text.pop_back();
  while (text.size() % 4 != 0) text += '=';
  return base::base64_decode(text);
}

base::Result<void> check_list_combination(const ListOptions& o, bool revision_given) {
  std::vector<api::FieldError> errors;
  auto forbid = [&](std::string field, std::string why) {
    errors.push_back(api::forbidden_field(field, why));
  };
  const std::string kMatch = "resourceVersionMatch";
  if (o.watch) {
    if (o.send_initial_events && o.match != "NotOlderThan")
      forbid(kMatch, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
    if (!o.match.empty()) {
      if (!o.send_initial_events)
        forbid(kMatch, "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
      if (o.match != "NotOlderThan") errors.push_back(api::unsupported_field(kMatch, o.match, {"NotOlderThan"}));
      if (!o.continue_.empty()) forbid(kMatch, "resourceVersionMatch is forbidden when continue is provided");
    }
  } else {
    if (!o.match.empty()) {
      if (!revision_given)
        forbid(kMatch, "resourceVersionMatch is forbidden unless resourceVersion is provided");
      if (!o.continue_.empty()) forbid(kMatch, "resourceVersionMatch is forbidden when continue is provided");
      if (o.match != "Exact" && o.match != "NotOlderThan") {
        errors.push_back(api::unsupported_field(kMatch, o.match, {"Exact", "NotOlderThan", ""}));
      }
      if (o.match == "Exact" && o.resource_version == 0) {
        forbid(kMatch, "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
      }
    }
    if (o.send_initial_events) forbid("sendInitialEvents", "sendInitialEvents is forbidden for list");
  }
  if (!errors.empty()) return std::unexpected(invalid_options("ListOptions", std::move(errors)));
  return {};
}

base::Result<Filter> parse_filter(const net::Query& query, const api::Kind& kind) {
  Filter filter;
  auto labels = query.get("labelSelector");
  auto fields = query.get("fieldSelector");
  if (labels.size() > kMaxSelectorBytes || fields.size() > kMaxSelectorBytes) {
    return std::unexpected(api::bad_request("selectors may be 64 KiB long at most"));
  }
  if (auto parsed = api::LabelSelector::parse(labels)) {
    filter.labels = std::move(*parsed);
  } else {
    return std::unexpected(api::bad_request(parsed.error().message));
  }
  if (auto parsed = api::FieldSelector::parse(fields)) {
    filter.fields = std::move(*parsed);
  } else {
    return std::unexpected(api::bad_request(parsed.error().message));
  }
  for (const auto& requirement : filter.fields.requirements()) {
    if (!api::is_selectable_field(kind, requirement.field)) {
      return std::unexpected(api::bad_request("field label not supported: " + requirement.field));
    }
  }
  return filter;
}

base::Value array_of(const std::vector<std::string>& texts) {
  base::Array array;
  for (const auto& text : texts) array.emplace_back(text);
  return array;
}

void check_dry_run(const std::vector<std::string>& values, std::vector<api::FieldError>& errors,
                   bool& dry_run) {
  for (const auto& value : values) {
    if (value == "All") {
      dry_run = true;
    } else {
      errors.push_back(api::unsupported_field("dryRun", array_of(values), {"All"}));
      return;
    }
  }
}

}  // namespace

base::Result<std::optional<int64_t>> parse_resource_version(std::string_view text) {
  if (text.empty()) return std::nullopt;
  auto number = base::parse_int(text);
  if (!number || *number < 0) {
    return std::unexpected(api::bad_request(
        fmt::format("resourceVersion: Invalid value: {}: must be a whole number as the server gave it",
                    base::quote(text))));
  }
  return number;
}

base::Error too_large_revision(int64_t wanted, int64_t current) {
  auto details = std::make_shared<base::ErrorDetails>();
  details->retry_after_seconds = 1;
  details->causes.push_back({"ResourceVersionTooLarge", "Too large resource version", ""});
  return {base::Reason::timeout,
          fmt::format("Timeout: Too large resource version: {}, current: {}", wanted, current),
          std::move(details)};
}

base::Result<IncludeObject> parse_include_object(const net::Query& query) {
  auto include = query.get("includeObject");
  if (include.empty() || include == "Metadata") return IncludeObject::metadata;
  if (include == "None") return IncludeObject::none;
  if (include == "Object") return IncludeObject::object;
  return std::unexpected(api::bad_request(fmt::format(
      "unrecognized includeObject value: {}: use None, Metadata or Object", base::quote(include))));
}

base::Result<ListOptions> parse_list_options(const net::Query& query, const Resource& resource) {
  ListOptions options;
  TRY(options.filter, parse_filter(query, *resource.kind));
  if (resource.is_view()) {
    options.filter.fields.rename(
        [&](std::string_view field) { return api::convert_field(*resource.kind, *resource.stored, field); });
  }
  TRY(auto limit, parse_number(query, "limit"));
  options.limit = limit.value_or(0);
  options.continue_ = std::string(query.get("continue"));
  TRY(options.resource_version, parse_resource_version(query.get("resourceVersion")));
  options.match = std::string(query.get("resourceVersionMatch"));
  options.watch = query_flag(query, "watch");
  options.allow_bookmarks = query_flag(query, "allowWatchBookmarks");
  if (query.has("sendInitialEvents")) options.send_initial_events = query_flag(query, "sendInitialEvents");
  TRY(options.timeout_seconds, parse_number(query, "timeoutSeconds"));
  TRY(options.include, parse_include_object(query));
  CHECK_OK(check_list_combination(options, options.resource_version.has_value()));
  if (!options.watch && !options.continue_.empty() && options.resource_version.value_or(0) != 0) {
    return std::unexpected(
        api::bad_request("specifying resource version is not allowed when using continue"));
  }
  return options;
}

base::Result<WriteOptions> parse_write_options(const net::Query& query, std::string_view type) {
  WriteOptions options;
  std::vector<api::FieldError> errors;
  std::vector<std::string> dry_run;
  for (auto value : query.all("dryRun")) {
    if (!value.empty()) dry_run.emplace_back(value);
  }
  check_dry_run(dry_run, errors, options.dry_run);
  options.field_manager = std::string(query.get("fieldManager"));
  if (options.field_manager.size() > kMaxFieldManager) {
    errors.push_back(api::too_long_field("fieldManager", kMaxFieldManager));
  } else {
    for (size_t i = 0; i < options.field_manager.size(); ++i) {
      auto c = static_cast<unsigned char>(options.field_manager[i]);
      if (c >= 0x20 && c != 0x7f) continue;
      errors.push_back(api::invalid_field("fieldManager", options.field_manager,
                                          fmt::format("invalid character U+{:04X} (at position {})", c, i)));
      break;
    }
  }
  if (type == "PatchOptions" && query.has("force")) {
    errors.push_back(api::forbidden_field("force", "may not be specified for non-apply patch"));
  }
  auto validation = query.get("fieldValidation");
  if (validation == "Strict") {
    options.validation = api::FieldValidation::strict;
  } else if (validation == "Ignore") {
    options.validation = api::FieldValidation::ignore;
  } else if (!validation.empty() && validation != "Warn") {
    errors.push_back(
        api::unsupported_field("fieldValidation", std::string(validation), {"", "Ignore", "Strict", "Warn"}));
  }
  if (!errors.empty()) return std::unexpected(invalid_options(type, std::move(errors)));
  return options;
}

base::Result<DeleteOptions> parse_delete_options(const net::Query& query, const base::Value& body) {
  DeleteOptions options;
  std::vector<api::FieldError> errors;
  std::vector<std::string> dry_run;
  if (body.is_object()) {
    const auto& grace = body["gracePeriodSeconds"];
    if (!grace.is_null()) options.grace_period_seconds = grace.as_int();
    options.propagation_policy = std::string(body["propagationPolicy"].as_string());
    if (const bool* orphan = body["orphanDependents"].if_bool()) options.orphan_dependents = *orphan;
    const auto& preconditions = body["preconditions"];
    if (const auto* uid = preconditions["uid"].if_string()) options.uid = *uid;
    if (const auto* version = preconditions["resourceVersion"].if_string())
      options.resource_version = *version;
    for (const auto& value : body["dryRun"].as_array()) dry_run.emplace_back(value.as_string());
  } else {
    TRY(options.grace_period_seconds, parse_number(query, "gracePeriodSeconds"));
    options.propagation_policy = std::string(query.get("propagationPolicy"));
    if (query.has("orphanDependents")) options.orphan_dependents = query_flag(query, "orphanDependents");
    if (query.has("preconditions.uid")) options.uid = std::string(query.get("preconditions.uid"));
  }
  for (auto value : query.all("dryRun")) {
    if (!value.empty()) dry_run.emplace_back(value);
  }
  check_dry_run(dry_run, errors, options.dry_run);
  const auto& policy = options.propagation_policy;
  if (!policy.empty() && options.orphan_dependents) {
    errors.push_back(api::invalid_field("propagationPolicy", policy,
                                        "orphanDependents and deletionPropagation cannot be both set"));
  }
  if (!policy.empty() && policy != "Orphan" && policy != "Background" && policy != "Foreground") {
    errors.push_back(
        api::unsupported_field("propagationPolicy", policy, {"Foreground", "Background", "Orphan", "nil"}));
  }
  if (!errors.empty()) return std::unexpected(invalid_options("DeleteOptions", std::move(errors)));
  return options;
}

std::string encode_continue(const ContinueToken& token, std::string_view prefix) {
  base::Object object{
      {"v", "meta.k8s.io/v1"}, {"rv", token.revision}, {"p", prefix}, {"start", token.start_after}};
  return to_url_base64(base::write_json(std::move(object)));
}

base::Result<ContinueToken> decode_continue(std::string_view text, std::string_view prefix) {
  auto fail = [](std::string_view why) {
    return std::unexpected(api::bad_request(fmt::format("invalid continue token: {}", why)));
  };
  auto bytes = from_url_base64(text);
  if (!bytes) return fail("it is not base64");
  auto value = base::parse_json(*bytes);
  if (!value || !value->is_object()) return fail("it holds no token");
  if ((*value)["v"].as_string() != "meta.k8s.io/v1") return fail("unknown version");
  if ((*value)["p"].as_string() != prefix) return fail("it belongs to another list");
  ContinueToken token;
  token.revision = (*value)["rv"].int_or(0);
  token.start_after = std::string((*value)["start"].as_string());
  if (token.revision == 0 || token.revision < kInconsistent) return fail("it names no revision");
  if (token.start_after.empty() || token.start_after.find("..") != std::string::npos ||
      token.start_after.starts_with('/')) {
    return fail("it names no place to go on from");
  }
  return token;
}

}  // namespace server
