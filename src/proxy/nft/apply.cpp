#include "proxy/nft/apply.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include "base/strings.hpp"
#include "sys/process.hpp"

namespace proxy::nft {

base::Result<Runner> Runner::find(int network_namespace) {
  Runner runner;
  runner.network_namespace_ = network_namespace;
  for (auto path : {"/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft", "/usr/local/sbin/nft"}) {
    if (::access(path, X_OK) != 0) continue;
    runner.path_ = path;
    return runner;
  }
  return base::fail(base::Reason::not_found,
                    "the service proxy needs the nft program, and there is none: install the package nftables");
}

base::Result<void> Runner::apply(std::string_view script) const {
  if (script.empty()) return {};
  sys::Spawn what;
  // -n: no names are looked up.
  what.argv = {path_, "-n", "-f", "-"};
  what.network_namespace = network_namespace_;
  TRY(auto output, sys::run(what, std::chrono::seconds(60), 64u << 10, script));
  if (output.timed_out)
    return base::fail(base::Reason::timeout, "nft did not finish within 60 s; nothing was changed, it is tried again");
  if (output.status.code == 0) return {};
  auto first = base::split(output.err, '\n').front();
  return base::fail(base::Reason::internal_error,
                    fmt::format("nft refused the rules ({}); nothing was changed", first.substr(0, 400)));
}

}  // namespace proxy::nft
