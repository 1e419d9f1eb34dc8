// The OCI runtime configuration (config.json) of a container. Pure; any thread.
//
// Source: OCI runtime specification 1.0.2; the defaults are those of the kubelet with an OCI runtime.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "api/types.hpp"
#include "base/result.hpp"
#include "base/value.hpp"

namespace node {

struct BindMount {
  std::string source;
  std::string target;
  bool read_only = false;
  std::string propagation;  // "", HostToContainer, Bidirectional
};

struct UserIds {
  int64_t uid = 0;
  int64_t gid = 0;
  std::vector<int64_t> groups;
};

struct BundleInputs {
  std::vector<std::string> args;
  std::vector<std::string> env;
  std::string working_dir;
  UserIds user;
  std::string hostname;
  std::string rootfs;
  std::string netns;  // path; "" with the host's network
  std::string cgroup_path;
  std::vector<BindMount> mounts;
  bool own_cgroup_namespace = false;
  uint64_t capability_bounds = ~uint64_t{0};  // bit per capability that this process may give
  int oom_score_adj_now = 0;                  // of this process: it is never lowered
};

// invalid: what the pod asks for cannot be given.
base::Result<base::Value> make_bundle_config(const api::Pod& pod, const api::Container& container,
                                             const BundleInputs& inputs);

// What the container executes: its command and args over the image's entrypoint and cmd, $(VAR)s replaced.
base::Result<std::vector<std::string>> make_arguments(const api::Container& container,
                                                      const std::vector<std::string>& image_entrypoint,
                                                      const std::vector<std::string>& image_cmd,
                                                      const std::vector<std::string>& env);
// Names of capabilities by bit.
const std::vector<std::string>& capability_names();
// "SIGTERM", "TERM", "15"; 15 for what is none.
int signal_number(std::string_view name);
// oom_score_adj by quality of service, as the kubelet sets it.
int oom_score_adj_of(const api::Pod& pod, const api::Container& container, int64_t node_memory);

}  // namespace node
