#include "node/pod_files.hpp"

#include <algorithm>

#include "base/strings.hpp"

namespace node {
namespace {

struct Resolver {
  std::vector<std::string> nameservers;
  std::vector<std::string> searches;
  std::vector<std::string> options;
};

std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> out;
  std::string word;
  for (const char c : text) {
    if (c == ' ' || c == '\t') {
      if (!word.empty()) out.push_back(std::exchange(word, ""));
    } else {
      word += c;
    }
  }
  if (!word.empty()) out.push_back(word);
  return out;
}

Resolver parse_resolv(std::string_view text) {
  Resolver resolver;
  for (const auto& line : base::split(text, '\n')) {
    auto parts = words(base::trim(line));
    if (parts.size() < 2 || parts[0].starts_with('#') || parts[0].starts_with(';')) continue;
    const std::string key = parts[0];
    parts.erase(parts.begin());
    if (key == "nameserver") resolver.nameservers.push_back(parts[0]);
    if (key == "search" || key == "domain") resolver.searches = parts;
    if (key == "options") resolver.options = parts;
  }
  return resolver;
}

void add_new(std::vector<std::string>& list, const std::string& item) {
  if (std::find(list.begin(), list.end(), item) == list.end()) list.push_back(item);
}

}  // namespace

std::string pod_hostname(const api::Pod& pod) {
  std::string name = !pod.spec.hostname_override.empty() ? pod.spec.hostname_override
                     : !pod.spec.hostname.empty()        ? pod.spec.hostname
                                                         : pod.metadata.name;
  if (name.size() > 63) name.resize(63);
  while (!name.empty() && (name.back() == '-' || name.back() == '.')) name.pop_back();
  return name;
}

std::string hosts_file(const api::Pod& pod, const std::vector<std::string>& ips, std::string_view cluster_domain) {
  std::string text =
      "# Kubernetes-managed hosts file.\n"
      "127.0.0.1\tlocalhost\n"
      "::1\tlocalhost ip6-localhost ip6-loopback\n"
      "fe00::0\tip6-localnet\n"
      "fe00::0\tip6-mcastprefix\n"
      "fe00::1\tip6-allnodes\n"
      "fe00::2\tip6-allrouters\n";
  const std::string hostname = pod_hostname(pod);
  for (const auto& ip : ips) {
    text += ip + "\t";
    if (!pod.spec.subdomain.empty()) {
      text += hostname + "." + pod.spec.subdomain + "." + pod.metadata.namespace_ + ".svc." +
              std::string(cluster_domain) + "\t";
    }
    text += hostname + "\n";
  }
  if (!pod.spec.host_aliases.empty()) {
    text += "\n# Entries added by HostAliases.\n";
    for (const auto& alias : pod.spec.host_aliases)
      text += alias.ip + "\t" + base::join(alias.hostnames, "\t") + "\n";
  }
  return text;
}

std::string resolv_file(const api::Pod& pod, std::string_view cluster_dns, std::string_view cluster_domain,
                        std::string_view host_file) {
  const Resolver host = parse_resolv(host_file);
  Resolver resolver;
  const std::string& policy = pod.spec.dns_policy;
  const bool host_network = pod.spec.host_network.value_or(false);
  const bool cluster_first =
      policy == "ClusterFirstWithHostNet" || ((policy == "ClusterFirst" || policy.empty()) && !host_network);
  if (policy == "None") {
    // Only what dnsConfig says.
  } else if (cluster_first && !cluster_dns.empty()) {
    const std::string domain(cluster_domain);
    resolver.nameservers = {std::string(cluster_dns)};
    resolver.searches = {pod.metadata.namespace_ + ".svc." + domain, "svc." + domain, domain};
    for (const auto& search : host.searches) add_new(resolver.searches, search);
    resolver.options = {"ndots:5"};
  } else {
    resolver = host;
  }
  if (const auto& config = pod.spec.dns_config) {
    for (const auto& server : config->nameservers) add_new(resolver.nameservers, server);
    for (const auto& search : config->searches) add_new(resolver.searches, search);
    for (const auto& option : config->options) {
      std::erase_if(resolver.options, [&](const std::string& have) {
        return have == option.name || have.starts_with(option.name + ":");
      });
      resolver.options.push_back(option.value.empty() ? option.name : option.name + ":" + option.value);
    }
  }
  std::string text;
  if (!resolver.searches.empty()) text += "search " + base::join(resolver.searches, " ") + "\n";
  for (const auto& server : resolver.nameservers) text += "nameserver " + server + "\n";
  if (!resolver.options.empty()) text += "options " + base::join(resolver.options, " ") + "\n";
  return text;
}

}  // namespace node
