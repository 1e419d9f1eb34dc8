#include "proxy/nft/dataplane.hpp"

#include "base/log.hpp"
#include "proxy/nft/apply.hpp"
#include "proxy/nft/conntrack.hpp"
#include "proxy/nft/render.hpp"

namespace proxy::nft {

namespace {

class NftDataplane final : public Dataplane {
 public:
  NftDataplane(Layout layout, Runner runner) : layout_(std::move(layout)), runner_(std::move(runner)) {}
  std::string_view name() const override { return "nftables"; }

  base::Result<void> rebuild(const Table& table) override {
    auto rendered = render_rebuild(layout_, table);
    if (auto done = runner_.apply(rendered.script); !done) {
      base::log_warning("proxy", "{}; replacing table {} as a whole", done.error().message, layout_.table);
      rendered = render_replace(layout_, table);
      CHECK_OK(runner_.apply(rendered.script));
    }
    shared_ = std::move(rendered.shared);
    forget(table, nullptr);
    return {};
  }

  base::Result<void> apply(const Table& table, const Change& change) override {
    if (change.own) return rebuild(table);  // seldom, and of the base chains
    // Should it fail, a rebuild follows, which counts anew.
    CHECK_OK(runner_.apply(render_change(layout_, shared_, change)));
    if (auto lost = lost_udp(change); lost.any()) forget(table, &lost);
    return {};
  }

  std::vector<Count> counts() override { return {}; }

 private:
  void forget(const Table& table, const Lost* lost) {
    if (auto gone = forget_stale_udp(table, layout_.networks, lost); !gone)
      base::log_warning("proxy", "stale UDP flows stay: {}", gone.error().message);
  }

  Layout layout_;
  Runner runner_;
  Shared shared_;
};

}  // namespace

base::Result<std::unique_ptr<Dataplane>> make_dataplane(Layout layout) {
  TRY(auto runner, Runner::find());
  return std::make_unique<NftDataplane>(std::move(layout), std::move(runner));
}

}  // namespace proxy::nft
