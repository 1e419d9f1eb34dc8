#include "server/ahead.hpp"

#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "api/meta.hpp"
#include "base/json.hpp"
#include "server/testing.hpp"
#include "server/workers.hpp"

namespace server {
namespace {

using testing::Reply;
using testing::ServerTest;

class AheadTest : public ::testing::Test {
 protected:
  void TearDown() override { store_->close(); }
  base::Result<store::Revision> run(store::Work work) {
    std::promise<base::Result<store::Revision>> done;
    store_->submit(std::move(work), [&](base::Result<store::Revision> result) { done.set_value(std::move(result)); });
    return done.get_future().get();
  }
  void put(std::string key, std::string value) {
    ASSERT_TRUE(run([&](store::Txn& txn) -> base::Result<void> {
      txn.put(key, value, nullptr);
      return {};
    }));
  }
  bool stands(const AheadTxn& ahead) {
    bool result = false;
    (void)run([&](store::Txn& txn) -> base::Result<void> {
      result = ahead.stands(txn);
      return {};
    });
    return result;
  }
  static size_t count(const AheadTxn& ahead, std::string_view prefix, size_t most = 1000) {
    size_t n = 0;
    ahead.scan(prefix, [&](const store::EntryPtr&) { return ++n < most; });
    return n;
  }

  std::unique_ptr<store::Store> store_ = store::make_memory({});
};

TEST_F(AheadTest, StandsUntilWhatItReadChanges) {
  put("a/1", "x");
  AheadTxn read(*store_), absent(*store_), other(*store_);
  EXPECT_EQ(read.get("a/1")->value, "x");
  EXPECT_EQ(absent.get("a/2"), nullptr);
  EXPECT_EQ(other.get("b/1"), nullptr);
  EXPECT_TRUE(stands(read) && stands(absent) && stands(other));
  put("a/2", "y");
  EXPECT_TRUE(stands(read));
  EXPECT_FALSE(stands(absent));
  put("a/1", "x");  // the same bytes, another version
  EXPECT_FALSE(stands(read));
  EXPECT_TRUE(stands(other));
}

TEST_F(AheadTest, ScansStandUntilWhatTheySawChanges) {
  put("a/1", "x");
  put("a/2", "x");
  AheadTxn whole(*store_), first(*store_);
  EXPECT_EQ(count(whole, "a/"), 2u);
  EXPECT_EQ(count(first, "a/", 1), 1u);
  EXPECT_TRUE(stands(whole) && stands(first));
  put("b/1", "x");
  EXPECT_TRUE(stands(whole) && stands(first));
  put("a/3", "x");
  EXPECT_FALSE(stands(whole));
  EXPECT_TRUE(stands(first));  // it stopped before
  put("a/0", "x");
  EXPECT_FALSE(stands(first));
}

TEST_F(AheadTest, WritesGetTheirRevisionAtTheEnd) {
  put("a/1", "x");
  AheadTxn ahead(*store_);
  std::string bytes = "{\"metadata\":{\"resourceVersion\":\"" + std::to_string(ahead.revision()) + "\"}}";
  ahead.put("a/1", bytes, nullptr);
  ahead.erase("a/1x", bytes, nullptr);
  EXPECT_FALSE(ahead.gave_up());
  store::EntryPtr entry;
  auto revision = run([&](store::Txn& txn) -> base::Result<void> {
    EXPECT_TRUE(ahead.stands(txn));
    entry = ahead.replay(txn, bytes);
    return {};
  });
  ASSERT_TRUE(revision);
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry, store_->get("a/1"));
  EXPECT_EQ(entry->value, "{\"metadata\":{\"resourceVersion\":\"" + std::to_string(*revision) + "\"}}");
}

TEST_F(AheadTest, GivesUpWhenItReadsItsOwnWrites) {
  AheadTxn twice(*store_), reads(*store_), scans(*store_);
  twice.put("a", "1", nullptr);
  twice.put("a", "2", nullptr);
  reads.put("a", "1", nullptr);
  (void)reads.get("a");
  scans.put("a", "1", nullptr);
  (void)count(scans, "b");
  EXPECT_TRUE(twice.gave_up());
  EXPECT_TRUE(reads.gave_up());
  EXPECT_TRUE(scans.gave_up());
}

TEST(Workers, DoAllThatWasPostedAlsoAtTheEnd) {
  std::atomic<int> done{0};
  {
    Workers workers(2);
    for (int i = 0; i < 100; ++i) {
      workers.post([&] {
        ++done;
        workers.post([&] { ++done; });
      });
    }
    workers.close();
    workers.post([&] { ++done; });
  }
  EXPECT_EQ(done, 201);
}

TEST(Workers, LongJobsNeverHaveAllThreads) {
  Workers workers(2);
  std::promise<void> go;
  auto gone = go.get_future().share();
  std::atomic<int> long_done{0};
  for (int i = 0; i < 3; ++i) {
    workers.post([&] {
      gone.wait();
      ++long_done;
    }, Workers::Length::long_);
  }
  for (int i = 0; i < 3; ++i) {
    std::promise<void> usual;
    workers.post([&] { usual.set_value(); });
    usual.get_future().wait();  // else this test never ends
  }
  EXPECT_EQ(long_done, 0);
  go.set_value();
  workers.close();
  EXPECT_EQ(long_done, 3);
}

// Large enough to be decided ahead always.
class AheadServer : public ServerTest {
 protected:
  static std::string large_map(std::string_view name, std::string_view data = R"("n":"0")") {
    return "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"" + std::string(name) +
           "\"},\"data\":{\"filler\":\"" + std::string(40'000, 'x') + "\"," + std::string(data) + "}}";
  }
};

TEST_F(AheadServer, LargeObjectsAreWrittenAsSmallOnes) {
  auto made = call("POST", config_maps_, large_map("big"));
  ASSERT_EQ(made.status, 201) << made.text.substr(0, 300);
  auto version = std::string(api::resource_version_of(made.json));
  EXPECT_LT(version.size(), 5u);
  auto read = call("GET", config_maps_ + "/big");
  EXPECT_EQ(read.text, made.text);
  EXPECT_EQ(call("POST", config_maps_, large_map("big")).reason(), "AlreadyExists");

  auto patched = patch(config_maps_ + "/big", "merge-patch+json", R"({"data":{"n":"1"}})");
  ASSERT_EQ(patched.status, 200);
  EXPECT_EQ(patched.json.at({"data", "n"}).as_string(), "1");
  EXPECT_NE(api::resource_version_of(patched.json), version);
  EXPECT_EQ(call("GET", config_maps_ + "/big").text, patched.text);
  // Nothing changes: no new version, and nothing is told to watches.
  auto same = patch(config_maps_ + "/big", "merge-patch+json", R"({"data":{"n":"1"}})");
  EXPECT_EQ(same.text, patched.text);
  EXPECT_EQ(call("PUT", config_maps_ + "/big", made.text).reason(), "Conflict");
  EXPECT_EQ(call("GET", config_maps_ + "/big").text, patched.text);

  auto dry = patch(config_maps_ + "/big?dryRun=All", "merge-patch+json", R"({"data":{"n":"2"}})");
  EXPECT_EQ(dry.json.at({"data", "n"}).as_string(), "2");
  EXPECT_EQ(call("GET", config_maps_ + "/big").text, patched.text);
  auto gone = call("DELETE", config_maps_ + "/big");
  EXPECT_EQ(gone.status, 200);
  EXPECT_EQ(call("GET", config_maps_ + "/big").status, 404);
}

TEST_F(AheadServer, WritesOfManyToOneObjectAreAllKept) {
  ASSERT_EQ(call("POST", config_maps_, large_map("big")).status, 201);
  constexpr int kThreads = 4, kEach = 25;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        auto key = std::to_string(t) + "-" + std::to_string(i);
        auto reply = patch(config_maps_ + "/big", "merge-patch+json", R"({"data":{")" + key + R"(":"1"}})");
        EXPECT_EQ(reply.status, 200);
        EXPECT_EQ(reply.json.at({"data"})[key].as_string(), "1");
      }
    });
  }
  for (auto& thread : threads) thread.join();
  auto read = call("GET", config_maps_ + "/big");
  EXPECT_EQ(read.json["data"].as_object().size(), 2u + kThreads * kEach);
}

// Read, change, write with the version read: of those that read the same, one wins.
TEST_F(AheadServer, VersionsDecideBetweenWriters) {
  ASSERT_EQ(call("POST", config_maps_, large_map("big")).status, 201);
  constexpr int kThreads = 4, kEach = 20;
  std::atomic<int> conflicts{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int done = 0; done < kEach;) {
        auto object = call("GET", config_maps_ + "/big").json;
        int n = std::stoi(std::string(object.at({"data", "n"}).as_string()));
        object.make({"data", "n"}) = std::to_string(n + 1);
        auto reply = call("PUT", config_maps_ + "/big", base::write_json(object));
        if (reply.status == 200) ++done;
        else if (reply.reason() == "Conflict") ++conflicts;
        else FAIL() << reply.text.substr(0, 300);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(call("GET", config_maps_ + "/big").json.at({"data", "n"}).as_string(), std::to_string(kThreads * kEach));
}

TEST_F(AheadServer, AScaleNamesTheVersionThatItMade) {
  std::string labels = R"({"app":"a"})";
  auto made = call("POST", "/apis/apps/v1/namespaces/default/deployments",
                   R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d","annotations":{"filler":")" +
                       std::string(40'000, 'x') + R"("}},"spec":{"selector":{"matchLabels":)" + labels +
                       R"(},"template":{"metadata":{"labels":)" + labels +
                       R"(},"spec":{"containers":[{"name":"m","image":"i"}]}}}})");
  ASSERT_EQ(made.status, 201) << made.text.substr(0, 500);
  auto scaled = patch("/apis/apps/v1/namespaces/default/deployments/d/scale", "merge-patch+json",
                      R"({"spec":{"replicas":3}})");
  ASSERT_EQ(scaled.status, 200) << scaled.text;
  auto read = call("GET", "/apis/apps/v1/namespaces/default/deployments/d");
  EXPECT_EQ(api::resource_version_of(scaled.json), api::resource_version_of(read.json));
  EXPECT_EQ(read.json.at({"spec", "replicas"}).int_or(0), 3);
}

}  // namespace
}  // namespace server
