// The Node object as this machine reports it. Pure; any thread.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "api/types.hpp"
#include "base/time.hpp"
#include "node/agent.hpp"
#include "node/image_store.hpp"
#include "node/machine.hpp"

namespace node {

struct NodeInputs {
  MachineFacts facts;
  Pressure pressure;
  std::string runtime_version;  // "crun://1.8.1"
  std::string ready_message;
  std::vector<StoredImage> images;
  base::Time now{};
};

std::map<std::string, std::string> node_capacity(const Config& config, const MachineFacts& facts,
                                                 const Pressure& pressure);
// Labels, spec and status; `old` is what the API has (conditions keep their transition times).
api::Node make_node(const Config& config, const NodeInputs& inputs, const api::Node* old);
inline constexpr std::string_view kKubeletVersion = "v1.36.0+sampan-0.1.0";

}  // namespace node
