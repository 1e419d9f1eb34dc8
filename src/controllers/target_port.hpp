// A Service port's targetPort for one pod: its number, looked up among the pod's containers when it is a name.
// Pure functions; any thread.
#pragma once

#include <optional>
#include <string>

#include "api/types.hpp"
#include "controllers/pods.hpp"

namespace controllers {

// The value of a member that the schema may have made optional or plain.
template <class T>
const T* if_set(const T& value) {
  return &value;
}
template <class T>
const T* if_set(const std::optional<T>& value) {
  return value ? &*value : nullptr;
}

// "" when it is a number or absent.
inline std::string target_port_name(const api::ServicePort& port) {
  const api::IntOrString* target = if_set(port.target_port);
  return target && target->is_string ? target->text : std::string();
}

inline std::optional<int64_t> resolve_target_port(const api::ServicePort& port, const api::Pod& pod) {
  std::string name = target_port_name(port);
  if (!name.empty()) return find_container_port(pod, name, port.protocol.empty() ? "TCP" : port.protocol);
  const api::IntOrString* target = if_set(port.target_port);
  int64_t number = target && !target->is_string ? target->number : 0;
  return number > 0 ? number : port.port;
}

}  // namespace controllers
