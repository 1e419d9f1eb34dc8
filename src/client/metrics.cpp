#include "client/metrics.hpp"

#include <fmt/format.h>

#include <map>
#include <tuple>

#include "base/guarded.hpp"

namespace client {

namespace {

constexpr std::array<double, 12> kRequestBounds = {0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60};

struct Requests {
  std::map<std::tuple<std::string, std::string, int>, uint64_t> by_code;  // host, method, code
  std::map<std::pair<std::string, std::string>, Distribution<kRequestBounds.size()>> durations;
};

// One for the process: Clients come and go, and what they did is still asked for.
base::Guarded<Requests>& requests() {
  static base::Guarded<Requests> all;
  return all;
}

}  // namespace

void append_family(std::string& page, std::string_view name, std::string_view type, std::string_view help) {
  fmt::format_to(std::back_inserter(page), "# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

void append_sample(std::string& page, std::string_view name, std::string_view labels, double value) {
  fmt::format_to(std::back_inserter(page), "{}{{{}}} {}\n", name, labels, value);
}

template <size_t N>
void append_distribution(std::string& page, std::string_view name, const std::string& labels,
                         const std::array<double, N>& bounds, const Distribution<N>& values) {
  uint64_t below = 0;
  std::string bucket = fmt::format("{}_bucket", name);
  for (size_t i = 0; i <= N; ++i) {
    below += values.counts[i];
    auto bound = i < N ? fmt::format("{}", bounds[i]) : std::string("+Inf");
    append_sample(page, bucket, fmt::format("{},le=\"{}\"", labels, bound), static_cast<double>(below));
  }
  append_sample(page, fmt::format("{}_sum", name), labels, values.sum);
  append_sample(page, fmt::format("{}_count", name), labels, static_cast<double>(below));
}

// The two that there are: of queues, of requests.
template void append_distribution(std::string&, std::string_view, const std::string&, const std::array<double, 10>&,
                                  const Distribution<10>&);
template void append_distribution(std::string&, std::string_view, const std::string&, const std::array<double, 12>&,
                                  const Distribution<12>&);

void count_request(const Transport& transport, std::string_view method, int code, std::chrono::nanoseconds took) {
  auto host = host_of(transport);
  std::string verb(method);
  auto all = requests().lock();
  ++all->by_code[{host, verb, code}];
  all->durations[{std::move(host), std::move(verb)}].observe(kRequestBounds, std::chrono::duration<double>(took).count());
}

void append_metrics(std::string& page) {
  append_queue_metrics(page);
  auto all = requests().lock();
  append_family(page, "rest_client_requests_total", "counter", "Requests by status code, method and host.");
  for (const auto& [key, count] : all->by_code) {
    const auto& [host, method, code] = key;
    auto text = code == 0 ? std::string("<error>") : std::to_string(code);
    append_sample(page, "rest_client_requests_total",
                  fmt::format("code=\"{}\",host=\"{}\",method=\"{}\"", text, host, method), static_cast<double>(count));
  }
  append_family(page, "rest_client_request_duration_seconds", "histogram",
                "Time until the answer, or the beginning of a watch, by verb and host.");
  for (const auto& [key, durations] : all->durations) {
    append_distribution(page, "rest_client_request_duration_seconds",
                        fmt::format("host=\"{}\",verb=\"{}\"", key.first, key.second), kRequestBounds, durations);
  }
}

}  // namespace client
