// What /metrics says, in Prometheus' text form and under the names that dashboards for Kubernetes know: requests
// by verb and resource, their time and size, what is under way, and the process itself.
//
// Threading: any thread. Counting takes no lock: a series is found in a table of atomic pointers, and its numbers
// are atomics. The table is bounded, so that no client can fill memory with labels of its own making.
//
// Source: apiserver's endpoints/metrics; the text exposition format 0.0.4.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/guarded.hpp"
#include "base/time.hpp"

namespace server {

// Of one request; all from bounded sets: names of resources that exist, verbs of the API.
struct RequestLabels {
  std::string verb;  // "GET", "LIST", "WATCH", "POST", "APPLY", ...
  std::string group;
  std::string version;
  std::string resource;
  std::string subresource;
  std::string scope;  // "cluster", "namespace", "resource"; "" for paths that are no resources
  bool dry_run = false;
};

// A cumulative histogram with fixed upper bounds.
template <size_t N>
class Histogram {
 public:
  void observe(const std::array<double, N>& bounds, double value) {
    size_t i = 0;
    while (i < N && value > bounds[i]) ++i;
    counts_[i].fetch_add(1, std::memory_order_relaxed);
    micro_sum_.fetch_add(static_cast<uint64_t>(value * 1e6), std::memory_order_relaxed);
  }
  uint64_t count(size_t i) const { return counts_[i].load(std::memory_order_relaxed); }
  double sum() const { return static_cast<double>(micro_sum_.load(std::memory_order_relaxed)) / 1e6; }

 private:
  std::array<std::atomic<uint64_t>, N + 1> counts_{};
  std::atomic<uint64_t> micro_sum_{0};
};

inline constexpr std::array<double, 23> kDurationBounds = {0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8,
                                                           1,     1.25,  1.5,  2,   3,   4,   5,   6,
                                                           8,     10,    15,   20,  30,  45,  60};
inline constexpr std::array<double, 7> kSizeBounds = {1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};
inline constexpr std::array<int, 24> kCountedCodes = {0,   101, 200, 201, 202, 204, 206, 301, 304, 400, 401, 403,
                                                      404, 405, 406, 409, 410, 413, 415, 422, 429, 500, 503, 504};

class Metrics {
 public:
  struct Series {
    RequestLabels labels;
    std::array<std::atomic<uint64_t>, kCountedCodes.size()> by_code{};  // [0]: any other
    Histogram<kDurationBounds.size()> duration;
    Histogram<kSizeBounds.size()> size;
    std::atomic<int64_t> running{0};       // long-running ones
    std::atomic<uint64_t> terminated{0};   // answered by the server's limits, not by the verb
    std::atomic<uint64_t> watch_events{0};
  };

  explicit Metrics(std::string git_version = "");
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // Stays valid as long as this. When the table is full: one series for all that is left.
  Series& series(const RequestLabels& labels);
  static void count(Series& series, int code, std::chrono::nanoseconds took, std::optional<size_t> bytes);

  std::atomic<int64_t> reading{0};   // in flight, read-only
  std::atomic<int64_t> mutating{0};  // in flight, mutating
  std::atomic<int64_t> body_bytes{0};  // of large request bodies in flight
  std::atomic<uint64_t> audit_events{0};
  std::atomic<uint64_t> audit_dropped{0};

  // What others add to the page, called at each scrape: families of their own.
  void add_source(std::function<void(std::string& page)> source);
  std::string page() const;

 private:
  void append_requests(std::string& out) const;
  void append_process(std::string& out) const;

  static constexpr size_t kSlots = 4096;
  static constexpr size_t kMaxSeries = 3000;
  std::string git_version_;
  std::vector<std::atomic<Series*>> slots_;
  std::atomic<size_t> used_{0};
  Series other_;
  base::Guarded<std::vector<std::function<void(std::string&)>>> sources_;
};

// "# HELP name help\n# TYPE name type\n".
void append_family(std::string& out, std::string_view name, std::string_view type, std::string_view help);
// name{labels} value; `labels` without braces, may be empty.
void append_sample(std::string& out, std::string_view name, std::string_view labels, double value);
// name="value" with the escapes of the format, and a comma before it when `labels` holds something.
void append_label(std::string& labels, std::string_view name, std::string_view value);

}  // namespace server
