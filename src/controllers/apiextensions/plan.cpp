#include "controllers/apiextensions/plan.hpp"

#include <algorithm>

#include "api/custom/definition.hpp"
#include "api/meta.hpp"

namespace controllers {

using base::Value;

namespace {

constexpr std::string_view kTerminating = "Terminating";

}  // namespace

bool awaits_cleanup(const Value& definition) {
  const auto finalizers = api::finalizers_of(definition);
  return api::is_being_deleted(definition) &&
         std::ranges::find(finalizers, api::kCustomObjectsFinalizer) != finalizers.end();
}

bool was_established(const Value& definition) {
  return std::ranges::any_of(definition.at({"status", "conditions"}).as_array(), [](const Value& condition) {
    return condition["type"].as_string() == "Established" && condition["status"].as_string() == "True";
  });
}

std::optional<client::Resource> objects_of(const Value& definition) {
  const Value& spec = definition["spec"];
  const Value* best = nullptr;
  for (const Value& version : spec["versions"].as_array()) {
    if (!version["served"].as_bool()) continue;
    if (!best || version["storage"].as_bool()) best = &version;
  }
  if (!best) return std::nullopt;
  std::string_view plural = definition.at({"status", "acceptedNames", "plural"}).as_string();
  if (plural.empty()) plural = spec["names"]["plural"].as_string();
  return client::Resource{std::string(spec["group"].as_string()), std::string((*best)["name"].as_string()),
                          std::string(plural)};
}

bool set_termination(Value& definition, const Termination& termination, base::Time now) {
  const std::string_view status = termination.over ? "False" : "True";
  Value& conditions = definition.make({"status", "conditions"});
  if (!conditions.is_array()) conditions = base::Array();
  Value next = base::Object{{"type", kTerminating},
                            {"status", status},
                            {"lastTransitionTime", base::format_time(now)},
                            {"reason", termination.reason},
                            {"message", termination.message}};
  for (Value& condition : conditions.array()) {
    if (condition["type"].as_string() != kTerminating) continue;
    if (condition["status"].as_string() == status)
      next.object().set("lastTransitionTime", condition["lastTransitionTime"]);
    if (condition == next) return false;
    condition = std::move(next);
    return true;
  }
  conditions.array().push_back(std::move(next));
  return true;
}

void remove_cleanup_finalizer(Value& definition) {
  auto finalizers = api::finalizers_of(definition);
  std::erase(finalizers, api::kCustomObjectsFinalizer);
  api::set_finalizers(definition, finalizers);
}

}  // namespace controllers
