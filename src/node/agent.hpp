// The node agent: registers its Node, runs the pods bound to it with an OCI runtime and conmon, keeps their
// network and images, reports their status, and serves logs and exec in the kubelet's own URL form.
//
// Threading: reconciles pods by key on a few worker threads; the Handler may be called from any thread.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "client/client.hpp"
#include "net/http.hpp"
#include "sys/clock.hpp"

namespace node {

struct Config {
  std::string name;       // of the Node: "sampan-default"
  std::string cluster;    // "default": part of the names of cgroups
  std::string state_dir;  // /var/lib/sampan/NAME/agent: pods and containers, survives restarts
  std::string run_dir;    // /run/sampan/NAME: pod network namespaces, sockets
  std::string image_dir;  // /var/lib/sampan/NAME/images
  std::string log_dir;    // /var/log/pods, below it NAMESPACE_POD_UID/CONTAINER/N.log
  std::string address;    // the node's IP
  std::string second_address;  // of the other family, if there is one
  std::string pod_cidr = "10.244.0.0/24,fd00:10:244::/64";  // this node's part, of one or both families
  std::string cluster_dns;  // "" as long as there is none
  std::string cluster_domain = "cluster.local";
  int max_pods = 110;
  int sync_workers = 4;
  // How long a deleted pod may wait, before it is told to end, for the proxies to send it nothing more.
  std::chrono::milliseconds drain_timeout{2000};
  // Pods reach one another only when the node forwards. In a network namespace of its own the agent turns
  // that on by itself; in the host's only when this says so.
  bool forward_on_host = false;

  std::vector<std::string> addresses() const {
    return second_address.empty() ? std::vector{address} : std::vector{address, second_address};
  }
};

class Agent {
 public:
  // Checks what the node needs (runtime, conmon, overlay) and says what is missing.
  static base::Result<std::unique_ptr<Agent>> make(Config config, client::Client client,
                                                   const sys::Clock& clock);
  virtual ~Agent() = default;
  virtual void start() = 0;
  // Stops the agent's threads. Containers keep running: the next start finds them again.
  virtual void stop() = 0;
  virtual net::Handler handler() = 0;
};

// `sampan down`: ends every container of the cluster, removes their mounts, network namespaces and cgroups.
// Works from the folders alone, also when half of it is already gone; reports what could not be removed.
base::Result<void> remove_all_pods(const Config& config);

// `sampan image import FILE`: a docker-save archive, an OCI archive, or an OCI layout folder. Returns the
// names.
base::Result<std::vector<std::string>> import_image(const std::string& image_dir, const std::string& file);

struct ImageListEntry {
  std::string name;
  std::string id;  // sha256:...
  int64_t size = 0;
};
base::Result<std::vector<ImageListEntry>> list_images(const std::string& image_dir);

}  // namespace node
