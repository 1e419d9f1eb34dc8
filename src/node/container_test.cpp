// The agent end to end with real containers: crun, conmon, namespaces. Needs root, so it runs only when asked
// to (SAMPAN_ROOT_TESTS=1, the test with the label "root"), in network and mount namespaces of its own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>

#include <chrono>
#include <deque>

#include "base/log.hpp"
#include "node/agent.hpp"
#include "node/fake_api.hpp"
#include "node/image_builder.hpp"
#include "sys/fs.hpp"
#include "sys/netlink.hpp"
#include "sys/process.hpp"

namespace node {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::HasSubstr;

const char* const kBusybox = "/bin/busybox";

// An answer that is collected.
class Collector : public net::Responder,
                  public net::BodyStream,
                  public net::WebSocket,
                  public std::enable_shared_from_this<Collector> {
 public:
  void send(net::Response response) override {
    std::lock_guard lock(mutex);
    status = response.status;
    for (const auto& chunk : response.body) body += *chunk;
    ended = true;
    changed.notify_all();
  }
  std::shared_ptr<net::BodyStream> stream(int code, net::Headers) override {
    std::lock_guard lock(mutex);
    status = code;
    return std::shared_ptr<net::BodyStream>(shared_from_this(), this);
  }
  base::Result<std::shared_ptr<net::WebSocket>> websocket(std::string_view chosen) override {
    std::lock_guard lock(mutex);
    status = 101;
    protocol = chosen;
    return std::shared_ptr<net::WebSocket>(shared_from_this(), this);
  }
  bool write(net::Chunk chunk) override {
    std::lock_guard lock(mutex);
    body += *chunk;
    changed.notify_all();
    return true;
  }
  void finish() override { end(); }
  size_t pending() const override { return 0; }
  void on_close(std::function<void()> callback) override { hang_up = std::move(callback); }
  bool send_binary(std::string message) override {
    std::lock_guard lock(mutex);
    channels[static_cast<unsigned char>(message.at(0))] += message.substr(1);
    changed.notify_all();
    return true;
  }
  void close(int, std::string) override { end(); }
  void on_message(std::function<void(std::string, bool)> callback) override {
    std::lock_guard lock(mutex);
    type = std::move(callback);
    changed.notify_all();
  }
  bool wait(const std::function<bool()>& done) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, 20s, done);
  }
  bool wait_end() {
    return wait([this] { return ended; });
  }
  void end() {
    std::lock_guard lock(mutex);
    ended = true;
    changed.notify_all();
  }

  std::mutex mutex;
  std::condition_variable changed;
  int status = 0;
  bool ended = false;
  std::string protocol;
  std::string body;
  std::map<int, std::string> channels;
  std::function<void(std::string, bool)> type;
  std::function<void()> hang_up;
};

class ContainerTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (::getenv("SAMPAN_ROOT_TESTS") == nullptr) return;
    ASSERT_EQ(::unshare(CLONE_NEWNET | CLONE_NEWNS), 0);
    ASSERT_EQ(::mount(nullptr, "/", nullptr, MS_SLAVE | MS_REC, nullptr), 0);
    auto netlink = sys::Netlink::open();
    ASSERT_TRUE(netlink);
    const int loopback = netlink->link_index("lo").value();
    ASSERT_TRUE(netlink->add_address(loopback, "10.0.0.1", 32));
    ASSERT_TRUE(netlink->set_up(loopback));
  }

  void SetUp() override {
    if (::getenv("SAMPAN_ROOT_TESTS") == nullptr) GTEST_SKIP() << "needs root: set SAMPAN_ROOT_TESTS=1";
    char name[] = "/tmp/node_test_XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    dir_ = name;
    config_ = {.name = "node1",
               .cluster = "test" + dir_.substr(dir_.size() - 6),
               .state_dir = dir_ + "/state",
               .run_dir = dir_ + "/run",
               .image_dir = dir_ + "/images",
               .log_dir = dir_ + "/logs",
               .address = "10.0.0.1",
               .cluster_dns = ""};
    api_ = std::make_shared<FakeApi>();
  }

  void TearDown() override {
    if (dir_.empty()) return;
    agent_.reset();
    auto removed = remove_all_pods(config_);
    EXPECT_TRUE(removed) << removed.error().message;
    auto gone = sys::remove_tree(dir_);
    EXPECT_TRUE(gone) << gone.error().message;
  }

  void import_busybox() {
    auto bytes = sys::read_file(kBusybox);
    ASSERT_TRUE(bytes) << bytes.error().message;
    std::vector<TarEntry> files = {
        {.path = "bin", .type = AE_IFDIR, .mode = 0755},
        {.path = "tmp", .type = AE_IFDIR, .mode = 01777},
        {.path = "etc", .type = AE_IFDIR, .mode = 0755},
        {.path = "etc/passwd", .bytes = "root:x:0:0::/root:/bin/sh\nweb:x:1000:1001::/:/bin/sh\n"},
        {.path = "bin/busybox", .bytes = *bytes, .mode = 0755}};
    for (const char* applet :
         {"sh", "sleep", "cat", "env", "id", "hostname", "ip", "ping", "nc", "stty", "ls", "yes"}) {
      files.push_back({.path = std::string("bin/") + applet, .type = AE_IFLNK, .link = "busybox"});
    }
    const auto members = oci_members("busybox", {make_tar(files)},
                                     {{"Env", base::Array{"PATH=/bin"}}, {"Cmd", base::Array{"sh"}}});
    ASSERT_TRUE(sys::write_file(dir_ + "/busybox.tar", make_tar(members, ARCHIVE_FILTER_GZIP)));
    auto names = import_image(config_.image_dir, dir_ + "/busybox.tar");
    ASSERT_TRUE(names) << names.error().message;
    EXPECT_THAT(*names, Contains("docker.io/library/busybox:latest"));
  }

  void start_agent() {
    auto made = Agent::make(config_, client::Client(api_), clock_);
    ASSERT_TRUE(made) << made.error().message;
    agent_ = std::move(*made);
    agent_->start();
  }

  static std::string path_of(const std::string& name) { return "/api/v1/namespaces/default/pods/" + name; }

  void put_pod(const std::string& name, base::Array command, base::Object spec = {}) {
    base::Object container{{"name", "main"}, {"image", "busybox"}, {"command", std::move(command)}};
    for (const auto& member : spec) {
      if (member.key != "restartPolicy") container.set(member.key, member.value);
    }
    base::Object pod_spec{{"nodeName", "node1"},
                          {"terminationGracePeriodSeconds", 1},
                          {"containers", base::Array{std::move(container)}}};
    if (const auto* policy = spec.find("restartPolicy")) pod_spec.set("restartPolicy", *policy);
    api_->put(path_of(name),
              base::Object{{"apiVersion", "v1"},
                           {"kind", "Pod"},
                           {"metadata", base::Object{{"name", name}, {"namespace", "default"}}},
                           {"spec", std::move(pod_spec)}});
  }
  static std::string phase(const base::Value& pod) {
    return std::string(pod.at({"status", "phase"}).as_string());
  }
  static const base::Value& container(const base::Value& pod) {
    static const base::Value kNone;
    const auto& list = pod.at({"status", "containerStatuses"}).as_array();
    return list.empty() ? kNone : list[0];
  }
  bool wait_phase(const std::string& name, const std::string& wanted) {
    return api_->wait_for(path_of(name), [&](const base::Value& pod) { return phase(pod) == wanted; });
  }

  std::shared_ptr<Collector> ask(const std::string& path, const std::string& query, bool websocket = false) {
    auto answer = std::make_shared<Collector>();
    net::Request request;
    request.method = "GET";
    request.path = path;
    request.query = net::Query::parse(query);
    request.websocket_upgrade = websocket;
    if (websocket) request.headers.add("Sec-WebSocket-Protocol", "v5.channel.k8s.io");
    agent_->handler()(std::move(request), answer);
    return answer;
  }
  std::string exec(const std::string& pod, const std::string& query) {
    auto answer = ask("/exec/default/" + pod + "/main", "stdout=true&stderr=true&" + query, true);
    EXPECT_TRUE(answer->wait_end()) << answer->body;
    return answer->channels[1] + answer->channels[2] +
           (answer->channels[1].empty() ? answer->channels[3] + answer->body : "");
  }
  // Of the cluster's containers: what is left of them on the machine.
  void expect_nothing_left(const std::string& uid) {
    EXPECT_FALSE(sys::exists(config_.run_dir + "/netns/" + uid));
    EXPECT_FALSE(sys::exists(config_.state_dir + "/pods/" + uid));
    EXPECT_TRUE(sys::list_dir(config_.run_dir + "/runtime")->empty());
  }

  std::string dir_;
  Config config_;
  sys::SystemClock clock_;
  std::shared_ptr<FakeApi> api_;
  std::unique_ptr<Agent> agent_;
};

TEST_F(ContainerTest, RunsServesSurvivesAndEnds) {
  import_busybox();
  start_agent();
  ASSERT_TRUE(api_->wait_for("/api/v1/nodes/node1", [](const base::Value& node) {
    return !node.at({"status", "conditions"}).as_array().empty();
  }));
  const auto begun = std::chrono::steady_clock::now();
  put_pod("web",
          {"sh", "-c", "echo started; echo problem >&2; trap 'exit 0' TERM; while :; do sleep 0.1; done"});
  ASSERT_TRUE(wait_phase("web", "Running"));
  const auto took =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begun);
  RecordProperty("created_to_running_ms", static_cast<int>(took.count()));
  printf("created -> Running: %ld ms\n", static_cast<long>(took.count()));
  const base::Value pod = api_->get(path_of("web"));
  const std::string uid(pod.at({"metadata", "uid"}).as_string());
  EXPECT_EQ(pod.at({"status", "podIP"}).as_string(), "10.244.0.2");
  EXPECT_TRUE(container(pod)["ready"].as_bool());
  const std::string id(container(pod)["containerID"].as_string());
  EXPECT_THAT(id, ::testing::StartsWith("c"));

  auto logs = ask("/containerLogs/default/web/main", "follow=true");
  EXPECT_TRUE(logs->wait([&] { return logs->body == "started\nproblem\n"; })) << logs->body;
  logs->hang_up();
  ASSERT_TRUE(logs->wait_end());
  EXPECT_THAT(exec("web", "command=env"), HasSubstr("HOSTNAME=web\n"));
  EXPECT_THAT(exec("web", "command=hostname"), HasSubstr("web\n"));
  EXPECT_THAT(exec("web", "command=cat&command=/etc/hosts"), HasSubstr("10.244.0.2\tweb\n"));
  EXPECT_THAT(exec("web", "command=ip&command=addr&command=show&command=eth0"), HasSubstr("10.244.0.2/32"));
  // The node reaches the pod.
  auto ping = sys::run({.argv = {"/bin/busybox", "ping", "-c", "1", "-W", "2", "10.244.0.2"}}, 10s);
  ASSERT_TRUE(ping);
  EXPECT_EQ(ping->status.code, 0) << ping->out << ping->err;

  // Another agent finds the container as it is.
  agent_.reset();
  start_agent();
  ask("/healthz", "");
  put_pod("second", {"sleep", "1000"});
  ASSERT_TRUE(wait_phase("second", "Running"));
  EXPECT_EQ(container(api_->get(path_of("web")))["containerID"].as_string(), id);
  EXPECT_EQ(container(api_->get(path_of("web")))["restartCount"].int_or(-1), 0);
  EXPECT_THAT(exec("second", "command=ping&command=-c1&command=-W2&command=10.244.0.2"),
              HasSubstr("1 packets received"));

  api_->remove(path_of("web"), 30);
  ASSERT_TRUE(api_->wait_for(path_of("web"), [](const base::Value& value) { return value.is_null(); }));
  agent_->stop();
  EXPECT_FALSE(sys::exists(config_.run_dir + "/netns/" + uid));
}

TEST_F(ContainerTest, EndsAndRestartsByPolicy) {
  import_busybox();
  start_agent();
  put_pod("done", {"sh", "-c", "exit 0"}, {{"restartPolicy", "Never"}});
  put_pod("failed", {"sh", "-c", "echo why > /dev/termination-log; exit 3"}, {{"restartPolicy", "Never"}});
  put_pod("looping", {"sh", "-c", "exit 4"});
  put_pod("nothing", {"/no/such/program"});
  ASSERT_TRUE(wait_phase("done", "Succeeded"));
  ASSERT_TRUE(wait_phase("failed", "Failed"));
  const base::Value failed = api_->get(path_of("failed"));
  EXPECT_EQ(container(failed).at({"state", "terminated", "exitCode"}).int_or(-1), 3);
  EXPECT_EQ(container(failed).at({"state", "terminated", "reason"}).as_string(), "Error");
  EXPECT_EQ(container(failed).at({"state", "terminated", "message"}).as_string(), "why\n");
  ASSERT_TRUE(api_->wait_for(path_of("looping"), [](const base::Value& pod) {
    return container(pod).at({"state", "waiting", "reason"}).as_string() == "CrashLoopBackOff" &&
           container(pod)["restartCount"].int_or(0) == 1 &&
           container(pod).at({"lastState", "terminated", "exitCode"}).int_or(0) == 4;
  }));
  EXPECT_THAT(
      std::string(container(api_->get(path_of("looping"))).at({"state", "waiting", "message"}).as_string()),
      HasSubstr("back-off 10s restarting failed container=main pod=looping_default("));
  ASSERT_TRUE(api_->wait_for(path_of("nothing"), [](const base::Value& pod) {
    return container(pod).at({"lastState", "terminated", "reason"}).as_string() == "StartError";
  }));
}

TEST_F(ContainerTest, WaitsForItsImage) {
  start_agent();
  put_pod("early", {"sleep", "1000"});
  ASSERT_TRUE(api_->wait_for(path_of("early"), [](const base::Value& pod) {
    return container(pod).at({"state", "waiting", "reason"}).as_string() == "ErrImagePull";
  }));
  EXPECT_THAT(
      std::string(container(api_->get(path_of("early"))).at({"state", "waiting", "message"}).as_string()),
      HasSubstr("image \"busybox\" is not in this node's store: import it with: sampan image import"));
  ASSERT_TRUE(api_->wait_for(path_of("early"), [](const base::Value& pod) {
    return container(pod).at({"state", "waiting", "reason"}).as_string() == "ImagePullBackOff";
  }));
}

TEST_F(ContainerTest, ExecCarriesInputExitCodeAndTerminal) {
  import_busybox();
  start_agent();
  put_pod("web", {"sleep", "1000"}, {{"securityContext", base::Object{{"runAsUser", 1000}}}});
  ASSERT_TRUE(wait_phase("web", "Running"));
  EXPECT_EQ(exec("web", "command=id"), "uid=1000(web) gid=1001\n");

  auto cat = ask("/exec/default/web/main", "stdin=true&stdout=true&command=cat", true);
  ASSERT_EQ(cat->protocol, "v5.channel.k8s.io");
  cat->type(std::string("\0hello", 6), true);
  cat->type("\xff" + std::string(1, '\0'), true);
  ASSERT_TRUE(cat->wait_end());
  EXPECT_EQ(cat->channels[1], "hello");
  EXPECT_EQ(cat->channels[3], R"({"metadata":{},"status":"Success"})");

  auto failing =
      ask("/exec/default/web/main", "stdout=true&stderr=true&command=sh&command=-c&command=exit+7", true);
  ASSERT_TRUE(failing->wait_end());
  EXPECT_THAT(failing->channels[3], HasSubstr(R"("causes":[{"reason":"ExitCode","message":"7"}])"));

  auto terminal = ask("/exec/default/web/main", "stdin=true&stdout=true&tty=true&command=sh", true);
  terminal->type("\x04{\"Width\":91,\"Height\":33}\n", true);
  terminal->type(std::string("\0stty size; exit 5\n", 19), true);
  ASSERT_TRUE(terminal->wait_end());
  EXPECT_THAT(terminal->channels[1], HasSubstr("33 91"));
  EXPECT_THAT(terminal->channels[3], HasSubstr(R"("message":"5")"));

  auto plain = ask("/exec/default/web/main", "stdout=true&command=id", false);
  ASSERT_TRUE(plain->wait_end());
  EXPECT_EQ(plain->status, 400);
  EXPECT_THAT(plain->body, HasSubstr("Upgrade request required"));

  // A peer that hangs up takes its command with it.
  auto endless = ask("/exec/default/web/main", "stdout=true&command=yes", true);
  ASSERT_TRUE(endless->wait([&] { return !endless->channels[1].empty(); }));
  endless->hang_up();
  ASSERT_TRUE(endless->wait_end());
}

TEST_F(ContainerTest, FollowsLogsToTheEnd) {
  import_busybox();
  start_agent();
  put_pod("web", {"sh", "-c", "for i in 1 2 3 4 5; do echo line $i; sleep 0.1; done"},
          {{"restartPolicy", "Never"}});
  ASSERT_TRUE(api_->wait_for(path_of("web"), [](const base::Value& pod) {
    return phase(pod) == "Running" || phase(pod) == "Succeeded";
  }));
  auto follow = ask("/containerLogs/default/web/main", "follow=true");
  ASSERT_TRUE(follow->wait_end());
  EXPECT_EQ(follow->body, "line 1\nline 2\nline 3\nline 4\nline 5\n");
  ASSERT_TRUE(wait_phase("web", "Succeeded"));
  auto tail = ask("/containerLogs/default/web/main", "tailLines=2");
  ASSERT_TRUE(tail->wait_end());
  EXPECT_EQ(tail->body, "line 4\nline 5\n");
}

TEST_F(ContainerTest, PodsRemovedByForceAreCleanedUp) {
  import_busybox();
  start_agent();
  put_pod("web", {"sleep", "1000"});
  ASSERT_TRUE(wait_phase("web", "Running"));
  const std::string uid(api_->get(path_of("web")).at({"metadata", "uid"}).as_string());
  api_->remove(path_of("web"), 0);
  for (int i = 0; i < 400 && sys::exists(config_.state_dir + "/pods/" + uid); ++i) ::usleep(20'000);
  expect_nothing_left(uid);
}

}  // namespace
}  // namespace node
