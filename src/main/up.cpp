#include "main/up.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <set>
#include <thread>

#include "base/strings.hpp"
#include "main/cluster.hpp"
#include "main/kubeconfig.hpp"
#include "main/node_network.hpp"
#include "net/client.hpp"
#include "net/server.hpp"
#include "sys/fs.hpp"
#include "sys/namespaces.hpp"
#include "sys/process.hpp"

namespace main_ {
namespace {

constexpr int kUsualPort = 6443;
constexpr int kReadyLimitMs = 60'000;
constexpr int kAnswerLimitMs = 10'000;
constexpr int kLastIndex = 250;

// The settings of an earlier `up`, or new ones that clash with no other cluster's.
base::Result<ClusterSettings> decide_settings(const ClusterPaths& paths, const UpOptions& options) {
  auto settings = read_settings(paths);
  if (!settings) {
    std::set<int> taken;
    for (auto& other : cluster_names()) {
      if (auto theirs = read_settings(ClusterPaths(other))) taken.insert(theirs->index);
    }
    int index = 0;
    while (taken.contains(index)) ++index;
    if (index > kLastIndex) return base::fail(base::Reason::bad_request, "there are too many clusters: remove some with: sampan down --name NAME");
    settings = ClusterSettings{.api_port = 0, .index = index, .isolated = options.isolated};
  }
  if (options.isolated != settings->isolated) {
    settings->isolated = options.isolated;
    CHECK_OK(remove_node_network(paths));
  }
  if (options.api_port) settings->api_port = options.api_port;
  return settings;
}

// On the host's loopback: the port of last time, else 6443, else any free one.
base::Result<sys::Fd> listen_on_host(ClusterSettings& settings, bool port_given) {
  if (auto fd = net::listen_tcp("127.0.0.1", settings.api_port ? settings.api_port : kUsualPort)) {
    sys::Fd owner(*fd);
    settings.api_port = net::bound_port(owner.get());
    return owner;
  } else if (port_given) {
    return std::unexpected(std::move(fd).error());
  }
  TRY(int fd, net::listen_tcp("127.0.0.1", 0));
  sys::Fd owner(fd);
  settings.api_port = net::bound_port(owner.get());
  return owner;
}

std::string last_lines(const std::string& path, size_t count) {
  auto text = sys::read_file(path);
  if (!text) return "";
  auto lines = base::split(base::trim(*text), '\n');
  if (lines.size() > count) lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(count));
  return base::join(lines, "\n");
}

// The server's one line on the pipe: "ready", or why not.
base::Result<void> wait_ready(int pipe, const ClusterPaths& paths) {
  std::string text;
  pollfd poll_fd{pipe, POLLIN, 0};
  while (text.find('\n') == std::string::npos) {
    if (::poll(&poll_fd, 1, kReadyLimitMs) <= 0)
      return base::fail(base::Reason::timeout, "the cluster did not get ready within a minute; see " + paths.log_file);
    char buffer[4096];
    ssize_t n = ::read(pipe, buffer, sizeof buffer);
    if (n <= 0) break;
    text.append(buffer, static_cast<size_t>(n));
  }
  std::string_view line = base::trim(text);
  if (line == "ready") return {};
  if (line.starts_with("error: ")) return base::fail(base::Reason::internal_error, std::string(line.substr(7)));
  return base::fail(base::Reason::internal_error,
                    "the server ended at once; the end of " + paths.log_file + ":\n" + last_lines(paths.log_file, 5));
}

// What a build with sanitizers is told, the server shall hear as well; otherwise its environment is its own.
void append_sanitizer_options(std::vector<std::string>& env) {
  for (const char* name : {"ASAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS"}) {
    if (const char* value = std::getenv(name)) env.push_back(fmt::format("{}={}", name, value));
  }
}

base::Result<void> start_server(const ClusterPaths& paths, const sys::Fd& listener, const std::vector<std::string>& flags) {
  TRY(auto log, sys::open_file(paths.log_file, O_WRONLY | O_CREAT | O_APPEND, 0600));
  TRY(auto pipe, sys::make_pipe());
  TRY(auto netns, sys::open_netns(paths.netns_path));
  sys::Spawn child;
  child.argv = {"/proc/self/exe", "server", "--name", paths.name, "--listen-fd", std::to_string(listener.get()),
                "--ready-fd", std::to_string(pipe.write.get())};
  child.argv.insert(child.argv.end(), flags.begin(), flags.end());
  child.env = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"};
  append_sanitizer_options(child.env);
  child.cwd = "/";
  child.stdout_fd = child.stderr_fd = log.get();
  child.keep_fds = {listener.get(), pipe.write.get()};
  child.new_session = true;
  child.network_namespace = netns.get();
  TRY(auto process, sys::spawn(child));
  (void)process;  // lives on; init reaps it
  pipe.write.reset();
  return wait_ready(pipe.read.get(), paths);
}

base::Result<KubeconfigEntry> kubeconfig_entry(const ClusterPaths& paths, int port) {
  KubeconfigEntry entry{.name = paths.netns_name, .server = fmt::format("https://127.0.0.1:{}", port)};
  TRY(entry.ca_pem, sys::read_file(paths.state_dir + "/pki/ca.crt"));
  TRY(entry.certificate_pem, sys::read_file(paths.state_dir + "/pki/admin.crt"));
  TRY(entry.key_pem, sys::read_file(paths.state_dir + "/pki/admin.key"));
  return entry;
}

base::Result<std::string> write_kubeconfigs(const ClusterPaths& paths, int port, const std::string& only_there) {
  TRY(auto entry, kubeconfig_entry(paths, port));
  CHECK_OK(sys::write_file_atomically(paths.kubeconfig, make_kubeconfig(entry), 0600));
  std::string path = only_there.empty() ? default_kubeconfig_path() : only_there;
  CHECK_OK(merge_kubeconfig(path, entry));
  return path;
}

// Whether the running server answers. One that was killed a moment ago still holds its lock, but does not.
bool answers(const ClusterPaths& paths) {
  auto settings = read_settings(paths);
  auto ca = sys::read_file(paths.state_dir + "/pki/ca.crt");
  if (!settings || !ca) return false;
  auto http = net::make_http_client({.host = "127.0.0.1", .port = settings->api_port, .ca_pem = *ca,
                                     .connect_timeout_ms = kAnswerLimitMs, .request_timeout_ms = kAnswerLimitMs});
  net::Request request;
  request.method = "GET";
  request.path = "/readyz";
  auto response = http->round_trip(std::move(request));
  return response && response->status == 200;
}

// True: it runs and answers. False: it does not run (any more).
base::Result<bool> is_running(const ClusterPaths& paths) {
  auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(kAnswerLimitMs);
  while (auto pid = running_pid(paths)) {
    if (answers(paths)) return true;
    if (std::chrono::steady_clock::now() > end)
      return base::fail(base::Reason::timeout, fmt::format("cluster \"{}\" runs as process {} but does not answer; see {}, or stop it with: "
                                                           "sampan down --keep-data --name {}", paths.name, *pid, paths.log_file, paths.name));
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return false;
}

base::Result<void> bring_up(const UpOptions& options) {
  if (::geteuid() != 0)
    return base::fail(base::Reason::forbidden, "network namespaces and containers need root: run sampan up as root");
  ClusterPaths paths(options.name);
  CHECK_OK(sys::make_dirs(std::string(kRunRoot), 0755));
  TRY(auto lock, sys::lock_file(paths.lock_file));
  // Not before the lock: a down that holds it removes them.
  CHECK_OK(sys::make_dirs(paths.state_dir, 0700));
  CHECK_OK(sys::make_dirs(paths.run_dir, 0755));
  auto start = std::chrono::steady_clock::now();
  TRY(bool running, is_running(paths));
  if (running) {
    TRY(auto settings, read_settings(paths));
    TRY(std::string kubeconfig, write_kubeconfigs(paths, settings.api_port, options.kubeconfig));
    fmt::print("Cluster \"{}\" is already running at https://127.0.0.1:{} (kubectl context {} in {})\n", paths.name,
               settings.api_port, paths.netns_name, kubeconfig);
    return {};
  }
  TRY(auto settings, decide_settings(paths, options));
  TRY(auto listener, listen_on_host(settings, options.api_port != 0));
  CHECK_OK(write_settings(paths, settings));
  CHECK_OK(make_node_network(paths, settings));
  CHECK_OK(start_server(paths, listener, options.server_flags));
  TRY(std::string kubeconfig, write_kubeconfigs(paths, settings.api_port, options.kubeconfig));
  auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
  fmt::print("Cluster \"{}\" is ready after {} ms at https://127.0.0.1:{} (kubectl context {} in {})\n", paths.name,
             took.count(), settings.api_port, paths.netns_name, kubeconfig);
  return {};
}

}  // namespace

int up(const UpOptions& options) {
  auto done = bring_up(options);
  if (done) return 0;
  fmt::print(stderr, "error: {}\n", done.error().message);
  return 1;
}

}  // namespace main_
