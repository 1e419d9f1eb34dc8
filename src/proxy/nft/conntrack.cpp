#include "proxy/nft/conntrack.hpp"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "sys/netlink.hpp"

namespace proxy::nft {

namespace {

constexpr size_t kBuffer = 64u << 10;

// One side of a flow.
struct Tuple {
  Address source, destination;
  uint16_t source_port = 0, destination_port = 0;
  uint8_t protocol = 0;
};

// libmnl's loop macros are C: they assign a void pointer.
template <class Each>
void each_attribute(const void* begin, const char* end, Each each) {
  auto* attribute = static_cast<const nlattr*>(begin);
  for (; mnl_attr_ok(attribute, static_cast<int>(end - reinterpret_cast<const char*>(attribute)));
       attribute = mnl_attr_next(attribute))
    each(mnl_attr_get_type(attribute), attribute);
}
template <class Each>
void each_attribute(const nlattr* nest, Each each) {
  auto* begin = static_cast<const char*>(mnl_attr_get_payload(nest));
  each_attribute(begin, begin + mnl_attr_get_payload_len(nest), each);
}

Address read_v6(const nlattr* attribute) {
  Address out;
  if (mnl_attr_get_payload_len(attribute) == out.bytes.size())
    std::memcpy(out.bytes.data(), mnl_attr_get_payload(attribute), out.bytes.size());
  return out;
}

Tuple read_tuple(const nlattr* nest) {
  Tuple out;
  each_attribute(nest, [&](int type, const nlattr* part) {
    if (type == CTA_TUPLE_IP)
      each_attribute(part, [&](int t, const nlattr* a) {
        if (t == CTA_IP_V4_SRC) out.source = Address::from_v4(ntohl(mnl_attr_get_u32(a)));
        if (t == CTA_IP_V4_DST) out.destination = Address::from_v4(ntohl(mnl_attr_get_u32(a)));
        if (t == CTA_IP_V6_SRC) out.source = read_v6(a);
        if (t == CTA_IP_V6_DST) out.destination = read_v6(a);
      });
    if (type == CTA_TUPLE_PROTO)
      each_attribute(part, [&](int t, const nlattr* a) {
        if (t == CTA_PROTO_NUM) out.protocol = mnl_attr_get_u8(a);
        if (t == CTA_PROTO_SRC_PORT) out.source_port = ntohs(mnl_attr_get_u16(a));
        if (t == CTA_PROTO_DST_PORT) out.destination_port = ntohs(mnl_attr_get_u16(a));
      });
  });
  return out;
}

struct Search {
  const Table& table;
  const Networks& networks;
  const Lost* lost;
  std::vector<std::vector<char>> stale;  // original tuples as the kernel wrote them
};

int on_entry(const nlmsghdr* message, void* data) {
  auto& search = *static_cast<Search*>(data);
  const nlattr *original = nullptr, *reply = nullptr;
  auto* end = static_cast<const char*>(mnl_nlmsg_get_payload_tail(message));
  each_attribute(mnl_nlmsg_get_payload_offset(message, sizeof(nfgenmsg)), end, [&](int type, const nlattr* a) {
    if (type == CTA_TUPLE_ORIG) original = a;
    if (type == CTA_TUPLE_REPLY) reply = a;
  });
  if (!original || !reply) return MNL_CB_OK;
  auto from = read_tuple(original), back = read_tuple(reply);
  Flow flow{from.destination, from.destination_port, back.source, back.source_port};
  if (from.protocol == IPPROTO_UDP && is_stale(search.table, search.networks, search.lost, flow)) {
    auto* bytes = static_cast<const char*>(mnl_attr_get_payload(original));
    search.stale.emplace_back(bytes, bytes + mnl_attr_get_payload_len(original));
  }
  return MNL_CB_OK;
}

nlmsghdr* start(char* buffer, uint8_t family_number, uint16_t type, uint16_t flags) {
  auto* message = mnl_nlmsg_put_header(buffer);
  message->nlmsg_type = static_cast<uint16_t>((NFNL_SUBSYS_CTNETLINK << 8) | type);
  message->nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
  auto* family = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(nfgenmsg)));
  family->nfgen_family = family_number;
  family->version = NFNETLINK_V0;
  family->res_id = 0;
  return message;
}

base::Result<void> talk(mnl_socket* socket, const nlmsghdr* message, mnl_cb_t each, void* data) {
  if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0)
    return std::unexpected(base::errno_error("ask the connection tracker", errno));
  std::vector<char> buffer(kBuffer);
  int more = MNL_CB_OK;
  while (more > MNL_CB_STOP) {
    auto n = mnl_socket_recvfrom(socket, buffer.data(), buffer.size());
    if (n < 0) return std::unexpected(base::errno_error("hear the connection tracker", errno));
    more = mnl_cb_run(buffer.data(), static_cast<size_t>(n), 0, mnl_socket_get_portid(socket), each, data);
  }
  // ENOENT: the flow ended by itself in between.
  if (more < 0 && errno != ENOENT) return std::unexpected(base::errno_error("change the connection tracker", errno));
  return {};
}

bool among(const Targets& targets, const Flow& flow) {
  return std::any_of(targets.endpoints.begin(), targets.endpoints.end(),
                     [&](const Endpoint& e) { return e.address == flow.server && e.port == flow.server_port; });
}

bool lacks_any(const Targets& before, const Targets& after) {
  return std::any_of(before.endpoints.begin(), before.endpoints.end(), [&](const Endpoint& e) {
    return std::find(after.endpoints.begin(), after.endpoints.end(), e) == after.endpoints.end();
  });
}

// Whether flows to that place can be wrong now: an endpoint went, or the first one came.
bool disturbs(const RoutePtr& before, const RoutePtr& after) {
  if (!before) return true;
  if (before->endpoints.empty() != after->endpoints.empty() || lacks_any(*before, *after)) return true;
  if (before->outside.has_value() != after->outside.has_value()) return true;
  return before->outside && lacks_any(*before->outside, *after->outside);
}

}  // namespace

Lost lost_udp(const Change& change) {
  Lost out;
  for (const auto& [key, move] : change.routes) {
    if (key.protocol != Protocol::udp) continue;
    if (!move.second) out.places.emplace(key.address, key.port);
    else out.endpoints |= disturbs(move.first, move.second);
  }
  for (const auto& [key, move] : change.node_ports) {
    if (key.protocol != Protocol::udp) continue;
    if (!move.second) out.node_ports.emplace(key.family, key.port);
    else out.endpoints |= disturbs(move.first, move.second);
  }
  return out;
}

bool is_stale(const Table& table, const Networks& networks, const Lost* lost, const Flow& flow) {
  if (auto route = find_route(table, flow.destination, Protocol::udp, flow.port))
    return !among(*route, flow) && !(route->outside && among(*route->outside, flow));
  if (!flow.translated()) return false;
  if (contains(networks.services, flow.destination)) return true;
  if (!lost) return contains(networks.pods, flow.server);
  return lost->places.contains({flow.destination, flow.port}) ||
         (table.node_addresses.contains(flow.destination) &&
          lost->node_ports.contains({flow.destination.family(), flow.port}));
}

base::Result<int> forget_stale_udp(const Table& table, const Networks& networks, const Lost* lost) {
  TRY(auto socket, sys::open_netlink(NETLINK_NETFILTER, "the connection tracker"));
  int deleted = 0;
  std::vector<char> buffer(kBuffer);
  for (uint8_t family : {AF_INET, AF_INET6}) {
    Search search{table, networks, lost, {}};
    CHECK_OK(talk(socket.get(), start(buffer.data(), family, IPCTNL_MSG_CT_GET, NLM_F_DUMP), on_entry, &search));
    for (const auto& tuple : search.stale) {
      auto* message = start(buffer.data(), family, IPCTNL_MSG_CT_DELETE, NLM_F_ACK);
      mnl_attr_put(message, CTA_TUPLE_ORIG | NLA_F_NESTED, tuple.size(), tuple.data());
      CHECK_OK(talk(socket.get(), message, nullptr, nullptr));
    }
    deleted += static_cast<int>(search.stale.size());
  }
  return deleted;
}

}  // namespace proxy::nft
