// The cluster's certificate authority and certificates as files, made at the first start and renewed when they are about
// to end. Blocking; one caller at a time.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "net/pki.hpp"
#include "sys/clock.hpp"

namespace main_ {

struct ClusterPki {
  std::string ca_pem;
  net::KeyPair server;  // of the API server
  net::KeyPair admin;   // CN kubernetes-admin, O system:masters
};

// Reads state_dir/pki, makes what is missing there. `addresses` and `names` are what the API server is reached by.
base::Result<ClusterPki> open_pki(const std::string& dir, const std::vector<std::string>& addresses,
                                  const std::vector<std::string>& names, const sys::Clock& clock);

}  // namespace main_
