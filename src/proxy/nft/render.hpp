// The table as text for `nft -f`: one nftables table for each family, of flat maps, no chain per Service
// (docs/decisions/0003). Pure; any thread.
#pragma once

#include <map>
#include <string>

#include "proxy/nft/layout.hpp"
#include "proxy/table.hpp"

namespace proxy::nft {

// How a connection finds its endpoint: `count` slots, drawn in one of a few ways. One chain for all routes alike.
struct Way {
  enum class Draw : uint8_t { random, turn, hash, sticky };
  Draw draw = Draw::random;
  bool outside = false;    // among the targets of those outside of the cluster
  bool node_port = false;  // keyed by the port alone
  size_t count = 0;
  auto operator<=>(const Way&) const = default;
};

// What several routes need together, and how many of them do.
struct Shared {
  std::map<Way, int> ways;
  std::map<std::pair<uint32_t, bool>, int> timeouts;  // affinity seconds, of a node port
  std::map<Address, int> local;                       // endpoints on this node
  std::map<Address, int> answered;                    // addresses that answer pings
};

struct Rendered {
  std::string script;
  Shared shared;  // after it
};
// Everything from nothing, in one transaction: takes over older tables of that name, remembered clients stay.
Rendered render_rebuild(const Layout& layout, const Table& table);
// The same, for tables of that name which have another form.
Rendered render_replace(const Layout& layout, const Table& table);
// A change of what a script before has made; "" for an empty one. `shared` becomes what it is after the change. Costs as
// much as the change is large, whatever the table is.
std::string render_change(const Layout& layout, Shared& shared, const Change& change);
std::string render_removal(const Layout& layout);

}  // namespace proxy::nft
