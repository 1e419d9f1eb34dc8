// Whether Services, their cluster addresses, their node ports and the IPAddress objects agree, and when a ServiceCIDR may go. Pure functions;
// any thread.
//
// Source: upstream's servicecidrs controller and its repair loop of IPAddresses; the reasons of the events are theirs.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/types.hpp"
#include "base/address.hpp"

namespace controllers {

using CidrPtr = std::shared_ptr<const api::ServiceCIDR>;
using AddressPtr = std::shared_ptr<const api::IPAddress>;
using ServicePtr = std::shared_ptr<const api::Service>;

inline constexpr std::string_view kCidrFinalizer = "networking.k8s.io/service-cidr-finalizer";
inline constexpr std::string_view kAddressManager = "ipallocator.k8s.io";
inline constexpr std::string_view kAddressManagerLabel = "ipaddress.kubernetes.io/managed-by";
inline constexpr std::string_view kAddressFamilyLabel = "ipaddress.kubernetes.io/ip-family";

// What is to be said of an object, and what is to be done about it.
struct Finding {
  enum class Act { none, create, replace, remove };
  Act act = Act::none;
  std::string address;
  std::string reason;  // "" when nothing is to be said
  std::string message;
};

// Null when there is none.
using AddressLookup = std::function<AddressPtr(const std::string& address)>;
using ServiceLookup = std::function<ServicePtr(const std::string& namespace_, const std::string& name)>;

api::IPAddress make_ip_address(const std::string& address, const api::Service& service);
// What is wrong with the addresses of a Service; empty when nothing is.
std::vector<Finding> check_service_addresses(const api::Service& service, const std::vector<CidrPtr>& cidrs,
                                             const AddressLookup& address_of, const ServiceLookup& service_of);
// Whether an IPAddress that the server made still has its Service. Act none: yes, or it is not ours to judge.
Finding check_ip_address(const api::IPAddress& address, const ServiceLookup& service_of);

struct PortRange {
  int first = 30000;
  int last = 32767;
};
// The node ports of a Service, each once: TCP and UDP may share one. With the port of the health check.
std::vector<int64_t> node_ports_of(const api::Service& service);
// Ports beyond the range and ports that `is_shared` with another Service.
std::vector<Finding> check_node_ports(const api::Service& service, PortRange range,
                                      const std::function<bool(int64_t port)>& is_shared);

// No address of a Service would be left without a range.
bool may_remove(const api::ServiceCIDR& cidr, const std::vector<CidrPtr>& all, const std::vector<AddressPtr>& addresses);

}  // namespace controllers
