// The texts of `kubectl describe`, one function per kind. Pure functions of objects and the time; any thread.
//
// `events` null means that events are not shown. Source: kubectl 1.33, whose output they give to the byte.
#pragma once

#include <string>

#include "base/result.hpp"
#include "base/time.hpp"
#include "base/value.hpp"

namespace cli {

std::string describe_service(const base::Value& service, const base::Array& slices, const base::Array* events,
                             base::Time now);
std::string describe_endpoints(const base::Value& endpoints, const base::Array* events, base::Time now);
std::string describe_endpoint_slice(const base::Value& slice, const base::Array* events, base::Time now);
std::string describe_pod(const base::Value& pod, const base::Array* events, base::Time now);
// `pods`: those that its selector matches; the ones of other controllers are not counted.
std::string describe_replication_controller(const base::Value& controller, const base::Array& pods,
                                            const base::Array* events, base::Time now);
std::string describe_replica_set(const base::Value& set, const base::Array& pods, const base::Array* events,
                                 base::Time now);
// `sets`: all that its selector matches.
std::string describe_deployment(const base::Value& deployment, const base::Array& sets, const base::Array* events,
                                base::Time now);
struct NodeParts {
  base::Result<base::Value> lease;
  const base::Array* pods = nullptr;  // not terminated, on this node; null: not allowed to see them
  const base::Array* events = nullptr;
};
std::string describe_node(const base::Value& node, const NodeParts& parts, base::Time now);
// `quotas`, `limits` null: the server does not have that kind.
std::string describe_namespace(const base::Value& namespace_, const base::Array* quotas,
                               const base::Array* limits);
std::string describe_config_map(const base::Value& map, const base::Array* events, base::Time now);
std::string describe_secret(const base::Value& secret);
// `secrets` of its namespace; null when they cannot be read.
std::string describe_service_account(const base::Value& account, const base::Array* secrets,
                                     const base::Array* events, base::Time now);
std::string describe_limit_range(const base::Value& limits);
std::string describe_resource_quota(const base::Value& quota);
// Every other kind: its fields, with names made readable.
std::string describe_any(const base::Value& object, const base::Array* events, base::Time now);

}  // namespace cli
