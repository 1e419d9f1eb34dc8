// A pod's volumes as folders on the node: emptyDir, hostPath, configMap, secret, downwardAPI and projections
// of these. Blocking; one pod on one thread at a time.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "api/types.hpp"
#include "base/result.hpp"
#include "node/bundle.hpp"
#include "node/environment.hpp"
#include "sys/process.hpp"

namespace node {

struct VolumePlaces {
  std::string disk;    // below it what may be large
  std::string memory;  // below it what may not reach a disk: secrets, emptyDir with medium Memory
};

// Makes, or brings up to date, every volume: name -> path. The error is the reason of FailedMount.
base::Result<std::map<std::string, std::string>> prepare_volumes(const api::Pod& pod,
                                                                 const VolumePlaces& places,
                                                                 const EnvironmentSources& sources);
base::Result<void> remove_volumes(const VolumePlaces& places);

// The mounts of one container. A subPath is resolved inside its volume only; its mount is made in the
// container's own mount namespace from a descriptor, so that nobody can swap it in between.
struct ContainerMounts {
  std::vector<BindMount> binds;
  std::vector<sys::ChildMount> before;  // made first: the source of a bind
  std::vector<sys::Fd> held;            // what `before` refers to
};
base::Result<ContainerMounts> plan_mounts(const api::Container& container,
                                          const std::map<std::string, std::string>& volumes,
                                          const std::string& scratch, const std::vector<std::string>& env);

// Files under names that switch all at once, as the kubelet's atomic writer lays them out. Pure input, any
// thread.
struct PayloadFile {
  std::string bytes;
  unsigned mode = 0644;
  bool operator==(const PayloadFile&) const = default;
};
base::Result<void> write_payload(const std::string& folder, const std::map<std::string, PayloadFile>& files,
                                 std::optional<int64_t> group);

}  // namespace node
