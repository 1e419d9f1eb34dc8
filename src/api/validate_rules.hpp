// What the validate_*.cpp files share: the collector of errors, paths, the checks of single values, and the table of
// rules by kind. Internal to src/api; pure; any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/kinds.hpp"
#include "api/status.hpp"
#include "base/value.hpp"

namespace api::rules {

using base::Value;

inline std::string child(std::string_view path, std::string_view name) {
  return path.empty() ? std::string(name) : std::string(path) + "." + std::string(name);
}
inline std::string index(std::string_view path, size_t i) { return std::string(path) + "[" + std::to_string(i) + "]"; }
inline std::string key(std::string_view path, std::string_view name) {
  return std::string(path) + "[" + std::string(name) + "]";
}

// Collects what is wrong with one object.
class Problems {
 public:
  // The first thousand: nobody reads more, and an error may hold a copy of much.
  void add(FieldError error) {
    if (errors_.size() < kMaxErrors) errors_.push_back(std::move(error));
  }
  void required(std::string path, std::string detail = "") { add(required_field(std::move(path), std::move(detail))); }
  void invalid(std::string path, Value value, std::string detail) {
    add(invalid_field(std::move(path), std::move(value), std::move(detail)));
  }
  // One error per message.
  void invalid(const std::string& path, const Value& value, const std::vector<std::string>& messages) {
    for (const auto& message : messages) add(invalid_field(path, value, message));
  }
  void forbidden(std::string path, std::string detail) { add(forbidden_field(std::move(path), std::move(detail))); }
  void duplicate(std::string path, Value value) { add(duplicate_field(std::move(path), std::move(value))); }
  void not_found(std::string path, Value value) { add(not_found_field(std::move(path), std::move(value))); }
  void unsupported(std::string path, Value value, std::initializer_list<std::string_view> supported) {
    add(unsupported_field(std::move(path), std::move(value), {supported.begin(), supported.end()}));
  }
  void too_many(std::string path, size_t actual, size_t max) { add(too_many_field(std::move(path), actual, max)); }

  // Required when "", unsupported when none of these.
  void one_of(const std::string& path, const Value& value, std::initializer_list<std::string_view> supported,
              bool must_be_set = true);
  // A number that is there must be >= 0.
  void nonnegative(const std::string& path, const Value& value);
  void port(const std::string& path, const Value& value);
  void port_or_name(const std::string& path, const Value& value);
  void dns_label(const std::string& path, const Value& value);
  void dns_subdomain(const std::string& path, const Value& value);
  void qualified_name(const std::string& path, const Value& value);
  void labels(const std::string& path, const Value& map);
  void label_selector(const std::string& path, const Value& selector);
  void immutable(const std::string& path, const Value& fresh, const Value& old,
                 std::string_view detail = "field is immutable");
  // A valid, canonical IP address; false when it is none.
  bool ip(const std::string& path, const Value& value);
  void cidr(const std::string& path, const Value& value);
  // Loopback, link-local, unspecified: nothing that a service may send packets to.
  void ordinary_ip(const std::string& path, const Value& value);

  std::vector<FieldError> take() && { return std::move(errors_); }
  const std::vector<FieldError>& errors() const { return errors_; }
  bool empty() const { return errors_.empty(); }

 private:
  static constexpr size_t kMaxErrors = 1000;
  std::vector<FieldError> errors_;
};

// A list or an object as an error may hold it, also one error per element: itself, or what it is when it is large.
Value brief(const Value& value);

// ---- addresses (validate_address.cpp) -----------------------------------------------------------------------------

struct Address {
  bool v6 = false;
  unsigned char bytes[16] = {};  // an IPv4 address stands in the first four
};
std::optional<Address> parse_address(std::string_view text);
bool is_v6(std::string_view text);

// ---- metadata (validate_meta.cpp) ---------------------------------------------------------------------------------

using NameCheck = std::vector<std::string> (*)(std::string_view name);
std::vector<std::string> check_path_segment(std::string_view name);
void check_metadata(Problems& out, const Kind& kind, const Value& object, NameCheck check_name);
void check_metadata_update(Problems& out, const Value& fresh, const Value& old);

// ---- kinds --------------------------------------------------------------------------------------------------------

using CreateRule = void (*)(Problems&, const Value& object);
// Called for updates of the object itself after `create` has looked at the fresh one.
using UpdateRule = void (*)(Problems&, const Value& fresh, const Value& old);

struct KindRules {
  std::string_view group;
  std::string_view kind;
  NameCheck name = nullptr;         // nullptr: DNS subdomain
  CreateRule create = nullptr;      // what must hold for every version of the object
  UpdateRule update = nullptr;
  UpdateRule status_update = nullptr;
};

// One list per validate_*.cpp of the kinds beyond Services and pods; a default-made KindRules for the others.
std::span<const KindRules> workload_rules();
std::span<const KindRules> platform_rules();
std::span<const KindRules> access_rules();

void check_service(Problems& out, const Value& service);
void check_service_update(Problems& out, const Value& fresh, const Value& old);
void check_service_status(Problems& out, const Value& fresh, const Value& old);
void check_pod(Problems& out, const Value& pod);
void check_pod_update(Problems& out, const Value& fresh, const Value& old);
void check_pod_status(Problems& out, const Value& fresh, const Value& old);
void check_pod_spec(Problems& out, const Value& spec, const std::string& path);
void check_volumes(Problems& out, const Value& volumes, const std::string& path);
void check_tolerations(Problems& out, const Value& tolerations, const std::string& path);
// All containers of a pod spec: their names are unique over the three lists.
void check_containers(Problems& out, const Value& spec, const std::string& path);
void check_replication_controller(Problems& out, const Value& object);
void check_endpoints(Problems& out, const Value& endpoints);
void check_endpoints_update(Problems& out, const Value& fresh, const Value& old);
void check_endpoint_slice(Problems& out, const Value& slice);
void check_endpoint_slice_update(Problems& out, const Value& fresh, const Value& old);
void check_config_map(Problems& out, const Value& object);
void check_secret(Problems& out, const Value& object);
void check_config_map_update(Problems& out, const Value& fresh, const Value& old);
void check_secret_update(Problems& out, const Value& fresh, const Value& old);
std::vector<std::string> check_config_key(std::string_view text);
void check_node(Problems& out, const Value& node);
void check_node_update(Problems& out, const Value& fresh, const Value& old);
void check_lease(Problems& out, const Value& lease);
void check_event(Problems& out, const Value& event);
void check_scale(Problems& out, const Value& scale);
void check_service_account(Problems& out, const Value& object);
// Certificates' approval subresource alone may decide (validate_access_certificates.cpp).
void check_signing_request_approval(Problems& out, const Value& fresh, const Value& old);
// The parts of a pod that have subresources of their own (validate_access_pod.cpp).
void check_pod_resize(Problems& out, const Value& fresh, const Value& old);
void check_pod_ephemeral(Problems& out, const Value& fresh, const Value& old);

// Required strings and enums of the schema, at any depth but in status; skips fields that already have an error.
void check_schema(Problems& out, const Schema& schema, const Value& object);

}  // namespace api::rules
