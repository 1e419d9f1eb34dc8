// A Service port's targetPort for one pod: its number, looked up among the pod's containers when it is a name.
// Pure functions; any thread.
#pragma once

#include <optional>
#include <string>

#include "api/types.hpp"
#include "controllers/pods.hpp"

namespace controllers {

// "" when it is a number or absent.
inline const std::string& target_port_name(const api::ServicePort& port) { return port.target_port.string_value(); }

inline std::optional<int64_t> resolve_target_port(const api::ServicePort& port, const api::Pod& pod) {
  const std::string& name = target_port_name(port);
  if (!name.empty()) return find_container_port(pod, name, port.protocol.empty() ? "TCP" : port.protocol);
  int64_t number = port.target_port.int_value();
  return number > 0 ? number : port.port;
}

}  // namespace controllers
