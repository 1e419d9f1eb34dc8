// What this library tells of the process in /metrics, under the names that client-go uses: its work queues and its
// requests.
//
// Threading: any thread; a request is counted under one short lock.
//
// Source: client-go's util/workqueue and tools/metrics, component-base's metrics/prometheus.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace client {

class Transport;

// Adds the families workqueue_* and rest_client_* to a page in Prometheus' text form.
void append_metrics(std::string& page);

// --- For this folder.

// A cumulative histogram over fixed bounds; not safe by itself.
template <size_t N>
struct Distribution {
  std::array<uint64_t, N + 1> counts{};
  double sum = 0;
  void observe(const std::array<double, N>& bounds, double value) {
    size_t i = 0;
    while (i < N && value > bounds[i]) ++i;
    ++counts[i];
    sum += value;
  }
  void add(const Distribution& other) {
    for (size_t i = 0; i <= N; ++i) counts[i] += other.counts[i];
    sum += other.sum;
  }
};

void append_family(std::string& page, std::string_view name, std::string_view type, std::string_view help);
// `labels` in the text form, without braces.
void append_sample(std::string& page, std::string_view name, std::string_view labels, double value);

template <size_t N>
void append_distribution(std::string& page, std::string_view name, const std::string& labels,
                         const std::array<double, N>& bounds, const Distribution<N>& values);

void append_queue_metrics(std::string& page);  // workqueue.cpp
std::string host_of(const Transport& transport);  // http_transport.cpp; "in-process" for what is none

// `code` 0: no answer came.
void count_request(const Transport& transport, std::string_view method, int code, std::chrono::nanoseconds took);

}  // namespace client
