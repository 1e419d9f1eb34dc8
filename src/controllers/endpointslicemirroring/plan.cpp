#include "controllers/endpointslicemirroring/plan.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include "base/strings.hpp"
#include "controllers/pods.hpp"

namespace controllers {
namespace {

using Slice = api::EndpointSlice;
using Ports = std::vector<api::EndpointSlicePort>;
using GroupKey = std::pair<std::string, PortsKey>;  // of one slice: family and ports

std::string protocol_of(const std::string& text) { return text.empty() ? "TCP" : text; }

Ports ports_of(const api::EndpointSubset& subset) {
  Ports ports;
  for (const auto& port : subset.ports) {
    api::EndpointSlicePort out;
    out.name = port.name;
    out.protocol = protocol_of(port.protocol);
    out.port = port.port;
    out.app_protocol = port.app_protocol;
    ports.push_back(std::move(out));
  }
  return ports;
}

// Without the leading zeroes that old clients write: they are read as decimal, as ever.
std::string without_zeroes(const std::string& ip) {
  auto parts = base::split(ip, '.');
  for (auto& part : parts) {
    size_t first = part.find_first_not_of('0');
    part.erase(0, first == std::string::npos ? part.size() - std::min<size_t>(part.size(), 1) : first);
  }
  return base::join(parts, ".");
}

// What an address is in a slice: its family and the one spelling of it.
std::optional<std::pair<std::string, std::string>> canonical(const std::string& ip) {
  char text[INET6_ADDRSTRLEN];
  in6_addr six{};
  if (::inet_pton(AF_INET6, ip.c_str(), &six) == 1) {
    return std::pair("IPv6", ::inet_ntop(AF_INET6, &six, text, sizeof text));
  }
  in_addr four{};
  if (::inet_pton(AF_INET, without_zeroes(ip).c_str(), &four) != 1) return std::nullopt;
  return std::pair("IPv4", ::inet_ntop(AF_INET, &four, text, sizeof text));
}

api::Endpoint make_endpoint(const api::EndpointAddress& address, std::string ip, bool ready) {
  api::Endpoint endpoint;
  endpoint.addresses.push_back(std::move(ip));
  api::EndpointConditions conditions;
  conditions.ready = ready;
  endpoint.conditions = std::move(conditions);
  endpoint.target_ref = address.target_ref;
  endpoint.node_name = address.node_name;
  endpoint.hostname = address.hostname;
  return endpoint;
}

using EndpointKey = std::tuple<std::vector<std::string>, std::string, std::string, std::string>;

EndpointKey key_of(const api::Endpoint& endpoint) {
  std::string target = endpoint.target_ref ? endpoint.target_ref->kind + "/" + endpoint.target_ref->namespace_ + "/" +
                                                 endpoint.target_ref->name + "/" + endpoint.target_ref->uid
                                           : std::string();
  return {endpoint.addresses, endpoint.hostname, endpoint.node_name, std::move(target)};
}

struct Group {
  Ports ports;
  std::map<EndpointKey, api::Endpoint> endpoints;
};

class Groups {
 public:
  explicit Groups(MirrorPlan& plan) : plan_(plan) {}

  void add(const api::EndpointSubset& subset) {
    Ports ports = ports_of(subset);
    size_t added = 0;
    add(subset.addresses, true, ports, added);
    add(subset.not_ready_addresses, false, ports, added);
  }
  std::map<GroupKey, Group> take() { return std::move(groups_); }

 private:
  void add(const std::vector<api::EndpointAddress>& addresses, bool ready, const Ports& ports, size_t& added) {
    for (const auto& address : addresses) {
      auto ip = canonical(address.ip);
      if (!ip) {
        ++plan_.invalid;
        continue;
      }
      if (added == kMaxMirroredPerSubset) {
        ++plan_.skipped;
        continue;
      }
      ++added;
      Group& group = groups_[{ip->first, ports_key_of(ports)}];
      if (group.endpoints.empty()) group.ports = ports;
      api::Endpoint endpoint = make_endpoint(address, std::move(ip->second), ready);
      EndpointKey key = key_of(endpoint);
      auto [known, fresh] = group.endpoints.try_emplace(std::move(key), std::move(endpoint));
      if (!fresh && ready) known->second.conditions->ready = true;
    }
  }
  MirrorPlan& plan_;
  std::map<GroupKey, Group> groups_;
};

Labels labels_for(const api::Endpoints& endpoints) {
  Labels labels = endpoints.metadata.labels;
  labels[std::string(kServiceNameLabel)] = endpoints.metadata.name;
  labels[std::string(kSliceManagedByLabel)] = kMirrorManager;
  return labels;
}

Labels annotations_for(const api::Endpoints& endpoints) {
  Labels annotations = endpoints.metadata.annotations;
  annotations.erase(std::string(kTriggerTimeAnnotation));
  annotations.erase("kubectl.kubernetes.io/last-applied-configuration");
  return annotations;
}

Slice make_slice(const api::Endpoints& endpoints, const std::string& family, Group group, const Slice* before) {
  Slice slice;
  slice.address_type = family;
  slice.ports = std::move(group.ports);
  for (auto& [key, endpoint] : group.endpoints) slice.endpoints.push_back(std::move(endpoint));
  if (before) {
    slice.metadata = before->metadata;
  } else {
    slice.metadata.namespace_ = endpoints.metadata.namespace_;
    slice.metadata.generate_name = endpoints.metadata.name + "-";
  }
  slice.metadata.owner_references = {controlled_by("v1", "Endpoints", endpoints.metadata)};
  slice.metadata.labels = labels_for(endpoints);
  slice.metadata.annotations = annotations_for(endpoints);
  return slice;
}

bool says_the_same(const Slice& a, const Slice& b) {
  return a.metadata.labels == b.metadata.labels && a.metadata.annotations == b.metadata.annotations &&
         a.metadata.owner_references == b.metadata.owner_references && a.endpoints == b.endpoints;
}

}  // namespace

bool wants_mirror(const api::Endpoints& endpoints) {
  auto label = endpoints.metadata.labels.find("endpointslice.kubernetes.io/skip-mirror");
  if (label != endpoints.metadata.labels.end() && label->second == "true") return false;
  return !endpoints.metadata.annotations.contains("control-plane.alpha.kubernetes.io/leader");
}

MirrorPlan plan_mirror(const api::Endpoints& endpoints, const std::vector<SlicePtr>& existing) {
  MirrorPlan plan;
  Groups groups(plan);
  for (const auto& subset : endpoints.subsets) groups.add(subset);
  std::map<GroupKey, std::vector<SlicePtr>> known;
  for (const auto& slice : existing) known[{slice->address_type, ports_key_of(slice->ports)}].push_back(slice);
  std::vector<std::pair<std::string, Group>> fresh;
  for (auto& [key, group] : groups.take()) {
    auto found = known.find(key);
    if (found == known.end()) {
      fresh.emplace_back(key.first, std::move(group));
      continue;
    }
    SlicePtr before = found->second.front();
    found->second.erase(found->second.begin());
    Slice slice = make_slice(endpoints, key.first, std::move(group), before.get());
    if (!says_the_same(slice, *before)) plan.update.push_back(std::move(slice));
  }
  for (auto& [key, slices] : known) {
    for (auto& slice : slices) plan.remove.push_back(std::move(slice));
  }
  // A slice that would go is used again for one that would come.
  for (auto& [family, group] : fresh) {
    auto old = std::ranges::find(plan.remove, family, [](const SlicePtr& slice) { return slice->address_type; });
    if (old == plan.remove.end()) {
      plan.create.push_back(make_slice(endpoints, family, std::move(group), nullptr));
      continue;
    }
    plan.update.push_back(make_slice(endpoints, family, std::move(group), old->get()));
    plan.remove.erase(old);
  }
  return plan;
}

}  // namespace controllers
