#include "proxy/bpf/cut.hpp"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>

#include <cerrno>
#include <cstring>

#include "base/strings.hpp"
#include "sys/fs.hpp"
#include "sys/netlink.hpp"

namespace proxy::bpf {

namespace {

constexpr size_t kBuffer = 64u << 10;
constexpr uint32_t state_bit(int state) { return 1u << state; }
// A connected datagram socket counts as established.
constexpr uint32_t kConnected = state_bit(TCP_ESTABLISHED) | state_bit(TCP_SYN_SENT) | state_bit(TCP_FIN_WAIT1) |
                                state_bit(TCP_CLOSE_WAIT) | state_bit(TCP_LAST_ACK) | state_bit(TCP_CLOSING);

template <class Each>
void each_attribute(const void* begin, size_t size, Each each) {
  auto* attribute = static_cast<const nlattr*>(begin);
  auto* end = static_cast<const char*>(begin) + size;
  for (; mnl_attr_ok(attribute, static_cast<int>(end - reinterpret_cast<const char*>(attribute)));
       attribute = mnl_attr_next(attribute))
    each(mnl_attr_get_type(attribute), attribute);
}
template <class Each>
void each_attribute(const nlattr* nest, Each each) {
  each_attribute(mnl_attr_get_payload(nest), mnl_attr_get_payload_len(nest), each);
}

struct Search {
  const std::function<bool(uint32_t endpoint, uint32_t serial)>& is_lost;
  int udp_flows;
  std::vector<std::pair<uint8_t, inet_diag_sockid>> found;  // family and name
};

// What is kept with a datagram socket is not told; its flow's way back is found by its cookie.
int on_datagram_socket(const nlmsghdr* message, void* data) {
  auto& search = *static_cast<Search*>(data);
  auto* socket = static_cast<const inet_diag_msg*>(mnl_nlmsg_get_payload(message));
  udp_key key{};
  key.socket = socket->id.idiag_cookie[0] | static_cast<uint64_t>(socket->id.idiag_cookie[1]) << 32;
  if (socket->idiag_family == AF_INET)
    key.address.low = static_cast<uint64_t>(socket->id.idiag_dst[0]) << 32 | htonl(0xffff);
  else
    std::memcpy(&key.address, socket->id.idiag_dst, sizeof key.address);
  key.port = socket->id.idiag_dport;
  key.direction = UDP_BACK;
  udp_flow flow{};
  if (bpf_map_lookup_elem(search.udp_flows, &key, &flow) == 0 && search.is_lost(flow.endpoint, flow.serial))
    search.found.emplace_back(socket->idiag_family, socket->id);
  return MNL_CB_OK;
}

int on_socket(const nlmsghdr* message, void* data) {
  auto& search = *static_cast<Search*>(data);
  auto* socket = static_cast<const inet_diag_msg*>(mnl_nlmsg_get_payload(message));
  auto begin = mnl_nlmsg_get_payload_offset(message, sizeof *socket);
  auto size = mnl_nlmsg_get_payload_len(message) - MNL_ALIGN(sizeof *socket);
  each_attribute(begin, size, [&](int type, const nlattr* storages) {
    if (type != INET_DIAG_SK_BPF_STORAGES) return;
    each_attribute(storages, [&](int t, const nlattr* storage) {
      if (t != SK_DIAG_BPF_STORAGE) return;
      each_attribute(storage, [&](int part, const nlattr* value) {
        socket_state state{};
        if (part != SK_DIAG_BPF_STORAGE_MAP_VALUE || mnl_attr_get_payload_len(value) < sizeof state) return;
        std::memcpy(&state, mnl_attr_get_payload(value), sizeof state);
        if (search.is_lost(state.endpoint, state.serial)) search.found.emplace_back(socket->idiag_family, socket->id);
      });
    });
  });
  return MNL_CB_OK;
}

base::Result<void> find(mnl_socket* diag, int map, uint8_t family, Protocol protocol, Search& search) {
  std::vector<char> buffer(kBuffer);
  auto* message = mnl_nlmsg_put_header(buffer.data());
  message->nlmsg_type = SOCK_DIAG_BY_FAMILY;
  message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  message->nlmsg_seq = 1;
  auto* request = static_cast<inet_diag_req_v2*>(mnl_nlmsg_put_extra_header(message, sizeof(inet_diag_req_v2)));
  request->sdiag_family = family;
  request->sdiag_protocol = static_cast<uint8_t>(protocol);
  request->idiag_states = kConnected;
  if (protocol == Protocol::tcp) {
    auto* nest = mnl_attr_nest_start(message, INET_DIAG_REQ_SK_BPF_STORAGES);
    mnl_attr_put_u32(message, SK_DIAG_BPF_STORAGE_REQ_MAP_FD, static_cast<uint32_t>(map));
    mnl_attr_nest_end(message, nest);
  }
  if (mnl_socket_sendto(diag, message, message->nlmsg_len) < 0)
    return std::unexpected(base::errno_error("ask for the sockets", errno));
  for (int more = MNL_CB_OK; more > MNL_CB_STOP;) {
    auto size = mnl_socket_recvfrom(diag, buffer.data(), buffer.size());
    if (size < 0) return std::unexpected(base::errno_error("read the sockets", errno));
    more = mnl_cb_run(buffer.data(), static_cast<size_t>(size), 1, mnl_socket_get_portid(diag),
                      protocol == Protocol::tcp ? on_socket : on_datagram_socket, &search);
    if (more < 0) return std::unexpected(base::errno_error("read the sockets", errno));
  }
  return {};
}

// False: it was gone already.
base::Result<bool> destroy(mnl_socket* diag, uint8_t family, Protocol protocol, const inet_diag_sockid& id) {
  alignas(nlmsghdr) char buffer[1024];
  auto* message = mnl_nlmsg_put_header(buffer);
  message->nlmsg_type = SOCK_DESTROY;
  message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  message->nlmsg_seq = 2;
  auto* request = static_cast<inet_diag_req_v2*>(mnl_nlmsg_put_extra_header(message, sizeof(inet_diag_req_v2)));
  request->sdiag_family = family;
  request->sdiag_protocol = static_cast<uint8_t>(protocol);
  request->idiag_states = kConnected;
  request->id = id;
  if (mnl_socket_sendto(diag, message, message->nlmsg_len) < 0)
    return std::unexpected(base::errno_error("end a socket", errno));
  auto size = mnl_socket_recvfrom(diag, buffer, sizeof buffer);
  if (size >= 0 && mnl_cb_run(buffer, static_cast<size_t>(size), 2, mnl_socket_get_portid(diag), nullptr, nullptr) >= 0)
    return true;
  if (errno == ENOENT || errno == EAGAIN) return false;
  return std::unexpected(base::errno_error("end a socket", errno));
}

}  // namespace

base::Result<int> cut_sockets(const SocketMaps& maps, Protocol protocol,
                              const std::function<bool(uint32_t endpoint, uint32_t serial)>& is_lost) {
  TRY(auto diag, sys::open_netlink(NETLINK_SOCK_DIAG, "sock_diag"));
  int count = 0;
  for (uint8_t family : {AF_INET, AF_INET6}) {
    Search search{is_lost, maps.udp_flows, {}};
    CHECK_OK(find(diag.get(), maps.sockets, family, protocol, search));
    for (const auto& [of, id] : search.found) {
      TRY(bool done, destroy(diag.get(), of, protocol, id));
      count += done;
    }
  }
  return count;
}

bool has_host_route(const Address& address) {
  const bool v4 = address.is_v4();
  auto text = sys::read_file(v4 ? "/proc/thread-self/net/route" : "/proc/thread-self/net/ipv6_route");
  if (!text) return false;
  std::string wanted;
  if (v4) {
    wanted = fmt::format("{:08X}", htonl(address.v4()));
  } else {
    for (auto byte : address.bytes) wanted += fmt::format("{:02x}", byte);
  }
  for (const auto& line : base::split(*text, '\n')) {
    auto words = base::split(line, v4 ? '\t' : ' ');
    if (v4 && words.size() > 7 && words[1] == wanted && words[7] == "FFFFFFFF") return true;
    if (!v4 && words.size() > 1 && words[0] == wanted && words[1] == "80") return true;
  }
  return false;
}

}  // namespace proxy::bpf
