// What is still in the way of a namespace's end, as conditions of its status. Pure functions; any thread.
//
// Source: upstream's namespaced resources deleter and its condition updater.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "api/types.hpp"
#include "base/time.hpp"

namespace controllers {

struct NamespaceContent {
  std::map<std::string, int64_t> remaining;   // "pods." -> count; resource.group
  std::map<std::string, int64_t> finalizers;  // finalizer -> objects that carry it
  std::vector<std::string> failures;          // deletions that were refused
  bool empty() const { return remaining.empty() && failures.empty(); }
};

// The five conditions of deletion. Times of conditions that do not change are kept.
std::vector<api::NamespaceCondition> plan_namespace_conditions(const std::vector<api::NamespaceCondition>& before,
                                                               const NamespaceContent& content, base::Time now);

bool same_conditions(const std::vector<api::NamespaceCondition>& a, const std::vector<api::NamespaceCondition>& b);

}  // namespace controllers
