// The Txn that Works see: the state plus what the transactions of this group have written so far. Writer thread only.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "store/state.hpp"
#include "store/store.hpp"

namespace store {

class Overlay final : public Txn {
 public:
  Overlay(const State& state, const Options& options)
      : state_(state), options_(options), revision_(state.writer_revision()) {}

  // Runs the work as the next transaction of the group. On an error everything that it wrote is undone.
  base::Result<Revision> run(const Work& work);

  // Events of all transactions so far, in order, and the revision of the last one.
  const std::vector<Event>& events() const { return events_; }
  Revision last_revision() const { return revision_; }
  size_t bytes() const { return bytes_; }

  Revision revision() const override { return revision_ + 1; }
  EntryPtr get(std::string_view key) const override;
  void scan(std::string_view prefix, const std::function<bool(const EntryPtr&)>& each) const override;
  void put(std::string_view key, std::string value, std::shared_ptr<const void> parsed) override;
  void erase(std::string_view key, std::string last_value, std::shared_ptr<const void> parsed) override;

 private:
  struct Undo {
    bool known;      // the overlay had an opinion on the key before
    EntryPtr seen;   // what a get() answered before
    Event event;     // what the transaction made of it
  };
  void write(bool erased, EntryPtr base, Entry entry);
  void undo();

  const State& state_;
  const Options& options_;
  Revision revision_;
  std::map<std::string, EntryPtr, std::less<>> overlay_;  // null: erased
  std::map<std::string, Undo, std::less<>> touched_;      // by this transaction
  std::vector<std::string> order_;                        // keys of touched_ in the order of their first write
  std::vector<Event> events_;
  size_t bytes_ = 0;
};

}  // namespace store
