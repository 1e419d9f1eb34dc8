#include "server/inflight.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "api/status.hpp"
#include "base/ids.hpp"
#include "base/json.hpp"
#include "base/strings.hpp"

namespace server {

namespace {

constexpr std::string_view kTooMany = "Too many requests, please try again later.\n";
constexpr std::string_view kTooSlow = "Timeout: request did not complete within the allotted timeout";
constexpr size_t kMaxAuditId = 64;

// The client may name its request; what it may not do is put anything else into our log.
std::string audit_id_of(const net::Request& request) {
  auto given = request.headers.get("Audit-ID");
  bool fine = !given.empty() && given.size() <= kMaxAuditId &&
              std::ranges::all_of(given, [](char c) { return c > 0x20 && c < 0x7f; });
  return fine ? std::string(given) : base::make_uid();
}

std::string uri_of(const net::Request& request) {
  if (!request.raw_target.empty()) return request.raw_target;
  std::string query = request.query.encode();
  return query.empty() ? request.path : request.path + "?" + query;
}

}  // namespace

// A stream of an answer: its bytes are counted, and its end is the request's.
class InflightStream final : public net::BodyStream {
 public:
  InflightStream(std::shared_ptr<net::BodyStream> inner, InflightPtr request, int status)
      : inner_(std::move(inner)), request_(std::move(request)), status_(status) {
    watch_ = request_->series_ && request_->series_->labels.verb == "WATCH";
  }
  ~InflightStream() override { end(); }
  bool write(net::Chunk chunk) override {
    size_t size = chunk ? chunk->size() : 0;
    if (!inner_->write(std::move(chunk))) return false;
    bytes_.fetch_add(size, std::memory_order_relaxed);
    if (watch_) request_->series_->watch_events.fetch_add(1, std::memory_order_relaxed);
    return true;
  }
  void finish() override {
    inner_->finish();
    end();
  }
  size_t pending() const override { return inner_->pending(); }
  void on_close(std::function<void()> callback) override { inner_->on_close(std::move(callback)); }

 private:
  void end() { request_->done(status_, watch_ ? std::nullopt : std::optional<size_t>(bytes_.load())); }

  std::shared_ptr<net::BodyStream> inner_;
  InflightPtr request_;
  int status_;
  bool watch_ = false;
  std::atomic<size_t> bytes_{0};
};

InflightRequest::InflightRequest(const Inflight& owner, std::shared_ptr<net::Responder> inner)
    : metrics_(owner.metrics_),
      audit_(owner.audit_),
      clock_(owner.clock_),
      limits_(owner.limits_),
      inner_(std::move(inner)),
      began_(owner.clock_.steady_now()) {
  traits_.audit.received = owner.clock_.now();
}

InflightRequest::~InflightRequest() {
  // Dropped without an answer: the inner responder says 500.
  if (claimed_.load()) return;
  audit(AuditStage::response_complete, 500, "", "");
  done(500, std::nullopt);
}

void InflightRequest::describe(RequestTraits traits, const net::Request& request) {
  body_size_ = request.body.size();
  auto received = traits_.audit.received;
  traits_ = std::move(traits);
  series_ = &metrics_->series(traits_.labels);
  auto& facts = traits_.audit;
  facts.received = received;
  if (!audit_) {
    if (request.headers.has("Audit-ID")) facts.id = audit_id_of(request);
    return;
  }
  facts.id = audit_id_of(request);
  facts.decision = audit_->policy().decide(facts.subject);
  if (facts.decision.level == AuditLevel::none) return;
  facts.request_uri = uri_of(request);
  facts.user_agent = request.headers.get("User-Agent");
  facts.source_ips = source_ips_of(request);
  if (facts.decision.level >= AuditLevel::request) {
    facts.request_body = request.body;
    facts.request_type = request.headers.get("Content-Type");
  }
  audit(AuditStage::request_received, 0, "", "");
}

bool InflightRequest::admit() {
  if (traits_.long_running) return true;
  if (!take_body_room()) return refuse();
  int limit = traits_.read_only ? limits_.reading : limits_.mutating;
  auto& gauge = traits_.read_only ? metrics_->reading : metrics_->mutating;
  bool full = gauge.fetch_add(1) >= limit && limit > 0;
  if (!full || traits_.exempt) {
    slot_ = &gauge;
    return true;
  }
  gauge.fetch_sub(1);
  return refuse();
}

// A body becomes about ten times as much while it is worked on. One is always let in.
bool InflightRequest::take_body_room() {
  constexpr size_t kSmall = 64u << 10;
  if (body_size_ <= kSmall || limits_.body_bytes == 0) return true;
  auto size = static_cast<int64_t>(body_size_);
  int64_t before = metrics_->body_bytes.fetch_add(size);
  if (before > 0 && before + size > static_cast<int64_t>(limits_.body_bytes)) {
    metrics_->body_bytes.fetch_sub(size);
    return false;
  }
  body_room_ = size;
  return true;
}

bool InflightRequest::refuse() {
  if (series_) series_->terminated.fetch_add(1, std::memory_order_relaxed);
  send({429,
        {{"Content-Type", "text/plain; charset=utf-8"}, {"X-Content-Type-Options", "nosniff"}, {"Retry-After", "1"}},
        {net::make_chunk(std::string(kTooMany))}});
  return false;
}

void InflightRequest::expire() {
  if (claimed_.load()) return;
  if (series_) series_->terminated.fetch_add(1, std::memory_order_relaxed);
  auto status = api::make_status({base::Reason::timeout, std::string(kTooSlow), std::make_shared<base::ErrorDetails>()});
  send({504,
        {{"Cache-Control", "no-cache, private"}, {"Content-Type", "application/json"}},
        {net::make_chunk(base::write_json(status) + "\n")}});
}

void InflightRequest::mark(net::Headers& headers) const {
  if (!traits_.audit.id.empty()) headers.set("Audit-Id", traits_.audit.id);
}

void InflightRequest::audit(AuditStage stage, int code, std::string_view body, std::string_view type) {
  const auto& decision = traits_.audit.decision;
  if (!audit_ || decision.level == AuditLevel::none || decision.omits(stage)) return;
  audit_->write(make_audit_event(traits_.audit, stage, clock_.now(), code, body, type));
}

void InflightRequest::send(net::Response response) {
  if (claimed_.exchange(true)) return;  // answered already: it took too long
  mark(response.headers);
  size_t bytes = 0;
  for (const auto& chunk : response.body) bytes += chunk ? chunk->size() : 0;
  if (audit_ && traits_.audit.decision.level != AuditLevel::none) {
    std::string body;
    bool looked_at = response.status >= 400 || traits_.audit.decision.level >= AuditLevel::request_response ||
                     (traits_.audit.subject.verb == "create" && traits_.audit.subject.name.empty());
    bool plain = !response.headers.has("Content-Encoding");
    if (looked_at && plain) {
      for (const auto& chunk : response.body) body += chunk ? *chunk : "";
    }
    audit(AuditStage::response_complete, response.status, body, response.headers.get("Content-Type"));
  }
  int status = response.status;
  auto inner = std::move(inner_);
  release_slot();  // before the client can know of it: its next request may want the place
  inner->send(std::move(response));
  done(status, traits_.read_only ? std::optional<size_t>(bytes) : std::nullopt);
}

std::shared_ptr<net::BodyStream> InflightRequest::stream(int status, net::Headers headers) {
  if (claimed_.exchange(true)) {
    // Too late, and whoever streams wants something to write to.
    struct Nowhere final : net::BodyStream {
      bool write(net::Chunk) override { return false; }
      void finish() override {}
      size_t pending() const override { return 0; }
      void on_close(std::function<void()> callback) override { callback(); }
    };
    return std::make_shared<Nowhere>();
  }
  mark(headers);
  start_streaming(status);
  auto inner = std::move(inner_);
  return std::make_shared<InflightStream>(inner->stream(status, std::move(headers)), shared_from_this(), status);
}

base::Result<std::shared_ptr<net::WebSocket>> InflightRequest::websocket(std::string_view subprotocol) {
  if (claimed_.load()) return base::fail(base::Reason::internal_error, "the request has been answered already");
  auto socket = inner_->websocket(subprotocol);
  if (!socket) return socket;  // not answered yet
  claimed_ = true;
  inner_.reset();
  start_streaming(101);
  (*socket)->on_close([self = shared_from_this()] { self->done(101, std::nullopt); });
  return socket;
}

void InflightRequest::start_streaming(int status) {
  streaming_ = true;
  audit(AuditStage::response_started, status, "", "");
  if (!traits_.long_running || !series_) return;
  counted_running_ = true;
  series_->running.fetch_add(1, std::memory_order_relaxed);
}

void InflightRequest::release_slot() {
  if (auto* gauge = slot_.exchange(nullptr)) gauge->fetch_sub(1);
  if (body_room_ > 0) metrics_->body_bytes.fetch_sub(std::exchange(body_room_, 0));
}

void InflightRequest::done(int code, std::optional<size_t> bytes) {
  if (done_.exchange(true)) return;
  release_slot();
  if (counted_running_) series_->running.fetch_sub(1, std::memory_order_relaxed);
  if (streaming_) audit(AuditStage::response_complete, code, "", "");
  if (series_) Metrics::count(*series_, code, clock_.steady_now() - began_, bytes);
}

Inflight::Inflight(InflightLimits limits, std::shared_ptr<Metrics> metrics, std::shared_ptr<AuditLog> audit,
                   const sys::Clock& clock)
    : limits_(limits), metrics_(std::move(metrics)), audit_(std::move(audit)), clock_(clock) {}

Inflight::~Inflight() {
  deadlines_.lock()->stopping = true;
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

InflightPtr Inflight::begin(const net::Request&, std::shared_ptr<net::Responder> responder) {
  return std::make_shared<InflightRequest>(*this, std::move(responder));
}

base::Result<std::chrono::nanoseconds> Inflight::timeout_of(const net::Request& request) const {
  auto text = request.query.get("timeout");
  if (text.empty()) return limits_.timeout;
  auto wanted = base::parse_duration(text);
  if (!wanted) {
    return base::fail(base::Reason::bad_request,
                      fmt::format("invalid timeout specified in the request URL - time: invalid duration {}", base::quote(text)));
  }
  return wanted->count() > 0 ? std::min(*wanted, limits_.timeout) : limits_.timeout;
}

void Inflight::limit_time(const InflightPtr& request, std::chrono::nanoseconds timeout) {
  if (request->answered() || request->long_running() || timeout.count() <= 0) return;
  auto deadlines = deadlines_.lock();
  if (deadlines->stopping) return;
  auto deadline = clock_.steady_now() + timeout;
  // Nearly all have the same time: the new one belongs at the end, and those in front that are answered can go.
  while (!deadlines->waiting.empty()) {
    auto first = deadlines->waiting.front().request.lock();
    if (first && !first->answered()) break;
    deadlines->waiting.pop_front();
  }
  if (deadlines->waiting.size() > deadlines->sweep_at) {  // behind one that hangs
    std::erase_if(deadlines->waiting, [](const Waiting& waiting) {
      auto one = waiting.request.lock();
      return !one || one->answered();
    });
    deadlines->sweep_at = std::max(kSweepAt, 2 * deadlines->waiting.size());
  }
  auto at = deadlines->waiting.end();
  while (at != deadlines->waiting.begin() && std::prev(at)->deadline > deadline) --at;
  deadlines->waiting.insert(at, {deadline, request});
  if (!deadlines->running) {
    deadlines->running = true;
    thread_ = std::thread([this] { run(); });
  } else if (deadline < deadlines->wakes) {
    changed_.notify_all();
  }
}

void Inflight::expire() {
  std::vector<InflightPtr> overdue;
  {
    auto deadlines = deadlines_.lock();
    auto now = clock_.steady_now();
    while (!deadlines->waiting.empty() && deadlines->waiting.front().deadline <= now) {
      if (auto request = deadlines->waiting.front().request.lock()) overdue.push_back(std::move(request));
      deadlines->waiting.pop_front();
    }
  }
  for (const auto& request : overdue) request->expire();
}

void Inflight::run() {
  while (true) {
    {
      auto deadlines = deadlines_.lock();
      if (deadlines->stopping) return;
      if (deadlines->waiting.empty()) {
        deadlines->wakes = std::chrono::steady_clock::time_point::max();
        changed_.wait(deadlines.native());
        continue;
      }
      deadlines->wakes = deadlines->waiting.front().deadline;
      auto pause = std::max<std::chrono::nanoseconds>(deadlines->wakes - clock_.steady_now(), std::chrono::milliseconds(1));
      changed_.wait_for(deadlines.native(), pause);
      if (deadlines->stopping) return;
    }
    expire();
  }
}

}  // namespace server
