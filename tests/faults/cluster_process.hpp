// The cluster of a test that kills it, with a client. One thread.
#pragma once

#include <string>

#include "../support/cluster.hpp"
#include "client/client.hpp"

namespace faults {

class ClusterProcess : public support::Cluster {
 public:
  using support::Cluster::Cluster;
  client::Client client() const { return client::Client(client::make_http_transport(client_config()), "faults"); }
};

}  // namespace faults
