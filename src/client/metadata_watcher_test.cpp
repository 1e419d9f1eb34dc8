#include "client/metadata_watcher.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <set>

#include "base/json.hpp"

namespace client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::chrono::seconds kPatienceOfTests{20};

TEST(ParseDiscovery, ReadsKindsInOrderOfPreference) {
  auto document = base::parse_json(R"({"kind":"APIGroupDiscoveryList","items":[{"metadata":{"name":"x.io"},"versions":[
    {"version":"v2","freshness":"Current","resources":[{"resource":"toys","responseKind":{"kind":"Toy"},"scope":"Cluster","verbs":["get","list"]}]},
    {"version":"v1","freshness":"Stale","resources":[{"resource":"toys","responseKind":{"kind":"Toy"},"scope":"Namespaced","verbs":[]}]}]}]})");
  ASSERT_TRUE(document);
  auto found = parse_discovery({*document});
  ASSERT_EQ(found.kinds.size(), 2u);
  EXPECT_TRUE(found.kinds[0].preferred);
  EXPECT_FALSE(found.kinds[0].namespaced);
  EXPECT_FALSE(found.kinds[1].preferred);
  EXPECT_THAT(found.failures, ElementsAre("x.io/v1"));
  ASSERT_TRUE(found.find_kind("x.io/v1", "Toy"));
  EXPECT_EQ(found.find_kind("x.io/v1", "Toy")->version, "v1");
  EXPECT_FALSE(found.find_kind("v1", "Toy"));
}

// A server with a few kinds whose objects the test changes.
class FakeServer {
 public:
  net::Handler handler() {
    return [this](net::Request request, std::shared_ptr<net::Responder> responder) { serve(request, *responder); };
  }
  void add_kind(const std::string& plural, const std::string& kind) {
    std::lock_guard lock(mutex_);
    kinds_[plural] = kind;
  }
  void remove_kind(const std::string& plural) {
    std::lock_guard lock(mutex_);
    kinds_.erase(plural);
  }
  void put(const std::string& plural, const std::string& name) {
    std::lock_guard lock(mutex_);
    objects_[plural].insert(name);
    tell(plural, "ADDED", name);
  }
  void end_watches(const std::string& plural) {
    std::lock_guard lock(mutex_);
    for (auto& stream : watches_[plural]) stream->finish();
    watches_[plural].clear();
  }
  void expire(const std::string& plural) {
    std::lock_guard lock(mutex_);
    for (auto& stream : watches_[plural]) {
      stream->write(net::make_chunk(R"({"type":"ERROR","object":{"kind":"Status","status":"Failure","reason":"Expired","code":410}})" "\n"));
      stream->finish();
    }
    watches_[plural].clear();
  }
  int lists(const std::string& plural) {
    std::lock_guard lock(mutex_);
    return lists_[plural];
  }
  std::string last_accept() {
    std::lock_guard lock(mutex_);
    return accept_;
  }

 private:
  static std::string object(const std::string& name, int64_t revision) {
    return R"({"metadata":{"name":")" + name + R"(","resourceVersion":")" + std::to_string(revision) + R"("}})";
  }
  void tell(const std::string& plural, const std::string& type, const std::string& name) {
    std::string line = R"({"type":")" + type + R"(","object":)" + object(name, ++revision_) + "}\n";
    history_[plural].emplace_back(revision_, line);
    for (auto& stream : watches_[plural]) {
      // In two pieces: lines need not come whole.
      stream->write(net::make_chunk(line.substr(0, 9)));
      stream->write(net::make_chunk(line.substr(9)));
    }
  }
  void send(net::Responder& responder, int status, std::string body) {
    responder.send({status, {{"Content-Type", "application/json"}}, {net::make_chunk(std::move(body))}});
  }
  void serve(const net::Request& request, net::Responder& responder) {
    std::lock_guard lock(mutex_);
    accept_ = request.headers.get("Accept");
    if (request.path == "/apis") return send(responder, 200, R"({"kind":"APIGroupDiscoveryList","items":[]})");
    if (request.path == "/api") {
      std::string resources;
      for (const auto& [plural, kind] : kinds_) {
        if (!resources.empty()) resources += ",";
        resources += R"({"resource":")" + plural + R"(","responseKind":{"kind":")" + kind +
                     R"("},"scope":"Namespaced","verbs":["list","watch","delete"]})";
      }
      return send(responder, 200, R"({"kind":"APIGroupDiscoveryList","items":[{"metadata":{},"versions":[{"version":"v1","resources":[)" +
                                      resources + "]}]}]}");
    }
    std::string plural = request.path.substr(request.path.rfind('/') + 1);
    if (!kinds_.contains(plural)) return send(responder, 404, R"({"kind":"Status","reason":"NotFound","code":404})");
    if (request.query.has("watch")) {
      auto stream = responder.stream(200, {});
      auto after = std::stoll(std::string(request.query.get("resourceVersion")));
      for (const auto& [revision, line] : history_[plural]) {
        if (revision > after) stream->write(net::make_chunk(line));
      }
      watches_[plural].push_back(std::move(stream));
      return;
    }
    ++lists_[plural];
    // Pages of one object.
    auto& all = objects_[plural];
    auto at = all.upper_bound(std::string(request.query.get("continue")));
    std::string items = at == all.end() ? "" : object(*at, revision_);
    std::string token = at == all.end() || std::next(at) == all.end() ? "" : *at;
    send(responder, 200, R"({"metadata":{"resourceVersion":")" + std::to_string(revision_) + R"(","continue":")" + token +
                             R"("},"items":[)" + items + "]}");
  }

  std::mutex mutex_;
  std::map<std::string, std::string> kinds_;
  std::map<std::string, std::set<std::string>> objects_;
  std::map<std::string, std::vector<std::shared_ptr<net::BodyStream>>> watches_;
  std::map<std::string, int> lists_;
  std::map<std::string, std::vector<std::pair<int64_t, std::string>>> history_;
  std::string accept_;
  int64_t revision_ = 7;
};

class MetadataWatcherTest : public ::testing::Test {
 protected:
  void SetUp() override {
    server_.add_kind("pods", "Pod");
    server_.add_kind("toys", "Toy");
    server_.add_kind("events", "Event");
    server_.put("pods", "a");
    server_.put("pods", "b");
    MetadataWatcher::Callbacks callbacks{
        .listed = [this](const ResourceKind& kind, const base::Array& objects, bool first, bool last) {
          if (first) note("list " + kind.plural);
          for (const auto& object : objects) note("has " + std::string(object.at({"metadata", "name"}).as_string()));
          if (last) note("end " + kind.plural);
        },
        .event = [this](const ResourceKind& kind, const std::string& type, const base::Value& object) {
          note(type + " " + kind.plural + " " + std::string(object.at({"metadata", "name"}).as_string()));
        },
        .dropped = [this](const ResourceKind& kind) { note("dropped " + kind.plural); }};
    Client client(make_in_process_transport(server_.handler(), "test", {}));
    watcher_ = std::make_unique<MetadataWatcher>(client, clock_, [](const ResourceKind& kind) { return kind.kind != "Event"; },
                                                 std::move(callbacks));
    watcher_->start();
  }
  void note(std::string what) {
    std::lock_guard lock(mutex_);
    notes_.push_back(std::move(what));
    changed_.notify_all();
  }
  // Waits until it was said, from the `from`th note on.
  void wait(const std::string& what, size_t from = 0) {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, kPatienceOfTests, [&] {
      return std::find(notes_.begin() + static_cast<std::ptrdiff_t>(std::min(from, notes_.size())), notes_.end(), what) != notes_.end();
    })) << what;
  }
  size_t count() {
    std::lock_guard lock(mutex_);
    return notes_.size();
  }
  std::vector<std::string> notes() {
    std::lock_guard lock(mutex_);
    return notes_;
  }

  FakeServer server_;
  sys::SystemClock clock_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> notes_;
  std::unique_ptr<MetadataWatcher> watcher_;
};

TEST_F(MetadataWatcherTest, ListsInPagesThenFollows) {
  wait("end toys");
  auto first = notes();
  EXPECT_THAT(first, ElementsAre("list pods", "has a", "has b", "end pods", "list toys", "end toys"));
  EXPECT_EQ(server_.lists("events"), 0);
  server_.put("toys", "t");
  wait("ADDED toys t");
  server_.put("pods", "c");
  wait("ADDED pods c");
  EXPECT_TRUE(watcher_->synced());
  EXPECT_THAT(server_.last_accept(), HasSubstr("as=PartialObjectMetadata;"));
  ASSERT_TRUE(watcher_->discovery()->find_kind("v1", "Event"));
}

TEST_F(MetadataWatcherTest, AWatchThatEndsGoesOnWhereItWas) {
  wait("end toys");
  server_.put("pods", "c");
  wait("ADDED pods c");
  server_.end_watches("pods");
  server_.put("pods", "d");
  wait("ADDED pods d");
  auto all = notes();
  EXPECT_EQ(std::count(all.begin(), all.end(), "ADDED pods c"), 1);
  EXPECT_EQ(server_.lists("pods"), 2) << "two pages at the start, and none since";
}

TEST_F(MetadataWatcherTest, ATooOldWatchListsAgain) {
  wait("end toys");
  size_t before = count();
  server_.expire("pods");
  wait("list pods", before);
  wait("end pods", before);
}

TEST_F(MetadataWatcherTest, KindsComeAndGo) {
  wait("end toys");
  server_.add_kind("cars", "Car");
  server_.put("cars", "mini");
  watcher_->refresh();
  wait("has mini");
  server_.remove_kind("cars");
  server_.end_watches("cars");
  watcher_->refresh();
  wait("dropped cars");
}

}  // namespace
}  // namespace client
