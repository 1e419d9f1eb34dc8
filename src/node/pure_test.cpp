// The pure parts of the node: addresses, environment, bundle, status, back-off, files, log lines.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "base/json.hpp"
#include "node/bundle.hpp"
#include "node/cri_log.hpp"
#include "node/environment.hpp"
#include "node/ipam.hpp"
#include "node/node_status.hpp"
#include "node/pod_files.hpp"
#include "node/pod_status.hpp"
#include "node/record.hpp"
#include "node/volumes.hpp"
#include "sys/fs.hpp"

namespace node {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using State = ContainerRecord::State;

class TempDir : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "pure_test_XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    dir_ = name;
  }
  void TearDown() override { ASSERT_TRUE(sys::remove_tree(dir_)); }
  std::string dir_;
};

TEST_F(TempDir, AddressesAreKeptAndRestBeforeTheyAreGivenAgain) {
  sys::FakeClock clock;
  {
    auto ipam = Ipam::open("10.1.0.0/29", dir_ + "/a", clock);  // .2 to .6
    ASSERT_TRUE(ipam);
    EXPECT_THAT((*ipam)->allocate("a").value(), ElementsAre("10.1.0.2"));
    EXPECT_THAT((*ipam)->allocate("a").value(), ElementsAre("10.1.0.2"));
    EXPECT_THAT((*ipam)->allocate("b").value(), ElementsAre("10.1.0.3"));
    (*ipam)->release("a");
  }
  auto ipam = Ipam::open("10.1.0.0/29", dir_ + "/a", clock);
  EXPECT_THAT((*ipam)->allocate("b").value(), ElementsAre("10.1.0.3"));
  for (const char* owner : {"c", "d", "e"}) ASSERT_TRUE((*ipam)->allocate(owner));
  EXPECT_EQ((*ipam)->allocate("f").error().reason, base::Reason::too_many_requests);
  clock.advance(Ipam::kRest);
  EXPECT_THAT((*ipam)->allocate("f").value(), ElementsAre("10.1.0.2"));
  for (const char* bad : {"10.1.0.0", "10.1.0.0/30", "fd00::/126", "10.1.0.0/24,10.2.0.0/24", "10.1.0.0/24,"}) {
    EXPECT_FALSE(Ipam::open(bad, dir_ + "/b", clock)) << bad;
  }
}

TEST_F(TempDir, AddressesOfBothFamilies) {
  sys::FakeClock clock;
  {
    auto ipam = Ipam::open("10.1.0.0/29,fd00:1::/64", dir_ + "/a", clock);
    ASSERT_TRUE(ipam) << ipam.error().message;
    EXPECT_THAT((*ipam)->allocate("a").value(), ElementsAre("10.1.0.2", "fd00:1::2"));
    EXPECT_THAT((*ipam)->allocate("b").value(), ElementsAre("10.1.0.3", "fd00:1::3"));
    (*ipam)->release("a");
  }
  {
    auto ipam = Ipam::open("fd00:1::/64,10.1.0.0/29", dir_ + "/a", clock);
    ASSERT_TRUE(ipam);
    EXPECT_THAT((*ipam)->allocate("b").value(), ElementsAre("fd00:1::3", "10.1.0.3")) << "the first range is the main one";
    for (const char* owner : {"c", "d", "e"}) ASSERT_TRUE((*ipam)->allocate(owner));
    EXPECT_EQ((*ipam)->allocate("f").error().reason, base::Reason::too_many_requests);
    clock.advance(Ipam::kRest);
    EXPECT_THAT((*ipam)->allocate("f").value(), ElementsAre("fd00:1::8", "10.1.0.2"));
  }
  // A file of the time before IPv6: the pods that are there keep what they have.
  ASSERT_TRUE(sys::write_file(dir_ + "/old", R"({"used":{"10.1.0.4":"x"},"resting":{},"next":"10.1.0.5"})"));
  auto ipam = Ipam::open("10.1.0.0/24,fd00:1::/64", dir_ + "/old", clock);
  ASSERT_TRUE(ipam);
  EXPECT_THAT((*ipam)->allocate("x").value(), ElementsAre("10.1.0.4", "fd00:1::2"));
  EXPECT_THAT((*ipam)->allocate("y").value(), ElementsAre("10.1.0.5", "fd00:1::3"));
}

TEST_F(TempDir, PayloadSwitchesAtOnceAndDropsOldNames) {
  ASSERT_TRUE(write_payload(dir_ + "/v", {{"a", {"1"}}, {"sub/b", {"2"}}}, {}));
  EXPECT_EQ(sys::read_file(dir_ + "/v/sub/b").value(), "2");
  ASSERT_TRUE(write_payload(dir_ + "/v", {{"a", {"3"}}}, {}));
  EXPECT_EQ(sys::read_file(dir_ + "/v/a").value(), "3");
  EXPECT_FALSE(sys::exists(dir_ + "/v/sub"));
  EXPECT_EQ(sys::list_dir(dir_ + "/v")->size(), 3u);  // ..data, the version, a
}

std::shared_ptr<api::Service> service(const std::string& namespace_, const std::string& name,
                                      const std::string& ip) {
  auto made = std::make_shared<api::Service>();
  made->metadata.name = name;
  made->metadata.namespace_ = namespace_;
  made->spec.cluster_ip = ip;
  api::ServicePort port;
  port.port = 80;
  port.name = "http";
  made->spec.ports = {port};
  return made;
}

TEST(Environment, ServicesAsVariables) {
  const auto variables = service_variables(
      {service("default", "my-web", "10.96.0.7"), service("other", "x", "10.96.0.8"),
       service("default", "headless", "None"), service("default", "kubernetes", "10.96.0.1")},
      "default", true);
  EXPECT_THAT(variables, Contains(std::pair<std::string, std::string>("MY_WEB_SERVICE_HOST", "10.96.0.7")));
  EXPECT_THAT(variables, Contains(std::pair<std::string, std::string>("MY_WEB_SERVICE_PORT", "80")));
  EXPECT_THAT(variables, Contains(std::pair<std::string, std::string>("MY_WEB_SERVICE_PORT_HTTP", "80")));
  EXPECT_THAT(variables, Contains(std::pair<std::string, std::string>("MY_WEB_PORT", "tcp://10.96.0.7:80")));
  EXPECT_THAT(variables,
              Contains(std::pair<std::string, std::string>("MY_WEB_PORT_80_TCP_ADDR", "10.96.0.7")));
  EXPECT_EQ(variables.size(), 16u);
  const auto unlinked = service_variables(
      {service("default", "web", "10.96.0.7"), service("default", "kubernetes", "10.96.0.1")}, "default",
      false);
  EXPECT_EQ(unlinked.size(), 8u);
  EXPECT_EQ(unlinked[0].first, "KUBERNETES_SERVICE_HOST");
}

TEST(Environment, ReferencesFieldsAndKeys) {
  api::Pod pod;
  pod.metadata.name = "web";
  pod.metadata.namespace_ = "default";
  pod.metadata.labels["app"] = "kubia";
  api::Container container;
  const auto from = [](const std::string& name) {
    api::EnvVar variable;
    variable.name = name;
    variable.value_from = api::EnvVarSource{};
    return variable;
  };
  container.env.push_back({});
  container.env.back().name = "A";
  container.env.back().value = "1";
  container.env.push_back({});
  container.env.back().name = "B";
  container.env.back().value = "$(A)-$$(A)-$(NONE)-$x-$(PATH)-$(WEB_SERVICE_HOST)";
  auto ip = from("IP");
  ip.value_from->field_ref = api::ObjectFieldSelector{};
  ip.value_from->field_ref->field_path = "status.podIP";
  container.env.push_back(ip);
  ip.name = "IPS";
  ip.value_from->field_ref->field_path = "status.podIPs";
  container.env.push_back(ip);
  auto key = from("KEY");
  key.value_from->config_map_key_ref = api::ConfigMapKeySelector{};
  key.value_from->config_map_key_ref->name = "settings";
  key.value_from->config_map_key_ref->key = "k";
  container.env.push_back(key);
  EnvironmentSources sources;
  sources.image_env = {"PATH=/x", "A=0"};
  sources.hostname = "web";
  sources.pod_ips = {"10.1.0.2", "fd00::2"};
  sources.config_map = [](const std::string&) -> base::Result<std::map<std::string, std::string>> {
    return std::map<std::string, std::string>{{"k", "v"}};
  };
  sources.services = {service("default", "web", "10.96.0.7")};
  sources.services.front() = [](api::Service one) {
    one.spec.ports.resize(1);
    return std::make_shared<const api::Service>(std::move(one));
  }(*sources.services.front());
  const Environment made = make_environment(pod, container, sources).value();
  EXPECT_EQ(made.all[0], "PATH=/x");
  EXPECT_EQ(made.all[1], "A=1") << "the pod's own wins over the image's";
  EXPECT_EQ(made.all[2], "HOSTNAME=web");
  EXPECT_EQ(made.all[3], "WEB_SERVICE_HOST=10.96.0.7");
  EXPECT_THAT(std::vector<std::string>(made.all.end() - 4, made.all.end()),
              ElementsAre("B=1-$(A)-$(NONE)-$x-$(PATH)-10.96.0.7", "IP=10.1.0.2", "IPS=10.1.0.2,fd00::2", "KEY=v"));
  EXPECT_EQ(made.own.front(), "A=1") << "$(PATH) and $(HOSTNAME) mean nothing";
  EXPECT_EQ(made.own.size(), made.all.size() - 2);
  container.env.back().value_from->config_map_key_ref->key = "other";
  EXPECT_EQ(make_environment(pod, container, sources).error().message,
            "couldn't find key other in ConfigMap default/settings");
  EXPECT_EQ(expand_references("$(A)$(B)", {"A=1", "AB=3", "B=2"}), "12");
}

TEST(Bundle, ConfigHoldsWhatThePodAsksFor) {
  api::Pod pod;
  pod.status.qos_class = "Guaranteed";
  api::Container container;
  container.resources = api::ResourceRequirements{};
  container.resources->limits = {{"memory", "64Mi"}, {"cpu", "500m"}};
  container.security_context = api::SecurityContext{};
  container.security_context->read_only_root_filesystem = true;
  container.security_context->allow_privilege_escalation = false;
  container.security_context->capabilities = api::Capabilities{.add = {"NET_ADMIN"}, .drop = {"ALL"}};
  BundleInputs inputs;
  inputs.args = {"/app"};
  inputs.hostname = "web";
  inputs.netns = "/run/netns/x";
  inputs.mounts = {{"/v/sub", "/data/sub", true, ""}, {"/v", "/data", false, ""}};
  const auto config = make_bundle_config(pod, container, inputs);
  ASSERT_TRUE(config);
  const auto& linux_part = (*config)["linux"];
  EXPECT_EQ(linux_part.at({"resources", "memory", "limit"}).int_or(0), 64 << 20);
  EXPECT_EQ(linux_part.at({"resources", "cpu", "quota"}).int_or(0), 50'000);
  EXPECT_EQ(linux_part.at({"resources", "cpu", "shares"}).int_or(0), 512);
  EXPECT_TRUE(config->at({"root", "readonly"}).as_bool());
  EXPECT_TRUE(config->at({"process", "noNewPrivileges"}).as_bool());
  EXPECT_EQ(base::write_json(config->at({"process", "capabilities", "bounding"})), R"(["CAP_NET_ADMIN"])");
  // Never below what this process has: the right to do so may be missing.
  EXPECT_EQ(config->at({"process", "oomScoreAdj"}).int_or(-1), 0);
  EXPECT_TRUE(config->at({"process", "rlimits"}).is_null());
  const auto& mounts = (*config)["mounts"].as_array();
  EXPECT_EQ(mounts[mounts.size() - 2]["destination"].as_string(), "/data");
  EXPECT_EQ(mounts.back()["destination"].as_string(), "/data/sub");
  inputs.capability_bounds = 0;
  EXPECT_EQ(base::write_json(
                make_bundle_config(pod, container, inputs)->at({"process", "capabilities", "bounding"})),
            "[]");
  container.security_context->capabilities->add = {"NONSENSE"};
  EXPECT_FALSE(make_bundle_config(pod, container, inputs));
}

TEST(Bundle, CommandAndArgsOverTheImage) {
  api::Container container;
  EXPECT_THAT(make_arguments(container, {"node"}, {"app.js"}, {}).value(), ElementsAre("node", "app.js"));
  container.args = {"$(A)"};
  EXPECT_THAT(make_arguments(container, {"node"}, {"app.js"}, {"A=x.js"}).value(),
              ElementsAre("node", "x.js"));
  container.command = {"sh"};
  EXPECT_THAT(make_arguments(container, {"node"}, {"app.js"}, {"A=1"}).value(), ElementsAre("sh", "1"));
  EXPECT_FALSE(make_arguments({}, {}, {}, {}));
  EXPECT_EQ(signal_number("SIGQUIT"), 3);
  EXPECT_EQ(signal_number("10"), 10);
  EXPECT_EQ(signal_number("SIGRTMIN+3"), 37);
  EXPECT_EQ(signal_number("nonsense"), 15);
}

TEST(Record, BackoffDoublesAndIsForgotten) {
  ContainerRecord container;
  base::Time now{1000s};
  const auto exit_after = [&](std::chrono::seconds ran) {
    container.started = now;
    now += ran;
    note_exit(container, 1, "Error", "", now);
    return std::chrono::duration_cast<std::chrono::seconds>(container.not_before - now).count();
  };
  EXPECT_EQ(exit_after(1s), 0);
  EXPECT_EQ(exit_after(1s), 10);
  EXPECT_EQ(exit_after(1s), 20);
  for (int i = 0; i < 6; ++i) exit_after(1s);
  EXPECT_EQ(exit_after(1s), 300);
  EXPECT_EQ(exit_after(600s), 0);
}

TEST(Record, SurvivesItsFile) {
  PodRecord record;
  record.uid = "u";
  record.namespace_ = "n";
  record.name = "p";
  record.started = base::Time(123456789ns);
  record.containers.resize(1);
  record.containers[0].name = "c";
  record.containers[0].state = State::running;
  record.containers[0].pid = 42;
  record.containers[0].pid_start = 4'000'000'000;
  record.containers[0].last = PastRun{.id = "old", .exit_code = 3, .reason = "Error", .message = "m"};
  const auto again = pod_record_from(base::parse_json(base::write_json(to_value(record))).value());
  ASSERT_TRUE(again);
  EXPECT_EQ(base::write_json(to_value(*again)), base::write_json(to_value(record)));
  EXPECT_FALSE(pod_record_from(base::Object{}));
}

class Status : public ::testing::Test {
 protected:
  Status() {
    pod_.spec.restart_policy = "Always";
    pod_.spec.containers.resize(2);
    pod_.spec.containers[0].name = "a";
    pod_.spec.containers[1].name = "b";
    record_.sandbox_ready = true;
    record_.ip = "10.1.0.2";
    record_.containers.resize(2);
    record_.containers[0].name = "a";
    record_.containers[1].name = "b";
    inputs_.node_ip = "10.0.0.1";
    inputs_.runtime = "crun";
    inputs_.now = base::Time(1'700'000'000s);
  }
  void set(size_t i, State state, int code = 0) {
    record_.containers[i].state = state;
    record_.containers[i].id = "id" + std::to_string(i);
    record_.containers[i].ended = {
        .id = record_.containers[i].id, .exit_code = code, .reason = code == 0 ? "Completed" : "Error"};
  }
  api::PodStatus status() { return make_pod_status(pod_, record_, inputs_); }
  static std::string condition(const api::PodStatus& status, const std::string& type) {
    for (const auto& c : status.conditions) {
      if (c.type == type) return c.status + "/" + c.reason + "/" + c.message;
    }
    return "";
  }
  api::Pod pod_;
  PodRecord record_;
  StatusInputs inputs_;
};

TEST_F(Status, PendingThenRunning) {
  auto now = status();
  EXPECT_EQ(now.phase, "Pending");
  EXPECT_EQ(now.container_statuses[0].state->waiting->reason, "ContainerCreating");
  EXPECT_EQ(condition(now, "Ready"), "False/ContainersNotReady/containers with unready status: [a b]");
  set(0, State::running);
  set(1, State::running);
  now = status();
  EXPECT_EQ(now.phase, "Running");
  EXPECT_EQ(now.pod_ip, "10.1.0.2");
  EXPECT_EQ(now.host_ip, "10.0.0.1");
  EXPECT_EQ(now.container_statuses[0].container_id, "crun://id0");
  EXPECT_EQ(condition(now, "Ready"), "True//");
  EXPECT_EQ(condition(now, "PodReadyToStartContainers"), "True//");
}

TEST_F(Status, PhasesByRestartPolicy) {
  set(0, State::exited, 0);
  set(1, State::exited, 1);
  EXPECT_EQ(status().phase, "Running");
  pod_.spec.restart_policy = "OnFailure";
  EXPECT_EQ(status().phase, "Running");
  pod_.spec.restart_policy = "Never";
  EXPECT_EQ(status().phase, "Failed");
  set(1, State::exited, 0);
  const auto done = status();
  EXPECT_EQ(done.phase, "Succeeded");
  EXPECT_EQ(condition(done, "Ready"), "False/PodCompleted/");
  EXPECT_EQ(condition(done, "Initialized"), "True/PodCompleted/");
}

TEST_F(Status, CrashLoopShowsTheLastRun) {
  set(0, State::running);
  set(1, State::exited, 4);
  record_.waiting["b"] = {"CrashLoopBackOff", "back-off 10s"};
  const auto now = status();
  EXPECT_EQ(now.phase, "Running");
  EXPECT_EQ(now.container_statuses[1].state->waiting->reason, "CrashLoopBackOff");
  EXPECT_EQ(now.container_statuses[1].last_state->terminated->exit_code, 4);
}

TEST_F(Status, EndedPodsAreFinal) {
  set(0, State::exited, 0);
  set(1, State::exited, 137);
  record_.ending = true;
  EXPECT_EQ(status().phase, "Failed");
  set(1, State::exited, 0);
  EXPECT_EQ(status().phase, "Succeeded");
}

TEST_F(Status, InitContainersComeFirst) {
  pod_.spec.init_containers.resize(1);
  pod_.spec.init_containers[0].name = "i";
  record_.containers.insert(record_.containers.begin(), ContainerRecord{.name = "i", .init = true});
  set(0, State::running);
  auto now = status();
  EXPECT_EQ(now.phase, "Pending");
  EXPECT_EQ(now.container_statuses[0].state->waiting->reason, "PodInitializing");
  EXPECT_EQ(condition(now, "Initialized"),
            "False/ContainersNotInitialized/containers with incomplete status: [i]");
  set(0, State::exited, 1);
  pod_.spec.restart_policy = "Never";
  EXPECT_EQ(status().phase, "Failed");
  set(0, State::exited, 0);
  set(1, State::running);
  set(2, State::running);
  now = status();
  EXPECT_EQ(now.phase, "Running");
  EXPECT_TRUE(now.init_container_statuses[0].ready);
}

TEST_F(Status, ConditionsOfOthersAndTransitionTimesAreKept) {
  pod_.status.conditions.resize(2);
  pod_.status.conditions[0].type = "PodScheduled";
  pod_.status.conditions[0].status = "True";
  pod_.status.conditions[1].type = "Ready";
  pod_.status.conditions[1].status = "False";
  pod_.status.conditions[1].last_transition_time = "2020-01-01T00:00:00Z";
  const auto now = status();
  EXPECT_EQ(condition(now, "PodScheduled"), "True//");
  for (const auto& c : now.conditions) {
    if (c.type == "Ready") EXPECT_EQ(c.last_transition_time, "2020-01-01T00:00:00Z");
    if (c.type == "Initialized") EXPECT_EQ(c.last_transition_time, "2023-11-14T22:13:20Z");
  }
}

TEST_F(Status, PatchClearsWhatHasGone) {
  pod_.status.message = "old";
  auto next = pod_.status;
  next.message.clear();
  next.phase = "Running";
  const auto patch = status_patch(pod_, next);
  EXPECT_TRUE(patch["status"].as_object().contains("message"));
  EXPECT_TRUE(patch.at({"status", "message"}).is_null());
}

TEST(PodFiles, HostsAndResolv) {
  api::Pod pod;
  pod.metadata.name = "web";
  pod.metadata.namespace_ = "default";
  pod.spec.dns_policy = "ClusterFirst";
  EXPECT_THAT(hosts_file(pod, {"10.1.0.2", "fd00::2"}, "cluster.local"),
              ::testing::EndsWith("fe00::2\tip6-allrouters\n10.1.0.2\tweb\nfd00::2\tweb\n"));
  EXPECT_EQ(resolv_file(pod, "10.96.0.10", "cluster.local", "nameserver 1.1.1.1\nsearch example.com\n"),
            "search default.svc.cluster.local svc.cluster.local cluster.local example.com\nnameserver "
            "10.96.0.10\noptions ndots:5\n");
  EXPECT_EQ(resolv_file(pod, "", "cluster.local", "nameserver 1.1.1.1\n"), "nameserver 1.1.1.1\n");
  pod.spec.dns_policy = "None";
  pod.spec.dns_config = api::PodDNSConfig{};
  pod.spec.dns_config->nameservers = {"9.9.9.9"};
  EXPECT_EQ(resolv_file(pod, "10.96.0.10", "cluster.local", ""), "nameserver 9.9.9.9\n");
}

TEST(CriLog, LinesAreJoinedFilteredAndCut) {
  const std::string text =
      "2026-01-01T00:00:00.5+00:00 stdout F one\n2026-01-01T00:00:01+00:00 stderr P tw\nnonsense\n"
      "2026-01-01T00:00:01+00:00 stderr F o\n2026-01-01T00:00:02+00:00 stdout F \n";
  EXPECT_EQ(LogFilter({}).feed(text), "one\ntwo\n\n");
  LogFilter bytewise{LogOptions{}};
  std::string out;
  for (const char c : text) out += bytewise.feed(std::string_view(&c, 1));
  EXPECT_EQ(out, "one\ntwo\n\n");
  EXPECT_EQ(LogFilter({.timestamps = true}).feed(text),
            "2026-01-01T00:00:00.5+00:00 one\n2026-01-01T00:00:01+00:00 two\n2026-01-01T00:00:02+00:00 \n");
  LogFilter cut(LogOptions{.limit_bytes = 5});
  EXPECT_EQ(cut.feed(text), "one\nt");
  EXPECT_TRUE(cut.done());
  EXPECT_EQ(LogFilter({.since = base::parse_time("2026-01-01T00:00:01Z")}).feed(text), "two\n\n");
  EXPECT_EQ(LogFilter({.stream = "Stderr"}).feed(text), "two\n");
}

TEST(CriLog, TailCountsWholeLines) {
  const std::string one = "2026-01-01T00:00:00Z stdout F one\n";
  const std::string two = "2026-01-01T00:00:00Z stdout P t\n2026-01-01T00:00:00Z stdout F wo\n";
  EXPECT_EQ((one + two).substr(find_tail(one + two, 1)), two);
  EXPECT_EQ(find_tail(one + two, 2), 0u);
  EXPECT_EQ(find_tail(one + two, 9), 0u);
  EXPECT_EQ(find_tail(one, 0), one.size());
  EXPECT_EQ(find_tail("", 3), 0u);
}

TEST(CriLog, OptionsAreChecked) {
  const base::Time now{1000s};
  const auto options =
      parse_log_options(net::Query::parse("follow=true&tailLines=5&sinceSeconds=10&limitBytes=7"), now);
  ASSERT_TRUE(options);
  EXPECT_TRUE(options->follow);
  EXPECT_EQ(options->tail_lines, 5);
  EXPECT_EQ(options->since, base::Time(990s));
  for (const char* query : {"tailLines=-1", "tailLines=x", "limitBytes=0", "sinceSeconds=0",
                            "sinceTime=yesterday", "stream=both"}) {
    EXPECT_EQ(parse_log_options(net::Query::parse(query), now).error().reason, base::Reason::bad_request)
        << query;
  }
}

TEST(NodeStatus, SaysWhatItIsAndKeepsTransitionTimes) {
  Config config;
  config.name = "n1";
  config.address = "10.0.0.1";
  NodeInputs inputs;
  inputs.facts.cpus = 2;
  inputs.facts.memory_bytes = int64_t{4} << 30;
  inputs.pressure = {
      .memory_available = 1 << 30, .memory_total = int64_t{4} << 30, .disk_available = 50, .disk_total = 100};
  inputs.runtime_version = "crun://1.8.1";
  inputs.ready_message = "because";
  inputs.now = base::Time(1'700'000'000s);
  auto node = make_node(config, inputs, nullptr);
  EXPECT_EQ(node.metadata.labels["kubernetes.io/hostname"], "n1");
  EXPECT_EQ(node.status.capacity["memory"], "4194304Ki");
  EXPECT_EQ(node.status.capacity["pods"], "110");
  EXPECT_EQ(node.status.node_info->kubelet_version, "v1.36.0+sampan-0.1.0");
  ASSERT_EQ(node.status.conditions.size(), 4u);
  EXPECT_EQ(node.status.conditions[3].message, "because");
  inputs.now += 60s;
  inputs.pressure.disk_available = 1;
  const auto later = make_node(config, inputs, &node);
  EXPECT_EQ(later.status.conditions[3].last_transition_time, "2023-11-14T22:13:20Z");
  EXPECT_EQ(later.status.conditions[1].status, "True");
  EXPECT_EQ(later.status.conditions[1].last_transition_time, "2023-11-14T22:14:20Z");
}

}  // namespace
}  // namespace node
