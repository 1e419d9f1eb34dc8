#include "controllers/replicaset/expectations.hpp"

#include <utility>

namespace controllers {
namespace {
constexpr auto kPatience = std::chrono::minutes(5);
}

void Expectations::expect_creations(const std::string& key, int count) {
  auto entries = entries_.lock();
  auto& entry = (*entries)[key];
  entry.creations += count;
  entry.since = clock_.steady_now();
}

void Expectations::expect_deletions(const std::string& key, std::set<std::string> uids) {
  auto entries = entries_.lock();
  auto& entry = (*entries)[key];
  entry.deletions.merge(std::move(uids));
  entry.since = clock_.steady_now();
}

void Expectations::creation_seen(const std::string& key) {
  auto entries = entries_.lock();
  auto it = entries->find(key);
  if (it != entries->end() && it->second.creations > 0) --it->second.creations;
}

void Expectations::deletion_seen(const std::string& key, const std::string& uid) {
  auto entries = entries_.lock();
  auto it = entries->find(key);
  if (it != entries->end()) it->second.deletions.erase(uid);
}

void Expectations::forget(const std::string& key) { entries_.lock()->erase(key); }

std::chrono::nanoseconds Expectations::wait_left(const std::string& key) {
  auto entries = entries_.lock();
  auto it = entries->find(key);
  if (it == entries->end()) return std::chrono::nanoseconds::zero();
  const auto& entry = it->second;
  auto waited = clock_.steady_now() - entry.since;
  if ((entry.creations > 0 || !entry.deletions.empty()) && waited < kPatience) return kPatience - waited;
  entries->erase(it);
  return std::chrono::nanoseconds::zero();
}

}  // namespace controllers
