// What is there before anybody asks: the four namespaces, their ServiceAccounts, the ServiceCIDR of the flags, the Service
// default/kubernetes.
#include <fmt/format.h>

#include <future>
#include <vector>

#include "api/defaults.hpp"
#include "api/meta.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "server/writing.hpp"

namespace server {

namespace {


// Creates the object unless it is there. Waits for the commit.
base::Result<void> ensure(Core& core, std::string_view group, std::string_view plural,
                          std::string_view namespace_, base::Value object) {
  auto resource = core.find(group, "v1", plural);
  if (!resource) {
    return base::fail(
        base::Reason::internal_error,
        fmt::format("kind {} is not in the registry: the schemas of this binary are incomplete", plural));
  }
  std::string key = resource->key(namespace_, api::name_of(object));
  if (core.store.get(key)) return {};
  api::set_type(object, *resource->stored);
  api::apply_defaults(*resource->stored, object);
  auto promise = std::make_shared<std::promise<base::Result<void>>>();
  auto future = promise->get_future();
  auto shared = std::make_shared<base::Value>(std::move(object));
  submit_quiet(
      core, *resource, false,
      [shared, key, space = std::string(namespace_)](Writing& writing) -> base::Result<Answer> {
        if (writing.context.txn.get(key)) return Answer{};
        return create_object(writing, space, std::move(*shared));
      },
      [promise](base::Result<store::Revision> revision) {
        if (revision) {
          promise->set_value({});
        } else {
          promise->set_value(std::unexpected(std::move(revision).error()));
        }
      });
  auto result = future.get();
  if (!result) return std::unexpected(std::move(result).error().wrap("creating " + key));
  return {};
}

base::Value make_named(std::string_view name) {
  return base::Object{{"metadata", base::Object{{"name", name}}}};
}

base::Value make_kubernetes_service(const AddressRange& range, int port) {
  std::string address = range.at(0).text();
  return base::Object{
      {"metadata",
       base::Object{{"name", "kubernetes"},
                    {"namespace", "default"},
                    {"labels", base::Object{{"component", "apiserver"}, {"provider", "kubernetes"}}}}},
      {"spec", base::Object{{"type", "ClusterIP"},
                            {"clusterIP", address},
                            {"clusterIPs", base::Array{address}},
                            {"ipFamilies", base::Array{range.cidr().first.family()}},
                            {"ipFamilyPolicy", "SingleStack"},
                            {"sessionAffinity", "None"},
                            {"ports", base::Array{base::Object{{"name", "https"},
                                                               {"protocol", "TCP"},
                                                               {"port", 443},
                                                               {"targetPort", port}}}}}}};
}

base::Value make_service_cidr(std::string_view name, base::Array cidrs) {
  auto object = make_named(name);
  object.make({"spec", "cidrs"}) = std::move(cidrs);
  return object;
}

// A second family for a ServiceCIDR that has one.
base::Result<void> set_cidrs(Core& core, const ResourcePtr& resource, std::string key, base::Array cidrs) {
  auto promise = std::make_shared<std::promise<base::Result<void>>>();
  auto future = promise->get_future();
  submit_quiet(
      core, *resource, false,
      [key = std::move(key), cidrs = std::move(cidrs)](Writing& writing) -> base::Result<Answer> {
        TRY(auto current, current_of(writing, key, "kubernetes"));
        TRY(auto stored, parse_stored(*current));
        base::Value fresh = stored;
        fresh.make({"spec", "cidrs"}) = cidrs;
        return replace_object(writing, current, stored, std::move(fresh), "");
      },
      [promise](base::Result<store::Revision> revision) {
        promise->set_value(revision ? base::Result<void>() : std::unexpected(std::move(revision).error()));
      });
  return future.get();
}

// The ranges of the flags as objects: "kubernetes", and, when the flags say something else later, one beside it. What
// Services have is theirs.
base::Result<void> ensure_service_cidrs(Core& core) {
  base::Array wanted;
  for (const auto& range : core.allocators.configured()) wanted.emplace_back(range.cidr().text());
  const std::string_view group = "networking.k8s.io";
  auto resource = core.find(group, "v1", "servicecidrs");
  auto entry = resource ? core.store.get(resource->key("", "kubernetes")) : nullptr;
  if (!entry) return ensure(core, group, "servicecidrs", "", make_service_cidr("kubernetes", wanted));
  TRY(auto old, parse_stored(*entry));
  const auto& before = old.at({"spec", "cidrs"}).as_array();
  if (before.size() == 1 && wanted.size() == 2 && before[0] == wanted[0]) return set_cidrs(core, resource, entry->key, wanted);
  base::Array missing = wanted;
  size_t count = 1;
  for (const auto& one : core.store.list(resource->prefix_of("")).entries) {
    TRY(auto object, parse_stored(*one));
    for (const auto& known : object.at({"spec", "cidrs"}).as_array()) {
      std::erase_if(missing, [&](const base::Value& cidr) { return cidr == known; });
    }
    ++count;
  }
  if (missing.empty()) return {};
  base::log_warning("server", "ServiceCIDR \"kubernetes\" has {}, the flags say {}: both are used",
                    base::write_json(old.at({"spec", "cidrs"})), base::write_json(base::Value(wanted)));
  auto name = [&] { return fmt::format("kubernetes-{}", count); };
  while (core.store.get(resource->key("", name()))) ++count;
  return ensure(core, group, "servicecidrs", "", make_service_cidr(name(), std::move(missing)));
}

}  // namespace

base::Result<void> create_bootstrap_objects(Core& core) {
  for (std::string_view name : {"default", "kube-system", "kube-public", "kube-node-lease"}) {
    CHECK_OK(ensure(core, "", "namespaces", "", make_named(name)));
    CHECK_OK(ensure(core, "", "serviceaccounts", name, make_named("default")));
  }
  CHECK_OK(ensure_service_cidrs(core));
  return ensure(core, "", "services", "default",
                make_kubernetes_service(core.allocators.configured().front(), core.config.advertise_port));
}

}  // namespace server
