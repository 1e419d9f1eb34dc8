// Every request between its arrival and the end of its answer: counted, limited in number and time, measured, and
// written to the audit log. A decorator of the responder, so that no verb knows of it.
//
// Threading: begin(), and the responder that it gives, from any thread. One thread of its own ends requests that
// take too long; it sleeps while none is waiting.
//
// Source: apiserver's server/filters (maxinflight, timeout, longrunning) and endpoints/filters/request_deadline.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <string>
#include <thread>

#include "base/guarded.hpp"
#include "net/http.hpp"
#include "server/audit.hpp"
#include "server/metrics.hpp"
#include "sys/clock.hpp"

namespace server {

struct InflightLimits {
  int reading = 400;   // 0: no limit
  int mutating = 200;
  size_t body_bytes = 4u << 20;  // of large bodies being worked on, all together
  std::chrono::nanoseconds timeout = std::chrono::seconds(60);
};

// What a request turned out to be.
struct RequestTraits {
  RequestLabels labels;
  bool read_only = true;
  bool long_running = false;  // watch, log, exec: neither limited nor timed
  bool exempt = false;        // served also when the server is full
  AuditFacts audit;           // id, received, timing are filled in by describe()
};

class InflightRequest;
using InflightPtr = std::shared_ptr<InflightRequest>;

class Inflight {
 public:
  // `audit` may be null: no audit log.
  Inflight(InflightLimits limits, std::shared_ptr<Metrics> metrics, std::shared_ptr<AuditLog> audit,
           const sys::Clock& clock);
  ~Inflight();

  InflightPtr begin(const net::Request& request, std::shared_ptr<net::Responder> responder);
  // Ends it with 504 when it has not been answered in time; nothing for what has been, or is long-running.
  // bad_request when ?timeout= is no duration.
  base::Result<std::chrono::nanoseconds> timeout_of(const net::Request& request) const;
  void limit_time(const InflightPtr& request, std::chrono::nanoseconds timeout);
  // Answers what is overdue. Called by the thread; by tests with a fake clock.
  void expire();

  const InflightLimits& limits() const { return limits_; }
  bool audits() const { return audit_ != nullptr; }
  const std::shared_ptr<AuditLog>& audit() const { return audit_; }

 private:
  friend class InflightRequest;
  struct Waiting {
    std::chrono::steady_clock::time_point deadline;
    std::weak_ptr<InflightRequest> request;
  };
  static constexpr size_t kSweepAt = 1024;
  struct Deadlines {
    std::deque<Waiting> waiting;  // by deadline
    size_t sweep_at = kSweepAt;
    bool stopping = false;
    bool running = false;
    std::chrono::steady_clock::time_point wakes = std::chrono::steady_clock::time_point::max();
  };
  void run();

  InflightLimits limits_;
  std::shared_ptr<Metrics> metrics_;
  std::shared_ptr<AuditLog> audit_;
  const sys::Clock& clock_;
  base::Guarded<Deadlines> deadlines_;
  std::condition_variable changed_;
  std::thread thread_;  // guarded by deadlines_ until it runs
};

// The responder that verbs see.
class InflightRequest final : public net::Responder, public std::enable_shared_from_this<InflightRequest> {
 public:
  InflightRequest(const Inflight& owner, std::shared_ptr<net::Responder> inner);
  ~InflightRequest() override;

  // Before admit(), once. `request` as it came, with its body.
  void describe(RequestTraits traits, const net::Request& request);
  void forbid() { traits_.audit.allowed = false; }
  // False: there are too many, and it has been answered so.
  bool admit();
  // 504, unless it has been answered.
  void expire();
  bool answered() const { return claimed_.load(); }
  bool long_running() const { return traits_.long_running; }

  void send(net::Response response) override;
  std::shared_ptr<net::BodyStream> stream(int status, net::Headers headers) override;
  base::Result<std::shared_ptr<net::WebSocket>> websocket(std::string_view subprotocol) override;

 private:
  friend class InflightStream;
  void mark(net::Headers& headers) const;
  void audit(AuditStage stage, int code, std::string_view body, std::string_view type);
  void start_streaming(int status);
  void done(int code, std::optional<size_t> bytes);
  void release_slot();
  // Whether there is room for its body; small ones are not counted.
  bool take_body_room();
  bool refuse();

  std::shared_ptr<Metrics> metrics_;
  std::shared_ptr<AuditLog> audit_;
  const sys::Clock& clock_;
  InflightLimits limits_;
  std::shared_ptr<net::Responder> inner_;
  std::chrono::steady_clock::time_point began_;
  RequestTraits traits_;
  Metrics::Series* series_ = nullptr;
  std::atomic<bool> claimed_{false};
  std::atomic<bool> done_{false};
  std::atomic<std::atomic<int64_t>*> slot_{nullptr};  // the gauge that counts it
  size_t body_size_ = 0;
  int64_t body_room_ = 0;  // taken of metrics_->body_bytes
  bool streaming_ = false;
  bool counted_running_ = false;
};

}  // namespace server
