// What several controllers ask of a pod: is it active, ready, available; whose is it. Pure functions; any thread.
//
// Source: upstream's api/v1/pod util and controller_utils.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "api/types.hpp"
#include "base/time.hpp"

namespace controllers {

using Labels = std::map<std::string, std::string>;

// Every pair of the selector is among the labels. An empty selector selects everything.
bool selects(const Labels& selector, const Labels& labels);

// The ownerReference with controller: true, or null.
const api::OwnerReference* controller_of(const api::ObjectMeta& metadata);
// The ownerReference of what that object controls; it goes with its owner.
api::OwnerReference controlled_by(std::string api_version, std::string kind, const api::ObjectMeta& owner);

bool is_terminal(const api::Pod& pod);  // Succeeded or Failed
bool is_active(const api::Pod& pod);    // neither terminal nor being deleted
const api::PodCondition* ready_condition(const api::Pod& pod);
bool is_ready(const api::Pod& pod);
// When a ready pod has been ready long enough; nothing when it is not ready.
std::optional<base::Time> available_at(const api::Pod& pod, int64_t min_ready_seconds);
// The number of a port of that name and protocol among the containers and the sidecars.
std::optional<int64_t> find_container_port(const api::Pod& pod, std::string_view name, std::string_view protocol);

}  // namespace controllers
