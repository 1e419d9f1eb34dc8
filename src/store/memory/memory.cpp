#include "store/engine.hpp"

namespace store {

namespace {

// Writes nowhere: durable as long as the process.
class MemoryJournal final : public Journal {
 public:
  base::Result<Image> load(const Options&) override { return Image{}; }
  Outcome append(std::span<const Event>) override { return {}; }
  Outcome resolve(Revision) override { return {}; }
  bool tidy(Revision) override { return false; }
  base::Result<void> health() const override { return {}; }
};

}  // namespace

std::unique_ptr<Store> make_memory(Options options) {
  return std::make_unique<Engine>(std::make_unique<MemoryJournal>(), std::move(options), Image{});
}

}  // namespace store
