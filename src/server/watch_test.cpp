// Watches through the whole handler, and the housekeeping thread's work by hand.
#include <gmock/gmock.h>

#include <thread>

#include "server/core.hpp"
#include "server/testing.hpp"
#include "server/watch.hpp"

namespace server::testing {
namespace {

using ::testing::HasSubstr;

class Watching : public ServerTest {
 protected:
  static std::string_view type_of(const base::Value& event) { return event["type"].as_string(); }
  static std::string_view name_of(const base::Value& event) {
    return event.at({"object", "metadata", "name"}).as_string();
  }
  std::string revision() { return std::to_string(store_->revision()); }
};

class ShortHistory : public Watching {
 protected:
  ShortHistory() { window_ = 4; }
};

TEST_F(Watching, WithoutARevisionTellsWhatIsThereFirst) {
  call("POST", config_maps_, config_map_json("a"));
  auto watch = begin("GET", config_maps_ + "?watch=true");
  call("POST", config_maps_, config_map_json("b"));
  call("PUT", config_maps_ + "/a", config_map_json("a", "{}", "2"));
  auto deleted = call("DELETE", config_maps_ + "/b");
  auto events = watch->wait_events(4);
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(type_of(events[0]), "ADDED");
  EXPECT_EQ(name_of(events[0]), "a");
  EXPECT_EQ(type_of(events[1]), "ADDED");
  EXPECT_EQ(name_of(events[1]), "b");
  EXPECT_EQ(type_of(events[2]), "MODIFIED");
  EXPECT_EQ(events[2].at({"object", "data", "key"}).as_string(), "2");
  EXPECT_EQ(type_of(events[3]), "DELETED");
  EXPECT_EQ(events[3].at({"object", "metadata", "resourceVersion"}).as_string(), revision());
}

TEST_F(Watching, FromARevisionTellsOnlyWhatCameAfter) {
  call("POST", config_maps_, config_map_json("a"));
  std::string from = revision();
  call("POST", config_maps_, config_map_json("b"));
  auto watch = begin("GET", config_maps_ + "?watch=1&resourceVersion=" + from);
  auto events = watch->wait_events(1);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(name_of(events[0]), "b");
  EXPECT_EQ(watch->headers().get("Content-Type"), "application/json");
}

TEST_F(Watching, ObjectsEnterAndLeaveASelection) {
  auto watch = begin("GET", config_maps_ + "?watch=true&labelSelector=app%3Dx");
  call("POST", config_maps_, config_map_json("a", R"({"app":"y"})"));
  call("PUT", config_maps_ + "/a", config_map_json("a", R"({"app":"x"})"));
  call("PUT", config_maps_ + "/a", config_map_json("a", R"({"app":"x"})", "2"));
  call("PUT", config_maps_ + "/a", config_map_json("a", R"({"app":"y"})", "3"));
  std::string left = revision();
  call("DELETE", config_maps_ + "/a");
  call("POST", config_maps_, config_map_json("end", R"({"app":"x"})"));
  auto events = watch->wait_events(4);
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(type_of(events[0]), "ADDED");
  EXPECT_EQ(type_of(events[1]), "MODIFIED");
  EXPECT_EQ(type_of(events[2]), "DELETED");
  // Its last state in the selection, at the revision of leaving it.
  EXPECT_EQ(events[2].at({"object", "data", "key"}).as_string(), "2");
  EXPECT_EQ(events[2].at({"object", "metadata", "resourceVersion"}).as_string(), left);
  EXPECT_EQ(name_of(events[3]), "end");
}

TEST_F(Watching, ASingleNameByFieldOrPath) {
  call("POST", config_maps_, config_map_json("ab"));
  for (const std::string& url : {config_maps_ + "?watch=true&fieldSelector=metadata.name%3Da",
                                 std::string("/api/v1/watch/namespaces/default/configmaps/a")}) {
    SCOPED_TRACE(url);
    auto watch = begin("GET", url);
    call("POST", config_maps_, config_map_json("a"));
    call("DELETE", config_maps_ + "/a");
    auto events = watch->wait_events(2);
    ASSERT_EQ(events.size(), 2u);
    EXPECT_EQ(name_of(events[0]), "a");
    EXPECT_EQ(type_of(events[1]), "DELETED");
    watch->hang_up();
  }
}

TEST_F(Watching, WatchersShareTheBytesOfAnEvent) {
  auto one = begin("GET", config_maps_ + "?watch=true");
  auto other = begin("GET", "/api/v1/configmaps?watch=true&fieldSelector=metadata.namespace%3Ddefault");
  call("POST", config_maps_, config_map_json("a"));
  one->wait_events(1);
  other->wait_events(1);
  EXPECT_EQ(one->chunks().at(0).get(), other->chunks().at(0).get());
}

TEST_F(Watching, InitialEventsEndWithABookmark) {
  call("POST", config_maps_, config_map_json("a"));
  std::string at = revision();
  auto watch = begin(
      "GET",
      config_maps_ +
          "?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true");
  auto events = watch->wait_events(2);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(type_of(events[0]), "ADDED");
  EXPECT_EQ(type_of(events[1]), "BOOKMARK");
  EXPECT_EQ(events[1].at({"object", "metadata", "resourceVersion"}).as_string(), at);
  EXPECT_EQ(events[1].at({"object", "metadata", "annotations"})["k8s.io/initial-events-end"].as_string(),
            "true");
  EXPECT_EQ(events[1].at({"object", "kind"}).as_string(), "ConfigMap");
  EXPECT_EQ(call("GET", config_maps_ + "?watch=true&sendInitialEvents=true").status, 422);
  EXPECT_EQ(call("GET", config_maps_ + "?watch=true&resourceVersionMatch=Exact&resourceVersion=1").status,
            422);
}

TEST_F(Watching, TablesNameTheirColumnsOnce) {
  auto watch = begin("GET", config_maps_ + "?watch=true", "",
                     {{"Accept", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}});
  call("POST", config_maps_, config_map_json("a"));
  call("POST", config_maps_, config_map_json("b"));
  auto events = watch->wait_events(2);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].at({"object", "kind"}).as_string(), "Table");
  EXPECT_FALSE(events[0].at({"object", "columnDefinitions"}).as_array().empty());
  EXPECT_TRUE(events[1].at({"object", "columnDefinitions"}).as_array().empty());
  EXPECT_EQ(events[1].at({"object", "rows"}).as_array().at(0)["cells"].as_array().at(0).as_string(), "b");
}

TEST_F(ShortHistory, ATooOldRevisionIsAnErrorEvent) {
  for (int i = 0; i < 20; ++i) call("POST", config_maps_, config_map_json("a" + std::to_string(i)));
  ASSERT_GT(store_->compacted(), 1);
  auto watch = begin("GET", config_maps_ + "?watch=true&resourceVersion=1");
  auto events = watch->wait_events(1);
  watch->wait_finished();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(watch->status(), 200);
  EXPECT_EQ(type_of(events[0]), "ERROR");
  EXPECT_EQ(events[0].at({"object", "code"}).int_or(0), 410);
  EXPECT_EQ(events[0].at({"object", "reason"}).as_string(), "Expired");
  EXPECT_THAT(std::string(events[0].at({"object", "message"}).as_string()),
              HasSubstr("too old resource version: 1 ("));
  auto list = call("GET", config_maps_ + "?resourceVersionMatch=Exact&resourceVersion=1");
  EXPECT_EQ(list.status, 410);
  EXPECT_EQ(list.message(), "The resourceVersion for the provided list is too old.");
}

TEST_F(Watching, ARevisionOfTheFutureWaitsForWhatComesAfterIt) {
  call("POST", config_maps_, config_map_json("before"));
  auto future = std::to_string(store_->revision() + 2);
  auto watch = begin("GET", config_maps_ + "?watch=true&resourceVersion=" + future);
  for (auto name : {"one", "two", "three"}) call("POST", config_maps_, config_map_json(name));
  auto events = watch->wait_events(1);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(name_of(events[0]), "three");
}

TEST_F(Watching, InitialEventsOfTheFutureAreRefusedWithARetry) {
  auto reply = call("GET", config_maps_ +
                               "?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=999");
  EXPECT_EQ(reply.status, 504);
  EXPECT_EQ(reply.reason(), "Timeout");
  EXPECT_THAT(std::string(reply.message()), HasSubstr("Timeout: Too large resource version: 999, current: "));
  EXPECT_EQ(reply.json.at({"details", "retryAfterSeconds"}).int_or(0), 1);
  EXPECT_EQ(reply.json.at({"details", "causes"}).as_array().at(0)["reason"].as_string(), "ResourceVersionTooLarge");
  EXPECT_EQ(reply.headers.get("Retry-After"), "1");
}

TEST_F(Watching, InitialEventsMayBeLeftOut) {
  call("POST", config_maps_, config_map_json("a"));
  auto watch = begin("GET", config_maps_ + "?watch=true&sendInitialEvents=false&resourceVersionMatch=NotOlderThan");
  call("POST", config_maps_, config_map_json("b"));
  EXPECT_EQ(name_of(watch->wait_events(1).at(0)), "b");
}

TEST_F(Watching, WithoutBookmarksInitialEventsHaveNoEnd) {
  call("POST", config_maps_, config_map_json("a"));
  auto watch = begin("GET", config_maps_ + "?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan");
  call("POST", config_maps_, config_map_json("b"));
  auto events = watch->wait_events(2);
  EXPECT_EQ(type_of(events[0]), "ADDED");
  EXPECT_EQ(type_of(events[1]), "ADDED");
}

// A Core whose housekeeping the test does itself, by the fake clock.
class Housekeeping : public Watching {
 protected:
  void SetUp() override {
    ServerTest::SetUp();
    auto allocators = Allocators::make("10.96.0.0/16", 30000, 32767);
    ASSERT_TRUE(allocators);
    core_ =
        std::make_unique<Core>(Config{}, registry_, *store_, clock_, NodeConnector{}, std::move(*allocators));
    core_->watches = std::make_unique<Watches>(*core_);
  }
  void TearDown() override {
    core_.reset();
    ServerTest::TearDown();
  }
  std::shared_ptr<Recorder> watch(std::string_view query) {
    auto recorder = std::make_shared<Recorder>();
    auto exchange =
        std::make_shared<Exchange>(make_request("GET", config_maps_ + std::string(query), "", {}), recorder);
    exchange->route = parse_route(exchange->request.path);
    auto resource = core_->find("", "v1", "configmaps");
    exchange->resource = resource;
    auto options = parse_list_options(exchange->request.query, *resource);
    EXPECT_TRUE(options);
    core_->watches->start(exchange, *resource, *options);
    return recorder;
  }
  std::unique_ptr<Core> core_;
};

TEST_F(Housekeeping, BookmarksTellHowFarTheWatchIs) {
  auto with = watch("?watch=true&allowWatchBookmarks=true");
  auto without = watch("?watch=true");
  call("POST", "/api/v1/namespaces/kube-system/configmaps", config_map_json("elsewhere"));
  std::string reached = revision();
  // The answer comes after the events were handed out, so the bookmark must be at the revision of the other
  // namespace.
  clock_.advance(std::chrono::seconds(61));
  core_->watches->tick();
  auto events = with->wait_events(1);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(type_of(events[0]), "BOOKMARK");
  EXPECT_EQ(events[0].at({"object", "metadata", "resourceVersion"}).as_string(), reached);
  EXPECT_EQ(without->body(), "");
}

TEST_F(Housekeeping, TheTimeOfAWatchEnds) {
  auto recorder = watch("?watch=true&allowWatchBookmarks=true&timeoutSeconds=5");
  clock_.advance(std::chrono::seconds(6));
  core_->watches->tick();
  recorder->wait_finished();
  EXPECT_EQ(type_of(recorder->wait_events(1).at(0)), "BOOKMARK");
  std::string so_far = recorder->body();
  call("POST", config_maps_, config_map_json("late"));
  EXPECT_EQ(recorder->body(), so_far);
}

TEST_F(Housekeeping, AClientThatIsGoneHearsNoMore) {
  auto recorder = watch("?watch=true");
  recorder->hang_up();
  core_->watches->tick();
  call("POST", config_maps_, config_map_json("late"));
  EXPECT_EQ(recorder->body(), "");
}

TEST_F(Housekeeping, WatchesOfAKindThatGoesAreEnded) {
  auto gone = watch("?watch=true&allowWatchBookmarks=true");
  auto stays = begin("GET", services_ + "?watch=true&resourceVersion=" + revision());
  core_->watches->end("core/configmaps/");
  core_->watches->tick();
  gone->wait_finished();
  EXPECT_EQ(type_of(gone->wait_events(1).at(0)), "BOOKMARK");
  EXPECT_FALSE(stays->finished());
}

TEST_F(Watching, ManyWatchersOfManyWritersMissNothing) {
  constexpr int kWriters = 4;
  constexpr int kEach = 50;
  std::vector<std::shared_ptr<Recorder>> watches;
  for (int i = 0; i < 8; ++i) watches.push_back(begin("GET", config_maps_ + "?watch=true"));
  {
    std::vector<std::jthread> writers;
    for (int w = 0; w < kWriters; ++w) {
      writers.emplace_back([&, w] {
        for (int i = 0; i < kEach; ++i) {
          call("POST", config_maps_, config_map_json("c-" + std::to_string(w) + "-" + std::to_string(i)));
        }
      });
    }
  }
  for (auto& watch : watches) {
    auto events = watch->wait_events(kWriters * kEach);
    ASSERT_EQ(events.size(), static_cast<size_t>(kWriters * kEach));
    int64_t last = 0;
    for (const auto& event : events) {
      int64_t at = std::stoll(std::string(event.at({"object", "metadata", "resourceVersion"}).as_string()));
      EXPECT_GT(at, last);
      last = at;
    }
  }
}

}  // namespace
}  // namespace server::testing
