// The *.case files: small worlds of Services, packets into them, and what must become of them. README.md has the
// grammar. Values; any thread.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "proxy/simulate.hpp"
#include "proxy/table.hpp"

namespace packets {

struct Probe {
  int line = 0;
  std::string from, to;
  proxy::Protocol protocol = proxy::Protocol::tcp;
  int port = 0;
  proxy::Verdict::Kind kind = proxy::Verdict::Kind::pass;
  std::set<std::string> endpoints;  // "address:port"
  bool masqueraded = false, sticky = false;
  size_t size = 1;            // bytes of a UDP packet
  bool sockets_only = false;  // nothing that packets could do: to a loopback address
};
struct Step {
  std::map<std::string, api::Service> services;
  std::map<std::string, proxy::Slices> slices;
  std::vector<Probe> probes;
};
struct Case {
  std::string name;
  std::vector<Step> steps{1};
};

// Addresses in the files are IPv4; in family v6 all of them are replaced by their twins.
Case read_case(const std::filesystem::path& file, proxy::Family family);
Case read_text(const std::string& text, const std::string& name, proxy::Family family);
std::vector<std::filesystem::path> case_files();

// Makes the table what the step says.
void build(proxy::TableBuilder& builder, const Step& step);
const proxy::Networks& networks();  // of both families
proxy::Packet packet_of(const Probe& probe);

}  // namespace packets
