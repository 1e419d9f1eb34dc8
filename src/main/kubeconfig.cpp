#include "main/kubeconfig.hpp"

#include <cstdlib>
#include <filesystem>

#include "base/strings.hpp"
#include "base/value.hpp"
#include "base/yaml.hpp"
#include "sys/fs.hpp"

namespace main_ {
namespace {

using base::Array;
using base::Object;
using base::Value;

// One of the three lists of a kubeconfig: {name, <what>}. Replaces the item of that name, or appends it.
void put_named(Value& config, std::string_view list, std::string_view what, const std::string& name, Value content) {
  Value item = Object{{"name", name}, {what, std::move(content)}};
  Array& items = config.object()[list].array();
  for (Value& existing : items) {
    if (existing["name"].as_string() == name) {
      existing = std::move(item);
      return;
    }
  }
  items.push_back(std::move(item));
}

bool erase_named(Value& config, std::string_view list, const std::string& name) {
  Value* items = config.object().find(list);
  if (!items || !items->is_array()) return false;
  return std::erase_if(*items->if_array(), [&](const Value& v) { return v["name"].as_string() == name; }) > 0;
}

void put_entry(Value& config, const KubeconfigEntry& entry) {
  put_named(config, "clusters", "cluster", entry.name,
            Object{{"certificate-authority-data", base::base64_encode(entry.ca_pem)}, {"server", entry.server}});
  put_named(config, "contexts", "context", entry.name, Object{{"cluster", entry.name}, {"user", entry.name}});
  put_named(config, "users", "user", entry.name,
            Object{{"client-certificate-data", base::base64_encode(entry.certificate_pem)},
                   {"client-key-data", base::base64_encode(entry.key_pem)}});
  config.object()["current-context"] = entry.name;
}

Value empty_config() {
  return Object{{"apiVersion", "v1"},     {"clusters", Array{}},    {"contexts", Array{}},
                {"current-context", ""},  {"kind", "Config"},       {"preferences", Object{}},
                {"users", Array{}}};
}

base::Result<Value> read_config(const std::string& path) {
  auto text = sys::read_file(path);
  if (!text) {
    if (text.error().reason == base::Reason::not_found) return empty_config();
    return std::unexpected(std::move(text).error());
  }
  if (base::trim(*text).empty()) return empty_config();
  auto value = base::parse_yaml(*text);
  if (!value) return std::unexpected(std::move(value).error().wrap(path));
  if (!value->is_object()) return base::fail(base::Reason::bad_request, path + " is not a kubeconfig; move it away and try again");
  for (std::string_view list : {"clusters", "contexts", "users"}) {
    if (Value& v = value->object()[list]; !v.is_array()) v = Array{};
  }
  return value;
}

base::Result<void> write_config(const std::string& path, const Value& config) {
  CHECK_OK(sys::make_dirs(std::filesystem::path(path).parent_path().string(), 0755));
  return sys::write_file_atomically(path, base::write_yaml(config), 0600);
}

}  // namespace

std::string make_kubeconfig(const KubeconfigEntry& entry) {
  Value config = empty_config();
  put_entry(config, entry);
  return base::write_yaml(config);
}

std::string default_kubeconfig_path() {
  if (const char* list = std::getenv("KUBECONFIG"); list && *list) {
    for (const std::string& path : base::split(list, ':')) {
      if (!path.empty()) return path;
    }
  }
  const char* home = std::getenv("HOME");
  return std::string(home && *home ? home : "/root") + "/.kube/config";
}

base::Result<void> merge_kubeconfig(const std::string& path, const KubeconfigEntry& entry) {
  TRY(Value config, read_config(path));
  put_entry(config, entry);
  return write_config(path, config);
}

base::Result<void> remove_from_kubeconfig(const std::string& path, const std::string& name) {
  TRY(Value config, read_config(path));
  bool changed = false;
  for (std::string_view list : {"clusters", "contexts", "users"}) changed |= erase_named(config, list, name);
  if (config["current-context"].as_string() == name) {
    config.object()["current-context"] = "";
    changed = true;
  }
  if (!changed) return {};
  return write_config(path, config);
}

}  // namespace main_
