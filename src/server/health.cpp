#include "server/health.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/log_format.hpp"
#include "base/strings.hpp"

namespace server {

Health::Health() {
  add({.name = "ping", .check = [] { return base::Result<void>(); }});
  // A log line is one write to stderr: the kernel or the reader may make it wait, as the threads that log do.
  add({.name = "log", .check = [] { return base::check_log(); }});
  add({.name = "shutdown",
       .check = [this]() -> base::Result<void> {
         if (stopping_) return base::fail(base::Reason::service_unavailable, "process is shutting down");
         return {};
       },
       .live = false});
}

std::vector<const HealthCheck*> Health::checks_of(std::string_view endpoint) const {
  std::vector<const HealthCheck*> out;
  for (const auto& check : checks_) {
    if (check.live || endpoint == "readyz") out.push_back(&check);
  }
  return out;
}

Health::Answer Health::answer(std::string_view path, const net::Query& query) const {
  size_t slash = path.find('/');
  std::string endpoint(path.substr(0, slash));
  auto checks = checks_of(endpoint);
  if (slash != std::string_view::npos && slash + 1 < path.size()) {
    auto name = path.substr(slash + 1);
    auto found = std::ranges::find_if(checks, [&](const HealthCheck* check) { return check->name == name; });
    if (found == checks.end()) return {404, "404 page not found\n"};
    auto result = (*found)->check();
    if (result) return {200, "ok"};
    return {500, fmt::format("internal server error: {}\n", result.error().message)};
  }
  std::vector<std::string> excluded;
  for (auto name : query.all("exclude")) excluded.emplace_back(name);
  std::ranges::sort(excluded);
  excluded.erase(std::unique(excluded.begin(), excluded.end()), excluded.end());
  std::string lines;
  std::vector<std::string> failed;
  for (const auto* check : checks) {
    if (std::erase(excluded, check->name) > 0) {
      lines += fmt::format("[+]{} excluded: ok\n", check->name);
      continue;
    }
    auto result = check->check();
    if (result) {
      lines += fmt::format("[+]{} ok\n", check->name);
      continue;
    }
    // This page is public: what is wrong stands in the log, and under the check's own path.
    lines += fmt::format("[-]{} failed: reason withheld\n", check->name);
    failed.push_back(fmt::format("{}: {}", check->name, result.error().message));
  }
  if (!excluded.empty()) {
    for (auto& name : excluded) name = base::quote(name);
    lines += fmt::format("warn: some health checks cannot be excluded: no matches for {}\n",
                         base::join(excluded, ","));
  }
  if (!failed.empty()) {
    // Livez asks less: what it says is no news to readyz.
    if (endpoint == "readyz" && !failing_.exchange(true)) {
      base::log_warning("server", "{} check failed: {}", endpoint, base::join(failed, "; "));
    }
    return {500, lines + endpoint + " check failed\n"};
  }
  if (endpoint == "readyz" && failing_.exchange(false)) base::log_info("server", "{} check passes again", endpoint);
  if (!query.has("verbose")) return {200, "ok"};
  return {200, lines + endpoint + " check passed\n"};
}

}  // namespace server
