// One suite for every kind of storage.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <future>
#include <thread>

#include "store/store.hpp"

namespace store {
namespace {

using base::Reason;
using testing::ElementsAre;

enum class Kind { memory, sqlite };

class Contract : public testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("store-test-" + std::to_string(::getpid()));
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    open({});
  }
  void TearDown() override {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }
  void open(Options options) {
    store_.reset();
    if (GetParam() == Kind::memory) {
      store_ = make_memory(std::move(options));
    } else {
      auto opened = open_sqlite((folder_ / "store.db").string(), std::move(options));
      ASSERT_TRUE(opened) << opened.error().message;
      store_ = std::move(*opened);
    }
  }
  base::Result<Revision> write(Work work) {
    std::promise<base::Result<Revision>> promise;
    store_->submit(std::move(work), [&](base::Result<Revision> r) { promise.set_value(std::move(r)); });
    return promise.get_future().get();
  }
  Revision put(const std::string& key, const std::string& value) {
    auto r = write([&](Txn& t) -> base::Result<void> {
      t.put(key, value, nullptr);
      return {};
    });
    EXPECT_TRUE(r);
    return r.value_or(0);
  }
  Revision erase(const std::string& key, const std::string& last = "gone") {
    auto r = write([&](Txn& t) -> base::Result<void> {
      t.erase(key, last, nullptr);
      return {};
    });
    EXPECT_TRUE(r);
    return r.value_or(0);
  }
  // Everything before has been delivered to watchers when this returns.
  void flush() {
    (void)write([](Txn&) -> base::Result<void> { return {}; });
  }

  std::filesystem::path folder_;
  sys::FakeClock clock_;
  std::unique_ptr<Store> store_;
};

std::vector<std::string> texts(const std::vector<EntryPtr>& entries) {
  std::vector<std::string> out;
  for (const auto& e : entries) out.push_back(e->key + "=" + e->value);
  return out;
}
std::string text(const Event& e) {
  return (e.erased ? "-" : "+") + e.current->key + "=" + e.current->value + "@" + std::to_string(e.revision()) +
         (e.previous ? "<" + e.previous->value : "");
}

TEST_P(Contract, revisions_count_from_one) {
  EXPECT_EQ(store_->revision(), 0);
  EXPECT_EQ(store_->get("a"), nullptr);
  EXPECT_EQ(put("a", "1"), 1);
  EXPECT_EQ(put("a", "2"), 2);
  auto a = store_->get("a");
  ASSERT_TRUE(a);
  EXPECT_EQ(a->value, "2");
  EXPECT_EQ(a->created, 1);
  EXPECT_EQ(a->modified, 2);
  EXPECT_EQ(store_->revision(), 2);
}

TEST_P(Contract, erased_keys_are_gone_and_come_back_as_new) {
  put("a", "1");
  EXPECT_EQ(erase("a"), 2);
  EXPECT_EQ(store_->get("a"), nullptr);
  EXPECT_EQ(put("a", "3"), 3);
  EXPECT_EQ(store_->get("a")->created, 3);
}

TEST_P(Contract, erasing_nothing_writes_nothing) {
  put("a", "1");
  EXPECT_EQ(erase("b"), 1);
  EXPECT_EQ(store_->revision(), 1);
}

TEST_P(Contract, a_failed_work_changes_nothing) {
  put("a", "1");
  auto r = write([](Txn& t) -> base::Result<void> {
    t.put("a", "2", nullptr);
    t.put("b", "2", nullptr);
    return base::fail(Reason::conflict, "no");
  });
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().reason, Reason::conflict);
  EXPECT_EQ(store_->get("a")->value, "1");
  EXPECT_EQ(store_->get("b"), nullptr);
  EXPECT_EQ(store_->revision(), 1);
  EXPECT_EQ(put("c", "1"), 2);
}

TEST_P(Contract, a_throwing_work_is_an_error) {
  auto r = write([](Txn& t) -> base::Result<void> {
    t.put("a", "1", nullptr);
    throw std::runtime_error("boom");
  });
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().reason, Reason::internal_error);
  EXPECT_EQ(store_->get("a"), nullptr);
}

TEST_P(Contract, works_of_one_group_see_one_another) {
  // The first work holds the writer, so that the others are taken as one group.
  std::promise<void> go;
  std::promise<void> held;
  store_->submit(
      [&](Txn&) -> base::Result<void> {
        held.set_value();
        go.get_future().wait();
        return {};
      },
      [](auto) {});
  held.get_future().wait();
  std::vector<base::Result<Revision>> results(5);
  std::vector<std::string> seen;
  auto done = [&](int i) { return [&, i](base::Result<Revision> r) { results[i] = std::move(r); }; };
  store_->submit([](Txn& t) { return t.put("a", "1", nullptr), base::Result<void>(); }, done(0));
  store_->submit(
      [](Txn& t) -> base::Result<void> {
        t.put("x", "1", nullptr);
        t.erase("a", "", nullptr);
        return base::fail(Reason::already_exists, "a");
      },
      done(1));
  store_->submit(
      [&](Txn& t) -> base::Result<void> {
        EXPECT_EQ(t.revision(), 2);
        t.scan("", [&](const EntryPtr& e) { return seen.push_back(e->key + "=" + e->value), true; });
        t.put("b", t.get("a")->value + "2", nullptr);
        return {};
      },
      done(2));
  store_->submit([](Txn& t) { return t.erase("a", "bye", nullptr), base::Result<void>(); }, done(3));
  store_->submit([](Txn&) { return base::Result<void>(); }, done(4));
  go.set_value();
  flush();
  EXPECT_EQ(results[0].value(), 1);
  EXPECT_EQ(results[1].error().reason, Reason::already_exists);
  EXPECT_EQ(results[2].value(), 2);
  EXPECT_EQ(results[3].value(), 3);
  EXPECT_EQ(results[4].value(), 3);
  EXPECT_THAT(seen, ElementsAre("a=1"));
  EXPECT_THAT(texts(store_->list("").entries), ElementsAre("b=12"));
}

TEST_P(Contract, scan_sees_state_and_own_writes_in_order) {
  put("a", "1");
  put("b", "1");
  put("d", "1");
  std::vector<std::string> seen;
  auto r = write([&](Txn& t) -> base::Result<void> {
    t.put("c", "2", nullptr);
    t.erase("b", "", nullptr);
    t.put("d", "2", nullptr);
    t.scan("", [&](const EntryPtr& e) {
      if (e->key == "c") t.put("cc", "3", nullptr);  // written while scanning, ahead of the cursor
      return seen.push_back(e->key + "=" + e->value), true;
    });
    t.scan("", [&](const EntryPtr&) { return seen.push_back("once"), false; });
    return {};
  });
  EXPECT_THAT(seen, ElementsAre("a=1", "c=2", "cc=3", "d=2", "once"));
}

TEST_P(Contract, list_is_by_prefix_and_in_order) {
  for (auto key : {"pods/b", "pods/a", "podt", "pod", "pods/"}) put(key, "v");
  auto listing = store_->list("pods/");
  EXPECT_EQ(listing.revision, 5);
  EXPECT_THAT(texts(listing.entries), ElementsAre("pods/=v", "pods/a=v", "pods/b=v"));
}

TEST_P(Contract, list_at_an_older_revision) {
  put("a", "1");
  put("b", "1");
  put("a", "2");
  erase("b");
  put("c", "1");
  put("b", "3");
  auto at = [&](Revision r) { return texts(store_->list_at("", r).value().entries); };
  EXPECT_THAT(at(0), ElementsAre());
  EXPECT_THAT(at(1), ElementsAre("a=1"));
  EXPECT_THAT(at(2), ElementsAre("a=1", "b=1"));
  EXPECT_THAT(at(3), ElementsAre("a=2", "b=1"));
  EXPECT_THAT(at(4), ElementsAre("a=2"));
  EXPECT_THAT(at(5), ElementsAre("a=2", "c=1"));
  EXPECT_THAT(at(6), ElementsAre("a=2", "b=3", "c=1"));
  EXPECT_EQ(store_->list_at("", 7).error().reason, Reason::timeout);
}

TEST_P(Contract, the_window_is_bounded_and_older_revisions_expire) {
  open({.window_events = 3});
  for (int i = 1; i <= 10; ++i) put("k", std::to_string(i));
  EXPECT_EQ(store_->compacted(), 7);
  EXPECT_EQ(store_->list_at("", 6).error().reason, Reason::expired);
  EXPECT_THAT(texts(store_->list_at("", 7).value().entries), ElementsAre("k=7"));
  EXPECT_EQ(store_->watch("", 6, [](auto) {}).error().reason, Reason::expired);
  EXPECT_TRUE(store_->watch("", 7, [](auto) {}));
  EXPECT_EQ(store_->watch("", 11, [](auto) {}).error().reason, Reason::timeout);
}

TEST_P(Contract, young_history_stays_though_it_is_much) {
  open({.window_events = 3, .window_age = std::chrono::minutes(5), .clock = &clock_});
  for (int i = 1; i <= 10; ++i) put("k", std::to_string(i));
  EXPECT_EQ(store_->compacted(), 0);
  EXPECT_THAT(texts(store_->list_at("", 1).value().entries), ElementsAre("k=1"));
  clock_.advance(std::chrono::minutes(4));
  for (int i = 11; i <= 20; ++i) put("k", std::to_string(i));
  EXPECT_EQ(store_->compacted(), 0);
  clock_.advance(std::chrono::minutes(1));
  put("k", "21");  // the first ten are old, and enough is there without them
  EXPECT_EQ(store_->compacted(), 10);
  clock_.advance(std::chrono::hours(1));
  put("k", "22");  // old, but not more than three
  EXPECT_EQ(store_->compacted(), 19);
  clock_.advance(std::chrono::hours(1));
  flush();
  flush();
  EXPECT_EQ(store_->compacted(), 19);
  put("k", "23");
  EXPECT_EQ(store_->compacted(), 20);
}

TEST_P(Contract, history_has_a_bound_in_bytes_that_grows_with_what_lives) {
  open({.window_events = 1000, .window_age = std::chrono::hours(1), .window_bytes = 100'000, .clock = &clock_});
  std::string value(10'000, 'v');
  for (int i = 1; i <= 30; ++i) put("k", value);
  EXPECT_GE(store_->compacted(), 30 - 10);
  EXPECT_LE(store_->compacted(), 30 - 8);
  for (int i = 1; i <= 40; ++i) put("live" + std::to_string(i), value);
  auto before = store_->compacted();
  for (int i = 1; i <= 10; ++i) put("live1", value);
  EXPECT_LE(store_->compacted(), before + 11);
  EXPECT_TRUE(store_->list_at("", store_->revision() - 30));
}

TEST_P(Contract, a_transaction_leaves_the_window_as_a_whole) {
  open({.window_events = 3});
  (void)write([](Txn& t) -> base::Result<void> {
    for (auto key : {"a", "b", "c"}) t.put(key, "1", nullptr);
    return {};
  });
  EXPECT_EQ(store_->compacted(), 0);
  put("d", "1");
  EXPECT_EQ(store_->compacted(), 1);
  EXPECT_THAT(texts(store_->list_at("", 1).value().entries), ElementsAre("a=1", "b=1", "c=1"));
}

TEST_P(Contract, history_comes_in_pieces_of_whole_transactions) {
  open({.window_events = 100});
  std::string big(1000, 'v');
  for (int i = 0; i < 10; ++i) {
    (void)write([&](Txn& t) -> base::Result<void> {
      t.put("p/a", big, nullptr);
      t.put("q/x", big, nullptr);
      t.put("p/b", big, nullptr);
      return {};
    });
  }
  Revision after = 2;
  std::vector<Revision> seen;
  int pieces = 0;
  for (bool complete = false; !complete; ++pieces) {
    auto piece = store_->history("p/", after, 1500);
    ASSERT_TRUE(piece);
    EXPECT_GT(piece->reached, after);
    EXPECT_LE(piece->events.size(), 4u);
    for (const auto& e : piece->events) seen.push_back(e.revision());
    after = piece->reached;
    complete = piece->complete;
  }
  EXPECT_EQ(after, 10);
  EXPECT_GT(pieces, 3);
  EXPECT_THAT(seen, ElementsAre(3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10));
  EXPECT_EQ(store_->history("p/", 11, 1).error().reason, Reason::timeout);
  open({.window_events = 2});
  for (int i = 0; i < 30; ++i) put("k", "v");
  EXPECT_EQ(store_->history("p/", 1, 1).error().reason, Reason::expired);
}

TEST_P(Contract, watch_replays_then_goes_on_live) {
  put("p/a", "1");
  put("q/a", "1");
  put("p/a", "2");
  std::vector<std::string> seen;
  std::vector<Revision> progress;
  auto watch = store_->watch(
      "p/", 1, [&](std::span<const Event> events) { for (auto& e : events) seen.push_back(text(e)); },
      [&](Revision r) { progress.push_back(r); });
  ASSERT_TRUE(watch);
  EXPECT_THAT(seen, ElementsAre("+p/a=2@3<1"));
  EXPECT_THAT(progress, ElementsAre(3));
  put("q/a", "3");
  erase("p/a", "last");
  put("p/a", "4");
  flush();
  EXPECT_THAT(seen, ElementsAre("+p/a=2@3<1", "-p/a=last@5<2", "+p/a=4@6"));
  EXPECT_THAT(progress, ElementsAre(3, 4, 5, 6));
  watch->reset();
  put("p/a", "5");
  flush();
  EXPECT_EQ(seen.size(), 3u);
}

TEST_P(Contract, one_transaction_gives_one_event_per_key) {
  put("a", "1");
  put("b", "1");
  std::vector<std::string> seen;
  auto watch = store_->watch("", 2, [&](std::span<const Event> events) { for (auto& e : events) seen.push_back(text(e)); });
  (void)write([](Txn& t) -> base::Result<void> {
    t.put("a", "2", nullptr);
    t.put("a", "3", nullptr);
    t.put("new", "1", nullptr);
    t.erase("new", "1", nullptr);
    t.put("b", "2", nullptr);
    t.erase("b", "3", nullptr);
    return {};
  });
  flush();
  EXPECT_THAT(seen, ElementsAre("+a=3@3<1", "-b=3@3<1"));
}

TEST_P(Contract, a_watch_may_end_itself) {
  int calls = 0;
  std::unique_ptr<Watch> watch;
  watch = store_->watch("", 0, [&](auto) { ++calls, watch.reset(); }).value();
  put("a", "1");
  put("a", "2");
  flush();
  EXPECT_EQ(calls, 1);
}

TEST_P(Contract, done_may_submit) {
  std::promise<Revision> second;
  store_->submit([](Txn& t) { return t.put("a", "1", nullptr), base::Result<void>(); },
                 [&](base::Result<Revision>) {
                   store_->submit([](Txn& t) { return t.put("a", "2", nullptr), base::Result<void>(); },
                                  [&](base::Result<Revision> r) { second.set_value(r.value()); });
                 });
  EXPECT_EQ(second.get_future().get(), 2);
}

TEST_P(Contract, parse_makes_what_the_writer_did_not) {
  open({.parse = [](std::string_view, std::string_view value) { return std::make_shared<std::string>(value); }});
  put("a", "text");
  auto entry = store_->get("a");
  EXPECT_EQ(*std::static_pointer_cast<const std::string>(entry->parsed), "text");
  (void)write([](Txn& t) { return t.put("b", "x", std::make_shared<std::string>("own")), base::Result<void>(); });
  entry = store_->get("b");
  EXPECT_EQ(*std::static_pointer_cast<const std::string>(entry->parsed), "own");
}

TEST_P(Contract, close_refuses_later_writes) {
  put("a", "1");
  store_->close();
  auto r = write([](Txn& t) { return t.put("a", "2", nullptr), base::Result<void>(); });
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().reason, Reason::service_unavailable);
  EXPECT_EQ(store_->get("a")->value, "1");
}

TEST_P(Contract, bytes_and_keys_may_be_anything) {
  std::string key("k\0\xff\n", 4), value("\0\0v", 3);
  put(key, value);
  put("", "");
  EXPECT_EQ(store_->get(key)->value, value);
  EXPECT_EQ(store_->get("")->value, "");
}

// Readers, writers and watchers at once: every watcher sees every revision of its prefix once, in order.
TEST_P(Contract, concurrent_readers_writers_and_watchers) {
  constexpr int kWriters = 4, kWrites = 200;
  open({.window_events = 100'000});
  std::atomic<bool> stop{false};
  std::atomic<int> answered{0};
  std::vector<std::jthread> threads;
  for (int w = 0; w < kWriters; ++w)
    threads.emplace_back([&, w] {
      for (int i = 0; i < kWrites; ++i)
        store_->submit(
            [w, i](Txn& t) -> base::Result<void> {
              auto old = t.get("count");
              int n = old ? std::stoi(old->value) : 0;
              t.put("count", std::to_string(n + 1), nullptr);
              t.put("w/" + std::to_string(w), std::to_string(i), nullptr);
              return {};
            },
            [&](base::Result<Revision> r) { answered += r.has_value(); });
    });
  for (int r = 0; r < 2; ++r)
    threads.emplace_back([&] {
      while (!stop) {
        auto listing = store_->list("");
        for (const auto& entry : listing.entries) {
          ASSERT_LE(entry->modified, listing.revision);
          // Each transaction adds one to the count: state and revision belong together.
          if (entry->key == "count") {
            ASSERT_EQ(std::stoll(entry->value), listing.revision);
          }
        }
        auto older = store_->list_at("count", listing.revision / 2);
        ASSERT_TRUE(older);
        if (!older->entries.empty()) {
          ASSERT_EQ(std::stoll(older->entries[0]->value), older->revision);
        }
      }
    });
  for (int r = 0; r < 2; ++r)
    threads.emplace_back([&] {
      while (!stop) {
        Revision start = store_->revision();
        Revision last = start;
        auto watch = store_->watch("count", start, [&](std::span<const Event> events) {
          for (const auto& e : events) EXPECT_EQ(e.revision(), ++last);
        });
        ASSERT_TRUE(watch);
        for (int i = 0; i < 50; ++i) std::this_thread::yield();
      }
    });
  for (int w = 0; w < kWriters; ++w) threads[w].join();
  flush();
  stop = true;
  threads.clear();
  EXPECT_EQ(answered, kWriters * kWrites);
  EXPECT_EQ(store_->revision(), kWriters * kWrites);
}

INSTANTIATE_TEST_SUITE_P(store, Contract, testing::Values(Kind::memory, Kind::sqlite),
                         [](const auto& info) { return info.param == Kind::memory ? "memory" : "sqlite"; });

}  // namespace
}  // namespace store
