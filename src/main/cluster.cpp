#include "main/cluster.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/json.hpp"
#include "base/strings.hpp"
#include "sys/fd.hpp"
#include "sys/fs.hpp"

namespace main_ {
namespace {

constexpr size_t kLongestName = 40;

}  // namespace

ClusterPaths::ClusterPaths(const std::string& cluster)
    : name(cluster),
      state_dir(std::string(kStateRoot) + "/" + cluster),
      run_dir(std::string(kRunRoot) + "/" + cluster),
      netns_name("sampan-" + cluster),
      netns_path("/run/netns/sampan-" + cluster),
      settings_file(state_dir + "/cluster.json"),
      log_file(state_dir + "/sampan.log"),
      pid_file(run_dir + "/sampan.pid"),
      lock_file(std::string(kRunRoot) + "/" + cluster + ".lock"),
      bpf_pins(run_dir + "/bpf"),
      kubeconfig(state_dir + "/kubeconfig") {}

base::Result<void> check_cluster_name(const std::string& name) {
  if (auto wrong = base::check_dns1123_label(name); !wrong.empty())
    return base::fail(base::Reason::bad_request, "--name " + base::quote(name) + ": " + wrong.front());
  if (name.size() > kLongestName)
    return base::fail(base::Reason::bad_request,
                      "--name " + base::quote(name) + ": must be no more than 40 characters, network names are made of it");
  return {};
}

base::Result<ClusterSettings> read_settings(const ClusterPaths& paths) {
  TRY(std::string text, sys::read_file(paths.settings_file));
  auto value = base::parse_json(text);
  if (!value) return std::unexpected(std::move(value).error().wrap(paths.settings_file));
  return ClusterSettings{.api_port = static_cast<int>((*value)["apiPort"].int_or(0)),
                         .index = static_cast<int>((*value)["index"].int_or(0)),
                         .isolated = (*value)["isolated"].as_bool()};
}

base::Result<void> write_settings(const ClusterPaths& paths, const ClusterSettings& settings) {
  base::Value value = base::Object{
      {"apiPort", settings.api_port}, {"index", settings.index}, {"isolated", settings.isolated}};
  return sys::write_file_atomically(paths.settings_file, base::write_json(value) + "\n", 0600);
}

std::vector<std::string> cluster_names() {
  std::set<std::string> names;
  for (std::string_view root : {kStateRoot, kRunRoot}) {
    std::error_code error;
    for (auto& entry : std::filesystem::directory_iterator(root, error)) {
      if (entry.is_directory(error)) names.insert(entry.path().filename().string());
    }
  }
  return {names.begin(), names.end()};
}

std::optional<int> running_pid(const ClusterPaths& paths) {
  // The server holds a lock on its pid file as long as it lives: a pid alone may long be somebody else's.
  sys::Fd fd(::open(paths.pid_file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return std::nullopt;
  if (::flock(fd.get(), LOCK_SH | LOCK_NB) == 0) return std::nullopt;
  char text[32] = {};
  if (::read(fd.get(), text, sizeof text - 1) <= 0) return std::nullopt;
  auto pid = base::parse_int(base::trim(text));
  if (!pid || *pid <= 1) return std::nullopt;
  return static_cast<int>(*pid);
}

node::Config node_config(const ClusterPaths& paths) {
  node::Config config;
  config.name = paths.netns_name;
  config.cluster = paths.name;
  config.state_dir = paths.state_dir + "/agent";
  config.run_dir = paths.run_dir;
  config.image_dir = paths.state_dir + "/images";
  config.log_dir = "/var/log/pods";  // where log shippers look; pods have their uid in the name
  return config;
}

}  // namespace main_
