// One pass over one pod: what the API wants, what the machine has, and the steps between. Several workers
// call sync() at a time, never for the same key.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "api/types.hpp"
#include "base/guarded.hpp"
#include "client/client.hpp"
#include "client/events.hpp"
#include "client/informer.hpp"
#include "client/workqueue.hpp"
#include "node/agent.hpp"
#include "node/drain.hpp"
#include "node/environment.hpp"
#include "node/image_store.hpp"
#include "node/ipam.hpp"
#include "node/machine.hpp"
#include "node/pod_status.hpp"
#include "node/probes.hpp"
#include "node/records.hpp"
#include "node/runtime.hpp"
#include "node/volumes.hpp"

namespace node {

// What a pass needs; owned by the agent.
struct Context {
  const Config& config;
  client::Client& client;
  const sys::Clock& clock;
  const Runtime& runtime;
  ImageStore& images;
  Ipam& ipam;
  Records& records;
  client::EventRecorder& events;
  client::Informer<api::Pod>& pods;
  client::Informer<api::Service>& services;
  client::WorkQueue& queue;
  Probes& probes;
  Drain& drain;
  const MachineFacts& facts;
  std::map<std::string, std::string> allocatable;
};

class PodSync {
 public:
  explicit PodSync(Context context) : c_(std::move(context)) {}
  base::Result<void> sync(const std::string& key);

 private:
  using PodPtr = std::shared_ptr<const api::Pod>;

  // pod_sync.cpp
  base::Result<void> sync_pod(const api::Pod& pod, PodRecord& record);
  base::Result<void> ensure_sandbox(const api::Pod& pod, PodRecord& record);
  base::Result<bool> run_init_containers(const api::Pod& pod, PodRecord& record);
  base::Result<void> run_container(const api::Pod& pod, PodRecord& record, const api::Container& container,
                                   bool init);
  base::Result<void> observe(const api::Pod* pod, PodRecord& record);
  void note_ended(const api::Pod* pod, PodRecord& record, ContainerRecord& container, int exit_code);
  base::Result<void> publish(const api::Pod& pod, const PodRecord& record);
  void say_what_is_missing(const api::Pod& pod, PodRecord& record);
  PodRecord make_record(const api::Pod& pod) const;

  // container_start.cpp
  struct Prepared {
    StoredImage image;
    ContainerStart start;
    std::vector<sys::Fd> held;
  };
  base::Result<bool> find_image(const api::Pod& pod, PodRecord& record, const api::Container& container,
                                StoredImage& image);
  base::Result<void> start_container(const api::Pod& pod, PodRecord& record, ContainerRecord& own,
                                     const api::Container& container);
  base::Result<Prepared> prepare(const api::Pod& pod, const PodRecord& record, const ContainerRecord& own,
                                 const api::Container& container, StoredImage image);
  base::Result<UserIds> user_of(const api::Pod& pod, const api::Container& container,
                                const StoredImage& image) const;
  base::Result<void> write_pod_files(const api::Pod& pod, const PodRecord& record);
  EnvironmentSources sources_of(const api::Pod& pod, const PodRecord& record);
  std::string cgroup_of(const PodRecord& record, const std::string& id) const;
  std::string container_dir(const PodRecord& record, const std::string& id) const;
  std::string log_dir(const PodRecord& record) const;
  VolumePlaces places_of(const PodRecord& record) const;

  // pod_end.cpp
  static void send_signal(const ContainerRecord& container, int signal);

  // pod_probes.cpp
  // Says what is to be probed, and enters into the record what the probes have said so far.
  base::Result<void> watch_probes(const api::Pod& pod, PodRecord& record);
  base::Result<void> restart_failed(const api::Pod& pod, PodRecord& record, ContainerRecord& own,
                                    const api::Container& container, bool init, const ProbeVerdict& verdict);
  std::vector<std::pair<const api::Container*, bool>> probed_containers(const api::Pod& pod) const;
  StatusInputs status_inputs(const api::Pod& pod, const PodRecord& record) const;

  // pod_end.cpp
  base::Result<void> end_pod(const api::Pod* pod, PodRecord& record, std::chrono::seconds grace);
  // True while the proxies still may send it connections, or requests are under way; within limits.
  bool must_drain(const api::Pod& pod, PodRecord& record, std::chrono::seconds grace);
  base::Result<bool> stop_containers(const api::Pod* pod, PodRecord& record);
  base::Result<void> clean_up(PodRecord& record, bool logs_too);
  base::Result<void> release_network(PodRecord& record);
  base::Result<void> delete_from_api(const api::Pod& pod);

  void event(const api::Pod& pod, bool warning, const std::string& reason, const std::string& message,
             const api::Container* container = nullptr, bool init = false);
  // Once per topic until the message changes.
  void event_once(const api::Pod& pod, PodRecord& record, const std::string& topic, const std::string& reason,
                  const std::string& message, const api::Container* container = nullptr, bool init = false);
  void again_at(const PodRecord& record, base::Time when);

  Context c_;
  // What was last written to the API, by uid: the informer may lag behind.
  base::Guarded<std::map<std::string, api::PodStatus>> published_;
};

}  // namespace node
