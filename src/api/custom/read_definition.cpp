#include <algorithm>
#include <cctype>
#include <tuple>

#include <fmt/format.h>

#include "api/custom/definition.hpp"
#include "api/custom/rules.hpp"
#include "base/strings.hpp"

namespace api {

using base::Result;
using base::Value;

namespace {

// The order in which discovery shows them, as upstream does.
const std::vector<std::string>& object_verbs() {
  static const std::vector<std::string> kVerbs = {"delete", "deletecollection", "get",    "list",
                                                  "patch",  "create",           "update", "watch"};
  return kVerbs;
}

std::vector<std::string> read_texts(const Value& list) {
  std::vector<std::string> out;
  for (const Value& item : list.as_array()) out.emplace_back(item.as_string());
  return out;
}

// "stable.example.com" -> "com.example.stable".
std::string reversed_group(std::string_view group) {
  auto pieces = base::split(group, '.');
  std::ranges::reverse(pieces);
  return base::join(pieces, ".");
}

std::vector<Column> read_columns(const Value& version) {
  std::vector<Column> out;
  for (const Value& from : version["additionalPrinterColumns"].as_array()) {
    Column column;
    column.name = from["name"].as_string();
    column.type = from["type"].as_string();
    column.format = from["format"].as_string();
    column.json_path = from["jsonPath"].as_string();
    column.priority = static_cast<int>(from["priority"].int_or(0));
    column.description = from["description"].as_string();
    if (column.description.empty()) column.description = "What stands at " + column.json_path + " of the object.";
    out.push_back(std::move(column));
  }
  if (!out.empty()) return out;
  Column age;
  age.name = "Age";
  age.type = "date";
  age.description = "How long ago the object was created.";
  age.json_path = ".metadata.creationTimestamp";
  return {age};
}

std::vector<std::string> read_selectable(const Value& version, bool namespaced) {
  std::vector<std::string> out{"metadata.name"};
  if (namespaced) out.emplace_back("metadata.namespace");
  for (const Value& field : version["selectableFields"].as_array()) {
    std::string_view path = field["jsonPath"].as_string();
    if (path.starts_with('.')) path.remove_prefix(1);
    out.emplace_back(path);
  }
  return out;
}

// The warning of a deprecated version: its own, or one that names the newest version to use instead.
std::string deprecation_of(const Value& spec, const Value& version) {
  if (!version["deprecated"].as_bool()) return "";
  if (version["deprecationWarning"].is_string()) return std::string(version["deprecationWarning"].as_string());
  const std::string_view name = version["name"].as_string(), group = spec["group"].as_string(),
                         kind = spec["names"]["kind"].as_string();
  std::string_view best;
  for (const Value& other : spec["versions"].as_array()) {
    const std::string_view candidate = other["name"].as_string();
    if (!other["served"].as_bool() || other["deprecated"].as_bool()) continue;
    if (compare_versions(candidate, name) <= 0) continue;
    if (best.empty() || compare_versions(candidate, best) > 0) best = candidate;
  }
  std::string out = fmt::format("{}/{} {} is deprecated", group, name, kind);
  return best.empty() ? out : out + fmt::format("; use {}/{} {}", group, best, kind);
}

void add_subresources(Kind& kind, const Value& subresources) {
  const std::vector<std::string> verbs = {"get", "patch", "update"};
  if (subresources["status"].is_object())
    kind.subresources.push_back({.name = "status", .kind = kind.kind, .group = "", .version = "", .verbs = verbs});
  const Value& scale = subresources["scale"];
  if (!scale.is_object()) return;
  kind.subresources.push_back(
      {.name = "scale", .kind = "Scale", .group = "autoscaling", .version = "v1", .verbs = verbs});
  kind.scale = ScalePaths{std::string(scale["specReplicasPath"].as_string()),
                          std::string(scale["statusReplicasPath"].as_string()),
                          std::string(scale["labelSelectorPath"].as_string())};
}

Result<KindPtr> read_version(const Value& spec, const Value& version, std::string_view storage,
                             const Schema::Property& metadata) {
  const Value& names = spec["names"];
  auto out = std::make_shared<Kind>();
  out->group = spec["group"].as_string();
  out->version = version["name"].as_string();
  out->kind = names["kind"].as_string();
  out->plural = names["plural"].as_string();
  out->singular = names["singular"].as_string();
  out->list_kind = names["listKind"].as_string();
  if (out->singular.empty()) out->singular = base::to_lower(out->kind);
  if (out->list_kind.empty()) out->list_kind = out->kind + "List";
  out->short_names = read_texts(names["shortNames"]);
  out->categories = read_texts(names["categories"]);
  out->namespaced = spec["scope"].as_string() != "Cluster";
  out->verbs = object_verbs();
  out->custom = true;
  add_subresources(*out, version["subresources"]);
  out->columns = read_columns(version);
  out->selectable_fields = read_selectable(version, out->namespaced);
  out->deprecation = deprecation_of(spec, version);
  if (out->version != storage) out->stored_as = StoredAs{out->group, std::string(storage), out->plural};
  static const Value kAnything = base::Object{{"type", "object"}, {"x-kubernetes-preserve-unknown-fields", true}};
  const Value& schema = version["schema"]["openAPIV3Schema"];
  TRY(out->schema, read_custom_root(schema.is_object() ? schema : kAnything, metadata, out->kind,
                                    fmt::format("{}.{}.{}", reversed_group(out->group), out->version, out->kind)));
  return KindPtr(std::move(out));
}

}  // namespace

Result<CustomKinds> read_definition(const Value& crd, const Registry& builtin) {
  const Value& spec = crd["spec"];
  const auto& versions = spec["versions"].as_array();
  const auto stored =
      std::ranges::find_if(versions, [](const Value& version) { return version["storage"].as_bool(); });
  if (stored == versions.end())
    return base::fail(base::Reason::invalid, "no version of the definition is the storage version");
  TRY(const Schema::Property metadata, find_metadata(builtin));
  // Webhooks are not called yet: without them only the stored version can be shown truly.
  const bool only_stored = spec.at({"conversion", "strategy"}).as_string() == "Webhook";
  CustomKinds out;
  for (const Value& version : versions) {
    const bool is_storage = &version == &*stored;
    if (only_stored && !is_storage) continue;
    if (!is_storage && !version["served"].as_bool()) continue;
    auto kind = read_version(spec, version, (*stored)["name"].as_string(), metadata);
    if (!kind) return std::unexpected(std::move(kind).error().wrap(version["name"].as_string()));
    if (version["served"].as_bool()) out.served.push_back(*kind);
    if (is_storage) out.storage = std::move(*kind);
  }
  return out;
}

namespace {

// v<major>[alpha|beta<minor>]: stage 3 is GA, 0 is no such version.
std::tuple<int, int64_t, int64_t> parse_version(std::string_view text) {
  if (!text.starts_with('v')) return {0, 0, 0};
  text.remove_prefix(1);
  const auto digits = [&text]() -> std::optional<int64_t> {
    size_t n = 0;
    while (n < text.size() && std::isdigit(static_cast<unsigned char>(text[n]))) ++n;
    auto out = n == 0 || text[0] == '0' ? std::nullopt : base::parse_int(text.substr(0, n));
    text.remove_prefix(n);
    return out;
  };
  const auto major = digits();
  if (!major) return {0, 0, 0};
  if (text.empty()) return {3, *major, 0};
  const bool beta = text.starts_with("beta"), alpha = text.starts_with("alpha");
  if (!beta && !alpha) return {0, 0, 0};
  text.remove_prefix(beta ? 4 : 5);
  const auto minor = digits();
  if (!minor || !text.empty()) return {0, 0, 0};
  return {beta ? 2 : 1, *major, *minor};
}

}  // namespace

int compare_versions(std::string_view a, std::string_view b) {
  const auto x = parse_version(a), y = parse_version(b);
  if (x != y) return x < y ? -1 : 1;
  if (std::get<0>(x) != 0) return 0;
  // Neither is a version: the alphabet, backwards.
  return a == b ? 0 : a < b ? 1 : -1;
}

}  // namespace api
