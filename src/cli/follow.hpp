// Every state of one object until something is true of it: what `rollout status` and `wait` do. Blocking; one
// thread.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "base/value.hpp"
#include "cli/session.hpp"

namespace cli {

using Deadline = std::optional<std::chrono::steady_clock::time_point>;

// Calls `see` with the object as it is and after each change (null: there is none), until it says true.
// False: the deadline came first.
base::Result<bool> follow_object(Session& session, const ApiResource& resource, const std::string& namespace_,
                                 const std::string& name, const Deadline& deadline,
                                 const std::function<base::Result<bool>(const base::Value* object)>& see);

}  // namespace cli
