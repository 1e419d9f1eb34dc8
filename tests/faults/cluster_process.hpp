// The real binary as a test runs it: an isolated cluster of its own, killed and started again at will. One thread.
#pragma once

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "base/json.hpp"
#include "client/client.hpp"

namespace faults {

inline std::string slurp(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

class ClusterProcess {
 public:
  ClusterProcess(std::string sampan, const std::string& prefix)
      : sampan_(std::move(sampan)), name_(prefix + "-" + std::to_string(getpid())), kubeconfig_("/tmp/" + name_ + ".kubeconfig") {}
  ~ClusterProcess() { run(fmt::format("{} down --name {}; rm -f {}", sampan_, name_, kubeconfig_)); }
  ClusterProcess(const ClusterProcess&) = delete;
  ClusterProcess& operator=(const ClusterProcess&) = delete;

  bool up() { return run(fmt::format("{} up --isolated --name {} --kubeconfig {}", sampan_, name_, kubeconfig_)); }
  void kill() {
    int pid = std::atoi(slurp("/run/sampan/" + name_ + "/sampan.pid").c_str());
    if (pid > 1) ::kill(pid, SIGKILL);
  }
  std::string log() const { return slurp("/var/lib/sampan/" + name_ + "/sampan.log"); }
  client::Client client() const {
    std::string state = "/var/lib/sampan/" + name_;
    auto settings = base::parse_json(slurp(state + "/cluster.json"));
    net::ClientConfig config;
    config.host = "127.0.0.1";
    config.port = settings ? static_cast<int>((*settings)["apiPort"].int_or(0)) : 0;
    config.ca_pem = slurp(state + "/pki/ca.crt");
    config.certificate_pem = slurp(state + "/pki/admin.crt");
    config.key_pem = slurp(state + "/pki/admin.key");
    return client::Client(client::make_http_transport(config), "faults");
  }

 private:
  static bool run(const std::string& command) { return std::system((command + " >/dev/null 2>&1").c_str()) == 0; }

  std::string sampan_;
  std::string name_;
  std::string kubeconfig_;
};

}  // namespace faults
