#include "proxy/nft/conntrack.hpp"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <vector>

namespace proxy::nft {

namespace {

struct Close {
  void operator()(mnl_socket* s) const { mnl_socket_close(s); }
};
using Socket = std::unique_ptr<mnl_socket, Close>;

constexpr size_t kBuffer = 64u << 10;

// One side of a flow.
struct Tuple {
  Address source = 0, destination = 0;
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

Tuple read_tuple(const nlattr* nest) {
  Tuple out;
  each_attribute(nest, [&](int type, const nlattr* part) {
    if (type == CTA_TUPLE_IP)
      each_attribute(part, [&](int t, const nlattr* a) {
        if (t == CTA_IP_V4_SRC) out.source = ntohl(mnl_attr_get_u32(a));
        if (t == CTA_IP_V4_DST) out.destination = ntohl(mnl_attr_get_u32(a));
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
  std::vector<std::vector<char>> stale;  // original tuples as the kernel wrote them
};

bool is_stale(const Search& search, const Tuple& original, const Tuple& reply) {
  if (original.protocol != IPPROTO_UDP || reply.source == original.destination) return false;
  auto route = search.table.routes.find({original.destination, Protocol::udp, original.destination_port});
  if (route == search.table.routes.end()) return search.networks.services.contains(original.destination);
  const auto& endpoints = route->second->endpoints;
  return std::none_of(endpoints.begin(), endpoints.end(), [&](const Endpoint& e) {
    return e.address == reply.source && e.port == reply.source_port;
  });
}

int on_entry(const nlmsghdr* message, void* data) {
  auto& search = *static_cast<Search*>(data);
  const nlattr *original = nullptr, *reply = nullptr;
  auto* end = static_cast<const char*>(mnl_nlmsg_get_payload_tail(message));
  each_attribute(mnl_nlmsg_get_payload_offset(message, sizeof(nfgenmsg)), end, [&](int type, const nlattr* a) {
    if (type == CTA_TUPLE_ORIG) original = a;
    if (type == CTA_TUPLE_REPLY) reply = a;
  });
  if (original && reply && is_stale(search, read_tuple(original), read_tuple(reply))) {
    auto* bytes = static_cast<const char*>(mnl_attr_get_payload(original));
    search.stale.emplace_back(bytes, bytes + mnl_attr_get_payload_len(original));
  }
  return MNL_CB_OK;
}

nlmsghdr* start(char* buffer, uint16_t type, uint16_t flags) {
  auto* message = mnl_nlmsg_put_header(buffer);
  message->nlmsg_type = static_cast<uint16_t>((NFNL_SUBSYS_CTNETLINK << 8) | type);
  message->nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
  auto* family = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(nfgenmsg)));
  family->nfgen_family = AF_INET;
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

}  // namespace

base::Result<int> forget_stale_udp(const Table& table, const Networks& networks) {
  Socket socket(mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC));
  if (!socket || mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0)
    return std::unexpected(base::errno_error("open a netlink socket to the connection tracker", errno));
  std::vector<char> buffer(kBuffer);
  Search search{table, networks, {}};
  CHECK_OK(talk(socket.get(), start(buffer.data(), IPCTNL_MSG_CT_GET, NLM_F_DUMP), on_entry, &search));
  for (const auto& tuple : search.stale) {
    auto* message = start(buffer.data(), IPCTNL_MSG_CT_DELETE, NLM_F_ACK);
    mnl_attr_put(message, CTA_TUPLE_ORIG | NLA_F_NESTED, tuple.size(), tuple.data());
    CHECK_OK(talk(socket.get(), message, nullptr, nullptr));
  }
  return static_cast<int>(search.stale.size());
}

bool lost_udp_endpoint(const Table& before, const Table& after) {
  for (const auto& [key, route] : before.routes) {
    if (key.protocol != Protocol::udp || route->endpoints.empty()) continue;
    auto now = after.routes.find(key);
    if (now == after.routes.end()) return true;
    if (now->second == route) continue;
    const auto& left = now->second->endpoints;
    for (const auto& e : route->endpoints)
      if (std::find(left.begin(), left.end(), e) == left.end()) return true;
  }
  return false;
}

}  // namespace proxy::nft
