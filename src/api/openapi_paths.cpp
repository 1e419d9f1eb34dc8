#include "api/openapi_paths.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "api/openapi.hpp"

namespace api {

using base::Array;
using base::Object;
using base::Value;

namespace {

constexpr std::string_view kStatus = "io.k8s.apimachinery.pkg.apis.meta.v1.Status";
constexpr std::string_view kDeleteOptions = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";
constexpr std::string_view kWatchEvent = "io.k8s.apimachinery.pkg.apis.meta.v1.WatchEvent";
constexpr std::string_view kPatch = "io.k8s.apimachinery.pkg.apis.meta.v1.Patch";

Value parameter(std::string_view name, std::string_view where, std::string_view type, std::string_view description) {
  Object schema;
  schema.append("type", type);
  schema.append("uniqueItems", true);
  Object out;
  out.append("name", name);
  out.append("in", where);
  out.append("description", description);
  if (where == "path") out.append("required", true);
  out.append("schema", std::move(schema));
  return out;
}

Value query(std::string_view name, std::string_view type, std::string_view description) {
  return parameter(name, "query", type, description);
}

Array list_parameters() {
  return {query("allowWatchBookmarks", "boolean", "Also send bookmarks, which tell how far the watch has come."),
          query("continue", "string", "Go on with an earlier list where it ended."),
          query("fieldSelector", "string", "Only objects whose fields match."),
          query("labelSelector", "string", "Only objects whose labels match."),
          query("limit", "integer", "At most so many objects; metadata.continue names the rest."),
          query("resourceVersion", "string", "The state of the cluster to answer from."),
          query("resourceVersionMatch", "string", "How resourceVersion is meant: Exact or NotOlderThan."),
          query("sendInitialEvents", "boolean", "Let the watch begin with all objects that are there."),
          query("timeoutSeconds", "integer", "End the list or watch after so many seconds."),
          query("watch", "boolean", "Send changes as they happen instead of the list.")};
}

Array write_parameters(bool patch) {
  Array out = {
      query("dryRun", "string", "All: do everything but store the result."),
      query("fieldManager", "string", "Who makes this change."),
      query("fieldValidation", "string",
            "What becomes of unknown and repeated fields: Ignore, Warn or Strict (an error).")};
  if (patch) out.push_back(query("force", "boolean", "Take over fields that others manage (apply only)."));
  return out;
}

Array delete_parameters() {
  return {query("dryRun", "string", "All: do everything but delete."),
          query("gracePeriodSeconds", "integer", "How long the object may take to end."),
          query("orphanDependents", "boolean", "Superseded by propagationPolicy."),
          query("propagationPolicy", "string", "What becomes of dependents: Orphan, Background or Foreground.")};
}

Value content(const std::vector<std::string_view>& types, std::string_view key) {
  Object out;
  for (auto type : types) {
    Object ref;
    ref.append("$ref", "#/components/schemas/" + std::string(key));
    Object one;
    one.append("schema", std::move(ref));
    out.append(std::string(type), std::move(one));
  }
  return out;
}

// What the operations of one path have in common.
struct Place {
  const Kind& kind;
  Value gvk;
  std::string key;         // what the path speaks
  std::string id_tail;     // "CoreV1NamespacedPodStatus"
  std::set<std::string>& wanted;
};

std::string capital(std::string_view text) {
  std::string out(text);
  if (!out.empty() && out[0] >= 'a' && out[0] <= 'z') out[0] = static_cast<char>(out[0] - 'a' + 'A');
  return out;
}

// "rbac.authorization.k8s.io" -> "rbacAuthorization", "stable.example.com" -> "stableExampleCom".
std::string group_word(const Kind& kind) {
  if (kind.group.empty()) return "core";
  std::string_view group = kind.group;
  if (group.ends_with(".k8s.io")) group.remove_suffix(7);
  std::string out;
  bool starts = false;
  for (const char c : group) {
    const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (is_letter) out += starts ? capital(std::string_view(&c, 1)) : std::string(1, c);
    starts = !is_letter;
  }
  return out;
}

std::string group_id(const Kind& kind) { return capital(group_word(kind)) + capital(kind.version); }

Object operation(const Place& place, std::string_view id, std::string_view action, std::string_view description) {
  Object out;
  out.append("tags", Array{group_word(place.kind) + "_" + place.kind.version});
  out.append("description", description);
  out.append("operationId", std::string(id) + place.id_tail);
  out.append("x-kubernetes-action", action);
  out.append("x-kubernetes-group-version-kind", place.gvk);
  return out;
}

// What can be read and written of a kind: there is no protobuf of custom ones.
std::vector<std::string_view> media_types(const Kind& kind, bool streams) {
  std::vector<std::string_view> out = {"application/json", "application/yaml"};
  if (!kind.custom) out.push_back("application/vnd.kubernetes.protobuf");
  if (streams) out.push_back("application/json;stream=watch");
  if (streams && !kind.custom) out.push_back("application/vnd.kubernetes.protobuf;stream=watch");
  return out;
}

void set_responses(Object& out, const Place& place, std::string_view key,
                   std::initializer_list<std::string_view> codes, bool streams = false) {
  Object responses;
  for (auto code : codes) {
    Object one;
    one.append("description", code == "200" ? "OK" : code == "201" ? "Created" : "Accepted");
    one.append("content", content(media_types(place.kind, streams), key));
    responses.append(std::string(code), std::move(one));
  }
  Object refused;
  refused.append("description", "Unauthorized");
  responses.append("401", std::move(refused));
  out.append("responses", std::move(responses));
  place.wanted.insert(std::string(key));
}

void set_body(Object& out, const Place& place, const std::vector<std::string_view>& types, std::string_view key,
              bool required = true) {
  Object body;
  body.append("content", content(types, key));
  if (required) body.append("required", true);
  out.append("requestBody", std::move(body));
  place.wanted.insert(std::string(key));
}

Value read_operation(const Place& place) {
  Object out = operation(place, "read", "get", fmt::format("Gives one {}.", place.kind.kind));
  set_responses(out, place, place.key, {"200"});
  return out;
}

Value list_operation(const Place& place, std::string_view list_key, std::string_view id = "list") {
  Object out = operation(place, id, "list", fmt::format("Lists or watches {}.", place.kind.plural));
  out.append("parameters", list_parameters());
  set_responses(out, place, list_key, {"200"}, true);
  return out;
}

Value create_operation(const Place& place) {
  Object out = operation(place, "create", "post", fmt::format("Creates a {}.", place.kind.kind));
  out.append("parameters", write_parameters(false));
  set_body(out, place, media_types(place.kind, false), place.key);
  set_responses(out, place, place.key, {"200", "201", "202"});
  return out;
}

Value replace_operation(const Place& place) {
  Object out = operation(place, "replace", "put", fmt::format("Replaces the {}.", place.kind.kind));
  out.append("parameters", write_parameters(false));
  set_body(out, place, media_types(place.kind, false), place.key);
  set_responses(out, place, place.key, {"200", "201"});
  return out;
}

Value patch_operation(const Place& place) {
  Object out = operation(place, "patch", "patch", fmt::format("Changes parts of the {}.", place.kind.kind));
  out.append("parameters", write_parameters(true));
  std::vector<std::string_view> types{"application/json-patch+json", "application/merge-patch+json"};
  // kubectl looks here whether a kind knows strategic merges: custom ones do not.
  if (!place.kind.custom) types.push_back("application/strategic-merge-patch+json");
  types.push_back("application/apply-patch+yaml");
  set_body(out, place, types, kPatch);
  set_responses(out, place, place.key, {"200", "201"});
  return out;
}

Value delete_operation(const Place& place, bool collection) {
  Object out = operation(place, collection ? "deleteCollection" : "delete",
                         collection ? "deletecollection" : "delete",
                         collection ? fmt::format("Deletes all {} that match.", place.kind.plural)
                                    : fmt::format("Deletes the {}.", place.kind.kind));
  Array parameters = delete_parameters();
  if (collection)
    for (auto& one : list_parameters())
      if (one["name"].as_string() != "watch" && one["name"].as_string() != "allowWatchBookmarks")
        parameters.push_back(std::move(one));
  out.append("parameters", std::move(parameters));
  set_body(out, place, {"application/json"}, kDeleteOptions, false);
  set_responses(out, place, kStatus, collection ? std::initializer_list<std::string_view>{"200"}
                                                : std::initializer_list<std::string_view>{"200", "202"});
  return out;
}

Value watch_operation(const Place& place, bool one) {
  Object out = operation(place, "watch", one ? "watch" : "watchlist",
                         "Sends changes as they happen. Superseded by the watch parameter of the list.");
  out.append("parameters", list_parameters());
  set_responses(out, place, kWatchEvent, {"200"}, true);
  return out;
}

bool has(const std::vector<std::string>& verbs, std::string_view verb) {
  return std::ranges::find(verbs, verb) != verbs.end();
}

Array path_parameters(bool named, bool namespaced) {
  Array out;
  if (named) out.push_back(parameter("name", "path", "string", "Name of the object."));
  if (namespaced) out.push_back(parameter("namespace", "path", "string", "Namespace of the object."));
  out.push_back(query("pretty", "string", "true: answer with line breaks and indentation."));
  return out;
}

void set_path(Object& paths, const std::string& path, Object item, bool named, bool namespaced) {
  if (item.empty()) return;
  item.append("parameters", path_parameters(named, namespaced));
  paths.set(path, std::move(item));
}

void add_subresource(Object& paths, const Place& owner, const Registry& registry, const Kind& kind,
                     const Subresource& sub, const std::string& object_path) {
  std::string group = sub.group.empty() && sub.version.empty() ? kind.group : sub.group;
  std::string version = sub.version.empty() ? kind.version : sub.version;
  std::string type = sub.kind.empty() ? kind.kind : sub.kind;
  auto spoken = registry.find_kind(group.empty() ? version : group + "/" + version, type);
  std::string key = spoken && spoken->schema && !spoken->schema->openapi_key.empty()
                        ? spoken->schema->openapi_key
                        : openapi_name(group, version, type);
  Place place{kind, gvk_value(group, version, type), key, owner.id_tail + capital(sub.name), owner.wanted};
  bool connects = !spoken && sub.kind.ends_with("Options");
  Object item;
  if (has(sub.verbs, "get")) {
    if (connects || sub.name == "log") {
      Object out = operation(place, connects ? "connectGet" : "read", connects ? "connect" : "get",
                             fmt::format("Gives the {} of the {}.", sub.name, kind.kind));
      Object ok;
      ok.append("description", "OK");
      Object responses;
      responses.append("200", std::move(ok));
      out.append("responses", std::move(responses));
      item.append("get", std::move(out));
    } else {
      item.append("get", read_operation(place));
    }
  }
  if (!connects) {
    if (has(sub.verbs, "update")) item.append("put", replace_operation(place));
    if (has(sub.verbs, "create")) item.append("post", create_operation(place));
    if (has(sub.verbs, "patch")) item.append("patch", patch_operation(place));
  }
  set_path(paths, object_path + "/" + sub.name, std::move(item), true, kind.namespaced);
}

}  // namespace

void add_paths(Object& paths, std::set<std::string>& wanted, const Registry& registry, const Kind& kind,
               const std::string& key, const std::string& list_key) {
  const std::string root = (kind.group.empty() ? "/api/" : "/apis/" + kind.group + "/") + kind.version;
  const std::string scope = kind.namespaced ? "/namespaces/{namespace}/" : "/";
  const std::string collection = root + scope + kind.plural;
  Place place{kind, gvk_value(kind.group, kind.version, kind.kind), key,
              group_id(kind) + (kind.namespaced ? "Namespaced" : "") + kind.kind, wanted};

  Object many, one;
  if (has(kind.verbs, "list")) many.append("get", list_operation(place, list_key));
  if (has(kind.verbs, "create")) many.append("post", create_operation(place));
  if (has(kind.verbs, "deletecollection")) many.append("delete", delete_operation(place, true));
  set_path(paths, collection, std::move(many), false, kind.namespaced);
  if (has(kind.verbs, "get")) one.append("get", read_operation(place));
  if (has(kind.verbs, "update")) one.append("put", replace_operation(place));
  if (has(kind.verbs, "patch")) one.append("patch", patch_operation(place));
  if (has(kind.verbs, "delete")) one.append("delete", delete_operation(place, false));
  set_path(paths, collection + "/{name}", std::move(one), true, kind.namespaced);
  for (const auto& sub : kind.subresources)
    add_subresource(paths, place, registry, kind, sub, collection + "/{name}");

  if (has(kind.verbs, "list") && kind.namespaced) {
    Place all{kind, place.gvk, key, group_id(kind) + kind.kind + "ForAllNamespaces", wanted};
    Object item;
    item.append("get", list_operation(all, list_key));
    set_path(paths, root + "/" + kind.plural, std::move(item), false, false);
  }
  if (!has(kind.verbs, "watch")) return;
  Place lists{kind, place.gvk, key, place.id_tail + "List", wanted};
  Object watch_many, watch_one;
  watch_many.append("get", watch_operation(lists, false));
  set_path(paths, root + "/watch" + scope + kind.plural, std::move(watch_many), false, kind.namespaced);
  watch_one.append("get", watch_operation(place, true));
  set_path(paths, root + "/watch" + scope + kind.plural + "/{name}", std::move(watch_one), true, kind.namespaced);
}

}  // namespace api
