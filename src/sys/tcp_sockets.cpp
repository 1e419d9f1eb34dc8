#include "sys/tcp_sockets.hpp"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sys/namespaces.hpp"

namespace sys {
namespace {

constexpr uint32_t kEstablished = 1, kCloseWait = 8, kListen = 10;  // enum of net/tcp_states.h

TcpSocket read_socket(const nlmsghdr& header) {
  inet_diag_msg message{};
  std::memcpy(&message, NLMSG_DATA(&header), sizeof message);
  TcpSocket socket;
  socket.cookie = static_cast<uint64_t>(message.id.idiag_cookie[1]) << 32 | message.id.idiag_cookie[0];
  socket.listening = message.idiag_state == kListen;
  socket.local_port = ntohs(message.id.idiag_sport);
  socket.unread = message.idiag_rqueue;
  socket.unsent = socket.listening ? 0 : message.idiag_wqueue;
  const auto* at = static_cast<const char*>(NLMSG_DATA(&header)) + NLMSG_ALIGN(sizeof message);
  const auto* end = reinterpret_cast<const char*>(&header) + header.nlmsg_len;
  while (at + sizeof(rtattr) <= end) {
    rtattr attribute{};
    std::memcpy(&attribute, at, sizeof attribute);
    if (attribute.rta_len < sizeof attribute || at + attribute.rta_len > end) break;
    if (attribute.rta_type == INET_DIAG_INFO) {
      tcp_info info{};
      std::memcpy(&info, at + RTA_LENGTH(0),
                  std::min<size_t>(sizeof info, attribute.rta_len - RTA_LENGTH(0)));
      socket.since_sent_ms = info.tcpi_last_data_sent;
      socket.since_received_ms = info.tcpi_last_data_recv;
      socket.received = info.tcpi_bytes_received;
    }
    at += RTA_ALIGN(attribute.rta_len);
  }
  return socket;
}

}  // namespace

base::Result<TcpSockets> TcpSockets::open(const std::string& netns) {
  TRY(auto space, open_netns(netns));
  Fd socket;
  CHECK_OK(inside_netns(space.get(), [&]() -> base::Result<void> {
    socket.reset(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
    if (!socket) return std::unexpected(base::errno_error("open a socket for sock_diag", errno));
    return {};
  }));
  return TcpSockets(std::move(socket));
}

base::Result<std::vector<TcpSocket>> TcpSockets::list() {
  std::vector<TcpSocket> sockets;
  CHECK_OK(dump(AF_INET, sockets));
  CHECK_OK(dump(AF_INET6, sockets));
  return sockets;
}

base::Result<void> TcpSockets::dump(uint8_t family, std::vector<TcpSocket>& into) {
  struct {
    nlmsghdr header;
    inet_diag_req_v2 request;
  } question{};
  question.header.nlmsg_len = sizeof question;
  question.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  question.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  question.request.sdiag_family = family;
  question.request.sdiag_protocol = IPPROTO_TCP;
  question.request.idiag_ext = 1 << (INET_DIAG_INFO - 1);
  question.request.idiag_states = 1u << kEstablished | 1u << kCloseWait | 1u << kListen;
  if (::send(socket_.get(), &question, sizeof question, 0) < 0)
    return std::unexpected(base::errno_error("ask for TCP sockets", errno));
  alignas(nlmsghdr) char buffer[32 << 10];
  for (;;) {
    const ssize_t n = ::recv(socket_.get(), buffer, sizeof buffer, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return std::unexpected(base::errno_error("read TCP sockets", errno));
    auto left = static_cast<size_t>(n);
    for (auto* header = reinterpret_cast<nlmsghdr*>(buffer); NLMSG_OK(header, left);
         header = NLMSG_NEXT(header, left)) {
      if (header->nlmsg_type == NLMSG_DONE) return {};
      if (header->nlmsg_type == NLMSG_ERROR) {
        nlmsgerr error{};
        std::memcpy(&error, NLMSG_DATA(header), sizeof error);
        return std::unexpected(base::errno_error("read TCP sockets", -error.error));
      }
      if (header->nlmsg_len >= NLMSG_LENGTH(sizeof(inet_diag_msg))) into.push_back(read_socket(*header));
    }
  }
}

}  // namespace sys
