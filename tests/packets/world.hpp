// A node with four pods and a neighbour, as network namespaces made for one test program: packets in, what became of
// them out. One thread; its servers run on threads of their own.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "proxy/simulate.hpp"

namespace packets {

inline constexpr int kPods = 4;
// Of "pod1".."pod4", "node", "outside", and "stranger" (a second address of outside).
std::string address_of(const std::string& host, proxy::Family family = proxy::Family::v4);
// Every IPv4 address of this world has an IPv6 twin: fd00::a:b:c:d, written with the same digits; networks too.
std::string twin(const std::string& v4);

struct Seen {
  proxy::Verdict::Kind kind = proxy::Verdict::Kind::pass;
  std::string server;  // who answered, "address:port"
  std::string client;  // whom it took for the client, "address"
};

// A UDP socket that keeps its port.
class UdpFlow {
 public:
  virtual ~UdpFlow() = default;
  virtual std::string ask() = 0;  // who answered, "address:port"; "" when nobody did
};

class World {
 public:
  // Makes everything; the error says what the machine lacks.
  static base::Result<std::unique_ptr<World>> make();
  virtual ~World() = default;
  virtual int node_namespace() const = 0;
  // Makes the node's connection tracker forget everything: no test meets the flows of another by a port used again.
  virtual base::Result<void> forget_flows() = 0;
  // The first packet of a new connection; `size`: bytes of a UDP packet, above 1472 it goes in fragments.
  virtual base::Result<Seen> send(const std::string& host, const std::string& to, proxy::Protocol protocol, int port,
                                  size_t size = 1) = 0;
  virtual base::Result<std::unique_ptr<UdpFlow>> open_udp_flow(const std::string& host, const std::string& to,
                                                               int port) = 0;
};

}  // namespace packets
