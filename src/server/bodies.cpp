// Request bodies: JSON, YAML and protobuf to values, values to objects of the kind that the URL names.
#include <fmt/format.h>

#include <unordered_set>

#include "api/decode.hpp"
#include "api/defaults.hpp"
#include "api/meta.hpp"
#include "api/status.hpp"
#include "base/json.hpp"
#include "base/strings.hpp"
#include "server/writing.hpp"

namespace server {

namespace {

constexpr size_t kMaxBody = 3u << 20;

// Of equal owner references one stays.
void drop_double_owners(base::Value& object, std::vector<std::string>& warnings) {
  auto* metadata = object.object().find("metadata");
  auto* owners = metadata && metadata->is_object() ? metadata->object().find("ownerReferences") : nullptr;
  if (!owners || owners->as_array().size() < 2) return;
  std::unordered_set<std::string> seen;
  base::Array kept;
  std::vector<std::string> doubles;
  for (auto& owner : owners->array()) {
    if (seen.insert(base::write_json(owner)).second) {
      kept.push_back(std::move(owner));
    } else {
      doubles.emplace_back(owner["uid"].as_string());
    }
  }
  *owners = std::move(kept);
  if (doubles.empty()) return;
  warnings.push_back(fmt::format(
      ".metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and may "
      "reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {}",
      base::join(doubles, ", ")));
}

}  // namespace

base::Result<void> check_body_size(const Exchange& exchange) {
  if (exchange.request.body.size() <= kMaxBody) return {};
  return base::fail(base::Reason::request_entity_too_large,
                    fmt::format("Request entity too large: limit is {}", kMaxBody));
}

base::Result<api::ParsedBody> read_body(const api::Kind& kind, const Exchange& exchange) {
  CHECK_OK(check_body_size(exchange));
  return api::parse_body(kind, exchange.request.headers.get("Content-Type"), exchange.request.body);
}

base::Result<base::Value> read_helper_body(const Core& core, const Exchange& exchange,
                                           std::string_view api_version, std::string_view kind_name) {
  auto kind = core.catalog()->registry().find_kind(api_version, kind_name);
  if (!kind) {
    return base::fail(
        base::Reason::internal_error,
        fmt::format("kind {} is not in the registry: the schemas of this binary are incomplete", kind_name));
  }
  TRY(auto body, read_body(*kind, exchange));
  if (!body.value.is_object()) {
    return std::unexpected(api::bad_request(
        fmt::format("the object provided is unrecognized (must be of type {}): it is a JSON {}", kind_name,
                    body.value.kind_name())));
  }
  return std::move(body.value);
}

base::Result<base::Value> read_patch_body(const api::Kind& kind, const Exchange& exchange) {
  CHECK_OK(check_body_size(exchange));
  TRY(auto body, api::parse_body(kind, "application/json", exchange.request.body));
  return std::move(body.value);
}

base::Result<base::Value> read_object(const Core& core, const api::Kind& kind, api::ParsedBody body,
                                      api::FieldValidation validation, std::vector<std::string>& warnings) {
  auto catalog = core.catalog();
  TRY(auto decoded, api::decode_object(kind, body.value, std::move(body.duplicate_keys), validation,
                                       &catalog->registry()));
  for (auto& warning : decoded.warnings) warnings.push_back(std::move(warning));
  drop_double_owners(decoded.object, warnings);
  api::apply_defaults(kind, decoded.object);
  return std::move(decoded.object);
}

}  // namespace server
