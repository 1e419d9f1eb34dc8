// Any run of writes, restarts and watches gives what a map and a list of maps give.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <future>
#include <map>

#include "store/sqlite/faulty_vfs.hpp"
#include "store/sqlite/journal.hpp"
#include "store/store.hpp"

namespace store {
namespace {

struct Write {
  bool erases, fails;
  std::string key, value;
};
using Transaction = std::vector<Write>;
using Model = std::map<std::string, std::string>;

rc::Gen<Transaction> transactions() {
  return rc::gen::container<Transaction>(rc::gen::apply(
      [](int kind, int key, int value) {
        return Write{kind < 4, kind == 11, std::string(1, static_cast<char>('a' + key / 3)) + "/" + std::to_string(key),
                     std::to_string(value)};
      },
      rc::gen::inRange(0, 40), rc::gen::inRange(0, 9), rc::gen::inRange(0, 1000)));
}

Model contents(const Listing& listing) {
  Model out;
  std::string last;
  for (const auto& e : listing.entries) {
    RC_ASSERT(out.empty() || last < e->key);
    out[last = e->key] = e->value;
  }
  return out;
}
Model with_prefix(const Model& model, const std::string& prefix) {
  Model out;
  for (const auto& [k, v] : model)
    if (k.starts_with(prefix)) out[k] = v;
  return out;
}

// What a watcher knows from events alone.
struct Follower {
  Model model;
  Revision last = 0;
  bool in_order = true;
  void take(std::span<const Event> events) {
    for (const auto& e : events) {
      in_order &= e.revision() >= last;
      last = e.revision();
      auto known = model.find(e.current->key);
      in_order &= (known == model.end()) == (e.previous == nullptr);
      if (e.previous && known != model.end()) in_order &= e.previous->value == known->second;
      if (e.erased)
        model.erase(e.current->key);
      else
        model[e.current->key] = e.current->value;
    }
  }
};

void check_run(const std::vector<Transaction>& run, int restart_every, const std::function<std::unique_ptr<Store>()>& open) {
  auto store = open();
  std::vector<Model> history{{}};
  Follower follower;
  std::unique_ptr<Watch> watch;
  auto follow = [&] {
    watch = store->watch("a/", follower.last, [&](auto events) { follower.take(events); }).value();
  };
  follow();
  int n = 0;
  for (const auto& transaction : run) {
    Model next = history.back();
    bool fails = false;
    for (const auto& w : transaction) {
      if (w.fails) {
        fails = true;
        break;
      }
      if (w.erases)
        next.erase(w.key);
      else
        next[w.key] = w.value;
    }
    std::promise<base::Result<Revision>> done;
    store->submit(
        [&](Txn& t) -> base::Result<void> {
          for (const auto& w : transaction) {
            if (w.fails) return base::fail(base::Reason::invalid, "as told");
            if (w.erases)
              t.erase(w.key, "", nullptr);
            else
              t.put(w.key, w.value, nullptr);
            auto now = t.get(w.key);
            RC_ASSERT((now == nullptr) == w.erases);
          }
          return {};
        },
        [&](base::Result<Revision> r) { done.set_value(std::move(r)); });
    auto result = done.get_future().get();
    RC_ASSERT(result.has_value() != fails);
    if (!fails && *result == static_cast<Revision>(history.size())) history.push_back(next);
    RC_ASSERT(store->revision() + 1 == static_cast<Revision>(history.size()));
    RC_ASSERT(contents(store->list("")) == history.back());
    if (restart_every && ++n % restart_every == 0) {
      watch.reset();
      store.reset();
      store = open();
      follow();
    }
  }
  for (Revision r = store->compacted(); r <= store->revision(); ++r) {
    auto at = store->list_at("b/", r);
    RC_ASSERT(at.has_value());
    RC_ASSERT(contents(*at) == with_prefix(history[static_cast<size_t>(r)], "b/"));
  }
  store->close();
  RC_ASSERT(follower.in_order);
  RC_ASSERT(follower.model == with_prefix(history.back(), "a/"));
}

TEST(Model, memory_equals_the_model) {
  EXPECT_TRUE(rc::check([] {
    auto run = *rc::gen::container<std::vector<Transaction>>(transactions());
    size_t window = *rc::gen::inRange<size_t>(1, 60);
    check_run(run, 0, [&] { return make_memory({.parse = {}, .window_events = window}); });
  }));
}

// On a disk in memory: what an fsync costs on the real one is not the question here.
TEST(Model, sqlite_equals_the_model_over_restarts) {
  EXPECT_TRUE(rc::check([&] {
    FaultyDisk disk("model");
    auto run = *rc::gen::container<std::vector<Transaction>>(transactions());
    int restart_every = *rc::gen::inRange(1, 12);
    check_run(run, restart_every, [&] { return std::move(open_sqlite_on("s.db", {}, disk.name()).value()); });
  }));
}

}  // namespace
}  // namespace store
