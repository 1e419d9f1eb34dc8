// Probes the containers of this node: one thread with one poll loop for all of them, commands as child
// processes. set, forget and verdict from any thread; `changed` and events come from the loop's thread.
//
// Source: the API's documentation of Probe; order and defaults as the kubelet has them.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/guarded.hpp"
#include "base/time.hpp"
#include "client/events.hpp"
#include "node/probe_attempt.hpp"
#include "node/probe_plan.hpp"
#include "node/runtime.hpp"
#include "sys/clock.hpp"
#include "sys/fd.hpp"

namespace node {

// A running container and what is asked of it.
struct ProbedContainer {
  std::string id;
  std::string bundle;
  client::ObjectRef about;  // of events
  base::Time started{};
  std::map<ProbeKind, ProbeSpec> probes;
  // Verdicts of an agent before this one.
  std::optional<bool> was_started;
  std::optional<bool> was_ready;
};

struct ProbeVerdict {
  bool started = true;
  bool ready = true;
  std::optional<ProbeKind> failed;  // the container must be restarted, by this probe's word
  std::optional<int64_t> grace;     // that the probe grants
};

// Begins one try, on the loop's thread.
using BeginProbe = std::function<std::unique_ptr<ProbeAttempt>(
    const std::string& container_id, const std::string& bundle, const ProbeSpec& spec)>;
// The real one. `run_dir` is for files that come and go.
BeginProbe begin_probes_with(const Runtime& runtime, std::string run_dir);

class Probes {
 public:
  Probes(BeginProbe begin, const sys::Clock& clock, client::EventRecorder& events,
         std::function<void(const std::string& key)> changed);
  ~Probes();
  base::Result<void> start();
  void stop();

  // What is to be probed of that pod from now on; runs that go on keep their state.
  void set(const std::string& uid, const std::string& key, std::vector<ProbedContainer> containers);
  void forget(const std::string& uid) { set(uid, "", {}); }
  // Of that run of a container; nothing when it is not probed.
  std::optional<ProbeVerdict> verdict(const std::string& container_id) const;

 private:
  struct Slot {
    ProbeSpec spec;
    ProbeRun run;
    bool trying = false;
  };
  struct Watched {
    std::string uid;
    std::string key;
    ProbedContainer container;
    std::map<ProbeKind, Slot> slots;
    bool started() const;
  };
  struct Trying {
    std::string id;
    ProbeKind kind;
    Steady deadline;
    std::unique_ptr<ProbeAttempt> attempt;
    bool command = false;
  };
  struct State {
    std::map<std::string, Watched> watched;  // by container id
    bool stopping = false;
  };

  void wake() const;
  void run();
  // Starts what is due; the time at which the next is.
  Steady start_due();
  void wait(Steady until);
  void advance();
  void answer(const Trying& trying, const ProbeAnswer& answer);

  const BeginProbe begin_;
  const sys::Clock& clock_;
  client::EventRecorder& events_;
  const std::function<void(const std::string& key)> changed_;
  base::Guarded<State> state_;
  sys::Fd wake_;
  std::thread thread_;
  // Only the loop's thread:
  std::vector<Trying> trying_;
  std::vector<std::unique_ptr<ProbeAttempt>> leaving_;  // given up, not gone yet
};

}  // namespace node
