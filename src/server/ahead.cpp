#include "server/ahead.hpp"

#include <algorithm>

#include "base/ids.hpp"

namespace server {

namespace {

constexpr size_t kMostScanned = 256;
constexpr std::string_view kVersion = "\"resourceVersion\":\"";

// As it stands in encoded objects.
const std::string& placeholder_text(store::Revision placeholder) {
  static const std::string text = std::string(kVersion) + std::to_string(placeholder) + '"';
  return text;
}

}  // namespace

// Nineteen digits: far above any revision, and as long as the longest of them.
store::Revision AheadTxn::placeholder() {
  static const store::Revision number =
      8'000'000'000'000'000'000 + static_cast<store::Revision>(base::random_u64() % 1'000'000'000'000'000'000u);
  return number;
}

store::EntryPtr AheadTxn::get(std::string_view key) const {
  // Read after it was written, as written twice below: such decisions are taken in turn.
  if (std::ranges::any_of(writes_, [&](const Write& write) { return write.key == key; })) gave_up_ = true;
  if (auto known = read_.find(key); known != read_.end()) return known->second;
  auto entry = store_.get(key);
  read_.emplace(key, entry);
  return entry;
}

// What this transaction itself wrote is not in it: no decision scans after it has written.
void AheadTxn::scan(std::string_view prefix, const std::function<bool(const store::EntryPtr&)>& each) const {
  auto listing = store_.list(prefix);
  Scan scan{std::string(prefix), {}, true};
  for (auto& entry : listing.entries) {
    scan.seen.push_back(entry);
    if (each(entry)) continue;
    scan.whole = false;
    break;
  }
  if (scan.seen.size() > kMostScanned || !writes_.empty()) gave_up_ = true;
  scans_.push_back(std::move(scan));
}

void AheadTxn::put(std::string_view key, std::string value, std::shared_ptr<const void> parsed) {
  get(key);
  writes_.push_back({std::string(key), false, std::move(value), std::move(parsed)});
}

void AheadTxn::erase(std::string_view key, std::string last_value, std::shared_ptr<const void> parsed) {
  get(key);
  writes_.push_back({std::string(key), true, std::move(last_value), std::move(parsed)});
}

bool AheadTxn::stands(const store::Txn& now) const {
  // One entry is one version: the same object in memory, or another version.
  for (const auto& [key, entry] : read_)
    if (now.get(key) != entry) return false;
  for (const auto& scan : scans_) {
    size_t next = 0;
    bool same = true;
    now.scan(scan.prefix, [&](const store::EntryPtr& entry) {
      if (next == scan.seen.size()) {
        same = !scan.whole;
        return false;
      }
      same = entry == scan.seen[next++];
      return same;
    });
    if (!same || next != scan.seen.size()) return false;
  }
  return true;
}

store::EntryPtr AheadTxn::replay(store::Txn& now, std::string_view bytes) {
  store::EntryPtr answer;
  for (auto& write : writes_) {
    bool is_answer = !write.erased && write.value == bytes;
    fill_in(write.value, now.revision());
    if (write.erased) {
      now.erase(write.key, std::move(write.value), std::move(write.parsed));
    } else {
      now.put(write.key, std::move(write.value), std::move(write.parsed));
      if (is_answer) answer = now.get(write.key);
    }
  }
  return answer;
}

void AheadTxn::fill_in(std::string& bytes, store::Revision revision) {
  const std::string& text = placeholder_text(placeholder());
  // It stands near the beginning, in metadata.
  size_t at = bytes.find(text);
  if (at == std::string::npos) return;
  at += kVersion.size();
  bytes.replace(at, text.size() - kVersion.size() - 1, std::to_string(revision));
}

}  // namespace server
