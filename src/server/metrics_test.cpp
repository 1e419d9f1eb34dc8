#include "server/metrics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <thread>

namespace server {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::Not;

RequestLabels list_pods() {
  return {.verb = "LIST", .group = "", .version = "v1", .resource = "pods", .subresource = "", .scope = "namespace"};
}

TEST(Metrics, CountsByCodeTimeAndSize) {
  Metrics metrics("v1.36.0+sampan-0.1.0");
  auto& series = metrics.series(list_pods());
  EXPECT_EQ(&series, &metrics.series(list_pods()));
  Metrics::count(series, 200, milliseconds(30), 500);
  Metrics::count(series, 200, milliseconds(3), 20'000);
  Metrics::count(series, 404, milliseconds(1), std::nullopt);
  Metrics::count(series, 418, milliseconds(1), std::nullopt);
  auto page = metrics.page();
  std::string labels =
      R"(component="apiserver",dry_run="",group="",resource="pods",scope="namespace",subresource="",verb="LIST",version="v1")";
  EXPECT_THAT(page, HasSubstr("apiserver_request_total{code=\"200\"," + labels + "} 2\n"));
  EXPECT_THAT(page, HasSubstr("apiserver_request_total{code=\"404\"," + labels + "} 1\n"));
  EXPECT_THAT(page, HasSubstr("apiserver_request_total{code=\"other\"," + labels + "} 1\n"));
  EXPECT_THAT(page, HasSubstr("apiserver_request_duration_seconds_bucket{" + labels + ",le=\"0.005\"} 3\n"));
  EXPECT_THAT(page, HasSubstr("apiserver_request_duration_seconds_bucket{" + labels + ",le=\"0.05\"} 4\n"));
  EXPECT_THAT(page, HasSubstr("apiserver_request_duration_seconds_bucket{" + labels + ",le=\"+Inf\"} 4\n"));
  EXPECT_THAT(page, HasSubstr("apiserver_request_duration_seconds_sum{" + labels + "} 0.035\n"));
  EXPECT_THAT(page, HasSubstr("verb=\"LIST\",version=\"v1\",le=\"1000\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("apiserver_current_inflight_requests{request_kind=\"mutating\"} 0\n"));
  EXPECT_THAT(page, HasSubstr("process_resident_memory_bytes "));
  EXPECT_THAT(page, HasSubstr("git_version=\"v1.36.0+sampan-0.1.0\",major=\"1\",minor=\"36\""));
}

TEST(Metrics, LabelsAreEscapedAndBounded) {
  std::string labels;
  append_label(labels, "a", "x\"\\\n");
  EXPECT_EQ(labels, R"(a="x\"\\\n")");
  Metrics metrics;
  auto labelled = list_pods();
  std::set<Metrics::Series*> seen;
  for (int i = 0; i < 10'000; ++i) {
    labelled.resource = "made-up-" + std::to_string(i);
    auto& one = metrics.series(labelled);
    seen.insert(&one);
  }
  EXPECT_LE(seen.size(), 3'001u);
  Metrics::count(metrics.series(labelled), 200, milliseconds(1), std::nullopt);
  EXPECT_THAT(metrics.page(), HasSubstr("verb=\"OTHER\""));
}

TEST(Metrics, ThreadsShareASeries) {
  Metrics metrics;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      auto labels = list_pods();
      for (int i = 0; i < 1'000; ++i) {
        labels.resource = "r" + std::to_string(i % 50);
        Metrics::count(metrics.series(labels), 200, milliseconds(1), std::nullopt);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  uint64_t total = 0;
  auto labels = list_pods();
  for (int i = 0; i < 50; ++i) {
    labels.resource = "r" + std::to_string(i);
    total += metrics.series(labels).by_code[2].load();  // 200
  }
  EXPECT_EQ(total, 4'000u);
}

TEST(Metrics, OthersAddTheirFamilies) {
  Metrics metrics;
  metrics.add_source([](std::string& page) {
    append_family(page, "apiserver_storage_objects", "gauge", "Objects.");
    append_sample(page, "apiserver_storage_objects", "resource=\"pods\"", 3);
  });
  EXPECT_THAT(metrics.page(), HasSubstr("# TYPE apiserver_storage_objects gauge\n"
                                        "apiserver_storage_objects{resource=\"pods\"} 3\n"));
}

}  // namespace
}  // namespace server
