// What is there before anybody asks: the four namespaces, their ServiceAccounts, the Service
// default/kubernetes. Also the end of old events.
#include <fmt/format.h>

#include <future>

#include "api/defaults.hpp"
#include "api/meta.hpp"
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

std::string first_address(const std::string& cidr) {
  auto address = parse_ipv4(std::string_view(cidr).substr(0, cidr.find('/')));
  return address ? format_ipv4(*address + 1) : std::string();
}

base::Value make_named(std::string_view name) {
  return base::Object{{"metadata", base::Object{{"name", name}}}};
}

base::Value make_kubernetes_service(const Config& config) {
  std::string address = first_address(config.service_cidr);
  return base::Object{
      {"metadata",
       base::Object{{"name", "kubernetes"},
                    {"namespace", "default"},
                    {"labels", base::Object{{"component", "apiserver"}, {"provider", "kubernetes"}}}}},
      {"spec", base::Object{{"type", "ClusterIP"},
                            {"clusterIP", address},
                            {"clusterIPs", base::Array{address}},
                            {"ipFamilies", base::Array{"IPv4"}},
                            {"ipFamilyPolicy", "SingleStack"},
                            {"sessionAffinity", "None"},
                            {"ports", base::Array{base::Object{{"name", "https"},
                                                               {"protocol", "TCP"},
                                                               {"port", 443},
                                                               {"targetPort", config.advertise_port}}}}}}};
}

}  // namespace

base::Result<void> create_bootstrap_objects(Core& core) {
  for (std::string_view name : {"default", "kube-system", "kube-public", "kube-node-lease"}) {
    CHECK_OK(ensure(core, "", "namespaces", "", make_named(name)));
    CHECK_OK(ensure(core, "", "serviceaccounts", name, make_named("default")));
  }
  return ensure(core, "", "services", "default", make_kubernetes_service(core.config));
}

}  // namespace server
