// pods/eviction: a deletion that the pod's disruption budget must allow. Budget and pod are decided on in one
// transaction, so two evictions never share one allowed disruption.
//
// Source: the eviction API of policy/v1; the texts are upstream's, which drain and autoscalers show.
#include <algorithm>

#include <fmt/format.h>

#include "api/meta.hpp"
#include "api/selectors.hpp"
#include "api/status.hpp"
#include "base/json.hpp"
#include "server/writing.hpp"

namespace server {

namespace {

constexpr size_t kMaxDisrupted = 2000;
constexpr int kProcessingSeconds = 10;
constexpr std::string_view kTooMany = "Cannot evict pod as it would violate the pod's disruption budget.";
constexpr std::string_view kMoreThanOne =
    "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";

struct Request {
  DeleteOptions options;
  std::string namespace_;
  std::string name;
};

// Sets the condition of that type, or adds it.
void set_condition(base::Value& list, base::Object condition) {
  if (!list.is_array()) list = base::Array{};
  for (auto& known : list.array()) {
    if (known["type"] != *condition.find("type")) continue;
    if (known["status"] == *condition.find("status") && !known["lastTransitionTime"].is_null())
      condition.set("lastTransitionTime", known["lastTransitionTime"]);
    known = std::move(condition);
    return;
  }
  list.array().emplace_back(std::move(condition));
}

const base::Value& condition_of(const base::Value& object, std::string_view type) {
  static const base::Value kNone;
  for (const auto& one : object.at({"status", "conditions"}).as_array())
    if (one["type"].as_string() == type) return one;
  return kNone;
}

base::Error too_many(int retry_after_seconds, std::string cause) {
  auto error = api::too_many_requests(std::string(kTooMany), retry_after_seconds);
  auto details = error.details ? std::make_shared<base::ErrorDetails>(*error.details)
                               : std::make_shared<base::ErrorDetails>();
  details->causes.push_back({"DisruptionBudget", std::move(cause), ""});
  error.details = std::move(details);
  return error;
}

// Pods that serve nobody, or go anyway, need no budget.
bool needs_no_budget(const base::Value& pod) {
  const auto phase = pod.at({"status", "phase"}).as_string();
  return phase == "Succeeded" || phase == "Failed" || phase == "Pending" || api::is_being_deleted(pod);
}

base::Result<std::vector<std::pair<store::EntryPtr, base::Value>>> budgets_of(Writing& writing, const Resource& budgets,
                                                                              const base::Value& pod) {
  std::vector<std::pair<store::EntryPtr, base::Value>> found;
  base::Result<void> result;
  writing.context.txn.scan(budgets.prefix_of(api::namespace_of(pod)), [&](const store::EntryPtr& entry) {
    auto budget = parse_stored(*entry);
    if (!budget) {
      result = std::unexpected(budget.error());
      return false;
    }
    const base::Value& wanted = budget->at({"spec", "selector"});
    auto selector = api::LabelSelector::from_object(wanted);
    if (wanted.is_object() && selector && selector->matches(api::labels_of(pod)))
      found.emplace_back(entry, std::move(*budget));
    return true;
  });
  CHECK_OK(std::move(result));
  return found;
}

// An unready pod may go when the budget says so, or when enough others are healthy: it was not counted.
bool may_go_uncounted(const base::Value& pod, const base::Value& budget) {
  if (condition_of(pod, "Ready")["status"].as_string() == "True") return false;
  if (budget.at({"spec", "unhealthyPodEvictionPolicy"}).as_string() == "AlwaysAllow") return true;
  const int64_t desired = budget.at({"status", "desiredHealthy"}).int_or(0);
  return desired > 0 && budget.at({"status", "currentHealthy"}).int_or(0) >= desired;
}

base::Result<void> check_budget(const base::Value& budget) {
  const std::string name(api::name_of(budget));
  const base::Value& status = budget["status"];
  if (status["observedGeneration"].int_or(0) < api::generation_of(budget)) {
    return std::unexpected(too_many(
        kProcessingSeconds, fmt::format("The disruption budget {} is still being processed by the server.", name)));
  }
  const int64_t allowed = status["disruptionsAllowed"].int_or(0);
  if (allowed < 0) {
    return std::unexpected(
        api::forbidden("poddisruptionbudget.policy", name, "pdb disruptions allowed is negative"));
  }
  if (status["disruptedPods"].as_object().size() > kMaxDisrupted) {
    return std::unexpected(
        api::forbidden("poddisruptionbudget.policy", name,
                       "DisruptedPods map too big - too many evictions not confirmed by PDB controller"));
  }
  if (allowed > 0) return {};
  const auto& condition = condition_of(budget, "DisruptionAllowed");
  if (condition["status"].as_string() == "False" && condition["reason"].as_string() == "SyncFailed") {
    return std::unexpected(too_many(
        0, fmt::format("The disruption budget {} does not allow evicting pods currently because it failed sync: {}",
                       name, condition["message"].as_string())));
  }
  return std::unexpected(too_many(
      0, fmt::format("The disruption budget {} needs {} healthy pods and has {} currently", name,
                     status["desiredHealthy"].int_or(0), status["currentHealthy"].int_or(0))));
}

// Takes one allowed disruption for the pod.
void spend(Writing& writing, const Resource& budgets, const store::EntryPtr& entry, base::Value budget,
           const std::string& pod) {
  const int64_t left = budget.at({"status", "disruptionsAllowed"}).int_or(0) - 1;
  const std::string now = base::format_time(writing.context.now);
  base::Value& status = budget.make({"status"});
  status.object().set("disruptionsAllowed", left);
  if (left == 0) {
    set_condition(status.make({"conditions"}),
                  base::Object{{"type", "DisruptionAllowed"},
                               {"status", "False"},
                               {"observedGeneration", status["observedGeneration"].int_or(0)},
                               {"lastTransitionTime", now},
                               {"reason", "InsufficientPods"},
                               {"message", ""}});
  }
  status.make({"disruptedPods"}).object().set(pod, now);
  Writing own{.core = writing.core, .resource = budgets, .context = writing.context};
  put_object(own, entry->key, std::move(budget));
}

// The pod as it goes: with the condition that says why.
store::EntryPtr mark_disrupted(const Writing& writing, const store::EntryPtr& entry, base::Value pod) {
  if (api::is_being_deleted(pod)) return entry;
  base::Object condition{{"type", "DisruptionTarget"},
                         {"status", "True"},
                         {"lastTransitionTime", base::format_time(writing.context.now)},
                         {"reason", "EvictionByEvictionAPI"},
                         {"message", "Eviction API: evicting"}};
  set_condition(pod.make({"status", "conditions"}), std::move(condition));
  auto marked = std::make_shared<store::Entry>(*entry);
  marked->value = encode_object(pod);
  marked->parsed = nullptr;
  return marked;
}

Answer status_answer(int code, base::Object status) {
  status.set("kind", "Status");
  status.set("apiVersion", "v1");
  status.set("metadata", base::Object{});
  status.set("code", code);
  return {code, encode_object(status), true};
}

base::Result<Answer> evict(Writing& writing, const Request& request) {
  TRY(auto entry, current_of(writing, writing.resource.key(request.namespace_, request.name), request.name));
  TRY(auto pod, parse_stored(*entry));
  auto budgets = writing.core.find("policy", "v1", "poddisruptionbudgets");
  if (budgets && !needs_no_budget(pod)) {
    TRY(auto found, budgets_of(writing, *budgets, pod));
    if (found.size() > 1) return status_answer(500, base::Object{{"status", "Failure"}, {"message", kMoreThanOne}});
    if (found.size() == 1 && !may_go_uncounted(pod, found[0].second)) {
      CHECK_OK(check_budget(found[0].second));
      spend(writing, *budgets, found[0].first, std::move(found[0].second), request.name);
    }
  }
  CHECK_OK(delete_object(writing, mark_disrupted(writing, entry, std::move(pod)), request.options));
  return status_answer(201, base::Object{{"status", "Success"}});
}

base::Result<Request> read_request(Core& core, const Exchange& exchange, std::vector<std::string>& warnings) {
  auto catalog = core.catalog();
  auto kind = catalog->registry().find_kind("policy/v1", "Eviction");
  if (!kind) return base::fail(base::Reason::internal_error, "this binary has no schema of policy/v1 Eviction");
  TRY(auto options, parse_write_options(exchange.request.query, "CreateOptions"));
  TRY(auto body, read_body(*kind, exchange));
  TRY(auto eviction, read_object(core, *kind, std::move(body), options.validation, warnings));
  const auto& route = exchange.route;
  if (const auto name = api::name_of(eviction); !name.empty() && name != route.name)
    return std::unexpected(api::bad_request("name in URL does not match name in Eviction object"));
  if (const auto space = api::namespace_of(eviction); !space.empty() && space != route.namespace_) {
    return std::unexpected(api::bad_request(
        "the namespace of the provided object does not match the namespace sent on the request"));
  }
  Request request{{}, route.namespace_, route.name};
  if (const base::Value& how = eviction["deleteOptions"]; how.is_object()) {
    TRY(request.options, parse_delete_options(net::Query(), how));
  }
  request.options.dry_run = request.options.dry_run || options.dry_run;
  return request;
}

}  // namespace

void serve_eviction(Core& core, const ExchangePtr& exchange, const Resource& resource) {
  std::vector<std::string> warnings;
  auto request = read_request(core, *exchange, warnings);
  if (!request) return exchange->fail(request.error());
  exchange->warn(warnings);
  const bool dry_run = request->options.dry_run;
  submit_write(core, exchange, resource, dry_run,
               [request = std::move(*request)](Writing& writing) { return evict(writing, request); });
}

}  // namespace server
