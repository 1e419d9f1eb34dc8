// The programs and maps of one cluster in the kernel: made or taken over, attached, grown, removed. What the maps hold
// is Contents' matter.
//
// Threading: one owner; the kernel's counters change under it at any time.
//
// Pins lie in a bpf file system of the cluster's own: <pins>/maps-N/<map>, <pins>/links/<program>. They keep programs
// at work while no Sampan runs; the next one takes the maps over and swaps the programs.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "proxy/bpf/abi.h"
#include "sys/fd.hpp"

struct bpf_object;

namespace proxy::bpf {

struct Sizes {
  uint32_t services = 2048;
  uint32_t choices = 8192;
  uint32_t endpoints = 4096;
  uint32_t pools = 2048;
  uint32_t udp_flows = 16'384;
  uint32_t affinity = 16'384;
  bool operator==(const Sizes&) const = default;
};

struct Options {
  std::string cgroup = {};  // folder; "": where cgroup 2 is mounted
  std::string pins = {};    // folder, made and mounted here; "": nothing outlives this process
  Sizes sizes = {};         // of new maps
};

// Maps that user space writes and reads as memory.
struct Memory {
  std::span<uint64_t> choices;
  std::span<endpoint_entry> endpoints;
  std::span<endpoint_flow> flows;
  std::span<pool_entry> pools;
};

class Kernel {
 public:
  // Loads the programs, on the maps of an earlier run where those fit. Nothing is attached yet.
  static base::Result<std::unique_ptr<Kernel>> open(const Options& options);
  ~Kernel();
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;

  // From here on the programs of this object are at work; an earlier run's are swapped for them, one by one, without
  // a gap.
  base::Result<void> attach();
  // New maps of these sizes, filled by `copy`, take the place of the old ones. On an error nothing has changed.
  base::Result<void> grow(const Sizes& sizes);

  bool took_over() const { return took_over_; }
  const Sizes& sizes() const { return sizes_; }
  const Memory& memory() const { return memory_; }

  base::Result<void> set_services(std::span<const service_key> keys, std::span<const service_entry> entries);
  base::Result<void> erase_services(std::span<const service_key> keys);
  base::Result<std::vector<std::pair<service_key, service_entry>>> read_services() const;

  int map(const char* name) const;  // open, owned by this object

  base::Result<void> set_networks(std::span<const std::pair<ip_address, ip_address>> address_and_mask);
  base::Result<void> set_namespace(uint64_t cookie, uint32_t place);
  void erase_namespace(uint64_t cookie);
  std::vector<uint64_t> read_namespaces() const;
  base::Result<void> set_node_addresses(std::span<const ip_address> addresses);

 private:
  // A loaded object: its maps, its programs and the memory of its maps.
  struct Generation;
  Kernel() = default;
  base::Result<std::unique_ptr<Generation>> load(const Sizes& sizes, const Generation* share,
                                                 const std::string& pinned);
  base::Result<void> attach_program(Generation& generation, const std::string& name);
  base::Result<void> pin_maps(Generation& generation);
  void use(std::unique_ptr<Generation> generation);

  Options options_;
  sys::Fd cgroup_;
  std::unique_ptr<Generation> now_;
  std::vector<std::pair<std::string, sys::Fd>> links_;  // by program
  Sizes sizes_;
  Memory memory_;
  int number_ = 0;  // of the pinned maps
  bool took_over_ = false;
  bool attached_ = false;
};

// Takes the pins away, and with them the programs; nothing there: fine.
base::Result<void> remove_pins(const std::string& pins);
// The folder where cgroup 2 is mounted.
base::Result<std::string> find_cgroup2();

}  // namespace proxy::bpf
