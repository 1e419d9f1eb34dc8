// The Store behind both kinds of storage: state and window in memory, one writer thread that runs Works in groups and
// commits each group to a Journal. All methods may be called from any thread.
#pragma once

#include <condition_variable>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "base/guarded.hpp"
#include "store/journal.hpp"
#include "store/overlay.hpp"
#include "store/state.hpp"
#include "store/store.hpp"
#include "store/watchers.hpp"

namespace store {

class Engine final : public Store {
 public:
  static base::Result<std::unique_ptr<Store>> make(std::unique_ptr<Journal> journal, Options options);
  Engine(std::unique_ptr<Journal> journal, Options options, Image image);
  ~Engine() override;

  void submit(Work work, Done done) override;
  Revision revision() const override { return state_.revision(); }
  Revision compacted() const override { return state_.compacted(); }
  EntryPtr get(std::string_view key) const override { return state_.get(key); }
  Listing list(std::string_view prefix) const override { return state_.list(prefix); }
  base::Result<Listing> list_at(std::string_view prefix, Revision revision) const override {
    return state_.list_at(prefix, revision);
  }
  base::Result<History> history(std::string_view prefix, Revision after, size_t bytes) const override {
    return state_.history(prefix, after, bytes);
  }
  base::Result<std::unique_ptr<Watch>> watch(std::string_view prefix, Revision after, OnEvents on_events,
                                             OnProgress on_progress) override;
  base::Result<void> healthy() const override;
  void close() override;

 private:
  struct Job {
    Work work;
    Done done;
  };
  struct Queue {
    std::vector<Job> jobs;
    bool closed = false;
  };

  void run_writer();
  // Waits for jobs, or until history gets old. False: closed, and no job is left.
  bool take_jobs(std::vector<Job>& jobs, bool untidy);
  void run_group(std::vector<Job> jobs);
  // Settles an append whose fate was unknown. False: still unknown, and every job has been answered so.
  bool settle_doubt(std::vector<Job>& jobs);
  void publish(std::span<const Event> events);
  void note_health();

  Options options_;
  sys::SystemClock system_clock_;
  const sys::Clock& clock_;
  std::unique_ptr<Journal> journal_;
  State state_;
  std::shared_ptr<Watchers> watchers_ = std::make_shared<Watchers>();
  std::vector<Event> doubtful_;  // writer only: appended, fate unknown
  base::Guarded<std::optional<base::Error>> trouble_;
  base::Guarded<Queue> queue_;
  std::condition_variable wake_;
  std::mutex closing_;
  std::jthread writer_;  // last: starts when everything else is there
};

}  // namespace store
