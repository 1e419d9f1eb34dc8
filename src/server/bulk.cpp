#include "server/bulk.hpp"

#include <pthread.h>

#include <algorithm>
#include <optional>

#include "base/gzip.hpp"
#include "base/log.hpp"

namespace server {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr size_t kActive = 16;           // lists under way at a time
constexpr size_t kWindow = 128u << 10;   // what may wait for one client
constexpr size_t kPieceRoom = 72u << 10; // of a piece, with an object more than its 64 KiB
constexpr size_t kKeep = 4u << 20;      // what all together may hold on to
constexpr milliseconds kLookAgain{1};
// A client that takes nothing for so long is cut; sooner when others wait for its place.
constexpr seconds kStall{30};
constexpr seconds kStallWhenFull{2};
constexpr int kGzipLevel = 1;

}  // namespace

struct Bulk::Job {
  std::unique_ptr<ListSource> source;
  std::shared_ptr<net::BodyStream> stream;
  std::optional<base::Gzip> gzip;
  std::chrono::steady_clock::time_point moved;
  size_t waiting = 0;
  bool over = false;
  std::shared_ptr<std::atomic<bool>> gone = std::make_shared<std::atomic<bool>>(false);
};

Bulk::Bulk(const sys::Clock& clock) : clock_(clock), room_(std::make_shared<ListRoom>(kKeep)) {}

Bulk::~Bulk() {
  state_.lock()->stopping = true;
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Bulk::send(const ExchangePtr& exchange, std::unique_ptr<ListSource> source) {
  auto job = std::make_shared<Job>();
  job->source = std::move(source);
  net::Headers extra;
  if (accepts_gzip(exchange->request)) {
    job->gzip.emplace(kGzipLevel);
    extra.set("Content-Encoding", "gzip");
    extra.add("Vary", "Accept-Encoding");
  }
  job->stream = exchange->stream(200, exchange->format.content_type(), std::move(extra));
  if (!job->stream) return;
  job->moved = clock_.steady_now();
  job->stream->on_close([gone = job->gone] { *gone = true; });
  auto state = state_.lock();
  state->jobs.push_back(std::move(job));
  if (!std::exchange(state->running, true)) thread_ = std::thread([this] { run(); });
  changed_.notify_all();
}

void Bulk::run() {
  pthread_setname_np(pthread_self(), "large-lists");
  while (true) {
    {
      auto state = state_.lock();
      changed_.wait(state.native(), [&] { return state->stopping || !state->jobs.empty(); });
      if (state->stopping) return;
    }
    if (turn()) continue;
    auto state = state_.lock();
    changed_.wait_for(state.native(), kLookAgain, [&] { return state->stopping; });
    if (state->stopping) return;
  }
}

bool Bulk::turn() {
  std::vector<JobPtr> active;
  bool crowded = false;
  {
    auto state = state_.lock();
    crowded = state->jobs.size() > kActive;
    auto last = std::next(state->jobs.begin(), static_cast<ptrdiff_t>(std::min(state->jobs.size(), kActive)));
    active.assign(state->jobs.begin(), last);
  }
  bool moved = false;
  for (const auto& job : active) {
    try {
      moved |= step(*job);
    } catch (const std::exception& e) {  // the stream, dropped, tells the client that the list is not whole
      base::log_error("server", "a list is broken off: {}", e.what());
      job->over = true;
    }
    auto limit = crowded ? kStallWhenFull : kStall;
    if (!job->over && clock_.steady_now() - job->moved >= limit) {
      base::log_warning("server", "a list is broken off: its client has read nothing for {} s", limit.count());
      job->over = true;
    }
  }
  std::erase_if(state_.lock()->jobs, [](const JobPtr& job) { return job->over; });
  return moved;
}

bool Bulk::step(Job& job) {
  if (*job.gone) {
    job.over = true;
    return true;
  }
  const size_t waiting = job.stream->pending();
  if (waiting < job.waiting || waiting == 0) job.moved = clock_.steady_now();
  job.waiting = waiting;
  if (waiting >= kWindow) return false;
  std::string piece, packed;
  piece.reserve(kPieceRoom);
  const bool made = !job.source->next(piece);
  if (job.gzip) {
    job.gzip->write(piece, packed);
    if (made) job.gzip->finish(packed);
    piece = std::move(packed);
  }
  if (piece.size() < piece.capacity() / 2) piece.shrink_to_fit();
  if (!piece.empty() && !job.stream->write(net::make_chunk(std::move(piece)))) job.over = true;
  job.waiting = job.stream->pending();
  if (made && !job.over) {
    job.stream->finish();
    job.over = true;
  }
  return true;
}

}  // namespace server
