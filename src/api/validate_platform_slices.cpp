// Rules for resource slices: what drivers say of their devices.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "api/validate_platform.hpp"
#include "base/quantity.hpp"
#include "base/strings.hpp"

namespace api::rules {

namespace {

constexpr size_t kMaxDevices = 128, kMaxAdvancedDevices = 64, kMaxProperties = 32, kMaxTaints = 16;
constexpr size_t kMaxCounterSets = 8, kMaxCounters = 32, kMaxConsumptions = 2, kMaxConditions = 4;
constexpr size_t kMaxValue = 64, kMaxOptions = 10, kMaxPool = 253;

using base::Quantity;

Quantity amount_of(const Value& value) { return Quantity::parse(value.as_string()).value_or(Quantity()); }

// major.minor.patch with the parts for previews and builds, as semver.org has it.
bool is_semver(std::string_view text) {
  const auto parts_fit = [](std::string_view parts, bool zeros) {
    for (const auto& part : base::split(parts, '.')) {
      const bool digits = std::ranges::all_of(part, [](char c) { return c >= '0' && c <= '9'; });
      const bool fits = std::ranges::all_of(part, [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
      });
      if (part.empty() || !fits || (!zeros && digits && part.size() > 1 && part[0] == '0')) return false;
    }
    return true;
  };
  if (const size_t plus = text.find('+'); plus != std::string_view::npos) {
    if (!parts_fit(text.substr(plus + 1), true)) return false;
    text = text.substr(0, plus);
  }
  if (const size_t dash = text.find('-'); dash != std::string_view::npos) {
    if (!parts_fit(text.substr(dash + 1), false)) return false;
    text = text.substr(0, dash);
  }
  const auto numbers = base::split(text, '.');
  return numbers.size() == 3 && parts_fit(text, false) &&
         std::ranges::all_of(text, [](char c) { return c == '.' || (c >= '0' && c <= '9'); });
}

void check_text_value(Problems& out, const Value& value, const std::string& path, bool version) {
  if (version && !is_semver(value.as_string()))
    out.invalid(path, value, std::string("must be a string compatible with semver.org spec 2.0.0"));
  check_too_long(out, path, value.as_string(), kMaxValue);
}

void check_attribute(Problems& out, const Value& attribute, const std::string& at) {
  int values = 0;
  for (const char* member : {"bool", "int", "string", "version", "bools", "ints", "strings", "versions"}) {
    const Value& value = attribute[member];
    if (value.is_null()) continue;
    ++values;
    const bool version = std::string_view(member).starts_with("version");
    if (value.is_string()) check_text_value(out, value, child(at, member), version);
    const auto& list = value.as_array();
    for (size_t i = 0; i < list.size(); ++i)
      if (list[i].is_string()) check_text_value(out, list[i], index(child(at, member), i), version);
  }
  if (values != 1)
    out.invalid(at, values == 0 ? Value("") : attribute, std::string("exactly one value must be specified"));
}

void check_options(Problems& out, const Value& policy, const Quantity& whole, const std::string& at) {
  const auto& options = policy["validValues"].as_array();
  if (options.size() > kMaxOptions) {
    out.too_many(at, options.size(), kMaxOptions);
    return;
  }
  const Quantity standard = amount_of(policy["default"]);
  bool found = false;
  for (size_t i = 0; i < options.size(); ++i) {
    const Quantity option = amount_of(options[i]);
    if (i > 0 && amount_of(options[i - 1]) > option)
      out.invalid(index(at, i), options[i], std::string("values must be sorted in ascending order"));
    if (option > whole)
      out.invalid(index(at, i), options[i],
                  fmt::format("option is larger than capacity value: {}", whole.text()));
    found = found || option == standard;
  }
  if (!found)
    out.invalid(at, policy["default"],
                std::string("default value is not valid according to the requestPolicy"));
}

void check_step(Problems& out, const Value& value, const Value& range, const std::string& at) {
  const int64_t step = amount_of(range["step"]).value();
  const int64_t distance = amount_of(value).value() - amount_of(range["min"]).value();
  if (step == 0 || distance % step != 0)
    out.invalid(at, value,
                fmt::format("value is not a multiple of a given step ({}) from ({})",
                            amount_of(range["step"]).text(), amount_of(range["min"]).text()));
}

void check_range(Problems& out, const Value& policy, const Quantity& whole, const std::string& at) {
  const Value& range = policy["validRange"];
  if (range["min"].is_null()) {
    out.required(child(at, "min"), "required when validRange is defined");
    return;
  }
  const Quantity min = amount_of(range["min"]), standard = amount_of(policy["default"]);
  if (min > whole)
    out.invalid(child(at, "min"), range["min"],
                fmt::format("min is larger than capacity value: {}", whole.text()));
  if (standard < min)
    out.invalid(child(at, "min"), policy["default"], fmt::format("default is less than min: {}", min.text()));
  if (!range["max"].is_null()) {
    const Quantity max = amount_of(range["max"]);
    if (min > max)
      out.invalid(child(at, "max"), range["min"], fmt::format("min is larger than max: {}", max.text()));
    if (max > whole)
      out.invalid(child(at, "max"), range["max"],
                  fmt::format("max is larger than capacity value: {}", whole.text()));
    if (standard > max)
      out.invalid(child(at, "max"), policy["default"],
                  fmt::format("default is more than max: {}", max.text()));
  }
  if (range["step"].is_null()) return;
  const Quantity one = min + amount_of(range["step"]);
  if (one > whole)
    out.invalid(child(at, "step"), range["step"],
                fmt::format("one step {} is larger than capacity value: {}", one.text(), whole.text()));
  check_step(out, policy["default"], range, child(at, "step"));
  if (!range["max"].is_null()) check_step(out, range["max"], range, child(at, "step"));
}

void check_capacity(Problems& out, const Value& capacity, const std::string& path, bool shared) {
  const Value& policy = capacity["requestPolicy"];
  const std::string at = child(path, "requestPolicy");
  if (!policy.is_object()) return;
  if (!shared) {
    out.forbidden(at, "allowMultipleAllocations must be true");
    return;
  }
  const bool options = !policy["validValues"].as_array().empty(), range = policy["validRange"].is_object();
  if (options && range)
    out.forbidden(at,
                  "exactly one policy can be specified, cannot specify \"validValues\" and \"validRange\" at "
                  "the same time");
  else if ((options || range) && policy["default"].is_null())
    out.required(child(at, "default"),
                 fmt::format("required when {} is defined", options ? "validValues" : "validRange"));
  else if (options)
    check_options(out, policy, amount_of(capacity["value"]), child(at, "validValues"));
  else if (range)
    check_range(out, policy, amount_of(capacity["value"]), child(at, "validRange"));
}

void check_counters(Problems& out, const Value& of, const std::string& at, const char* name_member) {
  if (of[name_member].as_string().empty())
    out.required(child(at, name_member));
  else
    out.dns_label(child(at, name_member), of[name_member]);
  const auto& counters = of["counters"].as_object();
  const std::string path = child(at, "counters");
  if (counters.empty())
    out.required(path);
  else if (counters.size() > kMaxCounters)
    out.too_many(path, counters.size(), kMaxCounters);
  else
    for (const auto& [name, counter] : counters) out.dns_label(key(path, name), name);
}

void check_counter_list(Problems& out, const Value& list, const std::string& path, const char* name_member,
                        size_t max) {
  const auto& items = list.as_array();
  if (items.size() > max) {
    out.too_many(path, items.size(), max);
    return;
  }
  std::set<std::string, std::less<>> seen;
  for (size_t i = 0; i < items.size(); ++i) {
    check_counters(out, items[i], index(path, i), name_member);
    if (!seen.emplace(items[i][name_member].as_string()).second)
      out.duplicate(index(path, i), items[i][name_member].as_string());
  }
}

void check_taints(Problems& out, const Value& taints, const std::string& path) {
  const auto& list = taints.as_array();
  if (list.size() > kMaxTaints) {
    out.too_many(path, list.size(), kMaxTaints);
    return;
  }
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string at = index(path, i);
    out.qualified_name(child(at, "key"), list[i]["key"].as_string());
    out.invalid(child(at, "value"), list[i]["value"].as_string(),
                base::check_label_value(list[i]["value"].as_string()));
    out.one_of(child(at, "effect"), list[i]["effect"], {"NoExecute", "NoSchedule", "None"});
  }
}

// Which of nodeName, nodeSelector, allNodes and `more` are set, in their quotes; what is wrong with each is
// noted.
std::vector<std::string> places_of(Problems& out, const Value& of, const std::string& at, const char* more,
                                   const char* empty_name) {
  std::vector<std::string> set;
  if (const Value& name = of["nodeName"]; name.is_string()) {
    if (name.as_string().empty()) {
      out.invalid(child(at, "nodeName"), name, std::string(empty_name));
    } else {
      set.emplace_back("`nodeName`");
      out.dns_subdomain(child(at, "nodeName"), name);
    }
  }
  if (const Value& selector = of["nodeSelector"]; selector.is_object()) {
    set.emplace_back("`nodeSelector`");
    check_node_terms(out, selector, child(at, "nodeSelector"));
  }
  for (const char* member : {"allNodes", more}) {
    if (member == nullptr || of[member].is_null()) continue;
    if (of[member].as_bool())
      set.push_back(fmt::format("`{}`", member));
    else
      out.invalid(child(at, member), of[member], std::string("must be either unset or set to true"));
  }
  return set;
}

void check_device_place(Problems& out, const Value& device, const std::string& at, bool per_device) {
  if (!per_device) {
    if (device["nodeName"].is_null() && device["nodeSelector"].is_null() && device["allNodes"].is_null())
      return;
    out.invalid(
        at, Value(),
        std::string(
            "`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set "
            "to true in the ResourceSlice spec"));
    return;
  }
  const auto set = places_of(out, device, at, nullptr, "must not be empty");
  const std::string one =
      "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is "
      "set to true "
      "in the ResourceSlice spec";
  if (set.empty())
    out.required(at, one);
  else if (set.size() > 1)
    out.invalid(at, "{" + base::join(set, ", ") + "}", one);
}

void check_device(Problems& out, const Value& device, const std::string& at, bool per_device) {
  out.dns_label(child(at, "name"), device["name"].as_string());
  const auto& attributes = device["attributes"].as_object();
  const auto& capacity = device["capacity"].as_object();
  if (attributes.size() + capacity.size() > kMaxProperties)
    out.invalid(
        at, static_cast<int64_t>(attributes.size() + capacity.size()),
        fmt::format("the total number of attributes and capacities must not exceed {}", kMaxProperties));
  for (const auto& [name, attribute] : attributes) {
    const std::string path = key(child(at, "attributes"), name);
    check_attribute_name(out, path, name, false);
    check_attribute(out, attribute, path);
  }
  for (const auto& [name, amount] : capacity) {
    const std::string path = key(child(at, "capacity"), name);
    check_attribute_name(out, path, name, false);
    check_capacity(out, amount, path, device["allowMultipleAllocations"].as_bool());
  }
  check_taints(out, device["taints"], child(at, "taints"));
  check_counter_list(out, device["consumesCounters"], child(at, "consumesCounters"), "counterSet",
                     kMaxConsumptions);
  check_device_place(out, device, at, per_device);
  check_binding_conditions(out, device, at);
}

bool is_advanced(const Value& device) {
  return !device["taints"].as_array().empty() || !device["consumesCounters"].as_array().empty();
}

void check_devices(Problems& out, const Value& spec) {
  const std::string path = "spec.devices";
  const auto& devices = spec["devices"].as_array();
  const size_t max = std::ranges::any_of(devices, is_advanced) ? kMaxAdvancedDevices : kMaxDevices;
  if (devices.size() > max) {
    out.too_many(path, devices.size(), max);
    return;
  }
  std::set<std::string, std::less<>> names;
  for (size_t i = 0; i < devices.size(); ++i) {
    check_device(out, devices[i], index(path, i), spec["perDeviceNodeSelection"].as_bool());
    if (!names.emplace(devices[i]["name"].as_string()).second)
      out.duplicate(index(path, i), devices[i]["name"].as_string());
  }
}

}  // namespace

void check_pool_name(Problems& out, const std::string& path, const Value& name) {
  if (name.as_string().empty()) {
    out.required(path);
    return;
  }
  check_too_long(out, path, name.as_string(), kMaxPool);
  for (const auto& part : base::split(name.as_string(), '/')) out.dns_subdomain(path, part);
}

void check_binding_conditions(Problems& out, const Value& of, const std::string& path) {
  const auto& wanted = of["bindingConditions"].as_array();
  const auto& failures = of["bindingFailureConditions"].as_array();
  for (const char* member : {"bindingConditions", "bindingFailureConditions"}) {
    const auto& list = of[member].as_array();
    const std::string at = child(path, member);
    if (list.size() > kMaxConditions) out.too_many(at, list.size(), kMaxConditions);
    for (size_t i = 0; i < list.size(); ++i) out.qualified_name(index(at, i), list[i].as_string());
  }
  if (wanted.empty() != failures.empty()) {
    const char* missing = wanted.empty() ? "bindingConditions" : "bindingFailureConditions";
    const char* given = wanted.empty() ? "bindingFailureConditions" : "bindingConditions";
    out.invalid(child(path, missing), Value(base::Array{}),
                fmt::format("{} are required to use {}", missing, given));
  }
}

void check_resource_slice(Problems& out, const Value& slice) {
  const Value& spec = slice["spec"];
  check_driver_name(out, "spec.driver", spec["driver"]);
  check_pool_name(out, "spec.pool.name", spec["pool"]["name"]);
  if (const int64_t count = spec["pool"]["resourceSliceCount"].int_or(0); count <= 0)
    out.invalid("spec.pool.resourceSliceCount", count, std::string("must be greater than zero"));
  if (spec["pool"]["generation"].int_or(0) < 0)
    out.invalid("spec.pool.generation", spec["pool"]["generation"],
                std::string("must be greater than or equal to zero"));
  const auto set = places_of(out, spec, "spec", "perDeviceNodeSelection",
                             "must be either unset or set to a non-empty string");
  const Value& terms = spec["nodeSelector"]["nodeSelectorTerms"];
  if (spec["nodeSelector"].is_object() && terms.as_array().size() != 1)
    out.invalid("spec.nodeSelector.nodeSelectorTerms", terms,
                std::string("must have exactly one node selector term"));
  const std::string one =
      "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required";
  if (set.empty())
    out.required("spec", one);
  else if (set.size() > 1)
    out.invalid("spec", "{" + base::join(set, ", ") + "}", one + ", but multiple fields are set");
  if (!spec["sharedCounters"].as_array().empty() && !spec["devices"].as_array().empty())
    out.invalid("spec", "", std::string("only one of `sharedCounters` or `devices` is allowed"));
  check_devices(out, spec);
  check_counter_list(out, spec["sharedCounters"], "spec.sharedCounters", "name", kMaxCounterSets);
}

void check_resource_slice_update(Problems& out, const Value& fresh, const Value& old) {
  const Value& now = fresh["spec"];
  const Value& before = old["spec"];
  out.immutable("spec.pool.name", now["pool"]["name"], before["pool"]["name"]);
  out.immutable("spec.driver", now["driver"], before["driver"]);
  out.immutable("spec.nodeName", now["nodeName"], before["nodeName"]);
}

}  // namespace api::rules
