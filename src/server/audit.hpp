// The audit log: who did what, as audit.k8s.io/v1 Event objects, one JSON line each, in a file that is rotated by
// size. Off unless a path is given.
//
// Threading: write() from any thread, never blocking: lines wait in a bounded queue for a thread of the log's own.
// When the disk does not keep up and the queue is full, the newest lines are dropped, counted
// (apiserver_audit_error_total) and reported in the log: requests never wait for the audit log.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "api/kinds.hpp"
#include "base/guarded.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "base/value.hpp"
#include "net/http.hpp"
#include "server/audit_policy.hpp"
#include "server/metrics.hpp"

namespace server {

struct AuditConfig {
  std::string path;             // "": off; "-": standard output
  AuditPolicy policy = AuditPolicy::make_default();
  int64_t max_size = 100 << 20;  // bytes, then the file is put aside
  int max_backups = 10;          // files put aside that are kept; 0: all
  int max_age_days = 0;          // and so long; 0: for ever
};

// What is known of a request when its verb begins.
struct AuditFacts {
  std::string id;
  std::string request_uri;
  std::string user_agent;
  std::vector<std::string> source_ips;
  AuditSubject subject;
  std::string api_version;  // of the resource, without its group
  base::Time received;
  bool allowed = true;
  std::string request_body;  // kept only when the level asks for it
  std::string request_type;  // its Content-Type
  AuditDecision decision;
  api::KindPtr kind;         // of the resource, for bodies in protobuf; may be null
  api::KindPtr status_kind;  // of failures
};

// Where the request comes from: what proxies say of it (X-Forwarded-For, X-Real-Ip), then who sent it.
std::vector<std::string> source_ips_of(const net::Request& request);

// `body` and `type`: of the answer; looked at when the level asks for it, for the reason of a failure, and
// for the name of what was created.
base::Value make_audit_event(const AuditFacts& facts, AuditStage stage, base::Time now, int code, std::string_view body,
                             std::string_view type);

class AuditLog {
 public:
  static base::Result<std::unique_ptr<AuditLog>> open(AuditConfig config, std::shared_ptr<Metrics> metrics);
  ~AuditLog();  // writes what waits

  const AuditPolicy& policy() const { return config_.policy; }
  void write(const base::Value& event);
  // Blocks until everything written so far is in the file: for tests.
  void flush();

 private:
  AuditLog(AuditConfig config, std::shared_ptr<Metrics> metrics);
  struct Queue {
    std::deque<std::string> lines;
    size_t bytes = 0;
    bool busy = false;
    bool stopping = false;
    bool dropping = false;
  };
  base::Result<void> open_file();
  void run();
  void write_lines(const std::deque<std::string>& lines);
  void rotate();
  void remove_old();

  AuditConfig config_;
  std::shared_ptr<Metrics> metrics_;
  int fd_ = -1;        // thread
  int64_t size_ = 0;   // thread
  bool failing_ = false;  // thread
  base::Guarded<Queue> queue_;
  std::condition_variable changed_;
  std::thread thread_;
};

}  // namespace server
