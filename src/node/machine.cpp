#include "node/machine.hpp"

#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/strings.hpp"
#include "sys/fs.hpp"
#include "sys/process.hpp"

namespace node {
namespace {

std::string first_line(const std::string& path) {
  auto text = sys::read_file(path, 4096);
  if (!text) return "";
  return std::string(base::trim(text->substr(0, text->find('\n'))));
}

std::string pretty_os_name() {
  auto text = sys::read_file("/etc/os-release", 64 << 10);
  if (text) {
    for (const auto& line : base::split(*text, '\n')) {
      if (!line.starts_with("PRETTY_NAME=")) continue;
      auto name = line.substr(12);
      std::erase(name, '"');
      return name;
    }
  }
  return "Linux";
}

int64_t memory_field(const std::string& text, std::string_view name) {
  for (const auto& line : base::split(text, '\n')) {
    if (!line.starts_with(name)) continue;
    const auto digits = base::trim(std::string_view(line).substr(name.size()));
    return base::parse_int(digits.substr(0, digits.find(' '))).value_or(0) * 1024;
  }
  return 0;
}

}  // namespace

std::string machine_architecture() {
  utsname name{};
  ::uname(&name);
  const std::string machine = name.machine;
  if (machine == "x86_64") return "amd64";
  if (machine == "aarch64") return "arm64";
  return machine;
}

MachineFacts read_machine_facts() {
  MachineFacts facts;
  utsname name{};
  ::uname(&name);
  facts.kernel_version = name.release;
  facts.os_image = pretty_os_name();
  facts.machine_id = first_line("/etc/machine-id");
  facts.system_uuid = first_line("/sys/class/dmi/id/product_uuid");
  if (facts.system_uuid.empty()) facts.system_uuid = facts.machine_id;
  facts.boot_id = sys::boot_id();
  facts.cpus = static_cast<int>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN)));
  facts.memory_bytes = memory_field(sys::read_file("/proc/meminfo").value_or(""), "MemTotal:");
  return facts;
}

Pressure read_pressure(const std::string& state_dir) {
  Pressure pressure;
  const std::string memory = sys::read_file("/proc/meminfo").value_or("");
  pressure.memory_available = memory_field(memory, "MemAvailable:");
  pressure.memory_total = memory_field(memory, "MemTotal:");
  struct statvfs disk{};
  if (::statvfs(state_dir.c_str(), &disk) == 0) {
    pressure.disk_available = static_cast<int64_t>(disk.f_bavail) * static_cast<int64_t>(disk.f_frsize);
    pressure.disk_total = static_cast<int64_t>(disk.f_blocks) * static_cast<int64_t>(disk.f_frsize);
    pressure.inodes_free = static_cast<int64_t>(disk.f_favail);
    pressure.inodes_total = static_cast<int64_t>(disk.f_files);
  }
  struct sysinfo info{};
  if (::sysinfo(&info) == 0) pressure.processes = info.procs;
  pressure.max_processes = base::parse_int(first_line("/proc/sys/kernel/pid_max")).value_or(32768);
  return pressure;
}

}  // namespace node
