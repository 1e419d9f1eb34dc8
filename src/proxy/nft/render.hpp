// The table as text for `nft -f`: one nftables table of flat maps, no chain per Service (docs/decisions/0003). Pure;
// any thread.
#pragma once

#include <string>

#include "proxy/simulate.hpp"
#include "proxy/table.hpp"

namespace proxy::nft {

struct Layout {
  std::string table = "sampan";
  Networks networks;
};

// Everything from nothing, in one transaction: takes over an older table of that name, remembered clients stay.
std::string render_rebuild(const Layout& layout, const Table& table);
// The same, for a table of that name which has another form.
std::string render_replace(const Layout& layout, const Table& table);
// From one table to another; "" when they are equal.
std::string render_change(const Layout& layout, const Table& before, const Table& after);
std::string render_removal(const Layout& layout);

}  // namespace proxy::nft
