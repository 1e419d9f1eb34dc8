#include "proxy/announce.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>

#include <algorithm>
#include <condition_variable>
#include <thread>

#include "base/guarded.hpp"
#include "base/log.hpp"
#include "client/informer.hpp"
#include "sys/fs.hpp"
#include "sys/netlink.hpp"

namespace proxy {

namespace {

constexpr std::chrono::milliseconds kRetry{1'000};
constexpr const char* kHolder = "lo";

bool in_pool(const std::vector<base::AddressSpan>& pool, const base::Address& address) {
  return std::ranges::any_of(pool, [&](const auto& span) { return span.contains(address); });
}

// The addresses of the pool that lo has now.
base::Result<std::set<base::Address>> held(const std::vector<base::AddressSpan>& pool) {
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) return std::unexpected(base::errno_error("read the addresses of lo", errno));
  std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(all, ::freeifaddrs);
  std::set<base::Address> out;
  for (const auto* one = all; one; one = one->ifa_next) {
    if (!one->ifa_addr || std::string_view(one->ifa_name) != kHolder) continue;
    const int family = one->ifa_addr->sa_family;
    if (family != AF_INET && family != AF_INET6) continue;
    const void* bytes = family == AF_INET
                            ? static_cast<const void*>(&reinterpret_cast<const sockaddr_in*>(one->ifa_addr)->sin_addr)
                            : &reinterpret_cast<const sockaddr_in6*>(one->ifa_addr)->sin6_addr;
    char text[INET6_ADDRSTRLEN] = {};
    auto address = base::Address::parse(::inet_ntop(family, bytes, text, sizeof text));
    if (address && in_pool(pool, *address)) out.insert(*address);
  }
  return out;
}

class KernelAnnouncer final : public Announcer {
 public:
  KernelAnnouncer(AnnounceConfig config, client::Client client) : config_(std::move(config)), services_(client) {
    services_.trim_with([](api::Service& service) {
      service.metadata.annotations.clear();
      service.metadata.labels.clear();
      service.spec.selector.clear();
      service.spec.ports.clear();
    });
    services_.on_change([this](const std::string&, const auto& before, const auto& after) {
      if (!concerns(before.get()) && !concerns(after.get())) return;
      changes_.lock()->dirty = true;
      wake_.notify_all();
    });
  }
  ~KernelAnnouncer() override { stop(); }

  void start() override {
    services_.start();
    thread_ = std::jthread([this] { run(); });
  }
  void stop() override {
    changes_.lock()->stopped = true;
    wake_.notify_all();
    services_.stop();
    if (thread_.joinable()) thread_.join();
  }

 private:
  struct Changes {
    bool dirty = true;
    bool stopped = false;
  };

  static bool concerns(const api::Service* service) {
    return service && (!service->spec.external_ips.empty() ||
                       (service->status.load_balancer && !service->status.load_balancer->ingress.empty()));
  }

  void run() {
    services_.wait_synced();
    bool failed = false;
    while (true) {
      {
        auto changes = changes_.lock();
        auto ready = [&] { return changes->stopped || changes->dirty; };
        if (failed) wake_.wait_for(changes.native(), kRetry, [&] { return changes->stopped; });
        else wake_.wait(changes.native(), ready);
        if (changes->stopped) return;
        changes->dirty = false;
      }
      auto done = apply(announced(services_.list(), config_.pool));
      if (!done && !failed) base::log_error("announce", "{}; it is tried again every second", done.error().message);
      failed = !done;
    }
  }

  base::Result<void> apply(const std::set<base::Address>& wanted) {
    TRY(auto netlink, sys::Netlink::open());
    TRY(int lo, netlink.link_index(kHolder));
    TRY(auto now, held(config_.pool));
    for (const auto& address : now) {
      if (wanted.contains(address)) continue;
      CHECK_OK(netlink.remove_address(lo, address.text(), address.bits()));
      if (address.v6) CHECK_OK(answer_for(netlink, address, false));
      base::log_info("announce", "{} is no longer here", address.text());
    }
    for (const auto& address : wanted) {
      if (now.contains(address)) continue;
      CHECK_OK(netlink.add_address(lo, address.text(), address.bits()));
      if (address.v6) CHECK_OK(answer_for(netlink, address, true));
      base::log_info("announce", "{} is here", address.text());
    }
    return {};
  }

  // IPv4 needs none of this: ARP is answered on every link for every address that the node has.
  base::Result<void> answer_for(sys::Netlink& netlink, const base::Address& address, bool yes) {
    auto link = netlink.link_index(config_.link);
    if (!link) return {};  // no such network: then nobody asks
    if (yes && !proxying_) {
      CHECK_OK(sys::write_file("/proc/sys/net/ipv6/conf/" + config_.link + "/proxy_ndp", "1"));
      CHECK_OK(sys::write_file("/proc/sys/net/ipv6/neigh/" + config_.link + "/proxy_delay", "0"));
      proxying_ = true;
    }
    return netlink.set_proxied(*link, address.text(), yes);
  }

  const AnnounceConfig config_;
  client::Informer<api::Service> services_;
  base::Guarded<Changes> changes_;
  std::condition_variable wake_;
  bool proxying_ = false;  // of the announcer's thread
  std::jthread thread_;
};

}  // namespace

std::set<base::Address> announced(const std::vector<std::shared_ptr<const api::Service>>& services,
                                  const std::vector<base::AddressSpan>& pool) {
  std::set<base::Address> out;
  auto add = [&](const std::string& text) {
    auto address = base::Address::parse(text);
    if (address && in_pool(pool, *address)) out.insert(*address);
  };
  for (const auto& service : services) {
    if (service->spec.type == "ExternalName") continue;
    for (const auto& text : service->spec.external_ips) add(text);
    if (!service->status.load_balancer) continue;
    for (const auto& ingress : service->status.load_balancer->ingress) {
      if (ingress.ip_mode != "Proxy") add(ingress.ip);
    }
  }
  return out;
}

std::unique_ptr<Announcer> Announcer::make(AnnounceConfig config, client::Client client) {
  return std::make_unique<KernelAnnouncer>(std::move(config), std::move(client));
}

}  // namespace proxy
