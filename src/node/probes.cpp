#include "node/probes.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/ids.hpp"
#include "base/log.hpp"

namespace node {
namespace {

using namespace std::chrono_literals;

// Each is a few processes: more at a time would only make all of them late.
constexpr size_t kMostCommands = 8;
constexpr auto kLeavingLook = 50ms;

}  // namespace

bool Probes::Watched::started() const {
  const auto startup = slots.find(ProbeKind::startup);
  return startup == slots.end() || startup->second.run.good();
}

BeginProbe begin_probes_with(const Runtime& runtime, std::string run_dir) {
  return [&runtime, run_dir = std::move(run_dir)](const std::string& id, const std::string& bundle,
                                                  const ProbeSpec& spec) {
    if (spec.action.kind != ProbeAction::Kind::exec) return try_network(spec);
    return try_command(runtime, id, bundle, spec, run_dir + "/probe-" + base::make_name_suffix(12));
  };
}

Probes::Probes(BeginProbe begin, const sys::Clock& clock, client::EventRecorder& events,
               std::function<void(const std::string& key)> changed)
    : begin_(std::move(begin)),
      clock_(clock),
      events_(events),
      changed_(std::move(changed)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Probes::~Probes() { stop(); }

base::Result<void> Probes::start() {
  if (!wake_) return base::fail(base::Reason::internal_error, "probes: no descriptors are left");
  thread_ = std::thread([this] { run(); });
  return {};
}

void Probes::stop() {
  state_.lock()->stopping = true;
  wake();
  if (thread_.joinable()) thread_.join();
}

void Probes::wake() const {
  const uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof one);
}

void Probes::set(const std::string& uid, const std::string& key, std::vector<ProbedContainer> containers) {
  bool news = false;
  {
    auto state = state_.lock();
    std::erase_if(state->watched, [&](const auto& item) {
      return item.second.uid == uid && std::none_of(containers.begin(), containers.end(),
                                                    [&](const auto& c) { return c.id == item.first; });
    });
    const auto now = clock_.steady_now();
    for (auto& container : containers) {
      Watched& watched = state->watched[container.id];
      watched.uid = uid;
      watched.key = key;
      std::erase_if(watched.slots, [&](const auto& slot) { return !container.probes.contains(slot.first); });
      for (const auto& [kind, spec] : container.probes) {
        if (watched.slots.contains(kind)) continue;
        const auto known = kind == ProbeKind::startup     ? container.was_started
                           : kind == ProbeKind::readiness ? container.was_ready
                                                          : std::nullopt;
        const auto delay = container.started + spec.timing.initial_delay - clock_.now();
        const auto first = now + std::max<std::chrono::nanoseconds>(delay, 0ns);
        watched.slots.emplace(kind, Slot{spec, ProbeRun(kind, spec.timing, first, known)});
        news = true;
      }
      watched.container = std::move(container);
    }
  }
  if (news) wake();
}

std::optional<ProbeVerdict> Probes::verdict(const std::string& container_id) const {
  auto state = state_.lock();
  const auto found = state->watched.find(container_id);
  if (found == state->watched.end()) return {};
  ProbeVerdict verdict;
  verdict.started = found->second.started();
  for (const auto& [kind, slot] : found->second.slots) {
    if (kind == ProbeKind::readiness) verdict.ready = slot.run.good();
    if (!slot.run.must_restart() || verdict.failed) continue;
    verdict.failed = kind;
    verdict.grace = slot.spec.grace;
  }
  return verdict;
}

void Probes::run() {
  for (;;) {
    const Steady next = start_due();
    if (state_.lock()->stopping) break;
    wait(next);
    advance();
  }
  trying_.clear();
  leaving_.clear();
}

Steady Probes::start_due() {
  const auto now = clock_.steady_now();
  Steady next = now + 3600s;
  auto commands = static_cast<size_t>(
      std::count_if(trying_.begin(), trying_.end(), [](const auto& trying) { return trying.command; }));
  struct Due {
    std::string id;
    std::string bundle;
    ProbeKind kind;
    ProbeSpec spec;
  };
  std::vector<Due> due;
  {
    auto state = state_.lock();
    for (auto& [id, watched] : state->watched) {
      for (auto& [kind, slot] : watched.slots) {
        if (slot.trying || slot.run.resting()) continue;
        if (kind != ProbeKind::startup && !watched.started()) continue;
        if (slot.run.due() > now) {
          next = std::min(next, slot.run.due());
          continue;
        }
        if (slot.spec.action.kind == ProbeAction::Kind::exec && ++commands > kMostCommands) continue;
        slot.run.begin(now);
        slot.trying = true;
        due.push_back({id, watched.container.bundle, kind, slot.spec});
      }
    }
  }
  for (const auto& one : due) {
    const bool command = one.spec.action.kind == ProbeAction::Kind::exec;
    auto attempt = begin_(one.id, one.bundle, one.spec);
    trying_.push_back(
        {one.id, one.kind, clock_.steady_now() + one.spec.timing.timeout, std::move(attempt), command});
  }
  return next;
}

void Probes::wait(Steady until) {
  std::vector<pollfd> polls = {{wake_.get(), POLLIN, 0}};
  for (const auto& trying : trying_) {
    const size_t before = polls.size();
    trying.attempt->add_polls(polls);
    until = std::min(until, polls.size() == before ? Steady() : trying.deadline);
  }
  const auto now = clock_.steady_now();
  for (const auto& leaving : leaving_) {
    leaving->add_polls(polls);
    until = std::min(until, now + kLeavingLook);
  }
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - now).count();
  ::poll(polls.data(), polls.size(), static_cast<int>(std::max<int64_t>(left, 0)));
  uint64_t count = 0;
  [[maybe_unused]] const auto got = ::read(wake_.get(), &count, sizeof count);
}

void Probes::advance() {
  std::erase_if(leaving_, [](const auto& leaving) { return leaving->is_gone(); });
  const auto now = clock_.steady_now();
  for (size_t i = 0; i < trying_.size();) {
    Trying& trying = trying_[i];
    auto said = trying.attempt->advance();
    const bool late = !said && now >= trying.deadline;
    if (late) said = trying.attempt->time_out();
    if (!said) {
      ++i;
      continue;
    }
    answer(trying, *said);
    if (late) leaving_.push_back(std::move(trying.attempt));
    trying_.erase(trying_.begin() + static_cast<ptrdiff_t>(i));
  }
}

void Probes::answer(const Trying& trying, const ProbeAnswer& said) {
  client::ObjectRef about;
  std::string key;
  bool news = false;
  {
    auto state = state_.lock();
    const auto found = state->watched.find(trying.id);
    if (found == state->watched.end()) return;  // it has ended meanwhile
    Watched& watched = found->second;
    const auto slot = watched.slots.find(trying.kind);
    if (slot == watched.slots.end()) return;
    slot->second.trying = false;
    news = slot->second.run.note(said.kind);
    about = watched.container.about;
    key = watched.key;
    if (news && trying.kind == ProbeKind::startup && slot->second.run.good()) {
      for (auto& [kind, other] : watched.slots) {
        if (kind != ProbeKind::startup) other.run.hurry(clock_.steady_now());
      }
    }
  }
  if (const auto event = event_of(trying.kind, said)) events_.warning(about, event->reason, event->message);
  if (news) changed_(key);
}

}  // namespace node
