// Rules for jobs and cron jobs.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "api/cron.hpp"
#include "api/matchers.hpp"
#include "api/meta.hpp"
#include "api/validate_workloads.hpp"
#include "base/strings.hpp"

namespace api::rules {

namespace {

constexpr int64_t kMaxIndexed = 100'000, kMaxIndexedBeyond = 10'000;
constexpr size_t kMaxRules = 20, kMaxPatterns = 20, kMaxExitCodes = 255, kMaxManagedBy = 63, kMaxCronName = 52;
constexpr size_t kMaxIndexesBytes = 64u << 10;

bool is_indexed(const Value& spec) { return spec["completionMode"].as_string() == "Indexed"; }

// ---- failure and success policies ---------------------------------------------------------------------------------

void check_exit_codes(Problems& out, const Value& codes, const std::string& path, const std::set<std::string>& containers) {
  const std::string values_path = child(path, "values");
  std::string_view op = codes["operator"].as_string();
  if (op.empty()) {
    out.required(child(path, "operator"), R"(valid values: ["In" "NotIn"])");
  } else if (op != "In" && op != "NotIn") {
    out.unsupported(child(path, "operator"), op, {"In", "NotIn"});
  }
  if (const Value& name = codes["containerName"]; name.is_string() && !containers.contains(std::string(name.as_string())))
    out.invalid(child(path, "containerName"), name,
                std::string("must be one of the container or initContainer names in the pod template"));
  const auto& values = codes["values"].as_array();
  if (values.empty()) out.invalid(values_path, codes["values"], std::string("at least one value is required"));
  if (values.size() > kMaxExitCodes) out.too_many(values_path, values.size(), kMaxExitCodes);
  std::set<int64_t> seen;
  bool ordered = true;
  for (size_t i = 0; i < values.size(); ++i) {
    const int64_t code = values[i].int_or(0);
    if (op == "In" && code == 0)
      out.invalid(index(values_path, i), code, std::string("must not be 0 for the In operator"));
    if (!seen.insert(code).second) out.duplicate(index(values_path, i), code);
    if (i > 0 && values[i - 1].int_or(0) > code) ordered = false;
  }
  if (!ordered) out.invalid(values_path, codes["values"], std::string("must be ordered"));
}

void check_patterns(Problems& out, const Value& patterns, const std::string& path) {
  const auto& list = patterns.as_array();
  if (list.size() > kMaxPatterns) out.too_many(path, list.size(), kMaxPatterns);
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string at = index(path, i);
    out.qualified_name(child(at, "type"), list[i]["type"].as_string());
    if (list[i]["status"].as_string().empty()) out.required(child(at, "status"), R"(valid values: ["False" "True" "Unknown"])");
    else out.one_of(child(at, "status"), list[i]["status"], {"False", "True", "Unknown"});
  }
}

void check_failure_rule(Problems& out, const Value& spec, const Value& rule, const std::string& path,
                        const std::set<std::string>& containers) {
  std::string_view action = rule["action"].as_string();
  if (action.empty()) {
    out.required(child(path, "action"), R"(valid values: ["Count" "FailIndex" "FailJob" "Ignore"])");
  } else if (action == "FailIndex") {
    if (spec["backoffLimitPerIndex"].is_null())
      out.invalid(path, action, std::string("requires the backoffLimitPerIndex to be set"));
  } else {
    out.one_of(child(path, "action"), action, {"Count", "FailIndex", "FailJob", "Ignore"});
  }
  const bool by_code = rule["onExitCodes"].is_object(), by_condition = !rule["onPodConditions"].as_array().empty();
  if (by_code) check_exit_codes(out, rule["onExitCodes"], child(path, "onExitCodes"), containers);
  if (by_condition) check_patterns(out, rule["onPodConditions"], child(path, "onPodConditions"));
  if (by_code && by_condition)
    out.invalid(path, rule, std::string("specifying both OnExitCodes and OnPodConditions is not supported"));
  if (!by_code && !by_condition)
    out.invalid(path, rule, std::string("specifying one of OnExitCodes and OnPodConditions is required"));
}

void check_failure_policy(Problems& out, const Value& spec, const std::string& path) {
  std::set<std::string> containers;
  for (const char* list : {"containers", "initContainers"})
    for (const auto& container : spec.at({"template", "spec", list}).as_array())
      containers.emplace(container["name"].as_string());
  const auto& list = spec["podFailurePolicy"]["rules"].as_array();
  if (list.size() > kMaxRules) out.too_many(child(path, "rules"), list.size(), kMaxRules);
  for (size_t i = 0; i < list.size(); ++i)
    check_failure_rule(out, spec, list[i], index(child(path, "rules"), i), containers);
}

// "1,3-5,7": how many indexes that names; an error when it is something else.
base::Result<int64_t> count_indexes(std::string_view text, int64_t completions) {
  auto wrong = [](std::string message) { return std::unexpected(base::Error{base::Reason::bad_request, std::move(message), nullptr}); };
  int64_t total = 0, last = -1;
  if (text.empty()) return total;
  for (const std::string& part : base::split(text, ',')) {
    const auto ends = base::split(part, '-');
    if (ends.size() > 2) return wrong(fmt::format("the fragment {} violates the requirement that an index interval can have at most two parts separated by '-'", base::quote(part)));
    const auto low = base::parse_int(ends[0]);
    if (!low) return wrong(fmt::format("cannot convert string to integer for index: {}", base::quote(ends[0])));
    if (*low >= completions) return wrong(fmt::format("too large index: {}", base::quote(ends[0])));
    if (*low <= last) return wrong(fmt::format("non-increasing order, previous: {}, current: {}", last, *low));
    total += 1;
    last = *low;
    if (ends.size() == 1) continue;
    const auto high = base::parse_int(ends[1]);
    if (!high) return wrong(fmt::format("cannot convert string to integer for index: {}", base::quote(ends[1])));
    if (*high >= completions) return wrong(fmt::format("too large index: {}", base::quote(ends[1])));
    if (*high <= last) return wrong(fmt::format("non-increasing order, previous: {}, current: {}", last, *high));
    total += *high - *low;
    last = *high;
  }
  return total;
}

void check_success_rule(Problems& out, const Value& rule, int64_t completions, const std::string& path) {
  const Value &indexes = rule["succeededIndexes"], &count = rule["succeededCount"];
  if (indexes.is_null() && count.is_null())
    out.required(path, "at least one of succeededCount or succeededIndexes must be specified");
  int64_t named = 0;
  if (indexes.is_string()) {
    const std::string at = child(path, "succeededIndexes");
    if (indexes.as_string().size() > kMaxIndexesBytes) out.add(too_long_field(at, kMaxIndexesBytes));
    auto counted = count_indexes(indexes.as_string(), completions);
    if (!counted) out.invalid(at, indexes, fmt::format("error parsing succeededIndexes: {}", counted.error().message));
    named = counted.value_or(0);
  }
  if (count.is_null()) return;
  const std::string at = child(path, "succeededCount");
  out.nonnegative(at, count);
  if (count.int_or(0) > completions)
    out.invalid(at, count, fmt::format("must be less than or equal to {} (the number of specified completions)", completions));
  if (indexes.is_string() && count.int_or(0) > named)
    out.invalid(at, count, fmt::format("must be less than or equal to {} (the number of indexes in the specified succeededIndexes field)", named));
}

void check_success_policy(Problems& out, const Value& spec, const std::string& path) {
  const Value& policy = spec["successPolicy"];
  if (!is_indexed(spec)) return out.invalid(path, policy, std::string("requires indexed completion mode"));
  const auto& list = policy["rules"].as_array();
  if (list.empty())
    out.required(child(path, "rules"), "at least one rules must be specified when the successPolicy is specified");
  if (list.size() > kMaxRules) out.too_many(child(path, "rules"), list.size(), kMaxRules);
  for (size_t i = 0; i < list.size(); ++i)
    check_success_rule(out, list[i], spec["completions"].int_or(0), index(child(path, "rules"), i));
}

// ---- jobs ---------------------------------------------------------------------------------------------------------

void check_indexed(Problems& out, const Value& spec, const std::string& path) {
  const Value &completions = spec["completions"], &failed = spec["maxFailedIndexes"], &parallel = spec["parallelism"];
  if (completions.is_null()) out.required(child(path, "completions"), "when completion mode is Indexed");
  if (parallel.int_or(0) > kMaxIndexed)
    out.invalid(child(path, "parallelism"), parallel,
                fmt::format("must be less than or equal to {} when completion mode is Indexed", kMaxIndexed));
  if (!completions.is_null() && !failed.is_null() && failed.int_or(0) > completions.int_or(0))
    out.invalid(child(path, "maxFailedIndexes"), failed, std::string("must be less than or equal to completions"));
  if (failed.int_or(0) > kMaxIndexed)
    out.invalid(child(path, "maxFailedIndexes"), failed, fmt::format("must be less than or equal to {}", kMaxIndexed));
  if (completions.int_or(0) <= kMaxIndexed || spec["backoffLimitPerIndex"].is_null()) return;
  const std::string beyond = fmt::format("must be less than or equal to {} when completions are above {} and used with backoff limit per index",
                                         kMaxIndexedBeyond, kMaxIndexed);
  if (failed.is_null())
    out.required(child(path, "maxFailedIndexes"), fmt::format("must be specified when completions is above {}", kMaxIndexed));
  if (parallel.int_or(0) > kMaxIndexedBeyond) out.invalid(child(path, "parallelism"), parallel, beyond);
  if (failed.int_or(0) > kMaxIndexedBeyond) out.invalid(child(path, "maxFailedIndexes"), failed, beyond);
}

void check_not_indexed(Problems& out, const Value& spec, const std::string& path) {
  for (const char* member : {"backoffLimitPerIndex", "maxFailedIndexes"})
    if (!spec[member].is_null())
      out.invalid(child(path, member), spec[member], std::string("requires indexed completion mode"));
}

void check_restart_policy(Problems& out, const Value& spec, const std::string& path) {
  const Value& policy = spec.at({"template", "spec", "restartPolicy"});
  std::string_view text = policy.as_string();
  const std::string at = child(path, "template.spec.restartPolicy");
  if (text.empty() || text == "Always") {
    out.required(at, R"(valid values: "OnFailure", "Never")");
  } else if (text != "OnFailure" && text != "Never") {
    out.unsupported(at, policy, {"OnFailure", "Never"});
  } else if (spec["podFailurePolicy"].is_object() && text != "Never") {
    out.invalid(at, policy, std::string(R"(only "Never" is supported when podFailurePolicy is specified)"));
  }
}

void check_managed_by(Problems& out, const Value& manager, const std::string& path) {
  if (manager.is_null()) return;
  std::string_view text = manager.as_string();
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos || slash + 1 == text.size()) {
    out.invalid(path, manager, std::string("must be a domain-prefixed path (such as \"acme.io/foo\")"));
  } else {
    out.invalid(path, text.substr(0, slash), base::check_dns1123_subdomain(text.substr(0, slash)));
  }
  if (text.size() > kMaxManagedBy) out.add(too_long_field(path, kMaxManagedBy));
}

// What a job and a cron job's template have in common.
void check_job_spec(Problems& out, const Value& spec, const std::string& path) {
  for (const char* member : {"parallelism", "completions", "activeDeadlineSeconds", "backoffLimit",
                             "ttlSecondsAfterFinished", "backoffLimitPerIndex", "maxFailedIndexes"})
    out.nonnegative(child(path, member), spec[member]);
  if (!spec["maxFailedIndexes"].is_null() && spec["backoffLimitPerIndex"].is_null())
    out.required(child(path, "backoffLimitPerIndex"), "when maxFailedIndexes is specified");
  check_managed_by(out, spec["managedBy"], child(path, "managedBy"));
  out.one_of(child(path, "completionMode"), spec["completionMode"], {"NonIndexed", "Indexed"}, false);
  is_indexed(spec) ? check_indexed(out, spec, path) : check_not_indexed(out, spec, path);
  const bool judged = spec["podFailurePolicy"].is_object();
  if (judged) check_failure_policy(out, spec, child(path, "podFailurePolicy"));
  if (spec["successPolicy"].is_object()) check_success_policy(out, spec, child(path, "successPolicy"));
  const Value& replacement = spec["podReplacementPolicy"];
  if (!replacement.is_null() && judged && replacement.as_string() != "Failed")
    out.unsupported(child(path, "podReplacementPolicy"), replacement, {"Failed"});
  else
    out.one_of(child(path, "podReplacementPolicy"), replacement, {"Failed", "TerminatingOrFailed"}, false);
  check_pod_template(out, spec["template"], child(path, "template"));
  check_restart_policy(out, spec, path);
}

// The template as it may be while a job waits: where its pods go may still change.
Value with_scheduling_of(Value old, const Value& fresh) {
  auto take = [](Value& to, const Value& from, const char* member) {
    if (const Value* value = from.as_object().find(member)) to.object().set(member, *value);
    else if (to.is_object()) to.object().erase(member);
  };
  for (const char* member : {"labels", "annotations"}) take(old.make({"metadata"}), fresh["metadata"], member);
  for (const char* member : {"nodeSelector", "tolerations", "schedulingGates"})
    take(old.make({"spec"}), fresh["spec"], member);
  const Value& affinity = fresh["spec"]["affinity"]["nodeAffinity"];
  if (!affinity.is_null()) {
    old.make({"spec", "affinity", "nodeAffinity"}) = affinity;
  } else if (old["spec"]["affinity"].is_object()) {
    old.make({"spec", "affinity"}).object().erase("nodeAffinity");
    if (!fresh["spec"]["affinity"].is_object() && old["spec"]["affinity"].as_object().empty())
      old.make({"spec"}).object().erase("affinity");
  }
  return old;
}

// The labels and the selector that the server makes, unless the user says that they are his own.
void check_generated_selector(Problems& out, const Value& job) {
  const Value& spec = job["spec"];
  if (spec["manualSelector"].as_bool() || !spec["selector"].is_object()) return;
  const Value& labels = spec["template"]["metadata"]["labels"];
  const std::string path = "spec.template.metadata.labels";
  const std::pair<const char*, std::string_view> expected[] = {
      {"batch.kubernetes.io/controller-uid", uid_of(job)}, {"batch.kubernetes.io/job-name", name_of(job)},
      {"controller-uid", uid_of(job)}, {"job-name", name_of(job)}};
  base::Object made;
  for (const auto& [name, value] : expected) {
    made.set(name, value);
    if (labels[name].is_null()) out.required(path, fmt::format("must be '{}'", value));
    else if (labels[name].as_string() != value) out.invalid(path, labels, fmt::format("must be '{}'", value));
  }
  auto matcher = LabelMatcher::from_object(spec["selector"]);
  if (matcher && !matcher->matches(Value(made)))
    out.invalid("spec.selector", spec["selector"], std::string("`selector` not auto-generated"));
}

// ---- cron jobs ----------------------------------------------------------------------------------------------------

// The data base of zones is not at hand here: only the form is looked at.
bool looks_like_zone(std::string_view text) {
  return !text.starts_with('/') && !text.ends_with('/') && !text.contains("..") && !text.contains("//") &&
         std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' || c == '_' ||
                  c == '-' || c == '+';
         });
}

void check_schedule(Problems& out, const Value& spec, const std::string& path) {
  const Value &schedule = spec["schedule"], &zone = spec["timeZone"];
  std::string_view text = schedule.as_string();
  if (text.empty()) return out.required(child(path, "schedule"));
  if (text.contains("TZ")) {
    out.invalid(child(path, "schedule"), schedule,
                std::string(zone.is_null() ? "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
                                           : "cannot use both timeZone field and TZ or CRON_TZ in schedule"));
  } else if (auto parsed = parse_cron(text); !parsed) {
    out.invalid(child(path, "schedule"), schedule, parsed.error().message);
  }
  if (zone.is_null()) return;
  std::string_view name = zone.as_string();
  if (name.empty()) {
    out.invalid(child(path, "timeZone"), zone, std::string("timeZone must be nil or non-empty string"));
  } else if (base::equal_ignoring_case(name, "Local")) {
    out.invalid(child(path, "timeZone"), zone,
                std::string("timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"));
  } else if (!looks_like_zone(name)) {
    out.invalid(child(path, "timeZone"), zone, fmt::format("unknown time zone {}", name));
  }
}

}  // namespace

void check_job(Problems& out, const Value& job) {
  const Value& spec = job["spec"];
  check_generated_selector(out, job);
  check_job_spec(out, spec, "spec");
  if (!spec["selector"].is_object()) {
    out.required("spec.selector");
  } else {
    out.label_selector("spec.selector", spec["selector"]);
    auto matcher = LabelMatcher::from_object(spec["selector"]);
    const Value& labels = spec["template"]["metadata"]["labels"];
    if (matcher && !matcher->matches(labels))
      out.invalid("spec.template.metadata.labels", labels.is_null() ? Value(base::Object{}) : labels,
                  std::string("`selector` does not match template `labels`"));
  }
  const int64_t completions = spec["completions"].int_or(0);
  if (!is_indexed(spec) || completions <= 0) return;
  const std::string host = fmt::format("{}-{}", name_of(job), completions - 1);
  if (!base::check_dns1123_label(host).empty())
    out.invalid("metadata.name", name_of(job), fmt::format("will not able to create pod with invalid DNS label: {}", host));
}

void check_job_update(Problems& out, const Value& fresh, const Value& old) {
  const Value &now = fresh["spec"], &before = old["spec"];
  if (now["completions"] != before["completions"]) {
    if (!is_indexed(now)) {
      out.immutable("spec.completions", now["completions"], before["completions"]);
    } else if (now["completions"] != now["parallelism"]) {
      out.invalid("spec.completions", now["completions"], std::string("can only be modified in tandem with spec.parallelism"));
    }
  }
  out.immutable("spec.selector", now["selector"], before["selector"]);
  const bool waits = before["suspend"].as_bool() && old["status"]["startTime"].is_null();
  Value allowed = waits ? with_scheduling_of(before["template"], now["template"]) : before["template"];
  out.immutable("spec.template", now["template"], allowed);
  for (const char* member : {"completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"})
    out.immutable(child("spec", member), now[member], before[member]);
}

void check_job_status(Problems& out, const Value& fresh, const Value& /*old*/) {
  check_counts(out, fresh["status"], {"active", "succeeded", "failed", "ready", "terminating"});
}

void check_cron_job(Problems& out, const Value& object) {
  const Value &spec = object["spec"], &job = spec["jobTemplate"]["spec"];
  const std::string path = "spec.jobTemplate.spec";
  if (name_of(object).size() > kMaxCronName)
    out.invalid("metadata.name", name_of(object), fmt::format("must be no more than {} characters", kMaxCronName));
  check_schedule(out, spec, "spec");
  out.nonnegative("spec.startingDeadlineSeconds", spec["startingDeadlineSeconds"]);
  out.one_of("spec.concurrencyPolicy", spec["concurrencyPolicy"], {"Allow", "Forbid", "Replace"});
  check_job_spec(out, job, path);
  if (!job["selector"].is_null())
    out.invalid(child(path, "selector"), job["selector"], std::string("`selector` will be auto-generated"));
  if (job["manualSelector"].as_bool())
    out.unsupported(child(path, "manualSelector"), job["manualSelector"], {"nil", "false"});
  out.nonnegative("spec.successfulJobsHistoryLimit", spec["successfulJobsHistoryLimit"]);
  out.nonnegative("spec.failedJobsHistoryLimit", spec["failedJobsHistoryLimit"]);
}

}  // namespace api::rules
