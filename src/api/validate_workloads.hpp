// The rules of deployments, jobs, volumes, quotas, autoscalers and budgets, and what they share. Internal to src/api;
// pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "api/validate_rules.hpp"

namespace api::rules {

// A number that is not negative, or a text such as 25%.
void check_int_or_percent(Problems& out, const std::string& path, const Value& value);
void check_not_more_than_100_percent(Problems& out, const std::string& path, const Value& value);
// Whether it is there and 0 or 0%.
bool is_zero_int_or_percent(const Value& value);
// Numbers of a status that must not be negative.
void check_counts(Problems& out, const Value& status, std::initializer_list<const char*> members);

// Labels, annotations and spec of pods that are to be made; `path` is that of the template.
void check_pod_template(Problems& out, const Value& pods, const std::string& path);
// A selector that is required, valid, not empty, and fits the template's labels. `kind`: as upstream's text calls it.
void check_template_selector(Problems& out, const Value& spec, const std::string& path, std::string_view kind);

// apps (validate_workloads.cpp) are in the table only. batch (validate_workloads_batch.cpp):
void check_job(Problems& out, const Value& job);
void check_job_update(Problems& out, const Value& fresh, const Value& old);
void check_job_status(Problems& out, const Value& fresh, const Value& old);
void check_cron_job(Problems& out, const Value& object);
// autoscaling, policy, scheduling (validate_workloads_policy.cpp):
void check_autoscaler(Problems& out, const Value& object);
void check_autoscaler_status(Problems& out, const Value& fresh, const Value& old);
void check_disruption_budget(Problems& out, const Value& object);
void check_disruption_budget_status(Problems& out, const Value& fresh, const Value& old);
void check_priority_class(Problems& out, const Value& object);
void check_priority_class_update(Problems& out, const Value& fresh, const Value& old);
// The core's volumes, limits and quotas (validate_workloads_volumes.cpp, validate_workloads_quotas.cpp):
void check_claim_spec(Problems& out, const Value& spec, const std::string& path);
void check_claim(Problems& out, const Value& object);
void check_claim_update(Problems& out, const Value& fresh, const Value& old);
void check_claim_status(Problems& out, const Value& fresh, const Value& old);
void check_persistent_volume(Problems& out, const Value& object);
void check_persistent_volume_update(Problems& out, const Value& fresh, const Value& old);
void check_limit_range(Problems& out, const Value& object);
void check_resource_quota(Problems& out, const Value& object);
void check_resource_quota_update(Problems& out, const Value& fresh, const Value& old);
void check_resource_quota_status(Problems& out, const Value& fresh, const Value& old);

}  // namespace api::rules
