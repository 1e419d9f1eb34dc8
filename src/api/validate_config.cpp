// Rules for ConfigMaps, Secrets and service accounts.
#include <algorithm>

#include "api/meta.hpp"
#include "api/validate_rules.hpp"
#include "base/json.hpp"
#include "base/strings.hpp"

namespace api::rules {

namespace {

constexpr size_t kMaxBytes = 1u << 20;
constexpr std::string_view kFrozen = "field is immutable when `immutable` is set";

size_t decoded_size(std::string_view base64) {
  size_t size = base64.size() / 4 * 3;
  while (!base64.empty() && base64.back() == '=' && size > 0) {
    base64.remove_suffix(1);
    --size;
  }
  return size;
}

void check_frozen(Problems& out, const Value& fresh, const Value& old, std::initializer_list<const char*> members) {
  if (!old["immutable"].as_bool()) return;
  if (!fresh["immutable"].as_bool()) out.forbidden("immutable", std::string(kFrozen));
  for (const char* member : members) {
    bool both_empty = fresh[member].as_object().empty() && old[member].as_object().empty();
    if (!both_empty && fresh[member] != old[member]) out.forbidden(member, std::string(kFrozen));
  }
}

void need_keys(Problems& out, const Value& data, std::initializer_list<std::string_view> keys) {
  for (std::string_view name : keys)
    if (data[name].is_null()) out.required(key("data", name));
}

void check_docker(Problems& out, const Value& data, std::string_view name) {
  if (data[name].is_null()) return out.required(key("data", name));
  auto text = base::base64_decode(data[name].as_string());
  auto parsed = text ? base::parse_json(*text) : base::Result<Value>(Value());
  if (!parsed || !parsed->is_object())
    out.invalid(key("data", name), "<secret contents redacted>", std::string("must be a JSON object"));
}

void check_secret_type(Problems& out, const Value& secret) {
  const Value& data = secret["data"];
  std::string_view type = secret["type"].as_string();
  if (type == "kubernetes.io/service-account-token") {
    if (annotation_of(secret, "kubernetes.io/service-account.name").empty())
      out.required("metadata.annotations[kubernetes.io/service-account.name]");
  } else if (type == "kubernetes.io/dockercfg") {
    check_docker(out, data, ".dockercfg");
  } else if (type == "kubernetes.io/dockerconfigjson") {
    check_docker(out, data, ".dockerconfigjson");
  } else if (type == "kubernetes.io/basic-auth") {
    if (data["username"].is_null() && data["password"].is_null()) need_keys(out, data, {"username", "password"});
  } else if (type == "kubernetes.io/ssh-auth") {
    if (data["ssh-privatekey"].as_string().empty()) out.required("data[ssh-privatekey]");
  } else if (type == "kubernetes.io/tls") {
    need_keys(out, data, {"tls.crt", "tls.key"});
  }
}

}  // namespace

std::vector<std::string> check_config_key(std::string_view text) {
  std::vector<std::string> out;
  if (text.size() > 253) out.emplace_back("must be no more than 253 characters");
  bool good = !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  });
  if (!good)
    out.emplace_back("a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or "
                     "'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')");
  if (text == "." || text == "..") out.push_back("must not be '" + std::string(text) + "'");
  else if (text.starts_with("..")) out.emplace_back("must not start with '..'");
  return out;
}

void check_config_map(Problems& out, const Value& object) {
  size_t total = 0;
  for (const auto& [name, value] : object["data"].as_object()) {
    out.invalid(key("data", name), name, check_config_key(name));
    if (!object["binaryData"][name].is_null())
      out.invalid(key("data", name), name, std::string("duplicate of key present in binaryData"));
    total += value.as_string().size();
  }
  for (const auto& [name, value] : object["binaryData"].as_object()) {
    out.invalid(key("binaryData", name), name, check_config_key(name));
    total += decoded_size(value.as_string());
  }
  if (total > kMaxBytes) out.add(too_long_field("[]", kMaxBytes));
}

void check_config_map_update(Problems& out, const Value& fresh, const Value& old) {
  check_frozen(out, fresh, old, {"data", "binaryData"});
}

void check_secret(Problems& out, const Value& object) {
  size_t total = 0;
  for (const auto& [name, value] : object["data"].as_object()) {
    out.invalid(key("data", name), name, check_config_key(name));
    total += decoded_size(value.as_string());
  }
  if (total > kMaxBytes) out.add(too_long_field("data", kMaxBytes));
  check_secret_type(out, object);
}

void check_secret_update(Problems& out, const Value& fresh, const Value& old) {
  out.immutable("type", fresh["type"], old["type"]);
  check_frozen(out, fresh, old, {"data"});
}

void check_service_account(Problems& out, const Value& object) {
  const auto& secrets = object["imagePullSecrets"].as_array();
  for (size_t i = 0; i < secrets.size(); ++i)
    if (secrets[i]["name"].as_string().empty()) out.required(child(index("imagePullSecrets", i), "name"));
}

}  // namespace api::rules
