#include "scheduler/demand.hpp"

#include <algorithm>

#include "base/quantity.hpp"

namespace scheduler {
namespace {

constexpr int64_t kUnsaidCpu = 100;
constexpr int64_t kUnsaidMemory = 200 * 1024 * 1024;

Amounts requests_of(const api::Container& container) {
  return container.resources ? amounts_of(container.resources->requests) : Amounts();
}

void add(Amounts& to, const Amounts& more) {
  for (const auto& [name, amount] : more) to[name] += amount;
}

void raise(Amounts& to, const Amounts& least) {
  for (const auto& [name, amount] : least) to[name] = std::max(to[name], amount);
}

int64_t amount_of(const Amounts& amounts, const std::string& name, int64_t otherwise) {
  auto it = amounts.find(name);
  return it == amounts.end() || it->second == 0 ? otherwise : it->second;
}

void add_ports(const api::Container& container, std::vector<HostPort>& out) {
  for (const auto& port : container.ports) {
    if (port.host_port.value_or(0) <= 0) continue;
    out.push_back({.address = port.host_ip.empty() || port.host_ip == "::" ? "0.0.0.0" : port.host_ip,
                   .protocol = port.protocol.empty() ? "TCP" : port.protocol,
                   .port = *port.host_port});
  }
}

}  // namespace

Amounts amounts_of(const std::map<std::string, std::string>& quantities) {
  Amounts out;
  for (const auto& [name, text] : quantities) {
    auto quantity = base::Quantity::parse(text);
    if (quantity) out[name] = name == "cpu" ? quantity->milli_value() : quantity->value();
  }
  return out;
}

bool collide(const HostPort& a, const HostPort& b) {
  return a.port == b.port && a.protocol == b.protocol &&
         (a.address == b.address || a.address == "0.0.0.0" || b.address == "0.0.0.0");
}

Demand demand_of(const api::Pod& pod) {
  Demand demand;
  for (const auto& container : pod.spec.containers) {
    Amounts requests = requests_of(container);
    demand.scored_cpu += amount_of(requests, "cpu", kUnsaidCpu);
    demand.scored_memory += amount_of(requests, "memory", kUnsaidMemory);
    add(demand.requests, requests);
    add_ports(container, demand.ports);
  }
  // Sidecars run on beside everything after them; other init containers run alone.
  Amounts sidecars;
  Amounts starting;
  for (const auto& container : pod.spec.init_containers) {
    Amounts requests = requests_of(container);
    if (container.restart_policy == "Always") {
      add(sidecars, requests);
      add_ports(container, demand.ports);
      raise(starting, sidecars);
    } else {
      add(requests, sidecars);
      raise(starting, requests);
    }
  }
  add(demand.requests, sidecars);
  raise(demand.requests, starting);
  if (pod.spec.resources) {
    for (const auto& [name, amount] : amounts_of(pod.spec.resources->requests)) demand.requests[name] = amount;
  }
  add(demand.requests, amounts_of(pod.spec.overhead));
  return demand;
}

}  // namespace scheduler
