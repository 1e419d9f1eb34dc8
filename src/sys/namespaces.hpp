// Network namespaces as files, like `ip netns` keeps them: they live as long as the file is mounted. Any
// thread: the namespace of the calling thread is never changed, work inside one runs on a thread of its own.
#pragma once

#include <functional>
#include <string>

#include "base/result.hpp"
#include "sys/fd.hpp"

namespace sys {

// Makes the folder a shared mount of its own, so that unmounts in it reach the mount namespaces made later.
base::Result<void> share_folder(const std::string& folder);
// A new network namespace, bound to `path`; `setup` runs inside it before it is seen there.
base::Result<void> make_netns(const std::string& path, const std::function<base::Result<void>()>& setup);
base::Result<void> remove_netns(const std::string& path);  // nothing there: fine
base::Result<Fd> open_netns(const std::string& path);
// Runs `work` on a helper thread inside that network namespace and returns what it returned.
base::Result<void> inside_netns(int netns, const std::function<base::Result<void>()>& work);
// Whether this process is in the network namespace of process 1.
bool in_initial_netns();

}  // namespace sys
