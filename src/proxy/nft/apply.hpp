// Hands scripts to the nft program: each is one transaction, the kernel takes all of it or nothing. Any thread.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace proxy::nft {

class Runner {
 public:
  // `network_namespace`: -1 is this process' own.
  static base::Result<Runner> find(int network_namespace = -1);
  base::Result<void> apply(std::string_view script) const;

 private:
  std::string path_;
  int network_namespace_ = -1;
};

}  // namespace proxy::nft
