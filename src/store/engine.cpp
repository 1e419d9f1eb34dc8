#include "store/engine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace store {

namespace {

// Bounds of one group: what a reader of the journal must take in at once, and how long the first waits for the last.
constexpr size_t kGroupJobs = 512;
constexpr size_t kGroupBytes = 8u << 20;
// Under a load without pauses the journal is tidied after this many groups.
constexpr int kGroupsPerTidy = 16;
// When only history that gets old is left to do, the writer looks for it this often at most.
constexpr std::chrono::seconds kTrimPause{1};

class Registration final : public Watch {
 public:
  Registration(std::shared_ptr<Watchers> watchers, WatcherPtr watcher)
      : watchers_(std::move(watchers)), watcher_(std::move(watcher)) {}
  ~Registration() override {
    watchers_->remove(watcher_.get());
    watcher_->end();
  }

 private:
  std::shared_ptr<Watchers> watchers_;
  WatcherPtr watcher_;
};

base::Error closed_error() {
  return {base::Reason::service_unavailable, "the store is closed: the server is shutting down, try again later",
          nullptr};
}

}  // namespace

base::Result<std::unique_ptr<Store>> Engine::make(std::unique_ptr<Journal> journal, Options options) {
  TRY(auto image, journal->load(options));
  return std::make_unique<Engine>(std::move(journal), std::move(options), std::move(image));
}

Engine::Engine(std::unique_ptr<Journal> journal, Options options, Image image)
    : options_(std::move(options)),
      clock_(options_.clock ? *options_.clock : system_clock_),
      journal_(std::move(journal)),
      state_(std::move(image), options_, clock_.steady_now()),
      writer_([this] { run_writer(); }) {}

Engine::~Engine() { close(); }

void Engine::submit(Work work, Done done) {
  {
    auto queue = queue_.lock();
    if (!queue->closed) {
      queue->jobs.push_back({std::move(work), std::move(done)});
      queue.native().unlock();
      wake_.notify_one();
      return;
    }
  }
  done(std::unexpected(closed_error()));
}

base::Result<std::unique_ptr<Watch>> Engine::watch(std::string_view prefix, Revision after, OnEvents on_events,
                                                   OnProgress on_progress) {
  auto watcher = std::make_shared<Watcher>(prefix, std::move(on_events), std::move(on_progress));
  auto held = watcher->hold();
  Revision reached = 0;
  // The watcher is added under the state's lock: events are either in this replay or delivered later, never both.
  TRY(auto events, state_.replay(prefix, after, [&](Revision revision) {
    reached = revision;
    watchers_->add(watcher);
  }));
  auto registration = std::make_unique<Registration>(watchers_, watcher);
  watcher->deliver(events, reached);
  return registration;
}

void Engine::close() {
  std::lock_guard closing(closing_);
  queue_.lock()->closed = true;
  wake_.notify_one();
  if (writer_.joinable()) writer_.join();
}

base::Result<void> Engine::healthy() const {
  auto trouble = trouble_.lock();
  if (*trouble) return std::unexpected(**trouble);
  return {};
}

void Engine::note_health() {
  auto health = journal_->health();
  auto trouble = trouble_.lock();
  if (health)
    trouble->reset();
  else
    *trouble = std::move(health).error();
}

bool Engine::take_jobs(std::vector<Job>& jobs, bool untidy) {
  auto queue = queue_.lock();
  auto due = [&] { return queue->closed || !queue->jobs.empty(); };
  if (!untidy) {
    if (auto next = state_.next_trim())
      wake_.wait_for(queue.native(), std::max<std::chrono::nanoseconds>(*next - clock_.steady_now(), kTrimPause), due);
    else
      wake_.wait(queue.native(), due);
  }
  if (queue->jobs.size() <= kGroupJobs) {
    jobs.swap(queue->jobs);
  } else {
    auto end = queue->jobs.begin() + kGroupJobs;
    jobs.assign(std::make_move_iterator(queue->jobs.begin()), std::make_move_iterator(end));
    queue->jobs.erase(queue->jobs.begin(), end);
  }
  return !jobs.empty() || !queue->closed;
}

void Engine::run_writer() {
  int groups = 0;
  bool untidy = true;
  std::vector<Job> jobs;
  while (take_jobs(jobs, untidy)) {
    bool busy = !jobs.empty();
    if (busy) run_group(std::exchange(jobs, {}));
    bool more = state_.trim(clock_.steady_now());
    if (busy) {
      untidy = true;
      if (++groups % kGroupsPerTidy != 0) continue;
    }
    untidy = (doubtful_.empty() && journal_->tidy(state_.compacted())) || more;
    note_health();
  }
  journal_.reset();
}

void Engine::run_group(std::vector<Job> jobs) {
  if (!doubtful_.empty() && !settle_doubt(jobs)) return;
  size_t next = 0;
  while (next < jobs.size()) {
    Overlay overlay(state_, options_);
    struct Answer {
      Done done;
      base::Result<Revision> result;
      bool depends;  // on writes of this group that are not durable yet
    };
    std::vector<Answer> answers;
    for (; next < jobs.size() && overlay.bytes() < kGroupBytes; ++next) {
      auto result = overlay.run(jobs[next].work);
      jobs[next].work = nullptr;
      answers.push_back({std::move(jobs[next].done), std::move(result), !overlay.events().empty()});
    }
    Outcome outcome;
    if (!overlay.events().empty()) {
      outcome = journal_->append(overlay.events());
      if (outcome.fate == Fate::written) publish(overlay.events());
      if (outcome.fate == Fate::unknown) doubtful_ = overlay.events();
      note_health();
    }
    for (auto& answer : answers) {
      bool failed = answer.depends && outcome.fate != Fate::written;
      answer.done(failed ? base::Result<Revision>(std::unexpected(outcome.error)) : std::move(answer.result));
    }
    if (outcome.fate == Fate::unknown) {
      jobs.erase(jobs.begin(), jobs.begin() + static_cast<std::ptrdiff_t>(next));
      next = 0;
      if (jobs.empty() || !settle_doubt(jobs)) return;
    }
  }
}

bool Engine::settle_doubt(std::vector<Job>& jobs) {
  auto outcome = journal_->resolve(state_.writer_revision());
  note_health();
  if (outcome.fate == Fate::unknown) {
    for (auto& job : jobs) job.done(std::unexpected(outcome.error));
    return false;
  }
  auto events = std::exchange(doubtful_, {});
  if (outcome.fate == Fate::written) publish(events);
  return true;
}

void Engine::publish(std::span<const Event> events) {
  Revision reached = events.back().revision();
  Watchers::List watchers;
  state_.publish(events, reached, clock_.steady_now(), [&] { watchers = watchers_->list(); });
  deliver(watchers, events, reached);
}

}  // namespace store
