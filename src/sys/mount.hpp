// Mounts in the namespace of this process: tmpfs, bind, and unmounting without asking who still looks. Any
// thread.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"

namespace sys {

base::Result<void> mount_tmpfs(const std::string& target, const std::string& options);
base::Result<void> unmount_lazily(const std::string& target);  // not mounted: fine
// What is mounted at or below that path, innermost first.
base::Result<std::vector<std::string>> mounts_below(const std::string& path);
// Hybrid cgroups: version 1 controllers with version 2 mounted beside them at /sys/fs/cgroup/unified.
bool cgroups_are_hybrid();
// Version 2 alone at /sys/fs/cgroup.
bool cgroups_are_v2();

}  // namespace sys
