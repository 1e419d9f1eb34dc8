// Who owns whom: of each object its identity, owners and the two finalizers of deletion, and the dependents of each
// owner. Objects that neither own nor are owned, most of a large cluster, take no room. A plain value of one thread; the
// controller guards it.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/value.hpp"

namespace controllers {

constexpr std::string_view kForegroundFinalizer = "foregroundDeletion";
constexpr std::string_view kOrphanFinalizer = "orphan";

struct Owner {
  std::string api_version;
  std::string kind;
  std::string name;
  std::string uid;
  bool blocks = false;  // blockOwnerDeletion
  bool operator==(const Owner&) const = default;
};

struct GraphNode {
  std::string api_version;
  std::string kind;
  std::string namespace_;
  std::string name;
  std::string uid;
  std::vector<Owner> owners;
  bool deleting = false;
  bool foreground = false;  // carries the finalizer
  bool orphan = false;
  bool operator==(const GraphNode&) const = default;
};

// "" of "v1", "apps" of "apps/v1".
std::string_view group_of(std::string_view api_version);
GraphNode node_of(std::string_view api_version, std::string_view kind, const base::Value& object);

class OwnerGraph {
 public:
  // Returns the UIDs to look at again.
  std::set<std::string> put(GraphNode node);
  std::set<std::string> remove(const std::string& uid);

  const GraphNode* find(const std::string& uid) const;
  std::vector<const GraphNode*> dependents_of(const std::string& uid) const;
  bool has_dependents(const std::string& uid) const { return dependents_.contains(uid); }
  // The UIDs of one kind, in whichever version: what a list is compared with.
  std::set<std::string> uids_of(std::string_view group, std::string_view kind) const;
  // The owners of that kind that dependents name, known here or not.
  std::set<std::string> owners_named(std::string_view group, std::string_view kind) const;
  size_t size() const { return nodes_.size(); }

 private:
  bool matters(const GraphNode& node) const;

  std::map<std::string, GraphNode> nodes_;
  std::map<std::string, std::set<std::string>> dependents_;  // owner's UID -> UIDs
};

}  // namespace controllers
