#include "sys/tcp_sockets.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>

namespace sys {
namespace {

// Of the sockets with that port here, the one that listens, or that does not.
TcpSocket find(TcpSockets& sockets, uint16_t port, bool listening) {
  auto list = sockets.list();
  EXPECT_TRUE(list) << list.error().message;
  const auto found = std::find_if(list->begin(), list->end(), [&](const auto& socket) {
    return socket.local_port == port && socket.listening == listening;
  });
  EXPECT_NE(found, list->end());
  return found == list->end() ? TcpSocket() : *found;
}

TEST(TcpSockets, TellWhatIsUnreadAndUnanswered) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root: it enters a network namespace";
  auto sockets = TcpSockets::open("/proc/self/ns/net");
  ASSERT_TRUE(sockets) << sockets.error().message;
  const Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(listener.get(), 5), 0);
  ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size);
  const uint16_t port = ntohs(address.sin_port);
  EXPECT_EQ(find(*sockets, port, true).unread, 0u);

  const Fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::connect(client.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(find(*sockets, port, true).unread, 1u);  // not accepted yet
  const Fd server(::accept(listener.get(), nullptr, nullptr));
  EXPECT_EQ(find(*sockets, port, true).unread, 0u);
  EXPECT_EQ(find(*sockets, port, false).received, 0u);

  ASSERT_EQ(::send(client.get(), "abc", 3, 0), 3);
  const auto asked = find(*sockets, port, false);
  EXPECT_EQ(asked.unread, 3u);
  EXPECT_EQ(asked.received, 3u);
  EXPECT_NE(asked.cookie, 0u);
  char buffer[8];
  ASSERT_EQ(::recv(server.get(), buffer, sizeof buffer, 0), 3);
  const auto read = find(*sockets, port, false);
  EXPECT_EQ(read.unread, 0u);
  EXPECT_EQ(read.cookie, asked.cookie);
  EXPECT_LE(read.since_received_ms, read.since_sent_ms);
}

}  // namespace
}  // namespace sys
