// What the agent remembers of a pod between two looks at it, and across its own restarts: one JSON file per
// pod. Plain values; a record is changed only by the worker that holds the pod's key.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"
#include "base/value.hpp"

namespace node {

// One run of a container that is over.
struct PastRun {
  std::string id;
  int exit_code = 0;
  std::string reason;
  std::string message;
  base::Time started{};
  base::Time finished{};
};

struct ContainerRecord {
  enum class State { none, starting, running, exited };

  std::string name;
  bool init = false;
  State state = State::none;
  std::string id;     // of the current run
  int restarts = 0;   // runs before the current one
  std::string image;  // full name
  std::string image_id;
  int stop_signal = 15;
  std::string log_path;
  pid_t pid = 0;
  uint64_t pid_start = 0;
  base::Time started{};
  PastRun ended;                // of the current run, once exited
  std::optional<PastRun> last;  // the run before
  int backoff_seconds = 0;      // of the next restart
  base::Time not_before{};      // the next restart
  // What its probes have said of the run `probed_id`.
  std::string probed_id;
  bool probed_started = false;
  bool probed_ready = false;
  // The run that a failed probe ends, and when SIGTERM becomes SIGKILL.
  std::string condemned_id;
  base::Time condemned_until{};

  // Not kept in the file.
  bool healed = false;  // this agent has looked whether it still runs
};

// Why a container does not run yet. Not kept in the file.
struct Waiting {
  std::string reason;
  std::string message;
};

struct PodRecord {
  std::string uid;
  std::string namespace_;
  std::string name;
  std::string boot_id;  // of the machine when the sandbox was made
  bool host_network = false;
  bool sandbox_ready = false;
  std::string ip;
  std::string second_ip;  // of the other family
  std::string veth;
  std::string netns;  // path
  base::Time started{};
  std::vector<ContainerRecord> containers;  // init containers first, in the pod's order
  // Ending: since when it is asked to, whether it was told (SIGTERM), and when that becomes SIGKILL.
  base::Time end_asked{};
  bool ending = false;
  bool killed = false;
  base::Time kill_at{};
  bool cleaned = false;  // nothing is left but this record

  // Not kept in the file.
  std::map<std::string, Waiting> waiting;
  std::map<std::string, int> image_backoff;  // seconds, by container
  std::map<std::string, base::Time> image_not_before;
  std::map<std::string, std::string> said;  // last event by topic: each is said once

  ContainerRecord* find(std::string_view container);
  const ContainerRecord* find(std::string_view container) const;
  std::string key() const { return namespace_ + "/" + name; }
  // None before there is a network of its own.
  std::vector<std::string> ips() const {
    std::vector<std::string> out;
    for (const auto& one : {ip, second_ip}) {
      if (!one.empty()) out.push_back(one);
    }
    return out;
  }
};

base::Value to_value(const PodRecord& record);
base::Result<PodRecord> pod_record_from(const base::Value& value);

// Waits between restarts: 10 s, doubled to 300 s, and from the start again after 10 minutes of running.
struct Backoff {
  static constexpr int kFirst = 10;
  static constexpr int kMost = 300;
  static constexpr int kForgetAfter = 600;
  static int next(int previous) { return previous <= 0 ? kFirst : std::min(previous * 2, kMost); }
};
// Enters that the container's run ended, and when it may be started again.
void note_exit(ContainerRecord& container, int exit_code, std::string reason, std::string message,
               base::Time finished);

}  // namespace node
