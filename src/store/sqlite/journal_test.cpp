// What is particular to the file: restarts, locks, formats, its size.
#include "store/sqlite/journal.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <future>

namespace store {
namespace {

using base::Reason;
using testing::HasSubstr;

class SqliteFile : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("store-file-test-" + std::to_string(::getpid()));
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }
  std::string path() const { return (folder_ / "store.db").string(); }
  void reopen(size_t window = 10'000) {
    store_.reset();
    auto opened = open_sqlite(path(), {.parse = {}, .window_events = window});
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = std::move(*opened);
  }
  Revision write(const std::function<void(Txn&)>& what) {
    std::promise<base::Result<Revision>> promise;
    store_->submit([&](Txn& t) { return what(t), base::Result<void>(); },
                   [&](base::Result<Revision> r) { promise.set_value(std::move(r)); });
    return promise.get_future().get().value();
  }
  Revision put(const std::string& key, const std::string& value) {
    return write([&](Txn& t) { t.put(key, value, nullptr); });
  }
  // Without waiting: many of them share a commit. Whoever waits for a later write has waited for these.
  void submit(const std::function<void(Txn&)>& what) {
    store_->submit([what](Txn& t) { return what(t), base::Result<void>(); },
                   [](const base::Result<Revision>& r) { EXPECT_TRUE(r) << r.error().message; });
  }
  Revision erase(const std::string& key) {
    return write([&](Txn& t) { t.erase(key, "last", nullptr); });
  }
  void sql(const char* text) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(path().c_str(), &db), SQLITE_OK);
    char* error = nullptr;
    EXPECT_EQ(sqlite3_exec(db, text, nullptr, nullptr, &error), SQLITE_OK) << error;
    sqlite3_close(db);
  }

  std::filesystem::path folder_;
  std::unique_ptr<Store> store_;
};

TEST_F(SqliteFile, everything_is_there_after_a_restart) {
  reopen();
  put("a", "1");
  put("a", "2");
  put("b", "1");
  erase("b");
  reopen();
  EXPECT_EQ(store_->revision(), 4);
  EXPECT_EQ(store_->get("a")->value, "2");
  EXPECT_EQ(store_->get("a")->created, 1);
  EXPECT_EQ(store_->get("a")->modified, 2);
  EXPECT_EQ(store_->get("b"), nullptr);
}

TEST_F(SqliteFile, watches_and_lists_reach_back_over_a_restart) {
  reopen();
  put("a", "1");
  put("a", "2");
  erase("a");
  put("b", "1");
  reopen();
  std::vector<std::string> seen;
  auto watch = store_->watch("", 1, [&](std::span<const Event> events) {
    for (const auto& e : events)
      seen.push_back((e.erased ? "-" : "+") + e.current->key + e.current->value + (e.previous ? e.previous->value : ""));
  });
  ASSERT_TRUE(watch);
  EXPECT_THAT(seen, testing::ElementsAre("+a21", "-alast2", "+b1"));
  EXPECT_EQ(store_->list_at("a", 2).value().entries.at(0)->value, "2");
}

TEST_F(SqliteFile, revisions_never_go_back_though_the_last_writes_were_erasures) {
  reopen(2);
  Revision last = 0;
  for (int i = 0; i < 700; ++i) submit([i](Txn& t) { t.put("k" + std::to_string(i), "v", nullptr); });
  for (int i = 0; i < 699; ++i) submit([i](Txn& t) { t.erase("k" + std::to_string(i), "", nullptr); });
  last = erase("k699");
  for (int i = 0; i < 3; ++i) {
    reopen(2);
    EXPECT_EQ(store_->revision(), last);
    EXPECT_TRUE(store_->list("").entries.empty());
  }
  EXPECT_EQ(put("new", "v"), last + 1);
  reopen(2);
  EXPECT_EQ(store_->get("new")->modified, last + 1);
}

TEST_F(SqliteFile, history_is_forgotten_and_the_file_does_not_grow) {
  reopen(10);
  auto size = [&] { return std::filesystem::file_size(path()) + std::filesystem::file_size(path() + "-wal"); };
  std::string value(2000, 'v');
  auto churn = [&](int writes) {  // some at once, some one by one
    for (int i = 0; i < writes; ++i) {
      auto key = "key" + std::to_string(i % 20);
      if (i % 20 == 0) put(key, value);
      else submit([key, value](Txn& t) { t.put(key, value, nullptr); });
    }
    put("end", value);
  };
  churn(3000);
  auto first = size();
  churn(6000);
  // The WAL alone may hold up to 1,000 pages more than it did; what was written since is 12 MB.
  EXPECT_LT(size(), first + (5u << 20));
  EXPECT_LT(size(), 12u << 20);
  store_->close();
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(path().c_str(), &db), SQLITE_OK);
  sqlite3_stmt* rows = nullptr;
  sqlite3_prepare_v2(db, "SELECT count(*) FROM log", -1, &rows, nullptr);
  sqlite3_step(rows);
  EXPECT_LT(sqlite3_column_int(rows, 0), 20 + 10 + 2 * 500);
  sqlite3_finalize(rows);
  sqlite3_close(db);
}

TEST_F(SqliteFile, a_second_opener_is_refused) {
  reopen();
  auto second = open_sqlite(path(), {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().reason, Reason::conflict);
  EXPECT_THAT(second.error().message, HasSubstr(path()));
  put("a", "1");  // the first one is not disturbed
  store_.reset();
  reopen();
  EXPECT_EQ(store_->get("a")->value, "1");
}

TEST_F(SqliteFile, an_unknown_format_is_refused_and_left_alone) {
  reopen();
  store_.reset();
  sql("UPDATE meta SET value = 99 WHERE name = 'schema_version'");
  auto opened = open_sqlite(path(), {});
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, HasSubstr("store format 99"));
  EXPECT_THAT(opened.error().message, HasSubstr(path()));
  EXPECT_THAT(opened.error().message, HasSubstr("use the release that wrote it"));
  sql("UPDATE meta SET value = 2 WHERE name = 'schema_version'");
  reopen();
}

TEST_F(SqliteFile, format_1_without_sums_is_brought_up_to_date) {
  reopen();
  put("a", "1");
  store_.reset();
  sql("ALTER TABLE log DROP COLUMN sum; UPDATE meta SET value = 1 WHERE name = 'schema_version'");
  reopen();
  EXPECT_EQ(store_->get("a")->value, "1");
  put("b", "2");
  reopen();
  EXPECT_EQ(store_->get("b")->value, "2");
}

TEST_F(SqliteFile, rows_that_are_not_what_was_written_are_refused) {
  for (const char* damage : {"UPDATE log SET value = '9' WHERE key = 'a'", "UPDATE log SET revision = 7 WHERE key = 'b'",
                             "DELETE FROM log WHERE key = 'a'", "DELETE FROM current WHERE key = 'b'",
                             "UPDATE current SET id = 1 WHERE key = 'b'", "UPDATE current SET key = 'x' WHERE key = 'b'"}) {
    SCOPED_TRACE(damage);
    std::filesystem::remove(path());
    reopen();
    put("a", "1");
    put("b", "2");
    put("c", "3");
    store_.reset();
    sql(damage);
    auto opened = open_sqlite(path(), {});
    ASSERT_FALSE(opened);
    EXPECT_THAT(opened.error().message, HasSubstr(path() + " is damaged"));
    EXPECT_THAT(opened.error().message, HasSubstr("backup"));
  }
}

// In the file, not only of free pages in it.
TEST_F(SqliteFile, the_file_shrinks_when_objects_and_history_are_gone) {
  reopen(10);
  std::string value(4000, 'v');
  for (int i = 0; i < 3000; ++i) submit([&, i](Txn& t) { t.put("k" + std::to_string(i), value, nullptr); });
  put("end", "");
  store_.reset();
  auto full = std::filesystem::file_size(path());
  EXPECT_GT(full, 12'000'000u);
  reopen(10);
  for (int i = 0; i < 3000; ++i) submit([i](Txn& t) { t.erase("k" + std::to_string(i), "", nullptr); });
  // Housekeeping is done between writes: a few of them give it the time.
  for (int i = 0; i < 5000 && std::filesystem::file_size(path()) >= full / 4; ++i) put("end", "now");
  EXPECT_LT(std::filesystem::file_size(path()), full / 4);
  reopen(10);
  EXPECT_EQ(store_->list("").entries.size(), 1u);
}

TEST_F(SqliteFile, a_foreign_database_is_refused) {
  sql("CREATE TABLE other(x)");
  auto opened = open_sqlite(path(), {});
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, HasSubstr("did not make"));
}

TEST_F(SqliteFile, garbage_is_refused) {
  std::ofstream(path()) << std::string(8192, 'z');
  auto opened = open_sqlite(path(), {});
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, HasSubstr(path()));
  EXPECT_THAT(opened.error().message, HasSubstr("backup"));
}

TEST_F(SqliteFile, a_missing_folder_is_said) {
  auto opened = open_sqlite((folder_ / "none" / "store.db").string(), {});
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, HasSubstr("folder exists"));
}

TEST_F(SqliteFile, parse_runs_once_per_version_at_load) {
  reopen();
  put("a", "1");
  put("a", "2");
  store_.reset();
  int calls = 0;
  auto opened = open_sqlite(path(), {.parse =
                                         [&](std::string_view, std::string_view value) {
                                           ++calls;
                                           return std::make_shared<std::string>(value);
                                         },
                                     .window_events = 100});
  store_ = std::move(*opened);
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(*std::static_pointer_cast<const std::string>(store_->get("a")->parsed), "2");
}

}  // namespace
}  // namespace store
