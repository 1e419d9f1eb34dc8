// Certificates of a cluster's own CA: EC P-256, X.509 v3, made at first start. Pure but for randomness; any thread.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"

namespace net {

struct KeyPair {
  std::string certificate_pem;
  std::string key_pem;
};

struct CertificateRequest {
  std::string common_name;
  std::vector<std::string> organizations;
  std::vector<std::string> dns_names;
  std::vector<std::string> ip_addresses;
  bool server = false;  // extended key usage: serverAuth
  bool client = false;  // clientAuth
  base::Time not_before{};
  std::chrono::hours lifetime{24 * 365};
};

base::Result<KeyPair> make_ca(std::string_view common_name, base::Time not_before, std::chrono::hours lifetime);
base::Result<KeyPair> issue_certificate(const KeyPair& ca, const CertificateRequest& request);
// When the (first) certificate of the PEM ends.
base::Result<base::Time> certificate_not_after(std::string_view certificate_pem);

}  // namespace net
