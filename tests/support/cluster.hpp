// The real binary as tests and benches run it: an isolated cluster of its own, started, stopped and killed at will, and
// removed with the object. One thread.
#pragma once

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "base/json.hpp"
#include "net/client.hpp"

namespace support {

inline std::string slurp(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

class Cluster {
 public:
  Cluster(std::string sampan, const std::string& prefix)
      : sampan_(std::move(sampan)),
        name_(prefix + "-" + std::to_string(getpid())),
        kubeconfig_("/tmp/" + name_ + ".kubeconfig"),
        output_("/tmp/" + name_ + ".out") {}
  ~Cluster() {
    down();
    run(fmt::format("rm -f {} {}", kubeconfig_, output_));
  }
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  // `flags` of up, as it takes them.
  bool up(std::string_view flags = "") { return command(fmt::format("up --isolated --kubeconfig {} {}", kubeconfig_, flags)); }
  bool down() { return command("down"); }
  bool down_keeping_data() { return command("down --keep-data"); }
  // sampan VERB [ARGUMENTS], for this cluster.
  bool command(std::string_view verb_and_arguments) {
    return run(fmt::format("{} {} --name {} >{} 2>&1", sampan_, verb_and_arguments, name_, output_));
  }
  // What the last command said.
  std::string output() const { return slurp(output_); }
  int pid() const { return std::atoi(slurp("/run/sampan/" + name_ + "/sampan.pid").c_str()); }
  void kill() {
    int pid = this->pid();
    if (pid > 1) ::kill(pid, SIGKILL);
  }
  const std::string& name() const { return name_; }
  std::string state_dir() const { return "/var/lib/sampan/" + name_; }
  std::string log() const { return slurp(state_dir() + "/sampan.log"); }
  // As the administrator.
  net::ClientConfig client_config() const {
    auto settings = base::parse_json(slurp(state_dir() + "/cluster.json"));
    net::ClientConfig config;
    config.host = "127.0.0.1";
    config.port = settings ? static_cast<int>((*settings)["apiPort"].int_or(0)) : 0;
    config.ca_pem = slurp(state_dir() + "/pki/ca.crt");
    config.certificate_pem = slurp(state_dir() + "/pki/admin.crt");
    config.key_pem = slurp(state_dir() + "/pki/admin.key");
    return config;
  }

 private:
  static bool run(const std::string& command) { return std::system(command.c_str()) == 0; }

  std::string sampan_;
  std::string name_;
  std::string kubeconfig_;
  std::string output_;
};

}  // namespace support
