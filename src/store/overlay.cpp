#include "store/overlay.hpp"

#include <exception>

namespace store {

base::Result<Revision> Overlay::run(const Work& work) {
  touched_.clear();
  order_.clear();
  base::Result<void> done;
  try {
    done = work(*this);
  } catch (const std::exception& e) {
    done = base::fail(base::Reason::internal_error, std::string("a write threw an exception: ") + e.what());
  }
  if (!done) {
    undo();
    return std::unexpected(std::move(done).error());
  }
  size_t before = events_.size();
  for (const auto& key : order_) {
    auto& event = touched_.find(key)->second.event;
    if (event.erased && !event.previous) continue;  // made and erased in one transaction: never was
    bytes_ += event.current->value.size() + event.current->key.size();
    events_.push_back(std::move(event));
  }
  if (events_.size() != before) ++revision_;
  return revision_;
}

void Overlay::undo() {
  for (auto& [key, undo] : touched_) {
    if (undo.known)
      overlay_[key] = std::move(undo.seen);
    else
      overlay_.erase(key);
  }
}

EntryPtr Overlay::get(std::string_view key) const {
  if (auto it = overlay_.find(key); it != overlay_.end()) return it->second;
  auto slot = state_.writer_slots().find(key);
  return slot == state_.writer_slots().end() ? nullptr : slot->entry;
}

void Overlay::scan(std::string_view prefix, const std::function<bool(const EntryPtr&)>& each) const {
  const auto& slots = state_.writer_slots();
  auto slot = slots.lower_bound(prefix);
  auto over = overlay_.lower_bound(prefix);
  while (true) {
    bool has_slot = slot != slots.end() && slot->entry->key.starts_with(prefix);
    bool has_over = over != overlay_.end() && over->first.starts_with(prefix);
    if (!has_slot && !has_over) return;
    if (has_over && (!has_slot || over->first <= slot->entry->key)) {
      if (has_slot && over->first == slot->entry->key) ++slot;
      EntryPtr entry = over->second;
      std::string key = over->first;
      if (entry && !each(entry)) return;
      over = overlay_.upper_bound(key);  // `each` may have written keys in between
    } else {
      EntryPtr entry = slot->entry;
      if (!each(entry)) return;
      ++slot;
      over = overlay_.upper_bound(entry->key);
    }
  }
}

void Overlay::put(std::string_view key, std::string value, std::shared_ptr<const void> parsed) {
  EntryPtr base = get(key);
  Entry entry;
  entry.created = base ? base->created : revision();
  entry.key = key;
  entry.value = std::move(value);
  entry.parsed = std::move(parsed);
  write(false, std::move(base), std::move(entry));
}

void Overlay::erase(std::string_view key, std::string last_value, std::shared_ptr<const void> parsed) {
  EntryPtr base = get(key);
  if (!base) return;
  Entry entry;
  entry.created = base->created;
  entry.key = key;
  entry.value = std::move(last_value);
  entry.parsed = std::move(parsed);
  write(true, std::move(base), std::move(entry));
}

void Overlay::write(bool erased, EntryPtr base, Entry entry) {
  entry.modified = revision();
  if (!entry.parsed && options_.parse) entry.parsed = options_.parse(entry.key, entry.value);
  auto current = std::make_shared<const Entry>(std::move(entry));
  auto [over, fresh] = overlay_.try_emplace(current->key);
  auto [touched, first] = touched_.try_emplace(current->key);
  if (first) {
    touched->second = Undo{!fresh, base, Event{erased, current, std::move(base)}};
    order_.push_back(current->key);
  } else {
    touched->second.event.erased = erased;
    touched->second.event.current = current;
  }
  over->second = erased ? nullptr : std::move(current);
}

}  // namespace store
