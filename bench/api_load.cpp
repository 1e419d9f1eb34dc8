#include "api_load.hpp"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <exception>
#include <mutex>
#include <thread>

#include "base/strings.hpp"
#include "base/yaml.hpp"

namespace bench {

namespace {

std::string pem_of(const base::Value& entry, std::string_view name) {
  if (auto data = entry[std::string(name) + "-data"].as_string(); !data.empty()) {
    return base::base64_decode(data).value_or("");
  }
  auto file = entry[name].as_string();
  return file.empty() ? std::string() : support::slurp(std::string(file));
}

// The first cluster and user of the file: a bench is given a file of its own.
net::ClientConfig peer_config(const Settings& settings) {
  auto file = base::parse_yaml(support::slurp(settings.peer_kubeconfig));
  if (!file) throw Failed("the kubeconfig of the peer cannot be read: " + file.error().message);
  const auto& clusters = (*file)["clusters"].as_array();
  const auto& users = (*file)["users"].as_array();
  if (clusters.empty() || users.empty()) throw Failed("the kubeconfig of the peer names no cluster or no user");
  const auto& cluster = clusters.front()["cluster"];
  const auto& user = users.front()["user"];
  std::string_view address = settings.peer;
  if (!address.starts_with("https://")) throw Failed("--peer takes https://HOST:PORT");
  address.remove_prefix(8);
  auto colon = address.rfind(':');
  net::ClientConfig config;
  config.host = address.substr(0, colon);
  config.port = colon == std::string_view::npos
                    ? 443
                    : static_cast<int>(base::parse_int(address.substr(colon + 1)).value_or(0));
  config.ca_pem = pem_of(cluster, "certificate-authority");
  config.insecure_skip_verify = cluster["insecure-skip-tls-verify"].as_bool();
  config.certificate_pem = pem_of(user, "client-certificate");
  config.key_pem = pem_of(user, "client-key");
  config.bearer_token = user["token"].as_string();
  return config;
}

}  // namespace

ApiServer::ApiServer(const Settings& settings) {
  if (!settings.peer.empty()) {
    config_ = peer_config(settings);
    pids_ = settings.peer_pids;
  } else {
    cluster_ = std::make_unique<support::Cluster>(settings.sampan, "bench");
    // All its threads are one client.
    if (!cluster_->up("--server-flag=--max-connections-per-client=0")) throw Failed("sampan up: " + cluster_->output());
    attach();
  }
  config_.request_timeout_ms = 120'000;
  config_.user_agent = "api_bench";
}

ApiServer::~ApiServer() {
  if (cluster_) return;
  auto http = client();
  for (const auto& name : namespaces_) {
    std::string path = "/api/v1/namespaces/" + name;
    for (const std::string& what : {path + "/pods", path + "/configmaps", path}) {
      net::Request request;
      request.method = "DELETE";
      request.path = what;
      request.query.add("gracePeriodSeconds", "0");
      (void)http->round_trip(std::move(request));
    }
  }
}

std::string ApiServer::make_namespace(std::string_view name) {
  std::string full = fmt::format("bench-{}-{}", getpid(), name);
  auto http = client();
  send(*http, {.method = "POST",
               .path = "/api/v1/namespaces",
               .body = fmt::format(R"({{"apiVersion":"v1","kind":"Namespace","metadata":{{"name":"{}"}}}})", full)});
  namespaces_.push_back(full);
  std::this_thread::sleep_for(std::chrono::seconds(1));  // kube-root-ca.crt has come, where there is a controller
  return full;
}

void ApiServer::attach() {
  config_ = cluster_->client_config();
  config_.request_timeout_ms = 120'000;
  config_.user_agent = "api_bench";
  pids_ = {cluster_->pid()};
  if (pids_.front() <= 1) throw Failed("the cluster's process is not known");
}

double ApiServer::restart() {
  if (!cluster_->down_keeping_data()) throw Failed("sampan down: " + cluster_->output());
  auto start = Clock::now();
  if (!cluster_->up()) throw Failed("sampan up: " + cluster_->output());
  double took = seconds_since(start);
  attach();
  return took;
}

double ApiServer::cpu_seconds() const {
  double sum = 0;
  for (int pid : pids_) {
    clockid_t clock;
    timespec time{};
    if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &time) != 0) {
      throw Failed("the measured process is gone: " + (ours() ? cluster_->log() : std::to_string(pid)));
    }
    sum += static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
  }
  return sum;
}

double ApiServer::status_field(std::string_view field) const {
  double sum = 0;
  for (int pid : pids_) {
    std::istringstream in(support::slurp(fmt::format("/proc/{}/status", pid)));
    for (std::string line; std::getline(in, line);) {
      if (line.starts_with(field)) sum += std::strtod(line.c_str() + field.size(), nullptr) * 1024;
    }
  }
  return sum;
}

double ApiServer::anonymous_bytes() const { return status_field("RssAnon:"); }
double ApiServer::resident_bytes() const { return status_field("VmRSS:"); }
double ApiServer::peak_bytes() const { return status_field("VmHWM:"); }
void ApiServer::reset_peak() const {
  for (int pid : pids_) std::ofstream(fmt::format("/proc/{}/clear_refs", pid)) << "5";
}

net::Response send(net::HttpClient& http, const Call& call, int wanted) {
  net::Request request;
  request.method = call.method;
  request.path = call.path;
  for (const auto& [name, value] : call.query) request.query.add(name, value);
  request.headers.add("Accept", call.accept);
  if (!call.accept_encoding.empty()) request.headers.add("Accept-Encoding", call.accept_encoding);
  if (!call.body.empty()) request.headers.add("Content-Type", call.content_type);
  request.body = call.body;
  auto response = http.round_trip(std::move(request));
  if (!response) throw Failed(fmt::format("{} {}: {}", call.method, call.path, response.error().message));
  bool good = wanted == 0 ? response->status / 100 == 2 : response->status == wanted;
  if (!good) {
    throw Failed(fmt::format("{} {}: {} {}", call.method, call.path, response->status,
                             body_of(*response).substr(0, 500)));
  }
  return std::move(*response);
}

std::string body_of(const net::Response& response) {
  std::string out;
  for (const auto& chunk : response.body) out += *chunk;
  return out;
}

size_t size_of(const net::Response& response) {
  size_t size = 0;
  for (const auto& chunk : response.body) size += chunk->size();
  return size;
}

std::string_view member_text(std::string_view json, std::string_view name) {
  for (size_t at = json.find(name); at != std::string_view::npos; at = json.find(name, at + 1)) {
    size_t after = at + name.size();
    if (at == 0 || json[at - 1] != '"' || json.substr(after, 3) != "\":\"") continue;
    auto text = json.substr(after + 3);
    return text.substr(0, text.find('"'));
  }
  return {};
}

double Spread::at(double quantile) {
  if (ms_.empty()) return 0;
  auto at = std::min(ms_.size() - 1, static_cast<size_t>(quantile * static_cast<double>(ms_.size())));
  std::nth_element(ms_.begin(), ms_.begin() + static_cast<std::ptrdiff_t>(at), ms_.end());
  return ms_[at];
}

LoadResult run_load(const ApiServer& server, int clients, int seconds_at_most,
                    const std::function<bool(int client, net::HttpClient& http)>& one) {
  std::vector<Spread> parts(static_cast<size_t>(clients));
  std::vector<std::unique_ptr<net::HttpClient>> connections;
  for (int c = 0; c < clients; ++c) {
    connections.push_back(server.client());
    send(*connections.back(), {.method = "GET", .path = "/version"});  // the handshake is not part of what is timed
  }
  std::mutex mutex;
  std::exception_ptr failure;
  std::atomic<bool> stop{false};
  LoadResult result;
  double cpu = server.measurable() ? server.cpu_seconds() : 0;
  auto start = Clock::now();
  auto end = start + std::chrono::seconds(seconds_at_most);
  {
    std::vector<std::jthread> threads;
    for (int c = 0; c < clients; ++c) {
      threads.emplace_back([&, c] {
        auto index = static_cast<size_t>(c);
        try {
          while (!stop) {
            auto begin = Clock::now();
            if (begin >= end || !one(c, *connections[index])) break;
            parts[index].add(seconds_since(begin) * 1000);
          }
        } catch (...) {
          std::lock_guard lock(mutex);
          failure = std::current_exception();
          stop = true;
        }
      });
    }
  }
  if (failure) std::rethrow_exception(failure);
  result.seconds = seconds_since(start);
  if (server.measurable()) result.cpu_seconds = server.cpu_seconds() - cpu;
  for (const auto& part : parts) result.latency.add(part);
  return result;
}

void print_title(std::string_view text) {
  fmt::print("\n{}\n", text);
  std::fflush(stdout);
}

void print_load(std::string_view what, LoadResult& result) {
  auto count = static_cast<double>(result.latency.count());
  fmt::print("  {:<44} {:>7.0f}/s  p50 {:>7.2f} ms  p99 {:>7.2f} ms  max {:>7.1f} ms  server {:>6.2f} CPU s, {:>6.0f} us each  (n={:.0f})\n",
             what, count / result.seconds, result.latency.at(0.5), result.latency.at(0.99), result.latency.at(1),
             result.cpu_seconds, result.cpu_seconds / std::max(1.0, count) * 1e6, count);
  std::fflush(stdout);
}

}  // namespace bench
