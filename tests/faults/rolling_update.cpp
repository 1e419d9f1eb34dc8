// Load through rolling updates: a client pod opens new connections and keeps others open to a Service's
// cluster IP while the Deployment behind it is rolled again and again. Its servers exit at once on SIGTERM
// and have no preStop. Any refused, reset, late or cut-off request is a failure; what a keep-alive client
// must do by itself (open a connection anew that it finds closed, repeat a GET that got no byte on a
// connection used before) is counted apart.
//   rolling_update SAMPAN IMAGE ROUNDS [NEW_PER_SECOND] [KEEPALIVE_CONNECTIONS] [FLAGS OF up]
#include <fmt/format.h>

#include <chrono>
#include <string>
#include <thread>

#include "cluster_process.hpp"

namespace {

using base::Array;
using base::Object;
using base::Value;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

const client::Resource kDeployments{"apps", "v1", "deployments", "default"};
const client::Resource kServices{"", "v1", "services", "default"};
const client::Resource kPods{"", "v1", "pods", "default"};
constexpr int kReplicas = 4;

Value container(std::string name, Array args) {
  return Object{{"name", std::move(name)},
                {"image", "rolling:latest"},
                {"imagePullPolicy", "Never"},
                {"args", std::move(args)}};
}

Value server_container() {
  Value server = container("web", {"serve", "8080"});
  // Ready is when it listens: without a probe a pod gets connections as soon as it is started.
  server.make({"readinessProbe"}) = Object{{"tcpSocket", Object{{"port", 8080}}}, {"periodSeconds", 1}};
  return server;
}

Value deployment() {
  return Object{
      {"apiVersion", "apps/v1"},
      {"kind", "Deployment"},
      {"metadata", Object{{"name", "web"}}},
      {"spec", Object{{"replicas", kReplicas},
                      {"selector", Object{{"matchLabels", Object{{"app", "web"}}}}},
                      {"template", Object{{"metadata", Object{{"labels", Object{{"app", "web"}}}}},
                                          {"spec", Object{{"containers", Array{server_container()}}}}}}}}};
}

Value service() {
  return Object{{"apiVersion", "v1"},
                {"kind", "Service"},
                {"metadata", Object{{"name", "web"}}},
                {"spec", Object{{"selector", Object{{"app", "web"}}},
                                {"ports", Array{Object{{"port", 80}, {"targetPort", 8080}}}}}}};
}

Value load_pod(const std::string& address, int rate, int kept) {
  return Object{
      {"apiVersion", "v1"},
      {"kind", "Pod"},
      {"metadata", Object{{"name", "load"}}},
      {"spec", Object{{"restartPolicy", "Never"},
                      {"containers", Array{container("load", {"load", address, "80", std::to_string(rate),
                                                              std::to_string(kept)})}}}}};
}

bool wait_for(std::chrono::seconds limit, auto&& is_done) {
  for (auto end = Clock::now() + limit; Clock::now() < end;) {
    if (is_done()) return true;
    std::this_thread::sleep_for(milliseconds(20));
  }
  return false;
}

bool is_rolled_out(client::Client& api, int64_t replicas) {
  auto object = api.get(kDeployments, "web");
  if (!object) return false;
  const Value& status = (*object)["status"];
  return status["observedGeneration"].int_or(0) == object->at({"metadata", "generation"}).int_or(-1) &&
         status["updatedReplicas"].int_or(0) == replicas && status["replicas"].int_or(0) == replicas &&
         status["availableReplicas"].int_or(0) == replicas;
}

bool is_running(client::Client& api, const char* pod) {
  auto object = api.get(kPods, pod);
  return object && object->at({"status", "phase"}).as_string() == "Running";
}

// The last line that the client wrote.
base::Result<Value> counters(const faults::ClusterProcess& cluster) {
  net::Request request;
  request.method = "GET";
  request.path = "/api/v1/namespaces/default/pods/load/log";
  request.query.add("tailLines", "1");
  TRY(auto response, net::make_http_client(cluster.client_config())->round_trip(std::move(request)));
  std::string body;
  for (const auto& chunk : response.body) body += *chunk;
  if (response.status != 200) return base::fail(base::Reason::unknown, "log: " + body);
  return base::parse_json(body);
}

long failures_in(const Value& line) {
  long sum = 0;
  for (const char* kind : {"refused", "reset", "timeout", "short", "other"}) {
    for (const char* which : {"fresh_", "kept_"}) sum += line[std::string(which) + kind].int_or(0);
  }
  return sum;
}

// A new template; every fifth time also fewer pods, and as many again.
base::Result<void> roll(client::Client& api, int round) {
  Value patch;
  patch.make({"spec", "template", "metadata", "annotations", "round"}) = std::to_string(round);
  TRY(auto patched, api.patch(kDeployments, "web", client::PatchType::merge, patch));
  if (!wait_for(std::chrono::seconds(60), [&] { return is_rolled_out(api, kReplicas); }))
    return base::fail(base::Reason::timeout, fmt::format("round {}: the rollout does not end", round));
  if (round % 5 != 0) return {};
  for (int replicas : {1, kReplicas}) {
    Value size;
    size.make({"spec", "replicas"}) = replicas;
    TRY(auto scaled, api.patch(kDeployments, "web", client::PatchType::merge, size));
    if (!wait_for(std::chrono::seconds(60), [&] { return is_rolled_out(api, replicas); }))
      return base::fail(base::Reason::timeout,
                        fmt::format("round {}: scaling to {} does not end", round, replicas));
  }
  return {};
}

base::Result<void> set_up(const faults::ClusterProcess& cluster, client::Client& api, int rate, int kept) {
  TRY(auto rolled, api.create(kDeployments, deployment()));
  TRY(auto made, api.create(kServices, service()));
  if (!wait_for(std::chrono::seconds(60), [&] { return is_rolled_out(api, kReplicas); }))
    return base::fail(base::Reason::timeout, "the first rollout does not end");
  std::this_thread::sleep_for(
      milliseconds(500));  // the Service's endpoints: before the load, nobody promises anything
  TRY(auto pod,
      api.create(kPods, load_pod(std::string(made.at({"spec", "clusterIP"}).as_string()), rate, kept)));
  if (!wait_for(std::chrono::seconds(30),
                [&] { return is_running(api, "load") && counters(cluster).has_value(); }))
    return base::fail(base::Reason::timeout, "the client does not start");
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    fmt::print(
        stderr,
        "usage: rolling_update SAMPAN IMAGE ROUNDS [NEW_PER_SECOND] [KEEPALIVE_CONNECTIONS] [FLAGS OF up]\n");
    return 2;
  }
  const int rounds = std::atoi(argv[3]);
  const int rate = argc > 4 ? std::atoi(argv[4]) : 500;
  const int kept = argc > 5 ? std::atoi(argv[5]) : 16;
  faults::ClusterProcess cluster(argv[1], "rolling");
  if (!cluster.up(argc > 6 ? argv[6] : "") || !cluster.command(fmt::format("image import {}", argv[2]))) {
    fmt::print("the cluster does not start: {}\n", cluster.output());
    return 1;
  }
  auto api = cluster.client();
  auto ready = set_up(cluster, api, rate, kept);
  base::Result<Value> line = Value();
  const auto begin = Clock::now();
  int done = 0;
  for (; ready && done < rounds; ++done) {
    ready = roll(api, done + 1);
    if (line = counters(cluster); line && failures_in(*line) > 0 && rounds > 5) {
      fmt::print("round {}: {}\n", done + 1, failures_in(*line));
    }
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  std::this_thread::sleep_for(std::chrono::seconds(4));  // a request may take three seconds to fail
  if (ready) line = counters(cluster);
  if (!ready || !line) {
    fmt::print("{}\n{}\n", ready ? line.error().message : ready.error().message, cluster.log());
    return 1;
  }
  for (const char* which : {"fresh", "kept"}) {
    auto of = [&](const char* kind) { return (*line)[fmt::format("{}_{}", which, kind)].int_or(0); };
    fmt::print("{}: {} answered, {} refused, {} reset, {} timed out, {} cut off, {} other\n",
               which == std::string("fresh") ? "new connections" : "keep-alive requests", of("ok"),
               of("refused"), of("reset"), of("timeout"), of("short"), of("other"));
  }
  fmt::print("keep-alive connections found closed: {}; requests repeated: {}\n",
             (*line)["reopened"].int_or(0), (*line)["repeated"].int_or(0));
  const long failures = failures_in(*line);
  fmt::print("{} rolling updates of {} pods in {:.1f} s: {}\n", done, kReplicas, seconds,
             failures == 0 ? "no failure" : fmt::format("{} FAILURES", failures));
  // No failure says nothing without load: a tenth of what was asked for leaves room on a busy machine.
  auto answered = [&](const char* which) { return static_cast<double>((*line)[which].int_or(0)); };
  const bool loaded = answered("fresh_ok") > rate * seconds / 10 && (kept == 0 || answered("kept_ok") > rounds);
  if (!loaded) fmt::print("too few requests were answered for that to mean anything\n");
  return failures == 0 && loaded ? 0 : 1;
}
