// What is still in the way of a namespace's end, as conditions of its status. Pure functions; any thread.
//
// Source: upstream's namespaced resources deleter and its condition updater; KEP-5080 ordered namespace deletion.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "api/types.hpp"
#include "base/time.hpp"
#include "client/discovery.hpp"

namespace controllers {

struct NamespaceContent {
  std::map<std::string, int64_t> remaining;   // "pods." -> count; resource.group
  std::map<std::string, int64_t> finalizers;  // finalizer -> objects that carry it
  std::vector<std::string> failures;          // deletions that were refused
  std::string discovery_failure;              // why not all kinds are known
  std::string version_failure;                // a group version that is none
  // Whether the namespace may go: all kinds were asked, and none had anything left.
  bool empty() const {
    return remaining.empty() && failures.empty() && discovery_failure.empty() && version_failure.empty();
  }
};

// In which order the kinds of a namespace are emptied: all of one step are gone before the next begins. Pods first, so
// that no pod outlives the NetworkPolicies and Secrets that it was made with (CVE-2024-7598); Events last, so that what
// goes can still say something about itself.
std::vector<std::vector<client::ResourceKind>> plan_deletion_steps(const std::vector<client::ResourceKind>& kinds);

// The five conditions of deletion. Times of conditions that do not change are kept.
std::vector<api::NamespaceCondition> plan_namespace_conditions(const std::vector<api::NamespaceCondition>& before,
                                                               const NamespaceContent& content, base::Time now);

bool same_conditions(const std::vector<api::NamespaceCondition>& a, const std::vector<api::NamespaceCondition>& b);

}  // namespace controllers
