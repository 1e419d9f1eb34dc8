#include "proxy/nft/render.hpp"

#include <fmt/format.h>

#include <array>
#include <iterator>

namespace proxy::nft {

namespace {

constexpr std::array kProtocols = {Protocol::tcp, Protocol::udp, Protocol::sctp};
// How many clients can be remembered; the oldest make room by their timeout only.
constexpr int kAffinityClients = 262'144;

std::string address_and_port(Address address, uint16_t port) {
  return fmt::format("{} . {}", format_address(address), port);
}
std::string full_key(const ServiceKey& key) {
  return fmt::format("{} . {} . {}", format_address(key.address), protocol_name(key.protocol), key.port);
}

// What names an endpoint among those of one Service port for as long as it lives, also over a restart of the proxy:
// remembered clients are kept by it. Never 0.
uint32_t endpoint_id(const Endpoint& endpoint) {
  uint64_t x = (static_cast<uint64_t>(endpoint.address) << 16) | endpoint.port;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  auto id = static_cast<uint32_t>(x ^ (x >> 31));
  return id ? id : 1;
}
// nft spells the scratch register (meta priority) as major:minor.
std::string id_text(uint32_t id) { return fmt::format("{:x}:{:x}", id >> 16, id & 0xffff); }

// Ids of all endpoints of a route; two that hash alike get different ones.
std::vector<uint32_t> ids_of(const Route& route) {
  std::map<uint32_t, Endpoint> by_id;
  std::set<Endpoint> sorted(route.endpoints.begin(), route.endpoints.end());
  std::map<Endpoint, uint32_t> ids;
  for (const auto& e : sorted) {
    uint32_t id = endpoint_id(e);
    while (id == 0 || !by_id.emplace(id, e).second) ++id;
    ids[e] = id;
  }
  std::vector<uint32_t> out;
  for (const auto& e : route.endpoints) out.push_back(ids.at(e));
  return out;
}

// All elements of one route: map -> key -> value ("" in a set).
using Elements = std::map<std::string, std::map<std::string, std::string>>;

void add_elements(Elements& out, const ServiceKey& key, const Route& route) {
  if (route.endpoints.empty()) {
    if (route.drop_when_empty) out["services"][full_key(key)] = "drop";
    return;  // refused, as everything in the service network that nothing else takes
  }
  bool sticky = route.affinity_seconds > 0;
  size_t count = route.endpoints.size();
  out["services"][full_key(key)] = fmt::format("goto {}_{}", sticky ? "stick" : "pick", count);
  std::string to = address_and_port(key.address, key.port);
  std::string protocol(protocol_name(key.protocol));
  auto ids = sticky ? ids_of(route) : std::vector<uint32_t>();
  for (size_t i = 0; i < count; ++i) {
    const auto& e = route.endpoints[i];
    std::string target = address_and_port(e.address, e.port);
    if (sticky) {
      std::string id = id_text(ids[i]);
      out["sticky_slots"][fmt::format("{} . {}", i, full_key(key))] = id;
      out["sticky_live"][fmt::format("{} . {}", id, full_key(key))] =
          fmt::format("goto remember_{}", route.affinity_seconds);
      out[protocol + "_sticky"][fmt::format("{} . {}", id, to)] = target;
    } else {
      out[protocol + "_endpoints"][fmt::format("{} . {}", i, to)] = target;
    }
  }
}

// What all routes need together: the chains by count and timeout, and the local endpoints.
struct Shared {
  std::set<size_t> picks, sticks;
  std::set<uint32_t> timeouts;
  std::set<Address> local;
  explicit Shared(const Table& table) {
    for (const auto& [key, route] : table.routes) {
      if (route->endpoints.empty()) continue;
      bool sticky = route->affinity_seconds > 0;
      (sticky ? sticks : picks).insert(route->endpoints.size());
      if (sticky) timeouts.insert(route->affinity_seconds);
      for (const auto& e : route->endpoints)
        if (e.local) local.insert(e.address);
    }
  }
};

class Script {
 public:
  explicit Script(const Layout& layout) : layout_(layout), name_("ip " + layout.table) {}

  template <class... Args>
  void line(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
    text_ += '\n';
  }
  void chain(const std::string& chain, const std::string& hook = "") {
    line("add chain {} {}{}", name_, chain, hook.empty() ? "" : " { " + hook + "; policy accept; }");
    line("flush chain {} {}", name_, chain);
  }
  template <class... Args>
  void rule(const std::string& chain, fmt::format_string<Args...> format, Args&&... args) {
    text_ += "add rule " + name_ + " " + chain + " ";
    line(format, std::forward<Args>(args)...);
  }
  void elements(std::string_view verb, const Elements& elements) {
    for (const auto& [map, entries] : elements) {
      if (entries.empty()) continue;
      fmt::format_to(std::back_inserter(text_), "{} element {} {} {{ ", verb, name_, map);
      bool first = true;
      for (const auto& [key, value] : entries) {
        if (!first) text_ += ", ";
        first = false;
        text_ += key;
        if (!value.empty()) text_ += " : " + value;
      }
      text_ += " }\n";
    }
  }

  void maps();
  void base_chains();
  // Chains that `now` needs and `before` (may be null) has not.
  void shared_chains(const Shared& now, const Shared* before);
  std::string take() { return std::move(text_); }
  const std::string& name() const { return name_; }

 private:
  void pick_chain(size_t count);
  void stick_chain(size_t count);
  void remember_chain(uint32_t seconds);

  const Layout& layout_;
  std::string name_;
  std::string text_;
};

// `typeof` gives a map key the type of the random number; the port of its value then names a protocol, so that there is
// one map for each of them.
void Script::maps() {
  auto map = [&](std::string_view kind, const std::string& map_name, const std::string& type) {
    line("add {} {} {} {{ {}; }}", kind, name_, map_name, type);
    line("flush {} {} {}", kind, name_, map_name);
  };
  map("map", "services", "type ipv4_addr . inet_proto . inet_service : verdict");
  map("set", "hairpin", "type ipv4_addr . ipv4_addr");
  map("map", "sticky_slots",
      "typeof numgen random mod 65536 . ip daddr . meta l4proto . tcp dport : meta priority");
  map("map", "sticky_live", "typeof meta priority . ip daddr . meta l4proto . tcp dport : verdict");
  for (auto protocol : kProtocols) {
    auto p = std::string(protocol_name(protocol));
    map("map", p + "_endpoints",
        fmt::format("typeof numgen random mod 65536 . ip daddr . {0} dport : ip daddr . {0} dport", p));
    map("map", p + "_sticky", fmt::format("typeof meta priority . ip daddr . {0} dport : ip daddr . {0} dport", p));
  }
  // Filled by packets; not flushed, so that clients are remembered over a restart.
  line("add map {} affinity {{ typeof ip saddr . ip daddr . meta l4proto . tcp dport : meta priority; "
       "flags dynamic, timeout; size {}; }}",
       name_, kAffinityClients);
}

void Script::base_chains() {
  auto pods = format_network(layout_.networks.pods);
  const auto& net = layout_.networks.services;
  auto services = format_network(net);
  chain("nat_prerouting", "type nat hook prerouting priority -100");
  chain("nat_output", "type nat hook output priority -100");
  chain("nat_postrouting", "type nat hook postrouting priority 100");
  chain("refuse_prerouting", "type filter hook prerouting priority -99");
  chain("refuse_output", "type filter hook output priority -99");
  chain("forward", "type filter hook forward priority 0");
  chain("refuse");
  rule("nat_prerouting", "ip daddr . meta l4proto . th dport vmap @services");
  rule("nat_output", "ip daddr . meta l4proto . th dport vmap @services");
  Address last = net.bits == 0 ? ~0u : net.address | (net.bits == 32 ? 0 : (~0u >> net.bits));
  auto ours = fmt::format("ct status dnat ct original ip daddr {}-{}", format_address(net.address), format_address(last));
  rule("nat_postrouting", "{} ct original ip saddr . ip daddr @hairpin masquerade", ours);
  rule("nat_postrouting", "{} ip saddr != {} fib saddr type != local masquerade", ours, pods);
  // After the address translation: what still goes to a cluster IP has nowhere to go.
  rule("refuse_prerouting", "ip daddr {} goto refuse", services);
  rule("refuse_output", "ip daddr {} goto refuse", services);
  // A packet that the connection tracker does not place is not translated back; seen by the client it would make it
  // reset the connection. The same the other way round.
  rule("forward", "ct state invalid ip saddr {} drop", pods);
  rule("refuse", "ct state invalid drop");
  rule("refuse", "meta l4proto tcp reject with tcp reset");
  rule("refuse", "reject");
}

void Script::shared_chains(const Shared& now, const Shared* before) {
  for (auto seconds : now.timeouts)
    if (!before || !before->timeouts.contains(seconds)) remember_chain(seconds);
  for (auto count : now.picks)
    if (!before || !before->picks.contains(count)) pick_chain(count);
  for (auto count : now.sticks)
    if (!before || !before->sticks.contains(count)) stick_chain(count);
}

void Script::pick_chain(size_t count) {
  auto name = fmt::format("pick_{}", count);
  chain(name);
  // The second line is for a packet that drew a number while the endpoint with that number went away.
  for (size_t mod : {count, size_t{1}})
    for (auto protocol : kProtocols)
      rule(name, "meta l4proto {0} dnat ip to numgen random mod {1} . ip daddr . {0} dport map @{0}_endpoints",
           protocol_name(protocol), mod);
}

void Script::stick_chain(size_t count) {
  auto name = fmt::format("stick_{}", count);
  chain(name);
  rule(name, "meta priority set 0:0");
  rule(name, "meta priority set ip saddr . ip daddr . meta l4proto . th dport map @affinity");
  rule(name, "meta priority . ip daddr . meta l4proto . th dport vmap @sticky_live");
  // Its endpoint has gone: an update of the element would renew its time but not what it says.
  rule(name, "meta l4proto {{ tcp, udp, sctp }} delete @affinity {{ ip saddr . ip daddr . meta l4proto . th dport : meta priority }}");
  for (size_t mod : {count, size_t{1}}) {
    rule(name, "meta priority set numgen random mod {} . ip daddr . meta l4proto . th dport map @sticky_slots", mod);
    rule(name, "meta priority . ip daddr . meta l4proto . th dport vmap @sticky_live");
  }
}

void Script::remember_chain(uint32_t seconds) {
  auto name = fmt::format("remember_{}", seconds);
  chain(name);
  rule(name,
       "meta l4proto {{ tcp, udp, sctp }} update @affinity {{ ip saddr . ip daddr . meta l4proto . th dport timeout {}s "
       ": meta priority }}",
       seconds);
  for (auto protocol : kProtocols)
    rule(name, "meta l4proto {0} dnat ip to meta priority . ip daddr . {0} dport map @{0}_sticky",
         protocol_name(protocol));
}

Elements hairpins(const std::set<Address>& addresses, const std::set<Address>* without) {
  Elements out;
  for (auto a : addresses)
    if (!without || !without->contains(a)) out["hairpin"][fmt::format("{0} . {0}", format_address(a))] = "";
  return out;
}

// Moves what both have, with one value, out of both.
void cancel_equal(Elements& gone, Elements& fresh) {
  for (auto& [map, entries] : gone) {
    auto& other = fresh[map];
    for (auto it = entries.begin(); it != entries.end();) {
      auto same = other.find(it->first);
      if (same != other.end() && same->second == it->second) {
        other.erase(same);
        it = entries.erase(it);
      } else {
        ++it;
      }
    }
  }
}

void merge(Elements& into, Elements from) {
  for (auto& [map, entries] : from) into[map].merge(entries);
}

void fill(Script& script, const Table& table) {
  Shared shared(table);
  script.shared_chains(shared, nullptr);
  Elements all = hairpins(shared.local, nullptr);
  for (const auto& [key, route] : table.routes) add_elements(all, key, *route);
  script.elements("add", all);
}

}  // namespace

std::string render_rebuild(const Layout& layout, const Table& table) {
  Script script(layout);
  script.line("add table {}", script.name());
  script.line("flush table {}", script.name());
  script.maps();
  script.base_chains();
  fill(script, table);
  return script.take();
}

std::string render_replace(const Layout& layout, const Table& table) {
  return render_removal(layout) + render_rebuild(layout, table);
}

std::string render_change(const Layout& layout, const Table& before, const Table& after) {
  Elements gone, fresh;
  auto a = before.routes.begin();
  auto b = after.routes.begin();
  bool changed = false;
  while (a != before.routes.end() || b != after.routes.end()) {
    bool only_a = b == after.routes.end() || (a != before.routes.end() && a->first < b->first);
    bool only_b = a == before.routes.end() || (b != after.routes.end() && b->first < a->first);
    if (!only_a && !only_b && a->second == b->second) {
      ++a, ++b;
      continue;
    }
    changed = true;
    if (!only_b) add_elements(gone, a->first, *a->second), ++a;
    if (!only_a) add_elements(fresh, b->first, *b->second), ++b;
  }
  if (!changed) return "";
  cancel_equal(gone, fresh);
  Shared was(before), now(after);
  merge(gone, hairpins(was.local, &now.local));
  merge(fresh, hairpins(now.local, &was.local));
  Script script(layout);
  script.shared_chains(now, &was);
  script.elements("delete", gone);
  script.elements("add", fresh);
  return script.take();
}

std::string render_removal(const Layout& layout) {
  // Deleting what is not there would be an error; adding it first never is.
  return fmt::format("add table ip {0}\ndelete table ip {0}\n", layout.table);
}

}  // namespace proxy::nft
