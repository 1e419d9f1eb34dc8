#include "controllers/garbagecollector/graph.hpp"

#include <algorithm>
#include <utility>

#include "api/meta.hpp"

namespace controllers {

std::string_view group_of(std::string_view api_version) {
  size_t slash = api_version.find('/');
  return slash == std::string_view::npos ? std::string_view() : api_version.substr(0, slash);
}

GraphNode node_of(std::string_view api_version, std::string_view kind, const base::Value& object) {
  GraphNode node{.api_version = std::string(api_version),
                 .kind = std::string(kind),
                 .namespace_ = std::string(api::namespace_of(object)),
                 .name = std::string(api::name_of(object)),
                 .uid = std::string(api::uid_of(object)),
                 .owners = {},
                 .deleting = api::is_being_deleted(object)};
  for (const auto& reference : object.at({"metadata", "ownerReferences"}).as_array()) {
    node.owners.push_back({.api_version = std::string(reference["apiVersion"].as_string()),
                           .kind = std::string(reference["kind"].as_string()),
                           .name = std::string(reference["name"].as_string()),
                           .uid = std::string(reference["uid"].as_string()),
                           .blocks = reference["blockOwnerDeletion"].as_bool()});
  }
  for (const auto& finalizer : api::finalizers_of(object)) {
    if (finalizer == kForegroundFinalizer) node.foreground = true;
    if (finalizer == kOrphanFinalizer) node.orphan = true;
  }
  return node;
}

bool OwnerGraph::matters(const GraphNode& node) const {
  return !node.owners.empty() || (node.deleting && (node.foreground || node.orphan)) || has_dependents(node.uid);
}

std::set<std::string> OwnerGraph::put(GraphNode node) {
  std::set<std::string> again;
  auto it = nodes_.find(node.uid);
  if (it == nodes_.end() && !matters(node)) return again;
  if (it != nodes_.end() && it->second == node) return again;
  bool owners_changed = it == nodes_.end() ? !node.owners.empty() : it->second.owners != node.owners;
  if (it != nodes_.end()) {
    // A dependent that lets its owner go may be what the owner waited for.
    for (const auto& owner : it->second.owners) {
      dependents_[owner.uid].erase(node.uid);
      if (dependents_[owner.uid].empty()) dependents_.erase(owner.uid);
      if (owners_changed) again.insert(owner.uid);
    }
  }
  for (const auto& owner : node.owners) dependents_[owner.uid].insert(node.uid);
  if (owners_changed) again.insert(node.uid);
  if (node.deleting && (node.foreground || node.orphan)) again.insert(node.uid);
  if (node.deleting && node.foreground) {
    auto dependents = dependents_.find(node.uid);
    if (dependents != dependents_.end()) again.insert(dependents->second.begin(), dependents->second.end());
  }
  std::string uid = node.uid;
  if (matters(node)) nodes_[uid] = std::move(node);
  else if (it != nodes_.end()) nodes_.erase(it);
  return again;
}

std::set<std::string> OwnerGraph::remove(const std::string& uid) {
  std::set<std::string> again;
  if (auto it = nodes_.find(uid); it != nodes_.end()) {
    for (const auto& owner : it->second.owners) {
      again.insert(owner.uid);
      dependents_[owner.uid].erase(uid);
      if (dependents_[owner.uid].empty()) dependents_.erase(owner.uid);
    }
    nodes_.erase(it);
  }
  if (auto it = dependents_.find(uid); it != dependents_.end()) again.insert(it->second.begin(), it->second.end());
  return again;
}

const GraphNode* OwnerGraph::find(const std::string& uid) const {
  auto it = nodes_.find(uid);
  return it == nodes_.end() ? nullptr : &it->second;
}

std::vector<const GraphNode*> OwnerGraph::dependents_of(const std::string& uid) const {
  std::vector<const GraphNode*> out;
  auto it = dependents_.find(uid);
  if (it == dependents_.end()) return out;
  for (const auto& dependent : it->second) {
    if (const auto* node = find(dependent)) out.push_back(node);
  }
  return out;
}

std::set<std::string> OwnerGraph::uids_of(std::string_view group, std::string_view kind) const {
  std::set<std::string> out;
  for (const auto& [uid, node] : nodes_) {
    if (node.kind == kind && group_of(node.api_version) == group) out.insert(uid);
  }
  return out;
}

std::set<std::string> OwnerGraph::owners_named(std::string_view group, std::string_view kind) const {
  std::set<std::string> out;
  for (const auto& [uid, node] : nodes_) {
    for (const auto& owner : node.owners) {
      if (owner.kind == kind && group_of(owner.api_version) == group) out.insert(owner.uid);
    }
  }
  return out;
}

}  // namespace controllers
