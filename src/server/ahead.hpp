// A write that is decided before its turn: against what is stored now, on a thread of its own, while the store's writer
// does something else. When its turn comes, the writer only looks whether everything that the decision has read still
// stands, and puts what it wrote. What has changed in between is decided again, in turn.
//
// Threading: one thread at a time: first the one that decides, then the store's writer.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "store/store.hpp"

namespace server {

class AheadTxn final : public store::Txn {
 public:
  explicit AheadTxn(const store::Store& store) : store_(store) {}

  // Nobody knows it yet: a number that stands for it in what is written, and that no client can guess.
  store::Revision revision() const override { return placeholder(); }
  store::EntryPtr get(std::string_view key) const override;
  void scan(std::string_view prefix, const std::function<bool(const store::EntryPtr&)>& each) const override;
  void put(std::string_view key, std::string value, std::shared_ptr<const void> parsed) override;
  void erase(std::string_view key, std::string last_value, std::shared_ptr<const void> parsed) override;

  // It has read so much that looking again would take as long as deciding.
  bool gave_up() const { return gave_up_; }
  bool wrote() const { return !writes_.empty(); }
  // Whether `now` has all that was read, unchanged.
  bool stands(const store::Txn& now) const;
  // Writes it through `now`. Returns the entry that has these bytes, when they were put and not erased.
  store::EntryPtr replay(store::Txn& now, std::string_view bytes);
  // The true revision where the placeholder is.
  static void fill_in(std::string& bytes, store::Revision revision);

 private:
  struct Write {
    std::string key;
    bool erased;
    std::string value;
    std::shared_ptr<const void> parsed;
  };
  struct Scan {
    std::string prefix;
    std::vector<store::EntryPtr> seen;
    bool whole;  // the reader did not stop before the end
  };
  static store::Revision placeholder();

  const store::Store& store_;
  mutable std::map<std::string, store::EntryPtr, std::less<>> read_;
  mutable std::vector<Scan> scans_;
  std::vector<Write> writes_;
  mutable bool gave_up_ = false;
};

}  // namespace server
