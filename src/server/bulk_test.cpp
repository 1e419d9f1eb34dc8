// Lists that are too large to be made at once: the same bytes, in pieces, at the client's pace.
#include <gtest/gtest.h>

#include <thread>

#include "base/gzip.hpp"
#include "server/tables.hpp"
#include "server/testing.hpp"

namespace server::testing {
namespace {

class Large : public ServerTest {
 protected:
  void SetUp() override {
    ServerTest::SetUp();
    for (int i = 0; i < 300; ++i) {
      ASSERT_EQ(call("POST", config_maps_, config_map_json("c" + std::to_string(i), "{}", std::string(5'000, 'v'))).status, 201);
    }
  }
  // As a client in the same process gets it: at once.
  std::string at_once(std::string_view url, net::Headers headers) {
    auto recorder = std::make_shared<Recorder>();
    auto request = make_request("GET", url, "", std::move(headers));
    request.peer.address.clear();
    handler_(std::move(request), recorder);
    recorder->wait_whole();
    return recorder->body();
  }
};

constexpr std::string_view kForms[] = {
    "application/json",
    "application/vnd.kubernetes.protobuf",
    "application/json;as=Table;v=v1;g=meta.k8s.io",
    "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
    "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
    "application/yaml",
};

TEST_F(Large, InPiecesAreTheSameBytes) {
  for (auto form : kForms) {
    net::Headers plain{{"Accept", std::string(form)}};
    net::Headers packed = plain;
    packed.add("Accept-Encoding", "gzip");
    auto expected = at_once(config_maps_, plain);
    EXPECT_EQ(call("GET", config_maps_, "", plain).text, expected) << form;
    auto reply = call("GET", config_maps_, "", packed);
    EXPECT_EQ(reply.headers.get("Content-Encoding"), "gzip") << form;
    auto unpacked = base::gunzip(reply.text);
    ASSERT_TRUE(unpacked) << form;
    EXPECT_EQ(*unpacked, expected) << form;
  }
}

TEST_F(Large, WithoutRoomProtobufIsMadeTwice) {
  auto kind = registry_.find_kind("v1", "ConfigMap");
  RenderStyle style;
  style.format.encoding = Format::Encoding::protobuf;
  auto whole = [&](size_t keep) {
    auto source = make_list_source(kind, style, {7, "", std::nullopt}, store_->list("core/configmaps/default/").entries,
                                   std::make_shared<ListRoom>(keep));
    std::string out;
    while (source->next(out)) {
    }
    return out;
  };
  EXPECT_EQ(whole(0), whole(INT64_MAX));
  EXPECT_EQ(whole(200'000), whole(INT64_MAX));
}

TEST_F(Large, NoMoreThanAWindowWaitsForAClient) {
  auto recorder = std::make_shared<Recorder>();
  recorder->set_reading(false);
  handler_(make_request("GET", config_maps_, "", {{"Accept", "application/vnd.kubernetes.protobuf"}}), recorder);
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (recorder->pending() < (128u << 10) && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  auto other = call("GET", config_maps_, "", {{"Accept", "application/vnd.kubernetes.protobuf"}});  // in the meantime
  EXPECT_GT(other.text.size(), 1'400'000u);
  EXPECT_GE(recorder->pending(), 128u << 10);
  EXPECT_LE(recorder->pending(), (128u << 10) + (80u << 10));
  EXPECT_FALSE(recorder->finished());
  while (!recorder->finished() && std::chrono::steady_clock::now() < end) {
    recorder->set_reading(true);
    std::this_thread::yield();
  }
  EXPECT_EQ(recorder->body(), at_once(config_maps_, {{"Accept", "application/vnd.kubernetes.protobuf"}}));
}

TEST_F(Large, WhoReadsNothingIsCut) {
  auto recorder = std::make_shared<Recorder>();
  std::weak_ptr<Recorder> alive = recorder;
  recorder->set_reading(false);
  handler_(make_request("GET", config_maps_, "", {{"Accept", "application/vnd.kubernetes.protobuf"}}), recorder);
  recorder.reset();
  auto end = std::chrono::steady_clock::now() + kPatience;
  while (!alive.expired() && std::chrono::steady_clock::now() < end) {
    clock_.advance(std::chrono::seconds(1));
    std::this_thread::yield();
  }
  EXPECT_TRUE(alive.expired());
}

}  // namespace
}  // namespace server::testing
