// What all rules have in common: the name of our tables and the networks they tell apart. A value.
#pragma once

#include <string>
#include <vector>

#include "proxy/simulate.hpp"

namespace proxy::nft {

struct Layout {
  std::string table = "sampan";
  Networks networks;
  std::vector<Family> families = {Family::v4, Family::v6};
  std::vector<Network> node_ports_in = {};  // where node ports are served; none of a family: on every address of it
};

}  // namespace proxy::nft
