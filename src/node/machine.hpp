// Facts about this machine that the Node object and images need. Any thread.
#pragma once

#include <cstdint>
#include <string>

namespace node {

struct MachineFacts {
  std::string kernel_version;
  std::string os_image;  // "Debian GNU/Linux 12 (bookworm)"
  std::string machine_id;
  std::string system_uuid;
  std::string boot_id;
  int cpus = 1;
  int64_t memory_bytes = 0;
};
MachineFacts read_machine_facts();
std::string machine_architecture();  // as Go names it: "amd64", "arm64"

struct Pressure {
  int64_t memory_available = 0;
  int64_t memory_total = 0;
  int64_t disk_available = 0;
  int64_t disk_total = 0;
  int64_t inodes_free = 0;
  int64_t inodes_total = 0;
  int64_t processes = 0;
  int64_t max_processes = 0;
};
Pressure read_pressure(const std::string& state_dir);

}  // namespace node
