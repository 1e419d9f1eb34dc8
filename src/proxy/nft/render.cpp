#include "proxy/nft/render.hpp"

#include <fmt/format.h>

#include <iterator>

#include "proxy/nft/elements.hpp"

namespace proxy::nft {

namespace {

// How many clients can be remembered; the oldest make room by their timeout only.
constexpr int kAffinityClients = 262'144;

std::string_view table_family(Family family) { return family == Family::v4 ? "ip" : "ip6"; }

// One network, or a set of several; "" when there is none of that family.
std::string set_of(const std::vector<Network>& networks, Family family) {
  std::vector<Network> mine;
  for (const auto& n : without_nested(networks))
    if (n.family() == family) mine.push_back(n);
  if (mine.empty()) return "";
  std::string out = "{ ";
  for (const auto& n : mine) out += (out.size() > 2 ? ", " : "") + format_network(n);
  return out + " }";
}

// The part of a script that is about one family.
class Script {
 public:
  // `own`: only the base chains ask for it.
  Script(const Layout& layout, Family family, const OwnNode& own = {})
      : layout_(layout), own_(own), family_(family), ip_(table_family(family)), name_(ip_ + " " + layout.table) {}

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
  void way_chain(const Way& way);
  void remember_chain(uint32_t seconds, bool node_port);
  std::string take() { return std::move(text_); }
  const std::string& name() const { return name_; }
  Family family() const { return family_; }

 private:
  std::string client_key(bool node_port, std::string_view port) const;
  void declare(std::string_view kind, std::string_view map_name, const std::string& type);
  void find_chains();
  void refuse_chains();
  void mask_chains();
  void stick_rules(const Way& way, const std::string& name);

  const Layout& layout_;
  OwnNode own_;
  Family family_;
  std::string ip_;    // "ip" or "ip6"
  std::string name_;  // of the table
  std::string text_;
};

void Script::declare(std::string_view kind, std::string_view map_name, const std::string& type) {
  line("add {} {} {} {{ {}; }}", kind, name_, map_name, type);
  line("flush {} {} {}", kind, name_, map_name);
}

// By what a client is remembered. nft 1.0 cannot update maps with keys above 16 bytes, hence two hashes of the addresses in
// IPv6; a clash (1 in 2^64) would share an endpoint.
std::string Script::client_key(bool node_port, std::string_view port) const {
  if (family_ == Family::v4)
    return fmt::format("ip saddr . {}meta l4proto . {} dport", node_port ? "" : "ip daddr . ", port);
  auto hash = [&](int seed) {
    return fmt::format("jhash ip6 saddr{} mod 4294967295 seed {} . ", node_port ? "" : " . ip6 daddr", seed);
  };
  return fmt::format("{}{}meta l4proto . {} dport", hash(1), hash(3), port);
}

// `typeof` gives a map key the type of the random number; the port of its value then names a protocol, so that there is
// one map for each of them.
void Script::maps() {
  auto address = family_ == Family::v4 ? "ipv4_addr" : "ipv6_addr";
  auto key = fmt::format("type {} . inet_proto . inet_service", address);
  for (auto name : {"services", "outside", "masked"}) declare("map", name, key + " : verdict");
  for (auto name : {"node_ports", "node_outside", "node_masked"})
    declare("map", name, "type inet_proto . inet_service : verdict");
  declare("set", "guarded", key);
  declare("set", "allowed", key + fmt::format(" . {}; flags interval", address));
  declare("set", "answered", fmt::format("type {}", address));
  declare("set", "hairpin", fmt::format("type {0} . {0}", address));
  for (bool node_port : {false, true}) {
    std::string prefix = node_port ? "node_" : "";
    std::string daddr = node_port ? "" : ip_ + " daddr . ";
    auto full = fmt::format("{}meta l4proto . tcp dport", daddr);
    declare("map", prefix + "sticky_slots", fmt::format("typeof numgen random mod 65536 . {} : meta priority", full));
    declare("map", prefix + "sticky_live", fmt::format("typeof meta priority . {} : verdict", full));
    for (auto protocol : kProtocols) {
      auto p = std::string(protocol_name(protocol));
      auto target = fmt::format("{} daddr . {} dport", ip_, p);
      declare("map", p + "_" + prefix + "endpoints",
              fmt::format("typeof numgen random mod 65536 . {}{} dport : {}", daddr, p, target));
      declare("map", p + "_" + prefix + "sticky", fmt::format("typeof meta priority . {}{} dport : {}", daddr, p, target));
    }
    // Filled by packets; not flushed, so that clients are remembered over a restart.
    auto client = family_ == Family::v4 ? client_key(node_port, "tcp")
                                        : "numgen random mod 65536 . numgen random mod 65536 . meta l4proto . tcp dport";
    line("add map {} {}affinity {{ typeof {} : meta priority; flags dynamic, timeout; size {}; }}", name_, prefix, client,
         kAffinityClients);
  }
}

void Script::base_chains() {
  find_chains();
  refuse_chains();
  mask_chains();
}

void Script::find_chains() {
  auto pods = set_of(layout_.networks.pods, family_);
  auto in = set_of(layout_.node_ports_in, family_);
  auto answering = family_ == Family::v4 ? own_.v4 : own_.v6;
  auto key = fmt::format("{} daddr . meta l4proto . th dport", ip_);
  // The loopback addresses are left to the sockets' own dataplane: no packet from there may leave the node.
  auto here = fmt::format("{0} daddr != {1} fib daddr type local {2}", ip_, family_ == Family::v4 ? "127.0.0.0/8" : "::1",
                          in.empty() ? "" : fmt::format("{} daddr {} ", ip_, in));
  for (std::string chain_name : {"nat_prerouting", "nat_output"}) {
    bool output = chain_name == "nat_output";
    chain(chain_name, fmt::format("type nat hook {} priority -100", output ? "output" : "prerouting"));
    if (answering)
      rule(chain_name, "{} daddr @answered {} type echo-request dnat {} to {}", ip_,
           family_ == Family::v4 ? "icmp" : "icmpv6", ip_, format_address(*answering));
    rule(chain_name, "{0} @guarded {0} . {1} saddr != @allowed drop", key, ip_);
    auto from_outside = pods.empty() ? "" : fmt::format("{} saddr != {} ", ip_, pods);
    if (!output) rule(chain_name, "{}{} vmap @outside", from_outside, key);
    rule(chain_name, "{} vmap @services", key);
    if (!output) rule(chain_name, "{}{}meta l4proto . th dport vmap @node_outside", from_outside, here);
    rule(chain_name, "{}meta l4proto . th dport vmap @node_ports", here);
  }
}

void Script::refuse_chains() {
  auto services = set_of(layout_.networks.services, family_);
  auto pods = set_of(layout_.networks.pods, family_);
  chain("refuse_prerouting", "type filter hook prerouting priority -99");
  chain("refuse_output", "type filter hook output priority -99");
  chain("forward", "type filter hook forward priority 0");
  chain("refuse");
  if (!services.empty()) {
    // After the address translation: what still goes to a cluster IP has nowhere to go.
    rule("refuse_prerouting", "{} daddr {} goto refuse", ip_, services);
    rule("refuse_output", "{} daddr {} goto refuse", ip_, services);
  }
  // A packet that the connection tracker does not place is not translated back; seen by the client it would make it
  // reset the connection. The same the other way round.
  if (!pods.empty()) rule("forward", "ct state invalid {} saddr {} drop", ip_, pods);
  rule("refuse", "ct state invalid drop");
  rule("refuse", "meta l4proto tcp reject with tcp reset");
  rule("refuse", "reject");
}

void Script::mask_chains() {
  auto services = set_of(layout_.networks.services, family_);
  auto pods = set_of(layout_.networks.pods, family_);
  auto node_pods = set_of(own_.pods, family_);
  chain("nat_postrouting", "type nat hook postrouting priority 100");
  chain("mask_cluster");
  chain("mask_outside");
  rule("nat_postrouting", "ct status dnat ct original {0} saddr . {0} daddr @hairpin masquerade", ip_);
  if (!services.empty()) rule("nat_postrouting", "ct status dnat ct original {} daddr {} goto mask_cluster", ip_, services);
  // Without naming the protocol first, nft does not know what a port is.
  for (auto protocol : kProtocols) {
    auto p = protocol_name(protocol);
    rule("nat_postrouting",
         "ct status dnat meta l4proto {} ct original {} daddr . meta l4proto . ct original proto-dst vmap @masked", p, ip_);
    rule("nat_postrouting", "ct status dnat meta l4proto {} meta l4proto . ct original proto-dst vmap @node_masked", p);
  }
  if (!pods.empty()) rule("mask_cluster", "{} saddr != {} fib saddr type != local masquerade", ip_, pods);
  rule("mask_outside", "{}fib saddr type != local masquerade",
       node_pods.empty() ? "" : fmt::format("{} saddr != {} ", ip_, node_pods));
}

void Script::way_chain(const Way& way) {
  auto name = way_name(way);
  chain(name);
  if (way.draw == Way::Draw::sticky) return stick_rules(way, name);
  auto offset = way.outside ? fmt::format(" offset {}", kOutsideSlots) : "";
  // The second line is for a packet that drew a number while the endpoint with that number went away.
  for (size_t mod : {way.count, size_t{1}}) {
    for (auto protocol : kProtocols) {
      auto p = protocol_name(protocol);
      auto draw = way.draw == Way::Draw::turn   ? fmt::format("numgen inc mod {}", mod)
                  : way.draw == Way::Draw::hash ? fmt::format("jhash {} saddr . {} sport mod {}", ip_, p, mod)
                                                : fmt::format("numgen random mod {}", mod);
      rule(name, "meta l4proto {0} dnat {1} to {2}{3} . {4}{0} dport map @{0}_{5}endpoints", p, ip_, draw, offset,
           way.node_port ? "" : ip_ + " daddr . ", way.node_port ? "node_" : "");
    }
  }
}

void Script::stick_rules(const Way& way, const std::string& name) {
  std::string prefix = way.node_port ? "node_" : "";
  auto key = fmt::format("{}meta l4proto . th dport", way.node_port ? "" : ip_ + " daddr . ");
  auto offset = way.outside ? fmt::format(" offset {}", kOutsideSlots) : "";
  rule(name, "meta priority set 0:0");
  auto client = client_key(way.node_port, "th");
  rule(name, "meta priority set {} map @{}affinity", client, prefix);
  rule(name, "meta priority . {} vmap @{}sticky_live", key, prefix);
  // Its endpoint has gone: an update of the element would renew its time but not what it says.
  rule(name, "meta l4proto {{ tcp, udp, sctp }} delete @{}affinity {{ {} : meta priority }}", prefix, client);
  for (size_t mod : {way.count, size_t{1}}) {
    rule(name, "meta priority set numgen random mod {}{} . {} map @{}sticky_slots", mod, offset, key, prefix);
    rule(name, "meta priority . {} vmap @{}sticky_live", key, prefix);
  }
}

void Script::remember_chain(uint32_t seconds, bool node_port) {
  auto name = remember_name(seconds, node_port);
  std::string prefix = node_port ? "node_" : "";
  std::string daddr = node_port ? "" : ip_ + " daddr . ";
  chain(name);
  rule(name, "meta l4proto {{ tcp, udp, sctp }} update @{}affinity {{ {} timeout {}s : meta priority }}", prefix,
       client_key(node_port, "th"), seconds);
  for (auto protocol : kProtocols)
    rule(name, "meta l4proto {0} dnat {1} to meta priority . {2}{0} dport map @{0}_{3}sticky", protocol_name(protocol),
         ip_, daddr, prefix);
}

// Chains that nobody needed before; for every family alike, so that one count is enough.
void new_chains(Script& script, const Shared& now, const Touched& touched) {
  for (const auto& [timeout, had] : touched.timeouts)
    if (!had && now.timeouts.contains(timeout)) script.remember_chain(timeout.first, timeout.second);
  for (const auto& [way, had] : touched.ways)
    if (!had && now.ways.contains(way)) script.way_chain(way);
}

void move_addresses(const Shared& now, const Touched& touched, BothElements& gone, BothElements& fresh) {
  auto move = [&](const std::map<Address, bool>& all, const std::map<Address, int>& counts, const char* set, bool twice) {
    for (const auto& [a, had] : all) {
      bool has = counts.contains(a);
      if (had == has) continue;
      auto text = format_address(a);
      (has ? fresh : gone)[static_cast<size_t>(a.family())][set][twice ? fmt::format("{0} . {0}", text) : text] = "";
    }
  };
  move(touched.local, now.local, "hairpin", true);
  move(touched.answered, now.answered, "answered", false);
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

void add_all(BothElements& out, const Layout& layout, const ServiceKey& key, const Route& route) {
  add_elements(out, layout, key, route);
}
void add_all(BothElements& out, const Layout&, const NodePortKey& key, const Route& route) {
  add_elements(out, key, route);
}

template <class Key>
void collect(const Layout& layout, const Moves<Key>& moves, Shared& shared, Touched& touched, BothElements& gone,
             BothElements& fresh) {
  for (const auto& [key, move] : moves) {
    if (move.first) add_all(gone, layout, key, *move.first), count(shared, touched, key, *move.first, -1);
    if (move.second) add_all(fresh, layout, key, *move.second), count(shared, touched, key, *move.second, 1);
  }
}

}  // namespace

Rendered render_rebuild(const Layout& layout, const Table& table) {
  Rendered out;
  BothElements none, all;
  Touched touched;
  for (const auto& [key, route] : table.routes) {
    add_elements(all, layout, key, *route);
    count(out.shared, touched, key, *route, 1);
  }
  for (const auto& [key, route] : table.node_ports) {
    add_elements(all, key, *route);
    count(out.shared, touched, key, *route, 1);
  }
  move_addresses(out.shared, touched, none, all);
  for (auto family : layout.families) {
    Script script(layout, family, table.own);
    script.line("add table {}", script.name());
    script.line("flush table {}", script.name());
    script.maps();
    script.base_chains();
    new_chains(script, out.shared, touched);
    script.elements("add", all[static_cast<size_t>(family)]);
    out.script += script.take();
  }
  return out;
}

Rendered render_replace(const Layout& layout, const Table& table) {
  auto out = render_rebuild(layout, table);
  out.script = render_removal(layout) + out.script;
  return out;
}

std::string render_change(const Layout& layout, Shared& shared, const Change& change) {
  std::string out;
  BothElements gone, fresh;
  Touched touched;
  collect(layout, change.routes, shared, touched, gone, fresh);
  collect(layout, change.node_ports, shared, touched, gone, fresh);
  move_addresses(shared, touched, gone, fresh);
  for (auto family : layout.families) {
    auto f = static_cast<size_t>(family);
    cancel_equal(gone[f], fresh[f]);
    Script script(layout, family);
    new_chains(script, shared, touched);
    script.elements("delete", gone[f]);
    script.elements("add", fresh[f]);
    out += script.take();
  }
  return out;
}

std::string render_removal(const Layout& layout) {
  std::string out;
  // Deleting what is not there would be an error; adding it first never is.
  for (auto family : layout.families)
    out += fmt::format("add table {0} {1}\ndelete table {0} {1}\n", table_family(family), layout.table);
  return out;
}

}  // namespace proxy::nft
