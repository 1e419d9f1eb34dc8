#include "scheduler/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

#include "base/strings.hpp"

namespace scheduler {
namespace {

constexpr double kBest = 100;
// Upstream's weights of its plugins.
constexpr double kTaintWeight = 3;
constexpr double kAffinityWeight = 2;
constexpr double kSpreadWeight = 2;

using Labels = std::map<std::string, std::string>;

bool holds(const api::NodeSelectorRequirement& want, const std::string* value) {
  auto listed = [&] { return std::ranges::find(want.values, *value) != want.values.end(); };
  if (want.operator_ == "In") return value && listed();
  if (want.operator_ == "NotIn") return !value || !listed();
  if (want.operator_ == "Exists") return value != nullptr;
  if (want.operator_ == "DoesNotExist") return value == nullptr;
  if (want.operator_ != "Gt" && want.operator_ != "Lt") return false;
  if (!value || want.values.size() != 1) return false;
  auto has = base::parse_int(*value);
  auto bound = base::parse_int(want.values.front());
  if (!has || !bound) return false;
  return want.operator_ == "Gt" ? *has > *bound : *has < *bound;
}

const std::string* find_label(const Labels& labels, const std::string& key) {
  auto it = labels.find(key);
  return it == labels.end() ? nullptr : &it->second;
}

const api::NodeAffinity* node_affinity(const api::Pod& pod) {
  if (!pod.spec.affinity || !pod.spec.affinity->node_affinity) return nullptr;
  return &*pod.spec.affinity->node_affinity;
}

bool matches_node(const api::Pod& pod, const api::Node& node) {
  for (const auto& [key, value] : pod.spec.node_selector) {
    const auto* has = find_label(node.metadata.labels, key);
    if (!has || *has != value) return false;
  }
  const auto* affinity = node_affinity(pod);
  if (!affinity || !affinity->required_during_scheduling_ignored_during_execution) return true;
  const auto& terms = affinity->required_during_scheduling_ignored_during_execution->node_selector_terms;
  return std::ranges::any_of(terms, [&](const auto& term) { return matches_term(term, node); });
}

bool is_ready(const api::Node& node) {
  return std::ranges::any_of(node.status.conditions,
                             [](const auto& c) { return c.type == "Ready" && c.status == "True"; });
}

// The node's taints, with those that its state stands for even where nobody wrote them down.
std::vector<api::Taint> taints_of(const api::Node& node) {
  auto taints = node.spec.taints;
  auto add = [&](const char* key) {
    if (std::ranges::find(taints, key, &api::Taint::key) != taints.end()) return;
    api::Taint taint;
    taint.key = key;
    taint.effect = "NoSchedule";
    taints.push_back(std::move(taint));
  };
  if (!is_ready(node)) add("node.kubernetes.io/not-ready");
  return taints;
}

std::vector<std::string> missing_resources(const Demand& demand, const NodeRow& row) {
  std::vector<std::string> out;
  auto amount = [](const Amounts& amounts, const std::string& name) {
    auto it = amounts.find(name);
    return it == amounts.end() ? int64_t{0} : it->second;
  };
  if (row.allocatable.contains("pods") && row.pods + 1 > amount(row.allocatable, "pods")) {
    out.push_back("Too many pods");
  }
  for (const auto& [name, wanted] : demand.requests) {
    if (wanted > 0 && wanted > amount(row.allocatable, name) - amount(row.used, name)) {
      out.push_back("Insufficient " + name);
    }
  }
  return out;
}

double free_share(int64_t used, int64_t total) {
  if (total <= 0 || used > total) return 0;
  return static_cast<double>(total - used) / static_cast<double>(total);
}

std::string explain(size_t nodes, const std::map<std::string, int>& reasons) {
  if (nodes == 0) return "no nodes available to schedule pods";
  std::vector<std::string> parts;
  for (const auto& [reason, count] : reasons) parts.push_back(fmt::format("{} {}", count, reason));
  std::ranges::sort(parts);
  return fmt::format("0/{} nodes are available: {}.", nodes, base::join(parts, ", "));
}

}  // namespace

bool matches_term(const api::NodeSelectorTerm& term, const api::Node& node) {
  if (term.match_expressions.empty() && term.match_fields.empty()) return false;  // an empty term selects nothing
  for (const auto& want : term.match_expressions) {
    if (!holds(want, find_label(node.metadata.labels, want.key))) return false;
  }
  for (const auto& want : term.match_fields) {
    if (want.key != "metadata.name" || !holds(want, &node.metadata.name)) return false;
  }
  return true;
}

bool tolerates(const std::vector<api::Toleration>& tolerations, const api::Taint& taint) {
  return std::ranges::any_of(tolerations, [&](const api::Toleration& toleration) {
    if (!toleration.effect.empty() && toleration.effect != taint.effect) return false;
    if (!toleration.key.empty() && toleration.key != taint.key) return false;
    if (toleration.operator_ == "Exists") return true;
    if (toleration.operator_ != "Equal" && !toleration.operator_.empty()) return false;
    return !toleration.key.empty() && toleration.value == taint.value;
  });
}

std::vector<std::string> refusals(const api::Pod& pod, const Demand& demand, const NodeRow& row) {
  const api::Node& node = *row.node;
  api::Taint cordon;
  cordon.key = "node.kubernetes.io/unschedulable";
  cordon.effect = "NoSchedule";
  if (node.spec.unschedulable.value_or(false) && !tolerates(pod.spec.tolerations, cordon)) {
    return {"node(s) were unschedulable"};
  }
  for (const auto& taint : taints_of(node)) {
    if (taint.effect == "PreferNoSchedule" || taint.key == cordon.key) continue;
    if (!tolerates(pod.spec.tolerations, taint)) {
      return {fmt::format("node(s) had untolerated taint {{{}: {}}}", taint.key, taint.value)};
    }
  }
  if (!matches_node(pod, node)) return {"node(s) didn't match Pod's node affinity/selector"};
  for (const auto& port : demand.ports) {
    bool taken = std::ranges::any_of(row.ports, [&](const auto& other) { return collide(port, other.first); });
    if (taken) return {"node(s) didn't have free ports for the requested pod ports"};
  }
  return missing_resources(demand, row);
}

double score(const api::Pod& pod, const Demand& demand, const NodeRow& row) {
  auto total = [&](const char* name) {
    auto it = row.allocatable.find(name);
    return it == row.allocatable.end() ? int64_t{0} : it->second;
  };
  double cpu = free_share(row.scored_cpu + demand.scored_cpu, total("cpu"));
  double memory = free_share(row.scored_memory + demand.scored_memory, total("memory"));
  double points = kBest * (cpu + memory) / 2;              // least allocated
  points += kBest * (1 - std::abs(cpu - memory) / 2);      // balanced: the deviation of two values
  auto siblings = row.by_owner.find(controller_uid(pod));
  int count = siblings == row.by_owner.end() ? 0 : siblings->second;
  points += kSpreadWeight * kBest / (1 + count);
  int soft = 0;
  for (const auto& taint : row.node->spec.taints) {
    if (taint.effect == "PreferNoSchedule" && !tolerates(pod.spec.tolerations, taint)) ++soft;
  }
  points += kTaintWeight * kBest / (1 + soft);
  if (const auto* affinity = node_affinity(pod)) {
    double wanted = 0;
    double sum = 0;
    for (const auto& term : affinity->preferred_during_scheduling_ignored_during_execution) {
      sum += static_cast<double>(term.weight);
      if (matches_term(term.preference, *row.node)) wanted += static_cast<double>(term.weight);
    }
    if (sum > 0) points += kAffinityWeight * kBest * wanted / sum;
  }
  return points;
}

Decision plan_node(const api::Pod& pod, const NodeTable& table) {
  Demand demand = demand_of(pod);
  std::map<std::string, int> reasons;
  size_t nodes = 0;
  Decision decision;
  std::optional<double> best;
  for (const auto& [name, row] : table.rows()) {
    if (!row.node) continue;
    ++nodes;
    auto why_not = refusals(pod, demand, row);
    for (auto& reason : why_not) ++reasons[std::move(reason)];
    if (!why_not.empty()) continue;
    double points = score(pod, demand, row);
    if (best && points <= *best) continue;
    best = points;
    decision.node = name;
  }
  if (!best) decision.message = explain(nodes, reasons);
  return decision;
}

}  // namespace scheduler
