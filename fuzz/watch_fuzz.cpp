// links: client
// A watch stream of any bytes, cut anywhere, into Client::watch: it must end with an error or events, never a crash, and
// the cuts must not change what is read. The first byte says how long the pieces are.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "client/client.hpp"

namespace {

class Pieces final : public net::ResponseStream {
 public:
  Pieces(std::string_view bytes, size_t length) : bytes_(bytes), length_(length) {}
  int status() const override { return 200; }
  const net::Headers& headers() const override { return headers_; }
  base::Result<std::string> read() override {
    std::string out(bytes_.substr(0, length_));
    bytes_.remove_prefix(out.size());
    return out;
  }
  void cancel() override {}

 private:
  std::string_view bytes_;
  size_t length_;
  net::Headers headers_;
};

class OneWatch final : public client::Transport {
 public:
  OneWatch(std::string_view bytes, size_t length) : bytes_(bytes), length_(length) {}
  base::Result<net::Response> round_trip(net::Request) override {
    return base::fail(base::Reason::bad_request, "watches only");
  }
  base::Result<std::unique_ptr<net::ResponseStream>> open_stream(net::Request) override {
    return std::make_unique<Pieces>(bytes_, length_);
  }

 private:
  std::string_view bytes_;
  size_t length_;
};

std::vector<std::string> read_all(std::string_view bytes, size_t length) {
  client::Client client(std::make_shared<OneWatch>(bytes, length));
  std::vector<std::string> out;
  auto watch = client.watch({.group = "", .version = "v1", .plural = "pods"}, {});
  if (!watch) std::abort();
  while (true) {
    auto event = (*watch)->next();
    if (!event) {
      out.push_back("error " + std::string(base::reason_name(event.error().reason)));
      return out;
    }
    out.push_back(event->type + " " + base::write_json(event->object));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  auto whole = read_all(bytes, bytes.size() + 1);
  auto cut = read_all(bytes, static_cast<size_t>(data[0]) % 16 + 1);
  if (whole != cut) std::abort();
  return 0;
}
