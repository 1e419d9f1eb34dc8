// Rules for device classes, resource claims and their templates. CEL expressions are not compiled here: only
// their length is checked.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "api/validate_platform.hpp"
#include "base/json.hpp"
#include "base/strings.hpp"

namespace api::rules {

namespace {

constexpr size_t kMaxExpression = 10u << 10, kMaxParameters = 10u << 10;
constexpr size_t kMaxSelectors = 32, kMaxRequests = 32, kMaxChoices = 8, kMaxConsumers = 256, kMaxIps = 16;
constexpr size_t kMaxIdentifier = 32, kMaxInterface = 256, kMaxHardware = 128, kMaxConditions = 8;
constexpr const char* kRequestReference =
    "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";

bool too_many(Problems& out, const Value& list, const std::string& path, size_t max) {
  if (list.as_array().size() <= max) return false;
  out.too_many(path, list.as_array().size(), max);
  return true;
}

void check_unique(Problems& out, const Value& list, const std::string& path, const char* member) {
  std::set<std::string, std::less<>> seen;
  const auto& items = list.as_array();
  for (size_t i = 0; i < items.size(); ++i) {
    const Value& own = member ? items[i][member] : items[i];
    if (!seen.emplace(own.as_string()).second) out.duplicate(index(path, i), own.as_string());
  }
}

// "train", "train/large" -> whether the claim has it.
using RequestNames = std::map<std::string, std::set<std::string, std::less<>>, std::less<>>;

RequestNames names_of_requests(const Value& claim_devices) {
  RequestNames out;
  for (const auto& request : claim_devices["requests"].as_array()) {
    auto& choices = out[std::string(request["name"].as_string())];
    for (const auto& choice : request["firstAvailable"].as_array())
      choices.emplace(choice["name"].as_string());
  }
  return out;
}

void check_reference(Problems& out, const Value& name, const std::string& path, const RequestNames& known) {
  const auto pieces = base::split(name.as_string(), '/');
  bool found = pieces.size() <= 2;
  for (size_t i = 0; found && i < pieces.size(); ++i) out.dns_label(path, pieces[i]);
  if (found) {
    const auto request = known.find(pieces[0]);
    found = request != known.end() && (pieces.size() == 1 || request->second.contains(pieces[1]));
  }
  if (!found) out.invalid(path, name, std::string(kRequestReference));
}

void check_references(Problems& out, const Value& names, const std::string& path, const RequestNames& known) {
  if (too_many(out, names, path, kMaxRequests)) return;
  for (size_t i = 0; i < names.as_array().size(); ++i)
    check_reference(out, names.as_array()[i], index(path, i), known);
  check_unique(out, names, path, nullptr);
}

void check_object_of_driver(Problems& out, const Value& value, const std::string& path, size_t max) {
  if (value.is_null())
    out.required(path);
  else if (base::write_json(value).size() > max)
    out.add(too_long_field(path, max));
  else if (!value.is_object())
    out.invalid(path, "<value omitted>", std::string("must be a valid JSON object"));
}

void check_configuration(Problems& out, const Value& config, const std::string& path) {
  const Value& opaque = config["opaque"];
  const std::string at = child(path, "opaque");
  if (!opaque.is_object()) {
    out.required(at);
    return;
  }
  check_driver_name(out, child(at, "driver"), opaque["driver"]);
  check_object_of_driver(out, opaque["parameters"], child(at, "parameters"), kMaxParameters);
}

void check_selectors(Problems& out, const Value& selectors, const std::string& path) {
  if (too_many(out, selectors, path, kMaxSelectors)) return;
  const auto& list = selectors.as_array();
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string at = child(index(path, i), "cel");
    if (!list[i]["cel"].is_object())
      out.required(at);
    else
      check_too_long(out, child(at, "expression"), list[i]["cel"]["expression"].as_string(), kMaxExpression);
  }
}

void check_device_tolerations(Problems& out, const Value& tolerations, const std::string& path) {
  const auto& list = tolerations.as_array();
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string at = index(path, i);
    std::string_view taint = list[i]["key"].as_string(), op = list[i]["operator"].as_string();
    if (!taint.empty()) out.qualified_name(child(at, "key"), taint);
    if (op == "Exists") {
      if (!list[i]["value"].as_string().empty())
        out.invalid(child(at, "value"), list[i]["value"], std::string("must be empty for operator `Exists`"));
    } else if (op == "Equal") {
      out.invalid(child(at, "value"), list[i]["value"].as_string(),
                  base::check_label_value(list[i]["value"].as_string()));
    } else if (op.empty()) {
      out.required(child(at, "operator"));
    } else {
      out.unsupported(child(at, "operator"), op, {"Equal", "Exists"});
    }
    out.one_of(child(at, "effect"), list[i]["effect"], {"NoExecute", "NoSchedule", "None"}, false);
  }
}

void check_wish(Problems& out, const Value& request, const std::string& at) {
  if (request["deviceClassName"].as_string().empty())
    out.required(child(at, "deviceClassName"));
  else
    out.dns_subdomain(child(at, "deviceClassName"), request["deviceClassName"]);
  check_selectors(out, request["selectors"], child(at, "selectors"));
  std::string_view mode = request["allocationMode"].as_string();
  const int64_t count = request["count"].int_or(0);
  if (mode == "All") {
    if (count != 0)
      out.invalid(child(at, "count"), count,
                  std::string("must not be specified when allocationMode is 'All'"));
  } else if (mode == "ExactCount") {
    if (count <= 0) out.invalid(child(at, "count"), count, std::string("must be greater than zero"));
  } else {
    out.unsupported(child(at, "allocationMode"), mode, {"All", "ExactCount"});
  }
  check_device_tolerations(out, request["tolerations"], child(at, "tolerations"));
  for (const auto& [name, amount] : request["capacity"]["requests"].as_object())
    check_attribute_name(out, key(child(at, "capacity.requests"), name), name, false);
}

void check_request(Problems& out, const Value& request, const std::string& at) {
  out.dns_label(child(at, "name"), request["name"].as_string());
  const std::string choices_at = child(at, "firstAvailable");
  const auto& choices = request["firstAvailable"].as_array();
  const bool exactly = request["exactly"].is_object();
  if (!exactly && choices.empty()) {
    out.required(at, "exactly one of `exactly` or `firstAvailable` is required");
  } else if (exactly && !choices.empty()) {
    out.invalid(
        at, Value(),
        std::string("exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set"));
  } else if (exactly) {
    check_wish(out, request["exactly"], child(at, "exactly"));
  } else if (!too_many(out, request["firstAvailable"], choices_at, kMaxChoices)) {
    for (size_t i = 0; i < choices.size(); ++i) {
      out.dns_label(child(index(choices_at, i), "name"), choices[i]["name"].as_string());
      check_wish(out, choices[i], index(choices_at, i));
    }
    check_unique(out, request["firstAvailable"], choices_at, "name");
  }
}

void check_constraint(Problems& out, const Value& constraint, const std::string& at,
                      const RequestNames& known) {
  check_references(out, constraint["requests"], child(at, "requests"), known);
  const Value& same = constraint["matchAttribute"];
  const Value& distinct = constraint["distinctAttribute"];
  if (same.is_string())
    check_attribute_name(out, child(at, "matchAttribute"), same.as_string(), true);
  else if (distinct.is_string())
    check_attribute_name(out, child(at, "distinctAttribute"), distinct.as_string(), true);
  else
    out.required(child(at, "matchAttribute"));
}

void check_claim_spec(Problems& out, const Value& spec, const std::string& path) {
  const Value& devices = spec["devices"];
  const std::string at = child(path, "devices");
  const RequestNames known = names_of_requests(devices);
  if (const std::string here = child(at, "requests");
      !too_many(out, devices["requests"], here, kMaxRequests)) {
    const auto& list = devices["requests"].as_array();
    for (size_t i = 0; i < list.size(); ++i) check_request(out, list[i], index(here, i));
    check_unique(out, devices["requests"], here, "name");
  }
  if (const std::string here = child(at, "constraints"); !too_many(out, devices["constraints"], here, 32)) {
    const auto& list = devices["constraints"].as_array();
    for (size_t i = 0; i < list.size(); ++i) check_constraint(out, list[i], index(here, i), known);
  }
  if (const std::string here = child(at, "config"); !too_many(out, devices["config"], here, 32)) {
    const auto& list = devices["config"].as_array();
    for (size_t i = 0; i < list.size(); ++i) {
      check_references(out, list[i]["requests"], child(index(here, i), "requests"), known);
      check_configuration(out, list[i], index(here, i));
    }
  }
}

// ---- status
// -------------------------------------------------------------------------------------------------------

void check_uuid(Problems& out, const Value& uid, const std::string& path) {
  std::string_view text = uid.as_string();
  bool fits = text.size() == 36;
  for (size_t i = 0; fits && i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    const bool digit = (text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f');
    fits = dash ? text[i] == '-' : digit;
  }
  if (!fits)
    out.invalid(
        path, uid,
        std::string("uid must be in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with "
                    "lowercase hexadecimal characters"));
}

std::string device_id(const Value& device) {
  std::string out = fmt::format("{}/{}/{}", device["driver"].as_string(), device["pool"].as_string(),
                                device["device"].as_string());
  if (device["shareID"].is_string()) out += fmt::format("/{}", device["shareID"].as_string());
  return out;
}

void check_result(Problems& out, const Value& result, const std::string& at, const RequestNames& known) {
  check_reference(out, result["request"], child(at, "request"), known);
  check_driver_name(out, child(at, "driver"), result["driver"]);
  check_pool_name(out, child(at, "pool"), result["pool"]);
  out.dns_label(child(at, "device"), result["device"].as_string());
  check_binding_conditions(out, result, at);
  check_device_tolerations(out, result["tolerations"], child(at, "tolerations"));
  if (result["shareID"].is_string()) check_uuid(out, result["shareID"], child(at, "shareID"));
}

void check_allocation(Problems& out, const Value& allocation, const RequestNames& known) {
  const std::string at = "status.allocation";
  const Value& devices = allocation["devices"];
  if (const std::string here = child(at, "devices.results"); !too_many(out, devices["results"], here, 32)) {
    const auto& list = devices["results"].as_array();
    for (size_t i = 0; i < list.size(); ++i) check_result(out, list[i], index(here, i), known);
  }
  if (const std::string here = child(at, "devices.config"); !too_many(out, devices["config"], here, 64)) {
    const auto& list = devices["config"].as_array();
    for (size_t i = 0; i < list.size(); ++i) {
      const std::string one = index(here, i);
      out.one_of(child(one, "source"), list[i]["source"], {"FromClaim", "FromClass"});
      check_references(out, list[i]["requests"], child(one, "requests"), known);
      check_configuration(out, list[i], one);
    }
  }
  if (allocation["nodeSelector"].is_object())
    check_node_terms(out, allocation["nodeSelector"], child(at, "nodeSelector"));
}

void check_network_data(Problems& out, const Value& data, const std::string& at) {
  if (!data.is_object()) return;
  check_too_long(out, child(at, "interfaceName"), data["interfaceName"].as_string(), kMaxInterface);
  check_too_long(out, child(at, "hardwareAddress"), data["hardwareAddress"].as_string(), kMaxHardware);
  if (!too_many(out, data["ips"], child(at, "ips"), kMaxIps))
    check_unique(out, data["ips"], child(at, "ips"), nullptr);
}

void check_device_status(Problems& out, const Value& device, const std::string& at, const Value& allocation) {
  check_driver_name(out, child(at, "driver"), device["driver"]);
  check_pool_name(out, child(at, "pool"), device["pool"]);
  out.dns_label(child(at, "device"), device["device"].as_string());
  if (device["shareID"].is_string()) check_uuid(out, device["shareID"], child(at, "shareID"));
  const std::string id = device_id(device);
  const auto& results = allocation["devices"]["results"].as_array();
  if (std::ranges::none_of(results, [&](const Value& result) { return device_id(result) == id; }))
    out.invalid(at, id, std::string("must be an allocated device in the claim"));
  too_many(out, device["conditions"], child(at, "conditions"), kMaxConditions);
  if (!device["data"].is_null())
    check_object_of_driver(out, device["data"], child(at, "data"), kMaxParameters);
  check_network_data(out, device["networkData"], child(at, "networkData"));
}

void check_consumers(Problems& out, const Value& fresh, const Value& old) {
  const std::string path = "status.reservedFor";
  const Value& consumers = fresh["status"]["reservedFor"];
  const auto& list = consumers.as_array();
  if (!too_many(out, consumers, path, kMaxConsumers)) {
    for (size_t i = 0; i < list.size(); ++i)
      for (const char* member : {"resource", "name", "uid"})
        if (list[i][member].as_string().empty()) out.required(child(index(path, i), member));
    check_unique(out, consumers, path, "uid");
  }
  if (list.empty()) return;
  if (!fresh["status"]["allocation"].is_object()) {
    out.forbidden(path, "may not be specified when `allocated` is not set");
    return;
  }
  if (fresh["metadata"]["deletionTimestamp"].is_null()) return;
  const auto& before = old["status"]["reservedFor"].as_array();
  if (std::ranges::any_of(list,
                          [&](const Value& one) { return std::ranges::find(before, one) == before.end(); }))
    out.forbidden(
        path, "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set");
}

bool is_extended_resource(std::string_view name) {
  const size_t slash = name.find('/');
  if (slash == std::string_view::npos || name.starts_with("requests.")) return false;
  std::string_view domain = name.substr(0, slash);
  if (domain == "kubernetes.io" || domain.ends_with(".kubernetes.io")) return false;
  return base::check_qualified_name("requests." + std::string(name)).empty();
}

}  // namespace

void check_attribute_name(Problems& out, const std::string& path, std::string_view name, bool needs_domain) {
  const auto check_identifier = [&](std::string_view id) {
    check_too_long(out, path, id, kMaxIdentifier);
    bool fits = !id.empty() && !(id[0] >= '0' && id[0] <= '9');
    for (char c : id)
      fits = fits && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_');
    if (!fits)
      out.invalid(
          path, id,
          std::string(
              "a valid C identifier must start with alphabetic character or '_', followed by a string of "
              "alphanumeric characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used "
              "for validation is '[A-Za-z_][A-Za-z0-9_]*')"));
  };
  const size_t slash = name.find('/');
  if (slash == std::string_view::npos) {
    check_identifier(name);
    if (needs_domain)
      out.invalid(path, name,
                  std::string("a fully qualified name must be a domain and a name separated by a slash"));
    return;
  }
  if (slash == 0)
    out.invalid(path, "", std::string("the domain must not be empty"));
  else
    check_driver_name(out, path, name.substr(0, slash));
  if (slash + 1 == name.size())
    out.invalid(path, "", std::string("the name must not be empty"));
  else
    check_identifier(name.substr(slash + 1));
}

void check_device_class(Problems& out, const Value& object) {
  const Value& spec = object["spec"];
  check_selectors(out, spec["selectors"], "spec.selectors");
  if (!too_many(out, spec["config"], "spec.config", 32)) {
    const auto& list = spec["config"].as_array();
    for (size_t i = 0; i < list.size(); ++i) check_configuration(out, list[i], index("spec.config", i));
  }
  const Value& extended = spec["extendedResourceName"];
  if (extended.is_string() && !is_extended_resource(extended.as_string()))
    out.invalid("spec.extendedResourceName", extended, std::string("must be a valid extended resource name"));
}

void check_resource_claim(Problems& out, const Value& claim) { check_claim_spec(out, claim["spec"], "spec"); }

void check_claim_template(Problems& out, const Value& object) {
  const Value& spec = object["spec"];
  out.labels("spec.metadata.labels", spec["metadata"]["labels"]);
  check_claim_spec(out, spec["spec"], "spec.spec");
}

void check_resource_claim_update(Problems& out, const Value& fresh, const Value& old) {
  out.immutable("spec", fresh["spec"], old["spec"]);
}

void check_resource_claim_status(Problems& out, const Value& fresh, const Value& old) {
  const Value& status = fresh["status"];
  const Value& before = old["status"]["allocation"];
  check_consumers(out, fresh, old);
  const auto& devices = status["devices"].as_array();
  std::set<std::string, std::less<>> seen;
  for (size_t i = 0; i < devices.size(); ++i) {
    const std::string at = index("status.devices", i);
    check_device_status(out, devices[i], at, status["allocation"]);
    if (std::string id = device_id(devices[i]); !seen.insert(id).second) out.duplicate(at, id);
  }
  if (!status["allocation"].is_object()) return;
  if (before.is_object())
    out.immutable("status.allocation", status["allocation"], before);
  else
    check_allocation(out, status["allocation"], names_of_requests(fresh["spec"]["devices"]));
}

}  // namespace api::rules
