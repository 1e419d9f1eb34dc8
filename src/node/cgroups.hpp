// The cgroups that containers leave empty behind. Any thread.
#pragma once

#include <string>

namespace node {

// Removes a pod's cgroups, or with "" all of the cluster, in every hierarchy; busy ones stay.
void remove_pod_cgroups(const std::string& cluster, const std::string& pod_uid);
// Ends (SIGKILL) every process in the cluster's cgroups and waits a moment for them to go.
void kill_in_cgroups(const std::string& cluster);

}  // namespace node
