#include "proxy/acknowledge.hpp"

#include <gtest/gtest.h>

namespace proxy {
namespace {

struct End {
  std::string uid;
  bool ready = true;
  bool terminating = false;
};

api::EndpointSlice slice(const std::vector<End>& ends) {
  api::EndpointSlice slice;
  for (const auto& end : ends) {
    api::Endpoint endpoint;
    endpoint.addresses = {"10.0.0." + end.uid};
    endpoint.conditions = api::EndpointConditions{};
    endpoint.conditions->ready = end.ready;
    endpoint.conditions->terminating = end.terminating;
    endpoint.target_ref = api::ObjectReference{};
    endpoint.target_ref->uid = end.uid;
    slice.endpoints.push_back(endpoint);
  }
  return slice;
}

bool takes(const std::vector<End>& before, const std::vector<End>& after) {
  const auto was = slice(before), now = slice(after);
  return takes_out(&was, &now);
}

TEST(Acknowledge, OnlyWhatTakesAnEndpointOutIsWorthAWord) {
  EXPECT_FALSE(takes({{"1"}}, {{"1"}}));
  EXPECT_FALSE(takes({{"1"}}, {{"1"}, {"2"}}));
  EXPECT_FALSE(takes({{"1", false}}, {{"1"}}));
  EXPECT_FALSE(takes({{"1", false}}, {{"1", false, true}}));
  EXPECT_FALSE(takes({{"1", true, true}}, {}));  // said before
  EXPECT_TRUE(takes({{"1"}}, {{"1", false}}));
  EXPECT_TRUE(takes({{"1"}}, {{"1", false, true}}));
  EXPECT_TRUE(takes({{"1"}}, {{"1", true, true}}));  // publishNotReadyAddresses
  EXPECT_TRUE(takes({{"1"}, {"2"}}, {{"1"}}));
  const auto was = slice({{"1"}});
  EXPECT_TRUE(takes_out(&was, nullptr));
  EXPECT_FALSE(takes_out(nullptr, &was));
}

TEST(Acknowledge, EndpointsWithoutAPodAndWithoutConditionsCount) {
  api::EndpointSlice was;
  was.endpoints.resize(1);
  was.endpoints[0].addresses = {"192.0.2.1"};
  api::EndpointSlice now;
  EXPECT_TRUE(takes_out(&was, &now));
  EXPECT_FALSE(takes_out(&was, &was));
}

TEST(Acknowledge, TheRevisionOfTheLastChange) {
  auto was = slice({}), now = slice({});
  was.metadata.resource_version = "7";
  now.metadata.resource_version = "12";
  EXPECT_EQ(revision_of(&was, &now), 12u);
  EXPECT_EQ(revision_of(&was, nullptr), 7u);
  now.metadata.resource_version = "none";
  EXPECT_EQ(revision_of(nullptr, &now), 0u);
}

}  // namespace
}  // namespace proxy
