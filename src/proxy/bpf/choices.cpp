#include "proxy/bpf/choices.hpp"

#include <algorithm>
#include <numeric>

namespace proxy::bpf {

namespace {

constexpr uint32_t kMostRepeats = 256;  // weights beyond this ratio are scaled down
constexpr uint32_t kTableSizes[] = {251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521};  // primes
constexpr size_t kPlacesEach = 64;      // of a hash table per endpoint: shares differ by 2 % or so

std::vector<Choice> with_weight(std::span<const Choice> among) {
  std::vector<Choice> out;
  std::copy_if(among.begin(), among.end(), std::back_inserter(out), [](const Choice& c) { return c.weight > 0; });
  if (!out.empty()) return out;
  out.assign(among.begin(), among.end());
  for (auto& c : out) c.weight = 1;
  return out;
}

// Smaller numbers in (nearly) the same proportion, so that their sum stays in bounds.
void reduce(std::vector<Choice>& among) {
  uint32_t divisor = 0;
  uint64_t sum = 0;
  for (const auto& c : among) {
    divisor = std::gcd(divisor, c.weight);
    sum += c.weight;
  }
  for (auto& c : among) c.weight /= divisor;
  sum /= divisor;
  const uint64_t most = std::max<uint64_t>(kMostRepeats, among.size());
  if (sum <= most) return;
  for (auto& c : among) c.weight = static_cast<uint32_t>(std::max<uint64_t>(1, c.weight * most / sum));
}

// Each as often as its weight says, spread evenly: whoever is most behind its share comes next.
std::vector<uint32_t> interleave(const std::vector<Choice>& among) {
  int64_t total = 0;
  for (const auto& c : among) total += c.weight;
  std::vector<int64_t> credit(among.size());
  std::vector<uint32_t> out;
  out.reserve(static_cast<size_t>(total));
  for (int64_t place = 0; place < total; ++place) {
    size_t best = 0;
    for (size_t i = 0; i < among.size(); ++i) {
      credit[i] += among[i].weight;
      if (credit[i] > credit[best]) best = i;
    }
    credit[best] -= total;
    out.push_back(among[best].endpoint);
  }
  return out;
}

std::vector<uint32_t> hash_table(const std::vector<Choice>& among) {
  auto size = std::find_if(std::begin(kTableSizes), std::end(kTableSizes) - 1,
                           [&](uint32_t s) { return s >= among.size() * kPlacesEach; });
  const uint64_t places = std::max<uint64_t>(*size, among.size());
  uint32_t heaviest = 0;
  for (const auto& c : among) heaviest = std::max(heaviest, c.weight);
  struct Turn {
    uint64_t next, step, credit;
  };
  std::vector<Turn> turns;
  for (const auto& c : among) {
    const uint64_t second = hash_bytes(&c.hash, sizeof c.hash, 1);
    turns.push_back({c.hash % places, second % (places - 1) + 1, 0});
  }
  std::vector<uint32_t> out(places);
  std::vector<bool> taken(places);
  for (uint64_t filled = 0; filled < places;) {
    for (size_t i = 0; i < among.size() && filled < places; ++i) {
      auto& turn = turns[i];
      turn.credit += among[i].weight;
      if (turn.credit < heaviest) continue;
      turn.credit -= heaviest;
      while (taken[turn.next]) turn.next = (turn.next + turn.step) % places;
      taken[turn.next] = true;
      out[turn.next] = among[i].endpoint;
      ++filled;
    }
  }
  return out;
}

}  // namespace

uint64_t hash_bytes(const void* bytes, size_t size, uint64_t seed) {
  auto p = static_cast<const unsigned char*>(bytes);
  uint64_t h = 0xcbf29ce484222325ull ^ (seed * 0x9e3779b97f4a7c15ull);  // FNV-1a, then a finisher
  for (size_t i = 0; i < size; ++i) h = (h ^ p[i]) * 0x100000001b3ull;
  h = (h ^ (h >> 33)) * 0xff51afd7ed558ccdull;
  h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53ull;
  return h ^ (h >> 33);
}

std::vector<uint32_t> plan_choices(std::span<const Choice> among, int balance) {
  if (among.empty()) return {};
  auto usable = with_weight(among);
  if (balance == BALANCE_LEAST_CONNECTIONS) {
    std::vector<uint32_t> out;
    for (const auto& c : usable) out.push_back(c.endpoint);
    return out;
  }
  reduce(usable);
  return balance == BALANCE_HASH ? hash_table(usable) : interleave(usable);
}

}  // namespace proxy::bpf
