#include "controllers/endpoints/plan.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "base/time.hpp"
#include "controllers/endpointslice/plan.hpp"
#include "controllers/pods.hpp"

namespace controllers {
namespace {

constexpr std::string_view kManagedByLabel = "endpoints.kubernetes.io/managed-by";
constexpr std::string_view kManager = "endpoint-controller";
constexpr std::string_view kOverCapacity = "endpoints.kubernetes.io/over-capacity";

using Subset = api::EndpointSubset;
using PortKey = std::tuple<std::string, int64_t, std::string, std::string>;
using AddressKey = std::tuple<std::string, std::string, std::string>;  // ip, uid, hostname

PortKey key_of(const api::EndpointPort& port) { return {port.name, port.port, port.protocol, port.app_protocol}; }

AddressKey key_of(const api::EndpointAddress& address) {
  return {address.ip, address.target_ref ? address.target_ref->uid : "", address.hostname};
}

// The address of the Service's first family.
std::string address_of(const api::Service& service, const api::Pod& pod) {
  bool v6 = !service.spec.ip_families.empty() ? service.spec.ip_families.front() == "IPv6"
                                              : service.spec.cluster_ip.find(':') != std::string::npos;
  auto fits = [&](const std::string& ip) { return !ip.empty() && (ip.find(':') != std::string::npos) == v6; };
  for (const auto& ip : pod.status.pod_ips) {
    if (fits(ip.ip)) return ip.ip;
  }
  return fits(pod.status.pod_ip) ? pod.status.pod_ip : std::string();
}

api::EndpointAddress make_address(const api::Service& service, const api::Pod& pod, std::string ip) {
  api::EndpointAddress address;
  address.ip = std::move(ip);
  address.node_name = pod.spec.node_name;
  api::ObjectReference target;
  target.kind = "Pod";
  target.namespace_ = pod.metadata.namespace_;
  target.name = pod.metadata.name;
  target.uid = pod.metadata.uid;
  address.target_ref = std::move(target);
  if (!pod.spec.hostname.empty() && pod.spec.subdomain == service.metadata.name) address.hostname = pod.spec.hostname;
  return address;
}

// One subset per pod and port, to be packed.
std::vector<Subset> subsets_of_pod(const api::Service& service, const api::Pod& pod) {
  bool tolerant = publishes_unready(service);
  bool going = !pod.metadata.deletion_timestamp.empty();
  if (is_terminal(pod) || (going && !tolerant)) return {};
  std::string ip = address_of(service, pod);
  if (ip.empty()) return {};
  api::EndpointAddress address = make_address(service, pod, std::move(ip));
  bool ready = tolerant || is_ready(pod);
  auto subset_of = [&](const api::EndpointSlicePort* port) {
    Subset subset;
    (ready ? subset.addresses : subset.not_ready_addresses).push_back(address);
    if (port) {
      api::EndpointPort out;
      out.name = port->name;
      out.port = port->port.value_or(0);
      out.protocol = port->protocol;
      out.app_protocol = port->app_protocol;
      subset.ports.push_back(std::move(out));
    }
    return subset;
  };
  std::vector<Subset> out;
  if (service.spec.ports.empty()) {
    if (is_headless(service)) out.push_back(subset_of(nullptr));
    return out;
  }
  for (const auto& port : resolve_ports(service, pod)) out.push_back(subset_of(&port));
  return out;
}

std::string note_trigger_time(const api::Service& service, const std::vector<std::shared_ptr<const api::Pod>>& pods) {
  std::optional<base::Time> latest = base::parse_time(service.metadata.creation_timestamp);
  for (const auto& pod : pods) {
    const auto* ready = ready_condition(*pod);
    auto time = ready ? base::parse_time(ready->last_transition_time) : std::nullopt;
    if (time && (!latest || *time > *latest)) latest = time;
  }
  return latest ? trigger_text(*latest) : std::string();
}

using Fields = std::tuple<std::vector<std::tuple<AddressKey, std::string, std::string>>,
                          std::vector<std::tuple<AddressKey, std::string, std::string>>, std::vector<PortKey>>;

std::vector<Fields> fields_of(const std::vector<Subset>& subsets) {
  auto addresses = [](const std::vector<api::EndpointAddress>& list) {
    std::vector<std::tuple<AddressKey, std::string, std::string>> out;
    for (const auto& a : list) out.emplace_back(key_of(a), a.node_name, a.target_ref ? a.target_ref->name : "");
    std::ranges::sort(out);
    return out;
  };
  std::vector<Fields> out;
  for (const auto& subset : subsets) {
    std::vector<PortKey> ports;
    for (const auto& port : subset.ports) ports.push_back(key_of(port));
    std::ranges::sort(ports);
    out.emplace_back(addresses(subset.addresses), addresses(subset.not_ready_addresses), std::move(ports));
  }
  std::ranges::sort(out);
  return out;
}

std::string annotation_of(const api::Endpoints& endpoints, std::string_view key) {
  auto it = endpoints.metadata.annotations.find(std::string(key));
  return it == endpoints.metadata.annotations.end() ? std::string() : it->second;
}

// An even share of `limit` for each of the counts, nothing lost to rounding.
std::vector<size_t> shares(const std::vector<size_t>& counts, size_t limit) {
  size_t total = 0;
  for (size_t count : counts) total += count;
  if (total <= limit) return counts;
  std::vector<size_t> out;
  size_t given = 0;
  for (size_t count : counts) {
    out.push_back(count * limit / total);
    given += out.back();
  }
  for (size_t i = 0; given < limit; i = (i + 1) % out.size()) {
    if (out[i] < counts[i]) ++out[i], ++given;
  }
  return out;
}

}  // namespace

std::vector<Subset> repack_subsets(const std::vector<Subset>& subsets) {
  using EntryKey = std::pair<AddressKey, bool>;
  std::map<EntryKey, api::EndpointAddress> addresses;
  std::map<PortKey, api::EndpointPort> ports;
  std::map<PortKey, std::set<EntryKey>> by_port;
  // Addresses without any port stand under this key, which no real port has.
  const PortKey portless{"", -1, "", ""};
  auto note = [&](const PortKey& port, const api::EndpointAddress& address, bool ready) {
    EntryKey key{key_of(address), ready};
    auto& entries = by_port[port];
    if (!ready && entries.contains({key.first, true})) return;  // ready wins
    if (ready) entries.erase({key.first, false});
    entries.insert(key);
    addresses.emplace(std::move(key), address);
  };
  for (const auto& subset : subsets) {
    std::vector<PortKey> keys;
    for (const auto& port : subset.ports) {
      keys.push_back(key_of(port));
      ports.emplace(keys.back(), port);
    }
    if (keys.empty()) keys.push_back(portless);
    for (const auto& key : keys) {
      for (const auto& address : subset.addresses) note(key, address, true);
      for (const auto& address : subset.not_ready_addresses) note(key, address, false);
    }
  }
  std::map<std::set<EntryKey>, std::vector<PortKey>> packed;
  for (auto& [port, entries] : by_port) packed[entries].push_back(port);
  std::vector<Subset> out;
  for (const auto& [entries, port_keys] : packed) {
    Subset subset;
    for (const auto& entry : entries) {
      (entry.second ? subset.addresses : subset.not_ready_addresses).push_back(addresses.at(entry));
    }
    for (const auto& key : port_keys) {
      if (key != portless) subset.ports.push_back(ports.at(key));
    }
    out.push_back(std::move(subset));
  }
  // By ports, so that a new pod does not reorder the subsets.
  std::ranges::sort(out, {}, [](const Subset& subset) {
    std::vector<PortKey> keys;
    for (const auto& port : subset.ports) keys.push_back(key_of(port));
    return keys;
  });
  return out;
}

bool truncate_subsets(std::vector<Subset>& subsets) {
  std::vector<size_t> ready;
  std::vector<size_t> unready;
  size_t total = 0;
  for (const auto& subset : subsets) {
    ready.push_back(subset.addresses.size());
    unready.push_back(subset.not_ready_addresses.size());
    total += ready.back() + unready.back();
  }
  if (total <= kMaxAddresses) return false;
  ready = shares(ready, kMaxAddresses);
  size_t used = 0;
  for (size_t count : ready) used += count;
  unready = shares(unready, kMaxAddresses - used);
  for (size_t i = 0; i < subsets.size(); ++i) {
    subsets[i].addresses.resize(ready[i]);
    subsets[i].not_ready_addresses.resize(unready[i]);
  }
  std::erase_if(subsets, [](const Subset& s) { return s.addresses.empty() && s.not_ready_addresses.empty(); });
  return true;
}

api::Endpoints plan_endpoints(const api::Service& service, const std::vector<std::shared_ptr<const api::Pod>>& pods,
                              const api::Endpoints* before) {
  std::vector<Subset> pieces;
  for (const auto& pod : pods) {
    for (auto& piece : subsets_of_pod(service, *pod)) pieces.push_back(std::move(piece));
  }
  api::Endpoints out;
  if (before) out = *before;
  out.metadata.name = service.metadata.name;
  out.metadata.namespace_ = service.metadata.namespace_;
  out.metadata.labels = service.metadata.labels;
  out.metadata.labels[std::string(kManagedByLabel)] = kManager;
  if (is_headless(service)) out.metadata.labels[std::string(kHeadlessLabel)] = "";
  else out.metadata.labels.erase(std::string(kHeadlessLabel));
  out.subsets = repack_subsets(pieces);
  auto& annotations = out.metadata.annotations;
  if (truncate_subsets(out.subsets)) annotations[std::string(kOverCapacity)] = "truncated";
  else annotations.erase(std::string(kOverCapacity));
  if (std::string time = note_trigger_time(service, pods); !time.empty()) {
    annotations[std::string(kTriggerTimeAnnotation)] = time;
  }
  return out;
}

bool same_endpoints(const api::Endpoints& a, const api::Endpoints& b) {
  return a.metadata.labels == b.metadata.labels && annotation_of(a, kOverCapacity) == annotation_of(b, kOverCapacity) &&
         fields_of(a.subsets) == fields_of(b.subsets);
}

}  // namespace controllers
