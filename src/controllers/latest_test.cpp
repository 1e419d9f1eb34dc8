#include "controllers/latest.hpp"

#include <gtest/gtest.h>

#include "controllers/make_test.hpp"

namespace controllers {
namespace {

api::Service service_at(const std::string& name, int version, const std::string& uid = "u") {
  auto service = make_service(name);
  service.metadata.uid = uid;
  service.metadata.resource_version = std::to_string(version);
  return service;
}
Latest<api::Service>::Ptr share_service(api::Service service) {
  return std::make_shared<const api::Service>(std::move(service));
}
std::string version_of(const Latest<api::Service>::Ptr& service) {
  return service ? service->metadata.resource_version : "none";
}

TEST(Latest, OwnWritesCountUntilTheInformerHasThem) {
  Latest<api::Service> latest;
  auto old = share_service(service_at("a", 9));
  latest.wrote(service_at("a", 10));
  EXPECT_EQ(version_of(latest.over("default/a", old)), "10") << "versions are numbers, not texts";
  latest.seen("default/a", old);  // an event that was on its way before the write
  EXPECT_EQ(version_of(latest.over("default/a", old)), "10");
  auto newer = share_service(service_at("a", 12));
  EXPECT_EQ(version_of(latest.over("default/a", newer)), "12");
  latest.seen("default/a", newer);
  EXPECT_EQ(version_of(latest.over("default/a", old)), "9") << "nothing of ours is left";
}

TEST(Latest, WhatIsGoneDoesNotComeBack) {
  Latest<api::Service> latest;
  latest.wrote(service_at("a", 10));
  EXPECT_EQ(version_of(latest.over("default/a", nullptr)), "10") << "created, and not yet seen";
  latest.seen("default/a", nullptr);
  EXPECT_EQ(version_of(latest.over("default/a", nullptr)), "none");
}

TEST(Latest, AnotherObjectOfThatNameIsNoOlderOne) {
  Latest<api::Service> latest;
  latest.wrote(service_at("a", 20, "first"));
  EXPECT_EQ(version_of(latest.over("default/a", share_service(service_at("a", 15, "second")))), "15");
}

TEST(Latest, ANamespaceIsLaidOverAsAWhole) {
  Latest<api::Service> latest;
  latest.wrote(service_at("b", 5));
  latest.wrote(service_at("c", 6));
  auto elsewhere = service_at("d", 7);
  elsewhere.metadata.namespace_ = "other";
  latest.wrote(elsewhere);
  auto all =
      latest.over_all("default", {share_service(service_at("a", 1)), share_service(service_at("b", 4))});
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(version_of(all[0]), "1");
  EXPECT_EQ(version_of(all[1]), "5");
  EXPECT_EQ(version_of(all[2]), "6");
}

}  // namespace
}  // namespace controllers
