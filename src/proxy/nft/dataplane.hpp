// The table as nftables rules: every route for packets from anywhere, both families.
#pragma once

#include <memory>

#include "base/result.hpp"
#include "proxy/dataplane.hpp"
#include "proxy/nft/layout.hpp"

namespace proxy::nft {

// Acts on the network namespace of the thread that calls it.
base::Result<std::unique_ptr<Dataplane>> make_dataplane(Layout layout);

}  // namespace proxy::nft
