// What the modes of api_bench share: the API server under load (a cluster of our own, or a peer that is named), what it
// costs, requests, and rows of figures. One thread but where it says otherwise.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "../tests/support/cluster.hpp"
#include "net/client.hpp"

namespace bench {

using Clock = std::chrono::steady_clock;

// Ends the program, by way of main(): the cluster is removed.
struct Failed : std::runtime_error {
  using std::runtime_error::runtime_error;
};

inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

struct Settings {
  std::string sampan;
  std::string peer;             // https://host:port of another API server
  std::string peer_kubeconfig;  // how to get in there
  std::vector<int> peer_pids;   // whose cost is counted
  int creates = 10'000;
  int pods = 10'000;
  int lists = 5;
  int watchers = 1'000;
  int rate = 100;
  int seconds = 20;
  int write_seconds = 5;
  int objects = 200'000;
  int step_limit = 180;  // seconds; no step takes longer
};

// The server that is measured. Its figures may be read from any thread.
class ApiServer {
 public:
  explicit ApiServer(const Settings& settings);
  ~ApiServer();

  const net::ClientConfig& config() const { return config_; }
  std::unique_ptr<net::HttpClient> client() const { return net::make_http_client(config_); }
  bool ours() const { return cluster_ != nullptr; }
  bool measurable() const { return !pids_.empty(); }
  support::Cluster& cluster() { return *cluster_; }
  // A namespace of this run, made now; a peer's are emptied and deleted at the end.
  std::string make_namespace(std::string_view name);
  // Stops it, keeps its data, starts it again; returns how many seconds the start took.
  double restart();

  double cpu_seconds() const;       // since it started
  double anonymous_bytes() const;   // resident and no file's
  double resident_bytes() const;
  double peak_bytes() const;        // the most resident since reset_peak()
  void reset_peak() const;

 private:
  void attach();
  double status_field(std::string_view field) const;

  std::unique_ptr<support::Cluster> cluster_;
  net::ClientConfig config_;
  std::vector<std::string> namespaces_;
  std::vector<int> pids_;
};

// A request as the modes send it; throws Failed when there is no answer, or not the status that is wanted.
struct Call {
  std::string method;
  std::string path;
  std::vector<std::pair<std::string, std::string>> query = {};
  std::string body = {};
  std::string content_type = "application/json";
  std::string accept = "application/json";
  std::string accept_encoding = {};
};
net::Response send(net::HttpClient& http, const Call& call, int wanted = 0);  // 0: any 2xx
std::string body_of(const net::Response& response);
size_t size_of(const net::Response& response);
// The text of the first string member of that name; "" when there is none. For answers that need not be parsed whole.
std::string_view member_text(std::string_view json, std::string_view name);

// Milliseconds, sorted when they are asked for.
class Spread {
 public:
  void add(double ms) { ms_.push_back(static_cast<float>(ms)); }
  void add(const Spread& other) { ms_.insert(ms_.end(), other.ms_.begin(), other.ms_.end()); }
  double at(double quantile);
  size_t count() const { return ms_.size(); }

 private:
  std::vector<float> ms_;
};

// Runs `work(client, http)` on so many threads at once, each with a connection; the first failure ends the program.
struct LoadResult {
  Spread latency;
  double seconds = 0;
  double cpu_seconds = 0;  // of the server
};
// Each thread calls `one` again and again; it returns false when there is nothing left to do. `one` is timed.
LoadResult run_load(const ApiServer& server, int clients, int seconds_at_most,
                    const std::function<bool(int client, net::HttpClient& http)>& one);

// A pod as a Deployment's pods are, that no scheduler takes, with labels; and its status as a node writes it.
std::string pod_json(std::string_view name, std::string_view namespace_);
std::string pod_status_json(std::string_view name, std::string_view namespace_);
std::string config_map_json(std::string_view name, size_t bytes);

void print_title(std::string_view text);
void print_load(std::string_view what, LoadResult& result);

// The modes.
void bench_create(ApiServer& server, const Settings& settings);
void bench_list(ApiServer& server, const Settings& settings);
void bench_watch(ApiServer& server, const Settings& settings);
void bench_write(ApiServer& server, const Settings& settings);
void bench_many(ApiServer& server, const Settings& settings);

}  // namespace bench
