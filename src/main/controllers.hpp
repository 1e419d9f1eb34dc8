// The list of all controllers: this list is the system. Called once, by the server command.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "controllers/controllers.hpp"

namespace main_ {

using ClientFor = std::function<client::Client(const std::string& user)>;

// Without a pool nobody serves Services of type LoadBalancer; with an empty one they are told why they wait.
std::vector<std::unique_ptr<controllers::Controller>> make_controllers(const ClientFor& client_for,
                                                                       const sys::Clock& clock,
                                                                       const std::string& api_address, int api_port,
                                                                       std::chrono::nanoseconds event_ttl,
                                                                       std::optional<std::vector<base::AddressSpan>> balancer_pool,
                                                                       std::pair<int, int> node_ports);

}  // namespace main_
