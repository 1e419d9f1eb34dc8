#include "client/informer.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "client/scripted_transport_test.hpp"

namespace client {
namespace {

std::string config_map(std::string_view name, std::string_view uid, int version) {
  return fmt::format(
      R"({{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{}","namespace":"default","uid":"{}",)"
      R"("resourceVersion":"{}"}}}})",
      name, uid, version);
}

std::string list_of(int version, const std::vector<std::string>& items) {
  return fmt::format(R"({{"kind":"ConfigMapList","apiVersion":"v1","metadata":{{"resourceVersion":"{}"}},"items":[{}]}})",
                     version, fmt::join(items, ","));
}

std::string event(std::string_view type, const std::string& object) {
  return fmt::format(R"({{"type":"{}","object":{}}})", type, object) + "\n";
}

const std::string kTooOld =
    R"({"kind":"Status","apiVersion":"v1","status":"Failure","message":"too old","reason":"Expired","code":410})";

struct InformerTest : testing::Test {
  using Map = api::ConfigMap;
  std::shared_ptr<ScriptedTransport> transport = std::make_shared<ScriptedTransport>();
  base::Guarded<std::vector<std::string>> log;
  std::condition_variable logged;
  std::unique_ptr<Informer<Map>> informer;

  void make() {
    informer = std::make_unique<Informer<Map>>(Client(transport));
    informer->on_change([this](const std::string& key, const auto& before, const auto& after) {
      auto version = [](const auto& object) { return object ? object->metadata.resource_version : std::string("-"); };
      auto lines = log.lock();
      lines->push_back(key + " " + version(before) + ">" + version(after));
      logged.notify_all();
    });
  }
  std::vector<std::string> wait_log(size_t count) {
    auto lines = log.lock();
    logged.wait(lines.native(), [&] { return lines->size() >= count; });
    return *lines;
  }
  using Lines = std::vector<std::string>;
};

TEST_F(InformerTest, ListsThenFollowsTheWatch) {
  transport->answer(200, list_of(5, {config_map("a", "u1", 3)}));
  auto stream = transport->add_stream();
  make();
  EXPECT_FALSE(informer->synced());
  informer->start();
  informer->wait_synced();
  ASSERT_TRUE(informer->get("default/a"));
  stream->feed(event("ADDED", config_map("b", "u2", 6)) + event("MODIFIED", config_map("a", "u1", 7)));
  stream->feed(event("DELETED", config_map("b", "u2", 8)));
  EXPECT_EQ(wait_log(4),
            (Lines{"default/a ->3", "default/b ->6", "default/a 3>7", "default/b 8>-"}));
  EXPECT_FALSE(informer->get("default/b"));
  EXPECT_EQ(informer->list().size(), 1u);
  EXPECT_EQ(informer->list("default").size(), 1u);
  EXPECT_EQ(informer->list("def").size(), 0u);
  auto requests = transport->wait_requests(2);
  EXPECT_EQ(requests[1].query.get("resourceVersion"), "5");
  EXPECT_FALSE(requests[1].query.get("timeoutSeconds").empty());
}

TEST_F(InformerTest, ADroppedWatchGoesOnWhereItWas) {
  transport->answer(200, list_of(5, {}));
  auto first = transport->add_stream();
  auto second = transport->add_stream();
  make();
  informer->start();
  first->feed(event("ADDED", config_map("a", "u1", 9)));
  first->feed(event("BOOKMARK", R"({"kind":"ConfigMap","metadata":{"resourceVersion":"12"}})"));
  first->end();
  second->feed(event("MODIFIED", config_map("a", "u1", 13)));
  EXPECT_EQ(wait_log(2), (Lines{"default/a ->9", "default/a 9>13"}));
  auto requests = transport->wait_requests(3);
  EXPECT_EQ(requests[2].query.get("watch"), "true") << "no new list";
  EXPECT_EQ(requests[2].query.get("resourceVersion"), "12") << "from the bookmark";
}

TEST_F(InformerTest, TooOldListsAgainAndTellsOfWhatWasMissed) {
  transport->answer(200, list_of(5, {config_map("kept", "u1", 1), config_map("gone", "u2", 2),
                                     config_map("changed", "u3", 3), config_map("anew", "u4", 4)}));
  auto stream = transport->add_stream();
  make();
  informer->start();
  wait_log(4);
  transport->answer(200, list_of(50, {config_map("kept", "u1", 1), config_map("changed", "u3", 30),
                                      config_map("anew", "u5", 40), config_map("fresh", "u6", 41)}));
  transport->add_stream();
  stream->feed(event("ERROR", kTooOld));
  EXPECT_EQ(wait_log(9), (Lines{"default/anew ->4", "default/changed ->3", "default/gone ->2", "default/kept ->1",
                                "default/gone 2>-", "default/anew 4>-", "default/anew ->40",
                                "default/changed 3>30", "default/fresh ->41"}));
  EXPECT_FALSE(informer->get("default/gone"));
  auto requests = transport->wait_requests(4);
  EXPECT_EQ(requests[3].query.get("resourceVersion"), "50");
}

TEST_F(InformerTest, AWatchRefusedAsTooOldListsAgain) {
  transport->answer(200, list_of(5, {config_map("a", "u1", 1)}));
  transport->refuse_stream(410, kTooOld);
  transport->answer(200, list_of(9, {}));
  transport->add_stream();
  make();
  informer->start();
  EXPECT_EQ(wait_log(2), (Lines{"default/a ->1", "default/a 1>-"}));
}

TEST_F(InformerTest, AFailedListIsTriedAgain) {
  transport->answer(500, "not now");
  transport->answer(200, list_of(5, {config_map("a", "u1", 1)}));
  transport->add_stream();
  make();
  informer->start();
  informer->wait_synced();
  EXPECT_TRUE(informer->get("default/a"));
}

TEST_F(InformerTest, StopWakesWhoWaitsAndCancelsTheWatch) {
  make();  // nothing is scripted: it never gets its list
  std::thread waiter([&] { informer->wait_synced(); });
  informer->start();
  transport->wait_requests(1);
  informer->stop();
  waiter.join();
  EXPECT_FALSE(informer->synced());
}

TEST_F(InformerTest, KeepsNoManagedFieldsAndWhatTheTrimLeaves) {
  transport->answer(200, R"({"metadata":{"resourceVersion":"1"},"items":[{"metadata":{"name":"a","namespace":"default",)"
                         R"("managedFields":[{"manager":"kubectl"}]},"data":{"k":"v","w":"x"}}]})");
  transport->add_stream();
  make();
  informer->trim_with([](Map& map) { map.data.erase("w"); });
  informer->start();
  informer->wait_synced();
  auto map = informer->get("default/a");
  ASSERT_TRUE(map);
  EXPECT_TRUE(map->metadata.managed_fields.empty());
  EXPECT_EQ(map->data, (std::map<std::string, std::string>{{"k", "v"}}));
}

// Several informers of one process.
struct SharingTest : testing::Test {
  using Map = api::ConfigMap;
  struct Follower {
    explicit Follower(const Client& client, const ListOptions& options = {}) : informer(client, "", options) {
      informer.on_change([this](const std::string& key, const auto& before, const auto& after) {
        auto version = [](const auto& object) { return object ? object->metadata.resource_version : std::string("-"); };
        auto lines = log.lock();
        lines->push_back(key + " " + version(before) + ">" + version(after));
        logged.notify_all();
      });
    }
    std::vector<std::string> wait(size_t count) {
      auto lines = log.lock();
      logged.wait(lines.native(), [&] { return lines->size() >= count; });
      return *lines;
    }
    base::Guarded<std::vector<std::string>> log;
    std::condition_variable logged;
    Informer<Map> informer;
  };
  using Lines = std::vector<std::string>;

  SharingTest() { client.share(std::make_shared<Sharing>(Client(transport))); }

  std::shared_ptr<ScriptedTransport> transport = std::make_shared<ScriptedTransport>();
  // That of a component must not be asked.
  Client client{std::make_shared<ScriptedTransport>()};
};

TEST_F(SharingTest, OneWatchFeedsAllAndWhoComesLaterToo) {
  transport->answer(200, list_of(5, {config_map("a", "u1", 3)}));
  auto first_stream = transport->add_stream();
  Follower first(client), second(client);
  first.informer.start();
  EXPECT_EQ(first.wait(1), (Lines{"default/a ->3"}));
  first_stream->feed(event("ADDED", config_map("b", "u2", 6)));
  EXPECT_EQ(first.wait(2)[1], "default/b ->6");

  // One more list, of which the first learns nothing new.
  transport->answer(200, list_of(6, {config_map("a", "u1", 3), config_map("b", "u2", 6)}));
  auto second_stream = transport->add_stream();
  second.informer.start();
  second.informer.wait_synced();
  EXPECT_EQ(second.wait(2), (Lines{"default/a ->3", "default/b ->6"}));
  second_stream->feed(event("MODIFIED", config_map("a", "u1", 7)) + event("DELETED", config_map("b", "u2", 8)));
  EXPECT_EQ(first.wait(4), (Lines{"default/a ->3", "default/b ->6", "default/a 3>7", "default/b 8>-"}));
  EXPECT_EQ(second.wait(4)[3], "default/b 8>-");
  EXPECT_EQ(first.informer.get("default/a"), second.informer.get("default/a")) << "one object for both";

  // It goes on without the first; with the last it ends.
  first.informer.stop();
  second_stream->feed(event("MODIFIED", config_map("a", "u1", 9)));
  EXPECT_EQ(second.wait(5)[4], "default/a 7>9");
  EXPECT_EQ(first.wait(4).size(), 4u);
  second.informer.stop();
  EXPECT_EQ(transport->wait_requests(4).size(), 4u);
}

TEST_F(SharingTest, EachTrimsItsOwn) {
  transport->answer(200, R"({"metadata":{"resourceVersion":"1"},"items":[{"metadata":{"name":"a","namespace":"default"},)"
                         R"("data":{"k":"v","w":"x"}}]})");
  transport->add_stream();
  transport->answer(200, R"({"metadata":{"resourceVersion":"1"},"items":[{"metadata":{"name":"a","namespace":"default"},)"
                         R"("data":{"k":"v","w":"x"}}]})");
  transport->add_stream();
  Follower whole(client), without_k(client);
  without_k.informer.trim_with([](Map& map) { map.data.erase("k"); });
  without_k.informer.start();
  without_k.informer.wait_synced();
  whole.informer.start();
  whole.informer.wait_synced();
  using Data = std::map<std::string, std::string>;
  EXPECT_EQ(whole.informer.get("default/a")->data, (Data{{"k", "v"}, {"w", "x"}}));
  EXPECT_EQ(without_k.informer.get("default/a")->data, (Data{{"w", "x"}}));
}

TEST_F(SharingTest, OtherSelectorsAreOtherFeeds) {
  transport->answer(200, list_of(5, {config_map("a", "u1", 3)}));
  Follower all(client), some(client, {.label_selector = "x=y", .field_selector = "", .resource_version = ""});
  all.informer.start();
  all.informer.wait_synced();
  transport->answer(200, list_of(5, {}));
  some.informer.start();
  some.informer.wait_synced();
  EXPECT_TRUE(all.informer.get("default/a"));
  EXPECT_FALSE(some.informer.get("default/a"));
}

TEST_F(SharingTest, AfterTheLastItStartsAnew) {
  for (int turn = 0; turn < 2; ++turn) {
    transport->answer(200, list_of(5, {config_map("a", "u1", 3)}));
    Follower follower(client);
    follower.informer.start();
    EXPECT_EQ(follower.wait(1), (Lines{"default/a ->3"}));
  }
}

TEST(ObjectKey, JoinsAndSplits) {
  EXPECT_EQ(object_key("default", "web"), "default/web");
  EXPECT_EQ(object_key("", "node-1"), "node-1");
  EXPECT_EQ(split_key("default/web"), std::pair(std::string("default"), std::string("web")));
  EXPECT_EQ(split_key("node-1"), std::pair(std::string(), std::string("node-1")));
}

}  // namespace
}  // namespace client
