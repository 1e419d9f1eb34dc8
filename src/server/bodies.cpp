// Request bodies: JSON, YAML and protobuf to values, values to objects of the kind that the URL names.
#include <fmt/format.h>

#include "api/decode.hpp"
#include "api/defaults.hpp"
#include "api/meta.hpp"
#include "api/status.hpp"
#include "base/strings.hpp"
#include "server/writing.hpp"

namespace server {

namespace {

constexpr size_t kMaxBody = 3u << 20;

std::string group_version_of(std::string_view api_version, std::string_view kind) {
  return fmt::format("{} in version {}", kind, base::quote(api_version));
}

// What the body says it is must be what the URL names; what it leaves out is taken from the URL.
base::Result<void> check_type(const api::Kind& kind, const base::Value& value) {
  if (!value.is_object()) {
    return std::unexpected(api::bad_request(
        fmt::format("the object provided is unrecognized (must be of type {}): it is a JSON {}", kind.kind,
                    value.kind_name())));
  }
  auto body_version = api::api_version_of(value);
  auto body_kind = api::kind_of(value);
  if (!body_version.empty() && body_version != kind.api_version()) {
    return std::unexpected(api::bad_request(
        fmt::format("the API version in the data ({}) does not match the expected API version ({})", body_version,
                    kind.api_version())));
  }
  if (!body_kind.empty() && body_kind != kind.kind) {
    return std::unexpected(api::bad_request(
        fmt::format("{} cannot be handled as a {}: no kind {} is served at this path",
                    group_version_of(kind.api_version(), body_kind), kind.kind, base::quote(body_kind))));
  }
  return {};
}

}  // namespace

base::Result<Body> read_body(Core& core, const Exchange& exchange, std::string_view default_type) {
  const auto& request = exchange.request;
  if (request.body.size() > kMaxBody) {
    return base::fail(base::Reason::request_entity_too_large,
                      fmt::format("Request entity too large: limit is {}", kMaxBody));
  }
  auto type = request.headers.get("Content-Type");
  std::string media(base::trim(type.substr(0, type.find(';'))));
  if (media.empty()) media = default_type;
  // Every patch but server-side apply is JSON.
  if (media.ends_with("patch+json")) media = "application/json";
  TRY(auto decoded, api::decode_body(core.registry, media, request.body));
  return Body{std::move(decoded.value), std::move(decoded.duplicate_keys)};
}

base::Result<base::Value> read_object(const api::Kind& kind, Body body, api::FieldValidation validation,
                                      std::vector<std::string>& warnings) {
  CHECK_OK(check_type(kind, body.value));
  auto decoded = api::decode_object(kind, std::move(body.value), body.duplicate_keys, validation);
  if (!decoded) {
    auto error = std::move(decoded).error();
    std::string start = group_version_of(kind.version, kind.kind) + " cannot be handled as a ";
    if (error.reason == base::Reason::bad_request && !error.message.starts_with(start)) {
      error.message = fmt::format("{}{}: {}", start, kind.kind, error.message);
    }
    return std::unexpected(std::move(error));
  }
  for (auto& warning : decoded->warnings) warnings.push_back(std::move(warning));
  api::set_type(decoded->object, kind);
  api::apply_defaults(kind, decoded->object);
  return std::move(decoded->object);
}

}  // namespace server
