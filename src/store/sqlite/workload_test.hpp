// For tests of this folder only: a store on a FaultyDisk, and a workload that knows what was acknowledged.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <future>
#include <map>
#include <string>
#include <vector>

#include "store/sqlite/faulty_vfs.hpp"
#include "store/sqlite/journal.hpp"

namespace store {

inline std::unique_ptr<Store> open_on(FaultyDisk& disk, size_t window = 100, const Tuning& tuning = {}) {
  auto opened = open_sqlite_on("store.db", {.parse = {}, .window_events = window}, disk.name(), tuning);
  EXPECT_TRUE(opened) << opened.error().message;
  return opened ? std::move(*opened) : nullptr;
}

inline base::Result<Revision> write(Store& store, Work work) {
  std::promise<base::Result<Revision>> promise;
  store.submit(std::move(work), [&](base::Result<Revision> r) { promise.set_value(std::move(r)); });
  return promise.get_future().get();
}
inline base::Result<Revision> put(Store& store, const std::string& key, std::string value) {
  return write(store, [&](Txn& t) { return t.put(key, value, nullptr), base::Result<void>(); });
}
inline base::Result<Revision> erase(Store& store, const std::string& key) {
  return write(store, [&](Txn& t) { return t.erase(key, "", nullptr), base::Result<void>(); });
}

using Model = std::map<std::string, std::string>;
inline Model contents(const Store& store) {
  Model out;
  for (const auto& e : store.list("").entries) out[e->key] = e->value;
  return out;
}

// A small workload; the model holds what was acknowledged, `maybe` the states that an unacknowledged write may add.
struct Workload {
  Model acknowledged;
  std::vector<std::pair<std::string, std::string>> failed;  // key, value; "" is an erasure
  Revision revision = 0;
  std::function<bool()> dead = [] { return false; };  // from then on nobody hears answers

  void step(Store& store, int i) {
    std::string key = "key" + std::to_string(i % 7);
    bool erases = i % 5 == 4;
    std::string value = std::to_string(i) + std::string(static_cast<size_t>(i * 37 % 3000), 'x');
    auto r = erases ? erase(store, key) : put(store, key, value);
    if (!r || dead()) {
      failed.emplace_back(key, erases ? "" : value);
      return;
    }
    revision = std::max(revision, *r);
    std::erase_if(failed, [&](const auto& f) { return f.first == key; });
    if (erases)
      acknowledged.erase(key);
    else
      acknowledged[key] = value;
  }
  // Each key has its acknowledged value, or that of a write whose fate was not told.
  void check(const Model& found) const {
    Model keys = found;
    keys.insert(acknowledged.begin(), acknowledged.end());
    for (const auto& [key, ignored] : keys) {
      auto has = found.contains(key) ? found.at(key) : "";
      auto wanted = acknowledged.contains(key) ? acknowledged.at(key) : "";
      bool fine = has == wanted;
      for (const auto& [k, v] : failed) fine |= k == key && v == has;
      EXPECT_TRUE(fine) << key << " is '" << has.substr(0, 8) << "', not '" << wanted.substr(0, 8) << "'";
    }
  }
};

}  // namespace store
