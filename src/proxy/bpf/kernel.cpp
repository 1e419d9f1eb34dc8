#include "proxy/bpf/kernel.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/log.hpp"
#include "base/strings.hpp"
#include "proxy/bpf/object.hpp"
#include "sys/fs.hpp"
#include "sys/mount.hpp"

namespace proxy::bpf {

namespace {

constexpr const char* kMaps[] = {"services", "choices",  "endpoints",  "flows",          "pools",   "sockets",
                                 "udp_flows", "affinity", "namespaces", "node_addresses", "settings"};
// Those that follow the sockets and not the Services: larger maps go on with the same ones.
constexpr const char* kLasting[] = {"sockets", "udp_flows", "affinity", "namespaces", "node_addresses", "settings"};
constexpr const char* kPrograms[] = {"connect4", "connect6", "sendmsg4",     "sendmsg6",     "recvmsg4",
                                     "recvmsg6", "getpeername4", "getpeername6", "sock_release"};

// What libbpf says goes to stderr unless somebody listens; the last lines become part of the error.
thread_local std::string spoken;
int listen(enum libbpf_print_level level, const char* text, va_list arguments) {
  if (level == LIBBPF_DEBUG) return 0;
  char line[1024];
  vsnprintf(line, sizeof line, text, arguments);
  spoken += line;
  if (spoken.size() > 2048) spoken.erase(0, spoken.size() - 2048);
  return 0;
}

std::string last_words() {
  std::string out;
  for (const auto& line : base::split(spoken, '\n')) {
    auto words = base::trim(line);
    if (words.empty() || words.contains("END PROG LOAD LOG") || words.starts_with("processed ")) continue;
    out = words;
  }
  spoken.clear();
  return out;
}

std::unexpected<base::Error> refused(std::string what, int error) {
  std::string why = last_words();
  std::string hint;
  if (error == EPERM || error == EACCES) hint = "; it takes CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON (or root)";
  if (error == ENOMEM) hint = "; the machine or the memory cgroup is out of memory";
  return base::fail(base::Reason::internal_error, fmt::format("{}: {}{}{}{}", what, std::strerror(error),
                                                              why.empty() ? "" : ": ", why, hint));
}

uint32_t size_of(const Sizes& sizes, std::string_view name) {
  if (name == "services") return sizes.services;
  if (name == "choices") return sizes.choices;
  if (name == "endpoints" || name == "flows") return sizes.endpoints;
  if (name == "pools") return sizes.pools;
  if (name == "udp_flows") return sizes.udp_flows;
  if (name == "affinity") return sizes.affinity;
  return 0;  // as compiled
}

bool is_bpf_file_system(const std::string& path) {
  auto mounts = sys::read_file("/proc/self/mountinfo");
  if (!mounts) return false;
  for (const auto& line : base::split(*mounts, '\n')) {
    auto words = base::split(line, ' ');
    auto dash = std::find(words.begin(), words.end(), "-");
    if (words.size() > 4 && words[4] == path && dash != words.end() && dash + 1 != words.end() && dash[1] == "bpf")
      return true;
  }
  return false;
}

base::Result<void> mount_pins(const std::string& pins) {
  if (is_bpf_file_system(pins)) return {};
  CHECK_OK(sys::make_dirs(pins, 0700));
  if (::mount("bpf", pins.c_str(), "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") != 0)
    return std::unexpected(base::errno_error("mount a bpf file system at " + pins, errno));
  return {};
}

base::Result<void> make_folder(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
  return std::unexpected(base::errno_error("make " + path, errno));
}

void remove_folder(const std::string& path) {
  for (const auto& name : sys::list_dir(path).value_or(std::vector<std::string>()))
    ::unlink((path + "/" + name).c_str());
  ::rmdir(path.c_str());
}

// The numbers of the complete sets of pinned maps, the newest last.
std::vector<int> pinned_numbers(const std::string& pins) {
  std::vector<int> out;
  for (const auto& name : sys::list_dir(pins).value_or(std::vector<std::string>())) {
    auto number = name.starts_with("maps-") ? base::parse_int(name.substr(5)) : std::nullopt;
    if (number) out.push_back(static_cast<int>(*number));
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

struct Kernel::Generation {
  bpf_object* object = nullptr;
  Sizes sizes;
  Memory memory;
  std::vector<std::pair<void*, size_t>> mapped;

  ~Generation() {
    for (auto [address, size] : mapped) ::munmap(address, size);
    bpf_object__close(object);
  }
  int map(const char* name) const { return bpf_object__find_map_fd_by_name(object, name); }

  template <class T>
  base::Result<std::span<T>> memory_of(const char* name, uint32_t count) {
    size_t size = (sizeof(T) * count + 4095) & ~size_t{4095};
    void* at = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, map(name), 0);
    if (at == MAP_FAILED) return refused(fmt::format("map '{}' as memory", name), errno);
    mapped.emplace_back(at, size);
    return std::span<T>(static_cast<T*>(at), count);
  }
  base::Result<void> map_memory() {
    TRY(memory.choices, memory_of<uint64_t>("choices", sizes.choices));
    TRY(memory.endpoints, memory_of<endpoint_entry>("endpoints", sizes.endpoints));
    TRY(memory.flows, memory_of<endpoint_flow>("flows", sizes.endpoints));
    TRY(memory.pools, memory_of<pool_entry>("pools", sizes.pools));
    return {};
  }
};

namespace {

// Puts the pinned map in the place of the one that would be made. False: it does not fit.
bool reuse(bpf_map* map, const std::string& path, Sizes& sizes) {
  sys::Fd fd(bpf_obj_get(path.c_str()));
  if (!fd) return false;
  bpf_map_info info{};
  uint32_t length = sizeof info;
  if (bpf_obj_get_info_by_fd(fd.get(), &info, &length) != 0) return false;
  if (info.type != bpf_map__type(map) || info.key_size != bpf_map__key_size(map) ||
      info.value_size != bpf_map__value_size(map))
    return false;
  std::string_view name = bpf_map__name(map);
  if (name == "services") sizes.services = info.max_entries;
  if (name == "choices") sizes.choices = info.max_entries;
  if (name == "endpoints") sizes.endpoints = info.max_entries;
  if (name == "flows" && info.max_entries != sizes.endpoints) return false;
  if (name == "pools") sizes.pools = info.max_entries;
  if (name == "udp_flows") sizes.udp_flows = info.max_entries;
  if (name == "affinity") sizes.affinity = info.max_entries;
  return bpf_map__reuse_fd(map, fd.get()) == 0;
}

bool has_our_abi(const std::string& folder) {
  sys::Fd fd(bpf_obj_get((folder + "/settings").c_str()));
  settings_entry entry{};
  uint32_t zero = 0;
  bpf_map_info info{};
  uint32_t length = sizeof info;
  return fd && bpf_obj_get_info_by_fd(fd.get(), &info, &length) == 0 && info.value_size == sizeof entry &&
         bpf_map_lookup_elem(fd.get(), &zero, &entry) == 0 && entry.abi == SAMPAN_BPF_ABI;
}

}  // namespace

Kernel::~Kernel() = default;

int Kernel::map(const char* name) const { return now_->map(name); }

void Kernel::use(std::unique_ptr<Generation> generation) {
  now_ = std::move(generation);
  sizes_ = now_->sizes;
  memory_ = now_->memory;
}

// `share`: its lasting maps are used again; `pinned`: all maps come from that folder.
base::Result<std::unique_ptr<Kernel::Generation>> Kernel::load(const Sizes& sizes, const Generation* share,
                                                               const std::string& pinned) {
  libbpf_set_print(listen);
  spoken.clear();
  auto out = std::make_unique<Generation>();
  out->sizes = sizes;
  auto bytes = object_file();
  LIBBPF_OPTS(bpf_object_open_opts, how, .object_name = "sampan");
  out->object = bpf_object__open_mem(bytes.data(), bytes.size(), &how);
  if (!out->object) return refused("read the socket programs", errno);
  for (const char* name : kMaps) {
    bpf_map* map = bpf_object__find_map_by_name(out->object, name);
    if (!map)
      return base::fail(base::Reason::internal_error, fmt::format("the socket programs have no map '{}'", name));
    bool lasts = std::find_if(std::begin(kLasting), std::end(kLasting),
                              [&](std::string_view l) { return l == name; }) != std::end(kLasting);
    if (!pinned.empty()) {
      if (!reuse(map, pinned + "/" + name, out->sizes))
        return base::fail(base::Reason::conflict, fmt::format("the map {}/{} is of another form", pinned, name));
    } else if (share && lasts) {
      if (int error = bpf_map__reuse_fd(map, share->map(name)); error != 0)
        return refused(fmt::format("take over map '{}'", name), -error);
    } else if (uint32_t size = size_of(sizes, name); size > 0) {
      bpf_map__set_max_entries(map, size);
    }
  }
  if (int error = bpf_object__load(out->object); error != 0)
    return refused("the kernel does not take the socket programs", -error);
  CHECK_OK(out->map_memory());
  return out;
}

base::Result<std::unique_ptr<Kernel>> Kernel::open(const Options& options) {
  auto kernel = std::unique_ptr<Kernel>(new Kernel());
  kernel->options_ = options;
  if (kernel->options_.cgroup.empty()) {
    TRY(kernel->options_.cgroup, find_cgroup2());
  }
  TRY(kernel->cgroup_, sys::open_file(kernel->options_.cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const auto& pins = options.pins;
  if (!pins.empty()) {
    CHECK_OK(mount_pins(pins));
    CHECK_OK(make_folder(pins + "/links"));
    auto numbers = pinned_numbers(pins);
    if (!numbers.empty()) {
      kernel->number_ = numbers.back();
      auto folder = fmt::format("{}/maps-{}", pins, kernel->number_);
      if (has_our_abi(folder)) {
        auto taken = kernel->load(options.sizes, nullptr, folder);
        if (taken) {
          kernel->use(std::move(*taken));
          kernel->took_over_ = true;
          return kernel;
        }
        if (taken.error().reason != base::Reason::conflict) return std::unexpected(std::move(taken).error());
      }
    }
  }
  TRY(auto made, kernel->load(options.sizes, nullptr, ""));
  kernel->use(std::move(made));
  CHECK_OK(kernel->set_networks({}));
  return kernel;
}

base::Result<void> Kernel::pin_maps(Generation& generation) {
  if (options_.pins.empty()) return {};
  auto folder = fmt::format("{}/maps-{}", options_.pins, number_ + 1);
  auto making = options_.pins + "/making";  // a set under this name is not complete
  remove_folder(making);
  CHECK_OK(make_folder(making));
  for (const char* name : kMaps)
    if (bpf_obj_pin(generation.map(name), (making + "/" + name).c_str()) != 0)
      return refused(fmt::format("pin map '{}' below {}", name, options_.pins), errno);
  if (::rename(making.c_str(), folder.c_str()) != 0)
    return std::unexpected(base::errno_error(fmt::format("rename {} to {}", making, folder), errno));
  ++number_;
  return {};
}

base::Result<void> Kernel::attach_program(Generation& generation, const std::string& name) {
  bpf_program* program = bpf_object__find_program_by_name(generation.object, name.c_str());
  if (!program) return base::fail(base::Reason::internal_error, "no socket program " + name);
  auto link = std::find_if(links_.begin(), links_.end(), [&](const auto& l) { return l.first == name; });
  const std::string pin = options_.pins.empty() ? "" : options_.pins + "/links/" + name;
  if (link == links_.end() && !pin.empty()) {
    sys::Fd pinned(bpf_obj_get(pin.c_str()));
    if (pinned) link = links_.emplace(links_.end(), name, std::move(pinned));
  }
  if (link != links_.end()) {
    if (bpf_link_update(link->second.get(), bpf_program__fd(program), nullptr) == 0) return {};
    base::log_info("proxy", "the link of {} is of no use any more ({}): made anew", name, std::strerror(errno));
    links_.erase(link);
    if (!pin.empty()) ::unlink(pin.c_str());
  }
  sys::Fd made(bpf_link_create(bpf_program__fd(program), cgroup_.get(), bpf_program__expected_attach_type(program),
                               nullptr));
  if (!made) return refused(fmt::format("attach {} to {}", name, options_.cgroup), errno);
  if (!pin.empty() && bpf_obj_pin(made.get(), pin.c_str()) != 0)
    return refused(fmt::format("pin the link of {}", name), errno);
  links_.emplace_back(name, std::move(made));
  return {};
}

base::Result<void> Kernel::attach() {
  if (!took_over_ && !attached_) CHECK_OK(pin_maps(*now_));
  for (const char* name : kPrograms) CHECK_OK(attach_program(*now_, name));
  if (!options_.pins.empty())
    for (int number : pinned_numbers(options_.pins))
      if (number != number_) remove_folder(fmt::format("{}/maps-{}", options_.pins, number));
  attached_ = true;
  return {};
}

base::Result<void> Kernel::grow(const Sizes& sizes) {
  TRY(auto services, read_services());
  TRY(auto larger, load(sizes, now_.get(), ""));
  auto& to = larger->memory;
  std::copy(memory_.choices.begin(), memory_.choices.end(), to.choices.begin());
  std::copy(memory_.endpoints.begin(), memory_.endpoints.end(), to.endpoints.begin());
  std::copy(memory_.pools.begin(), memory_.pools.end(), to.pools.begin());
  std::vector<endpoint_flow> copied(memory_.flows.begin(), memory_.flows.end());
  std::copy(copied.begin(), copied.end(), to.flows.begin());
  for (const auto& [key, entry] : services)
    if (bpf_map_update_elem(larger->map("services"), &key, &entry, BPF_ANY) != 0)
      return refused("copy the services to a larger map", errno);
  if (attached_ || took_over_) {  // an earlier run's programs are at work, too
    CHECK_OK(pin_maps(*larger));
    for (size_t i = 0; i < std::size(kPrograms); ++i) {
      auto swapped = attach_program(*larger, kPrograms[i]);
      if (swapped) continue;
      while (i-- > 0) (void)attach_program(*now_, kPrograms[i]);
      if (!options_.pins.empty()) remove_folder(fmt::format("{}/maps-{}", options_.pins, number_--));
      return swapped;
    }
    // What the programs counted between the copy and the swap.
    for (size_t i = 0; i < copied.size(); ++i) {
      auto& flow = to.flows[i];
      const auto& old = memory_.flows[i];
      __atomic_fetch_add(&flow.in_flight, old.in_flight - copied[i].in_flight, __ATOMIC_RELAXED);
      __atomic_fetch_add(&flow.connections, old.connections - copied[i].connections, __ATOMIC_RELAXED);
    }
    if (!options_.pins.empty())
      for (int number : pinned_numbers(options_.pins))
        if (number != number_) remove_folder(fmt::format("{}/maps-{}", options_.pins, number));
  }
  use(std::move(larger));
  return {};
}

base::Result<void> Kernel::set_services(std::span<const service_key> keys, std::span<const service_entry> entries) {
  if (keys.empty()) return {};
  uint32_t count = static_cast<uint32_t>(keys.size());
  LIBBPF_OPTS(bpf_map_batch_opts, how, .elem_flags = BPF_ANY);
  if (keys.size() > 1 && bpf_map_update_batch(map("services"), keys.data(), entries.data(), &count, &how) == 0)
    return {};
  // One by one: the error then says which, and there are kernels without the batch.
  for (size_t i = 0; i < keys.size(); ++i) {
    if (bpf_map_update_elem(map("services"), &keys[i], &entries[i], BPF_ANY) == 0) continue;
    return refused(fmt::format("write service port {} of {} to the map (it holds {})", i + 1, keys.size(),
                               sizes_.services),
                   errno);
  }
  return {};
}

base::Result<void> Kernel::erase_services(std::span<const service_key> keys) {
  for (const auto& key : keys)
    if (bpf_map_delete_elem(map("services"), &key) != 0 && errno != ENOENT)
      return refused("take a service port out of the map", errno);
  return {};
}

base::Result<std::vector<std::pair<service_key, service_entry>>> Kernel::read_services() const {
  std::vector<std::pair<service_key, service_entry>> out;
  service_key key{}, before{};
  for (bool first = true; bpf_map_get_next_key(map("services"), first ? nullptr : &before, &key) == 0; first = false) {
    service_entry entry{};
    if (bpf_map_lookup_elem(map("services"), &key, &entry) == 0) out.emplace_back(key, entry);
    before = key;
  }
  if (errno != ENOENT) return refused("read the map of services", errno);
  return out;
}

base::Result<void> Kernel::set_networks(std::span<const std::pair<ip_address, ip_address>> address_and_mask) {
  settings_entry entry{};
  entry.abi = SAMPAN_BPF_ABI;
  for (const auto& [address, mask] : address_and_mask.first(std::min<size_t>(address_and_mask.size(),
                                                                            SAMPAN_BPF_NETWORKS))) {
    entry.refused[entry.networks].address = address;
    entry.refused[entry.networks++].mask = mask;
  }
  uint32_t zero = 0;
  if (bpf_map_update_elem(map("settings"), &zero, &entry, BPF_ANY) != 0) return refused("write the settings", errno);
  return {};
}

base::Result<void> Kernel::set_namespace(uint64_t cookie, uint32_t place) {
  if (bpf_map_update_elem(map("namespaces"), &cookie, &place, BPF_ANY) != 0)
    return refused("name a network namespace to the socket programs", errno);
  return {};
}

void Kernel::erase_namespace(uint64_t cookie) { bpf_map_delete_elem(map("namespaces"), &cookie); }

std::vector<uint64_t> Kernel::read_namespaces() const {
  std::vector<uint64_t> out;
  uint64_t key = 0;
  for (const uint64_t* before = nullptr; bpf_map_get_next_key(map("namespaces"), before, &key) == 0;
       before = &out.back())
    out.push_back(key);
  return out;
}

base::Result<void> Kernel::set_node_addresses(std::span<const ip_address> addresses) {
  auto equal = [](const ip_address& a, const ip_address& b) { return a.high == b.high && a.low == b.low; };
  std::vector<ip_address> there;
  ip_address key{};
  for (const ip_address* before = nullptr; bpf_map_get_next_key(map("node_addresses"), before, &key) == 0;
       before = &there.back())
    there.push_back(key);
  uint32_t one = 1;
  for (const auto& a : addresses)
    if (bpf_map_update_elem(map("node_addresses"), &a, &one, BPF_ANY) != 0)
      return refused("write the node's addresses", errno);
  for (const auto& a : there)
    if (std::none_of(addresses.begin(), addresses.end(), [&](const auto& b) { return equal(a, b); }))
      bpf_map_delete_elem(map("node_addresses"), &a);
  return {};
}

base::Result<void> remove_pins(const std::string& pins) {
  if (!is_bpf_file_system(pins)) return {};
  for (const auto& name : sys::list_dir(pins).value_or(std::vector<std::string>())) remove_folder(pins + "/" + name);
  CHECK_OK(sys::unmount_lazily(pins));
  ::rmdir(pins.c_str());
  return {};
}

base::Result<std::string> find_cgroup2() {
  TRY(auto mounts, sys::read_file("/proc/self/mountinfo"));
  for (const auto& line : base::split(mounts, '\n')) {
    auto words = base::split(line, ' ');
    auto dash = std::find(words.begin(), words.end(), "-");
    if (words.size() > 4 && dash != words.end() && dash + 1 != words.end() && dash[1] == "cgroup2" && words[3] == "/")
      return words[4];
  }
  return base::fail(base::Reason::not_found, "cgroup version 2 is mounted nowhere: mount -t cgroup2 none "
                                             "/sys/fs/cgroup/unified, or use --proxy-mode=nftables");
}

}  // namespace proxy::bpf
