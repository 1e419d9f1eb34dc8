#include <algorithm>
#include <bit>

#include "proxy/bpf/contents.hpp"

namespace proxy::bpf {

int Rows::class_of(uint32_t length) { return std::bit_width(length - 1); }

void Rows::settle(Time now) {
  while (!waiting_.empty() && now - waiting_.front().since >= kReaders) {
    free_[waiting_.front().size_class].push_back(waiting_.front().first);
    waiting_.pop_front();
  }
}

std::optional<uint32_t> Rows::take(uint32_t length, Time now) {
  settle(now);
  const int wanted = class_of(length);
  if (auto& exact = free_[wanted]; !exact.empty()) {
    uint32_t first = exact.back();
    exact.pop_back();
    return first;
  }
  const uint64_t places = uint64_t{1} << wanted;
  if (next_ + places <= size_) {
    uint32_t first = next_;
    next_ += static_cast<uint32_t>(places);
    return first;
  }
  // A longer row is cut in halves.
  for (auto& [size_class, rows] : free_) {
    if (size_class <= wanted || rows.empty()) continue;
    uint32_t first = rows.back();
    rows.pop_back();
    for (int c = size_class - 1; c >= wanted; --c) free_[c].push_back(first + (1u << c));
    return first;
  }
  return std::nullopt;
}

void Rows::give_back(uint32_t first, uint32_t length, Time now) { waiting_.push_back({first, class_of(length), now}); }

void Rows::put_back(uint32_t first, uint32_t length) { free_[class_of(length)].push_back(first); }

void Rows::free_between(uint32_t first, uint32_t end) {
  while (first < end) {
    int size_class = std::bit_width(end - first) - 1;
    free_[size_class].push_back(first);
    first += 1u << size_class;
  }
}

void Rows::start_with(std::vector<std::pair<uint32_t, uint32_t>> used) {
  std::sort(used.begin(), used.end());
  for (auto [first, length] : used) {
    free_between(next_, first);
    next_ = std::max(next_, first + (1u << class_of(length)));
  }
}

}  // namespace proxy::bpf
