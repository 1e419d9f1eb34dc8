#include "controllers/endpointslice/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "controllers/pods.hpp"
#include "controllers/target_port.hpp"

namespace controllers {
namespace {

using Pod = api::Pod;
using PodPtr = std::shared_ptr<const Pod>;
using Slice = api::EndpointSlice;
using Ports = std::vector<api::EndpointSlicePort>;

// What makes two endpoints the same one; the rest (conditions) may change in place.
using EndpointKey = std::tuple<std::vector<std::string>, std::string, std::string, std::string>;

EndpointKey key_of(const api::Endpoint& endpoint) {
  auto addresses = endpoint.addresses;
  std::ranges::sort(addresses);
  std::string target = endpoint.target_ref ? endpoint.target_ref->namespace_ + "/" + endpoint.target_ref->name + "/" +
                                                 endpoint.target_ref->uid
                                           : std::string();
  return {std::move(addresses), endpoint.hostname, endpoint.node_name, std::move(target)};
}

// Absent means ready, serving, not terminating.
std::tuple<bool, bool, bool> conditions_of(const api::Endpoint& endpoint) {
  const auto& c = endpoint.conditions;
  return {!c || c->ready.value_or(true), !c || c->serving.value_or(true), c && c->terminating.value_or(false)};
}

// Whether an endpoint that stays where it is must be written anew.
bool says_the_same(const api::Endpoint& a, const api::Endpoint& b) {
  return conditions_of(a) == conditions_of(b) && a.zone == b.zone && a.hints == b.hints;
}

struct Wanted {
  api::Endpoint endpoint;
  std::optional<base::Time> changed;  // when the pod's readiness changed
};
using WantedSet = std::map<EndpointKey, Wanted>;

struct Group {
  Ports ports;
  WantedSet endpoints;
};

bool is_family(std::string_view address, std::string_view family) {
  return (address.find(':') != std::string_view::npos) == (family == "IPv6");
}

std::vector<std::string> families_of(const api::Service& service) {
  if (!service.spec.ip_families.empty()) return service.spec.ip_families;
  if (service.spec.cluster_ip.find(':') != std::string::npos) return {"IPv6"};
  return {"IPv4"};
}

std::vector<std::string> addresses_of(const Pod& pod, std::string_view family) {
  std::vector<std::string> out;
  for (const auto& ip : pod.status.pod_ips) {
    if (is_family(ip.ip, family)) out.push_back(ip.ip);
  }
  if (pod.status.pod_ips.empty() && !pod.status.pod_ip.empty() && is_family(pod.status.pod_ip, family)) {
    out.push_back(pod.status.pod_ip);
  }
  return out;
}

api::Endpoint make_endpoint(const api::Service& service, const Pod& pod, std::vector<std::string> addresses,
                            const Place* place) {
  api::Endpoint endpoint;
  endpoint.addresses = std::move(addresses);
  bool serving = is_ready(pod);
  bool terminating = !pod.metadata.deletion_timestamp.empty();
  api::EndpointConditions conditions;
  conditions.ready = publishes_unready(service) || (serving && !terminating);
  conditions.serving = serving;
  conditions.terminating = terminating;
  endpoint.conditions = std::move(conditions);
  api::ObjectReference target;
  target.kind = "Pod";
  target.namespace_ = pod.metadata.namespace_;
  target.name = pod.metadata.name;
  target.uid = pod.metadata.uid;
  endpoint.target_ref = std::move(target);
  endpoint.node_name = pod.spec.node_name;
  if (!pod.spec.hostname.empty() && pod.spec.subdomain == service.metadata.name) endpoint.hostname = pod.spec.hostname;
  if (place) endpoint.zone = place->zone;
  endpoint.hints = hints_for(service, endpoint);
  return endpoint;
}

Labels labels_for(const api::Service& service) {
  Labels labels = service.metadata.labels;
  if (is_headless(service)) labels[std::string(kHeadlessLabel)] = "";
  else labels.erase(std::string(kHeadlessLabel));
  labels[std::string(kServiceNameLabel)] = service.metadata.name;
  labels[std::string(kSliceManagedByLabel)] = kSliceManager;
  return labels;
}

bool is_owned_by(const Slice& slice, const api::Service& service) {
  return std::ranges::any_of(slice.metadata.owner_references,
                             [&](const auto& owner) { return owner.uid == service.metadata.uid; });
}

Slice make_slice(const api::Service& service, const std::string& family, const Ports& ports) {
  Slice slice;
  slice.metadata.namespace_ = service.metadata.namespace_;
  slice.metadata.generate_name = service.metadata.name + "-";
  slice.metadata.labels = labels_for(service);
  slice.metadata.owner_references = {controlled_by("v1", "Service", service.metadata)};
  slice.address_type = family;
  slice.ports = ports;
  return slice;
}

// The writes of one family and one set of ports.
class GroupPlan {
 public:
  GroupPlan(const api::Service& service, std::string family, SlicePlan& out)
      : service_(service), family_(std::move(family)), labels_(labels_for(service)), out_(out) {}

  void plan(Group group, const std::vector<SlicePtr>& slices) {
    for (const auto& slice : slices) keep_wanted(slice, group.endpoints);
    fill(drafts_, group.endpoints);
    while (!group.endpoints.empty()) {
      std::vector<Draft> one;
      // A slice that needs no write otherwise is touched only when that spares a new one.
      SlicePtr roomy = group.endpoints.size() < kMaxEndpointsPerSlice ? take_roomy(group.endpoints.size()) : nullptr;
      if (roomy) one.push_back({.slice = *roomy, .before = roomy, .changed = false, .trigger = {}});
      else
        one.push_back(
            {.slice = make_slice(service_, family_, group.ports), .before = {}, .changed = true, .trigger = {}});
      fill(one, group.endpoints);
      drafts_.push_back(std::move(one.front()));
    }
    kept_ += untouched_.size();
    emit();
  }

  size_t kept() const { return kept_; }  // slices that exist after this plan

 private:
  struct Draft {
    Slice slice;
    SlicePtr before;  // null: new
    bool changed = true;
    std::optional<base::Time> trigger;
  };

  static void note(std::optional<base::Time>& trigger, const std::optional<base::Time>& time) {
    if (time && (!trigger || *time < *trigger)) trigger = time;
  }

  // The fullest untouched slice with room for so many, or null.
  SlicePtr take_roomy(size_t count) {
    auto best = untouched_.end();
    for (auto it = untouched_.begin(); it != untouched_.end(); ++it) {
      if ((*it)->endpoints.size() + count > kMaxEndpointsPerSlice) continue;
      if (best == untouched_.end() || (*it)->endpoints.size() > (*best)->endpoints.size()) best = it;
    }
    if (best == untouched_.end()) return nullptr;
    SlicePtr slice = *best;
    untouched_.erase(best);
    return slice;
  }

  // What is right in the slice stays where it is; wanted endpoints that it holds are taken from the set.
  void keep_wanted(const SlicePtr& slice, WantedSet& wanted) {
    // An empty one has said that there is no endpoint, which is over.
    bool outdated = slice->metadata.labels != labels_ || slice->endpoints.empty();
    Draft draft{.slice = {}, .before = slice, .changed = outdated, .trigger = {}};
    draft.slice.metadata = slice->metadata;
    draft.slice.metadata.labels = labels_;
    draft.slice.address_type = slice->address_type;
    draft.slice.ports = slice->ports;
    for (const auto& endpoint : slice->endpoints) {
      auto it = wanted.find(key_of(endpoint));
      if (it == wanted.end()) {
        draft.changed = true;
        continue;
      }
      if (!says_the_same(endpoint, it->second.endpoint)) {
        draft.changed = true;
        if (conditions_of(endpoint) != conditions_of(it->second.endpoint)) note(draft.trigger, it->second.changed);
        draft.slice.endpoints.push_back(std::move(it->second.endpoint));
      } else {
        draft.slice.endpoints.push_back(endpoint);
      }
      wanted.erase(it);
    }
    if (draft.changed) drafts_.push_back(std::move(draft));
    else untouched_.push_back(slice);
  }

  void fill(std::vector<Draft>& drafts, WantedSet& wanted) {
    for (auto& draft : drafts) {
      while (!wanted.empty() && draft.slice.endpoints.size() < kMaxEndpointsPerSlice) {
        auto node = wanted.extract(wanted.begin());
        note(draft.trigger, node.mapped().changed);
        draft.slice.endpoints.push_back(std::move(node.mapped().endpoint));
        draft.changed = true;
      }
    }
  }

  void emit() {
    for (auto& draft : drafts_) {
      if (draft.slice.endpoints.empty()) {
        out_.remove.push_back(draft.before);
        continue;
      }
      ++kept_;
      if (draft.before && !draft.changed) continue;
      if (!draft.before && !draft.trigger) draft.trigger = base::parse_time(service_.metadata.creation_timestamp);
      std::string annotation(kTriggerTimeAnnotation);
      if (draft.trigger) draft.slice.metadata.annotations[annotation] = trigger_text(*draft.trigger);
      else draft.slice.metadata.annotations.erase(annotation);
      (draft.before ? out_.update : out_.create).push_back(std::move(draft.slice));
    }
  }

  const api::Service& service_;
  std::string family_;
  Labels labels_;
  SlicePlan& out_;
  std::vector<Draft> drafts_;
  std::vector<SlicePtr> untouched_;
  size_t kept_ = 0;
};

// Collects pods without a named port, for one sentence per port.
struct MissingPorts {
  std::map<const api::ServicePort*, std::vector<const Pod*>> pods;

  void report(const api::Service& service, std::vector<SlicePlan::Warning>& out) const {
    for (const auto& port : service.spec.ports) {
      auto it = pods.find(&port);
      if (it == pods.end()) continue;
      const Pod& first = *it->second.front();
      std::string others = it->second.size() > 1 ? fmt::format(" (and of {} more)", it->second.size() - 1) : "";
      std::string name = target_port_name(port);
      out.emplace_back("TargetPortNotFound", fmt::format(
          "port {}: targetPort \"{}\" names no {} port of pod {}{}, so no traffic goes there: name a container port "
          "\"{}\", or use a port number. The pod declares: {}",
          port.name.empty() ? std::to_string(port.port) : port.name, name,
          port.protocol.empty() ? "TCP" : port.protocol, first.metadata.name, others, name, declared(first)));
    }
  }

  static std::string declared(const Pod& pod) {
    std::string text;
    for (const auto& container : pod.spec.containers) {
      for (const auto& port : container.ports) {
        if (!text.empty()) text += ", ";
        text += fmt::format("{}{}{}/{}", port.name, port.name.empty() ? "" : "=", port.container_port,
                            port.protocol.empty() ? "TCP" : port.protocol);
      }
    }
    return text.empty() ? "no container ports" : text;
  }
};

std::map<PortsKey, Group> wanted_groups(const api::Service& service, const std::vector<PodPtr>& pods,
                                        std::string_view family, const Places& places, MissingPorts* missing) {
  std::map<PortsKey, Group> groups;
  for (const auto& pod : pods) {
    if (is_terminal(*pod)) continue;
    auto place = places.find(pod->spec.node_name);
    if (place == places.end() && !publishes_unready(service)) continue;
    auto addresses = addresses_of(*pod, family);
    if (addresses.empty()) continue;
    std::vector<const api::ServicePort*> absent;
    Ports ports = resolve_ports(service, *pod, &absent);
    if (missing) {
      for (const auto* port : absent) missing->pods[port].push_back(pod.get());
    }
    // A pod without any of the ports stands in a slice without ports: no proxy sends it anything, DNS may name it.
    const Place* where = place == places.end() ? nullptr : &place->second;
    Wanted wanted{.endpoint = make_endpoint(service, *pod, std::move(addresses), where), .changed = {}};
    if (const auto* ready = ready_condition(*pod)) wanted.changed = base::parse_time(ready->last_transition_time);
    Group& group = groups[ports_key_of(ports)];
    if (group.endpoints.empty()) group.ports = std::move(ports);
    EndpointKey key = key_of(wanted.endpoint);
    group.endpoints.emplace(std::move(key), std::move(wanted));
  }
  return groups;
}

void add_auto_hints(const std::string& family, std::map<PortsKey, Group>& groups, const std::vector<SlicePtr>& existing,
                    const Places& places, SlicePlan& plan) {
  std::map<EndpointKey, std::string> hinted;
  for (const auto& slice : existing) {
    for (const auto& endpoint : slice->endpoints) {
      bool one = endpoint.hints && endpoint.hints->for_zones.size() == 1;
      if (one) hinted[key_of(endpoint)] = endpoint.hints->for_zones[0].name;
    }
  }
  std::vector<Candidate> ready;
  std::vector<api::Endpoint*> endpoints;
  for (auto& [ports, group] : groups) {
    for (auto& [key, wanted] : group.endpoints) {
      if (!wanted.endpoint.conditions->ready.value_or(false)) continue;
      auto before = hinted.find(key);
      ready.push_back({.zone = wanted.endpoint.zone, .hinted = before == hinted.end() ? "" : before->second});
      endpoints.push_back(&wanted.endpoint);
    }
  }
  AutoHints hints = plan_auto_hints(ready, places);
  if (!hints.problem.empty()) {
    plan.warnings.emplace_back("TopologyAwareHintsDisabled", fmt::format("{}, addressType: {}", hints.problem, family));
    return;
  }
  for (size_t i = 0; i < endpoints.size(); ++i) {
    endpoints[i]->hints.emplace().for_zones.emplace_back().name = hints.zones[i];
  }
}

void plan_family(const api::Service& service, const std::string& family, std::map<PortsKey, Group> groups,
                 const std::vector<SlicePtr>& existing, SlicePlan& out) {
  std::map<PortsKey, std::vector<SlicePtr>> by_ports;
  for (const auto& slice : existing) by_ports[ports_key_of(slice->ports)].push_back(slice);
  size_t kept = 0;
  for (auto& [key, group] : groups) {
    GroupPlan plan(service, family, out);
    plan.plan(std::move(group), by_ports[key]);
    kept += plan.kept();
  }
  // Slices of ports that nobody has any more. With no endpoint at all, one empty slice says so.
  for (auto& [key, slices] : by_ports) {
    if (groups.contains(key)) continue;
    for (auto& slice : slices) {
      bool is_placeholder = kept == 0 && key.empty() && slice->endpoints.empty();
      if (is_placeholder && slice->metadata.labels == labels_for(service)) ++kept;
      else out.remove.push_back(slice);
    }
  }
  if (kept > 0) return;
  Slice placeholder = make_slice(service, family, {});
  if (auto created = base::parse_time(service.metadata.creation_timestamp)) {
    placeholder.metadata.annotations[std::string(kTriggerTimeAnnotation)] = trigger_text(*created);
  }
  out.create.push_back(std::move(placeholder));
}

// A slice that would go becomes one that would come: half the writes, and nobody sees a moment with neither.
void use_again(const api::Service& service, SlicePlan& plan) {
  std::vector<Slice> still_new;
  for (auto& fresh : plan.create) {
    auto old = std::ranges::find_if(plan.remove, [&](const SlicePtr& slice) {
      return slice->address_type == fresh.address_type && is_owned_by(*slice, service);
    });
    if (old == plan.remove.end()) {
      still_new.push_back(std::move(fresh));
      continue;
    }
    auto labels = std::move(fresh.metadata.labels);
    auto annotations = std::move(fresh.metadata.annotations);
    fresh.metadata = (*old)->metadata;
    fresh.metadata.labels = std::move(labels);
    fresh.metadata.annotations = std::move(annotations);
    plan.update.push_back(std::move(fresh));
    plan.remove.erase(old);
  }
  plan.create = std::move(still_new);
}

}  // namespace

PortsKey ports_key_of(const std::vector<api::EndpointSlicePort>& ports) {
  PortsKey key;
  for (const auto& port : ports) {
    key.emplace_back(port.name, port.protocol.empty() ? "TCP" : port.protocol, port.port.value_or(0),
                     port.app_protocol);
  }
  std::ranges::sort(key);
  return key;
}

bool has_managed_endpoints(const api::Service& service) {
  return !service.spec.selector.empty() && service.spec.type != "ExternalName";
}

bool is_headless(const api::Service& service) { return service.spec.cluster_ip == "None"; }

bool publishes_unready(const api::Service& service) {
  if (service.spec.publish_not_ready_addresses.value_or(false)) return true;
  auto it = service.metadata.annotations.find("service.alpha.kubernetes.io/tolerate-unready-endpoints");
  return it != service.metadata.annotations.end() && it->second == "true";
}

std::string trigger_text(base::Time time) {
  std::string text = base::format_nano_time(time);
  size_t end = text.find_last_not_of("0Z");
  if (text.find('.') == std::string::npos || end == std::string::npos) return text;
  text.erase(text[end] == '.' ? end : end + 1);
  return text + "Z";
}

std::vector<api::EndpointSlicePort> resolve_ports(const api::Service& service, const api::Pod& pod,
                                                  std::vector<const api::ServicePort*>* missing) {
  Ports ports;
  for (const auto& port : service.spec.ports) {
    auto number = resolve_target_port(port, pod);
    if (!number) {
      if (missing) missing->push_back(&port);
      continue;
    }
    api::EndpointSlicePort out;
    out.name = port.name;
    out.protocol = port.protocol.empty() ? "TCP" : port.protocol;
    out.port = *number;
    out.app_protocol = port.app_protocol;
    ports.push_back(std::move(out));
  }
  return ports;
}

SlicePlan plan_slices(const api::Service& service, const std::vector<PodPtr>& pods,
                      const std::vector<SlicePtr>& existing, const Places& places) {
  SlicePlan plan;
  auto families = families_of(service);
  MissingPorts missing;
  std::map<std::string, std::vector<SlicePtr>> by_family;
  for (const auto& slice : existing) {
    bool usable = std::ranges::find(families, slice->address_type) != families.end() && is_owned_by(*slice, service);
    if (usable) by_family[slice->address_type].push_back(slice);
    else plan.remove.push_back(slice);
  }
  for (size_t i = 0; i < families.size(); ++i) {
    auto groups = wanted_groups(service, pods, families[i], places, i == 0 ? &missing : nullptr);
    if (wants_auto_hints(service)) add_auto_hints(families[i], groups, by_family[families[i]], places, plan);
    plan_family(service, families[i], std::move(groups), by_family[families[i]], plan);
  }
  missing.report(service, plan.warnings);
  use_again(service, plan);
  return plan;
}

}  // namespace controllers
