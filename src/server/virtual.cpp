#include "server/virtual.hpp"

#include <algorithm>

#include "api/meta.hpp"
#include "api/status.hpp"
#include "base/json.hpp"
#include "server/writing.hpp"

namespace server {

namespace {

base::Error not_served(const Resource& resource, std::string_view verb) {
  return api::method_not_supported(resource.qualified, verb);
}

// POST of a Binding to namespaces/NS/bindings: what pods/NAME/binding does, with the name in the body.
void serve_binding_object(Core& core, const ExchangePtr& exchange, const Resource& resource) {
  auto body = read_body(*resource.kind, *exchange);
  if (!body) return exchange->fail(body.error());
  std::string name(api::name_of(body->value));
  if (name.empty()) {
    return exchange->fail(api::invalid("", "Binding", "", {api::required_field("metadata.name", "name is required")}));
  }
  auto pods = core.find("", "v1", "pods");
  if (!pods) return exchange->fail(not_served(resource, "create"));
  exchange->route.name = std::move(name);
  exchange->resource = pods;  // the write outlives this call
  serve_binding(core, exchange, *pods);
}

// ---- componentstatuses ----------------------------------------------------------------------------------------------

base::Value make_component(const api::Kind& kind, std::string_view name, base::Object condition) {
  condition.set("type", "Healthy");
  base::Value object = base::Object{{"metadata", base::Object{{"name", name}}},
                                    {"conditions", base::Array{base::Value(std::move(condition))}}};
  api::set_type(object, kind);
  return object;
}

// The store stands where etcd is elsewhere, and can be asked. The other two tell their health to nobody.
std::vector<base::Value> components(Core& core, const api::Kind& kind) {
  const auto unknown = [] {
    return base::Object{{"status", "Unknown"},
                        {"error", "not known: it runs in the same process and reports its health to nobody"}};
  };
  base::Object store{{"status", "True"}, {"message", "ok"}};
  if (auto healthy = core.store.healthy(); !healthy) {
    store = base::Object{{"status", "False"}, {"error", healthy.error().message}};
  }
  return {make_component(kind, "controller-manager", unknown()), make_component(kind, "etcd-0", std::move(store)),
          make_component(kind, "scheduler", unknown())};
}

store::EntryPtr make_entry(const api::Kind& kind, const base::Value& object) {
  auto entry = std::make_shared<store::Entry>();
  entry->key = api::name_of(object);
  entry->value = encode_object(object);
  entry->parsed = parse_entry(kind, object);
  return entry;
}

void serve_components(Core& core, const ExchangePtr& exchange, const Resource& resource) {
  exchange->warn("v1 ComponentStatus is deprecated in v1.19+");
  const auto& kind = *resource.kind;
  const std::string& name = exchange->route.name;
  auto all = components(core, kind);
  RenderStyle style{exchange->format, parse_include_object(exchange->request.query).value_or(IncludeObject::metadata),
                    core.clock.now()};
  if (!name.empty()) {
    const auto found = std::ranges::find_if(all, [&](const base::Value& one) { return api::name_of(one) == name; });
    if (found == all.end()) return exchange->fail(api::not_found(resource.qualified, name));
    return exchange->send(200, exchange->format.content_type(),
                          render_object(kind, style, net::make_chunk(encode_object(*found))));
  }
  auto options = parse_list_options(exchange->request.query, resource);
  if (!options) return exchange->fail(options.error());
  std::vector<store::EntryPtr> entries;
  for (const base::Value& one : all) {
    auto entry = make_entry(kind, one);
    if (options->filter.matches(*entry)) entries.push_back(std::move(entry));
  }
  exchange->send(200, exchange->format.content_type(),
                 render_list(kind, style, {core.store.revision(), "", std::nullopt}, entries));
}

}  // namespace

void serve_virtual(Core& core, const ExchangePtr& exchange, const Resource& resource, const std::string& verb) {
  const auto& kind = *resource.kind;
  if (kind.group.empty() && kind.kind == "ComponentStatus" && (verb == "get" || verb == "list"))
    return serve_components(core, exchange, resource);
  if (kind.group.empty() && kind.kind == "Binding" && verb == "create")
    return serve_binding_object(core, exchange, resource);
  const bool review = kind.group == "authentication.k8s.io" || kind.group == "authorization.k8s.io";
  if (review && verb == "create") return serve_review(core, exchange, resource);
  exchange->fail(not_served(resource, verb));
}

}  // namespace server
