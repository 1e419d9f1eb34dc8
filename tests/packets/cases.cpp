#include "cases.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "base/strings.hpp"
#include "world.hpp"

namespace packets {

namespace {

using proxy::Family;
using Kind = proxy::Verdict::Kind;

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream in(line);
  return {std::istream_iterator<std::string>(in), {}};
}

std::string in_family(const std::string& v4, Family family) { return family == Family::v4 ? v4 : twin(v4); }
std::vector<std::string> all_in_family(const std::string& list, Family family) {
  std::vector<std::string> out;
  for (const auto& one : base::split(list, ',')) out.push_back(in_family(one, family));
  return out;
}

void read_option(api::Service& s, const std::string& word, Family family) {
  auto equals = word.find('=');
  auto key = word.substr(0, equals), value = equals == std::string::npos ? "" : word.substr(equals + 1);
  if (key == "local") {
    s.spec.internal_traffic_policy = "Local";
  } else if (key == "local-outside") {
    s.spec.external_traffic_policy = "Local";
  } else if (key == "affinity") {
    s.spec.session_affinity = "ClientIP";
    s.spec.session_affinity_config = api::SessionAffinityConfig{api::ClientIPConfig{std::stoi(value)}};
  } else if (key == "external") {
    s.spec.external_ips = all_in_family(value, family);
  } else if (key == "sources") {
    s.spec.load_balancer_source_ranges = all_in_family(value, family);
  } else if (key == "balance") {
    s.metadata.annotations[std::string(proxy::kBalanceAnnotation)] = value;
  } else if (key == "lb") {
    s.spec.type = "LoadBalancer";
    s.status.load_balancer.emplace();
    for (const auto& ip : all_in_family(value, family)) {
      api::LoadBalancerIngress ingress;
      ingress.ip = ip;
      s.status.load_balancer->ingress.push_back(ingress);
    }
  } else {
    ADD_FAILURE() << "unknown option " << word;
  }
}

void read_service(Step& step, const std::vector<std::string>& words, Family family) {
  api::Service s;
  s.metadata.namespace_ = "default";
  s.metadata.name = words.at(1);
  s.spec.type = "ClusterIP";
  s.spec.cluster_ip = in_family(words.at(2), family);
  for (size_t i = 3; i < words.size(); ++i) {
    auto parts = base::split(words[i], ':');
    if (parts.size() < 3) {
      read_option(s, words[i], family);
      continue;
    }
    api::ServicePort port;
    port.name = parts.at(0);
    port.protocol = parts.at(1);
    port.port = std::stoi(parts.at(2));
    if (parts.size() > 3) {
      port.node_port = std::stoi(parts[3]);
      if (s.spec.type == "ClusterIP") s.spec.type = "NodePort";
    }
    s.spec.ports.push_back(port);
  }
  step.services[s.metadata.name] = s;
}

std::shared_ptr<api::EndpointSlice> read_slice(Step& step, const std::vector<std::string>& words, Family family) {
  auto slice = std::make_shared<api::EndpointSlice>();
  slice->address_type = family == Family::v4 ? "IPv4" : "IPv6";
  for (size_t i = 2; i < words.size(); ++i) {
    if (words[i].starts_with("weight=")) {
      slice->metadata.annotations[std::string(proxy::kWeightAnnotation)] = words[i].substr(7);
      continue;
    }
    auto parts = base::split(words[i], ':');
    api::EndpointSlicePort port;
    port.name = parts.at(0);
    port.protocol = parts.at(1);
    port.port = std::stoi(parts.at(2));
    slice->ports.push_back(port);
  }
  step.slices[words.at(1)].push_back(slice);
  return slice;
}

void read_endpoint(api::EndpointSlice& slice, const std::vector<std::string>& words, Family family) {
  api::Endpoint e;
  e.addresses = {address_of(words.at(1), family)};
  const auto& state = words.at(2);
  e.conditions = api::EndpointConditions{state == "ready", state == "ready" || state == "serving",
                                         state == "serving" || state == "gone"};
  e.node_name = words.size() > 3 ? words[3].substr(5) : "here";
  slice.endpoints.push_back(e);
}

Probe read_probe(const std::vector<std::string>& words, int line, Family family) {
  static const std::map<std::string, proxy::Protocol> kProtocols = {{"tcp", proxy::Protocol::tcp},
                                                                    {"udp", proxy::Protocol::udp},
                                                                    {"sctp", proxy::Protocol::sctp},
                                                                    {"icmp", proxy::Protocol::icmp}};
  Probe probe;
  probe.line = line;
  probe.from = words.at(1);
  probe.to = words.at(3) == "node" ? address_of("node", family) : in_family(words.at(3), family);
  probe.protocol = kProtocols.at(words.at(4));
  if (probe.protocol != proxy::Protocol::icmp) probe.port = std::stoi(words.at(5));
  for (size_t i = 5; i < words.size(); ++i) {
    if (words[i] == "fragmented") probe.size = 4000;
    if (words[i] == "sockets") probe.sockets_only = true;
  }
  return probe;
}

bool read_expectation(Probe& probe, const std::vector<std::string>& words, Family family) {
  static const std::map<std::string, Kind> kKinds = {
      {"forward", Kind::forward}, {"reset", Kind::reset},   {"unreachable", Kind::unreachable},
      {"drop", Kind::drop},       {"answer", Kind::answer}, {"pass", Kind::pass}};
  auto kind = kKinds.find(words.at(1));
  if (kind == kKinds.end()) return false;
  probe.kind = kind->second;
  for (size_t i = 2; i < words.size(); ++i) {
    if (words[i] == "masqueraded") probe.masqueraded = true;
    else if (words[i] == "sticky") probe.sticky = true;
    else probe.endpoints.insert(address_of(words[i].substr(0, 4), family) + words[i].substr(4));
  }
  return true;
}

}  // namespace

Case read_case(const std::filesystem::path& file, Family family) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return read_text(text.str(), file.filename().string(), family);
}

Case read_text(const std::string& text, const std::string& name, Family family) {
  Case out;
  std::istringstream in(text);
  std::shared_ptr<api::EndpointSlice> slice;
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    auto words = words_of(line);
    if (words.empty()) continue;
    auto& step = out.steps.back();
    const auto& word = words[0];
    if (word == "NAME") out.name = line.substr(5);
    else if (word == "SERVICE") read_service(step, words, family);
    else if (word == "SLICE") slice = read_slice(step, words, family);
    else if (word == "ENDPOINT" && slice) read_endpoint(*slice, words, family);
    else if (word == "PACKET") step.probes.push_back(read_probe(words, number, family));
    else if (word == "EXPECT" && !step.probes.empty() && read_expectation(step.probes.back(), words, family)) continue;
    else if (word == "CHANGE") out.steps.emplace_back();
    else ADD_FAILURE() << name << ":" << number << ": cannot read: " << line;
  }
  return out;
}

std::vector<std::filesystem::path> case_files() {
  std::vector<std::filesystem::path> out;
  for (const auto& entry : std::filesystem::directory_iterator(SAMPAN_SOURCE_DIR "/tests/packets"))
    if (entry.path().extension() == ".case") out.push_back(entry.path());
  std::sort(out.begin(), out.end());
  return out;
}

void build(proxy::TableBuilder& builder, const Step& step) {
  std::set<proxy::Address> node;
  for (auto family : {Family::v4, Family::v6}) {
    node.insert(*proxy::parse_address(address_of("node", family)));
    node.insert(*proxy::parse_address(in_family("127.0.0.1", family)));
  }
  builder.set_node_addresses(node);
  builder.set_own({*proxy::parse_address(address_of("node")), *proxy::parse_address(address_of("node", Family::v6)),
                   networks().pods});
  for (const auto& name : std::set(builder.services()))
    if (!step.services.contains(name)) builder.set(name, {});
  for (const auto& [name, service] : step.services) {
    auto slices = step.slices.find(name);
    builder.set(name, proxy::plan_service(service, slices == step.slices.end() ? proxy::Slices() : slices->second,
                                          {"here", ""}));
  }
}

const proxy::Networks& networks() {
  static const proxy::Networks networks = [] {
    proxy::Networks out;
    for (auto family : {Family::v4, Family::v6}) {
      out.pods.push_back(*proxy::parse_network(in_family("10.244.0.0/16", family)));
      out.services.push_back(*proxy::parse_network(in_family("10.96.0.0/16", family)));
    }
    return out;
  }();
  return networks;
}

proxy::Packet packet_of(const Probe& probe) {
  auto to = *proxy::parse_address(probe.to);
  return {*proxy::parse_address(address_of(probe.from, to.family())), to, probe.protocol, static_cast<uint16_t>(probe.port),
          probe.from == "node"};
}

}  // namespace packets
