#include "client/client.hpp"

#include <gtest/gtest.h>

#include "base/json.hpp"
#include "client/metrics.hpp"
#include "client/retry.hpp"
#include "client/scripted_transport_test.hpp"

namespace client {
namespace {

constexpr const char* kNotFound =
    R"({"kind":"Status","apiVersion":"v1","status":"Failure","message":"services \"web\" not found",)"
    R"("reason":"NotFound","details":{"name":"web","kind":"services"},"code":404})";

struct ClientTest : testing::Test {
  std::shared_ptr<ScriptedTransport> transport = std::make_shared<ScriptedTransport>();
  Client client{transport, "test-agent"};
  net::Request last() { return transport->wait_requests(1).back(); }
};

TEST_F(ClientTest, CountsItsRequests) {
  auto count = [](std::string_view code) {
    std::string page;
    append_metrics(page);
    auto name = "\nrest_client_requests_total{code=\"" + std::string(code) + "\",host=\"in-process\",method=\"DELETE\"} ";
    auto at = page.find(name);
    return at == std::string::npos ? 0 : std::stoi(page.substr(at + name.size()));
  };
  int good = count("200"), missing = count("404"), failed = count("<error>");
  transport->answer(200, "{}");
  ASSERT_TRUE(client.remove(resource_of<api::Service>("default"), "web"));
  transport->answer(404, kNotFound);
  EXPECT_FALSE(client.remove(resource_of<api::Service>("default"), "web"));
  EXPECT_FALSE(client.remove(resource_of<api::Service>("default"), "web"));
  EXPECT_EQ(count("200"), good + 1);
  EXPECT_EQ(count("404"), missing + 1);
  EXPECT_EQ(count("<error>"), failed + 1);
}

TEST_F(ClientTest, AddressesCoreAndGroups) {
  transport->answer(200, "{}");
  ASSERT_TRUE(client.get(resource_of<api::Service>("default"), "web"));
  EXPECT_EQ(last().method, "GET");
  EXPECT_EQ(last().path, "/api/v1/namespaces/default/services/web");
  EXPECT_EQ(last().headers.get("user-agent"), "test-agent");
  transport->answer(200, "{}");
  ASSERT_TRUE(client.list(resource_of<api::EndpointSlice>(), {.label_selector = "a=b", .field_selector = "", .resource_version = ""}));
  EXPECT_EQ(last().path, "/apis/discovery.k8s.io/v1/endpointslices");
  EXPECT_EQ(last().query.get("labelSelector"), "a=b");
  transport->answer(200, "{}");
  ASSERT_TRUE(client.get(resource_of<api::Node>("ignored: nodes have no namespace"), "n", "status"));
  EXPECT_EQ(last().path, "/api/v1/nodes/n/status");
}

TEST_F(ClientTest, ErrorsCarryReasonAndDetailsOfTheStatus) {
  transport->answer(404, kNotFound);
  auto got = client.get<api::Service>("default", "web");
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().reason, base::Reason::not_found);
  EXPECT_EQ(got.error().message, "services \"web\" not found");
  ASSERT_TRUE(got.error().details);
  EXPECT_EQ(got.error().details->kind, "services");
}

TEST_F(ClientTest, AnAnswerThatIsNoStatusKeepsItsCode) {
  transport->answer(503, "upstream connect error");
  auto got = client.get<api::Service>("default", "web");
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().reason, base::Reason::service_unavailable);
  EXPECT_NE(got.error().message.find("upstream connect error"), std::string::npos);
}

TEST_F(ClientTest, AnEmptyNameNeverReachesTheServer) {
  auto gone = client.remove(resource_of<api::Service>("default"), "");
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().reason, base::Reason::bad_request);
}

TEST_F(ClientTest, WritesBodies) {
  api::Service service;
  service.metadata.name = "web";
  service.metadata.namespace_ = "default";
  transport->answer(201, base::write_json(api::to_value(service)));
  auto made = client.create(service);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->metadata.name, "web");
  EXPECT_EQ(last().method, "POST");
  EXPECT_EQ(last().path, "/api/v1/namespaces/default/services");
  auto body = base::parse_json(last().body);
  ASSERT_TRUE(body);
  EXPECT_EQ((*body)["kind"].as_string(), "Service");

  transport->answer(200, "{}");
  ASSERT_TRUE(client.patch(resource_of<api::Service>("default"), "web", PatchType::strategic,
                           base::Object{{"a", 1}}, "status"));
  EXPECT_EQ(last().method, "PATCH");
  EXPECT_EQ(last().path, "/api/v1/namespaces/default/services/web/status");
  EXPECT_EQ(last().headers.get("content-type"), "application/strategic-merge-patch+json");

  transport->answer(200, "{}");
  DeleteOptions options = only_uid("u-1");
  options.grace_period_seconds = 0;
  ASSERT_TRUE(client.remove<api::Pod>("default", "p", options));
  EXPECT_EQ(last().method, "DELETE");
  body = base::parse_json(last().body);
  ASSERT_TRUE(body);
  EXPECT_EQ(body->at({"preconditions", "uid"}).as_string(), "u-1");
  EXPECT_EQ((*body)["gracePeriodSeconds"].as_int(), 0);
}

TEST_F(ClientTest, WatchReadsLinesHoweverTheyAreCut) {
  auto stream = transport->add_stream();
  auto watch = client.watch(resource_of<api::Pod>(), {});
  ASSERT_TRUE(watch);
  EXPECT_EQ(last().query.get("watch"), "true");
  EXPECT_EQ(last().query.get("allowWatchBookmarks"), "true");
  stream->feed("{\"type\":\"ADDED\",\"obj");
  stream->feed("ect\":{\"a\":1}}\n{\"type\":\"MODIFIED\",\"object\":{\"a\":2}}\n\n{\"type\":");
  stream->feed("\"DELETED\",\"object\":{\"a\":3}}\n");
  for (auto [type, a] : {std::pair("ADDED", 1), std::pair("MODIFIED", 2), std::pair("DELETED", 3)}) {
    auto event = (*watch)->next();
    ASSERT_TRUE(event) << event.error().message;
    EXPECT_EQ(event->type, type);
    EXPECT_EQ(event->object["a"].as_int(), a);
  }
  stream->end();
  auto end = (*watch)->next();
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().reason, base::Reason::service_unavailable);
}

TEST_F(ClientTest, WatchErrorsSayThatItIsTooOld) {
  auto stream = transport->add_stream();
  auto watch = client.watch(resource_of<api::Pod>(), {});
  ASSERT_TRUE(watch);
  stream->feed(R"({"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","status":"Failure",)"
               R"("message":"too old resource version: 1","reason":"Expired","code":410}})"
               "\n");
  auto error = (*watch)->next();
  ASSERT_FALSE(error);
  EXPECT_EQ(error.error().reason, base::Reason::expired);
  transport->refuse_stream(410, R"({"kind":"Status","reason":"Expired","code":410,"message":"too old"})");
  auto refused = client.watch(resource_of<api::Pod>(), {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, base::Reason::expired);
}

TEST(RetryOnConflict, TriesAgainOnlyOnConflicts) {
  int calls = 0;
  auto done = retry_on_conflict([&]() -> base::Result<int> {
    if (++calls < 3) return base::fail(base::Reason::conflict, "changed");
    return 7;
  });
  ASSERT_TRUE(done);
  EXPECT_EQ(*done, 7);
  EXPECT_EQ(calls, 3);
  calls = 0;
  EXPECT_FALSE(retry_on_conflict([&]() -> base::Result<int> {
    ++calls;
    return base::fail(base::Reason::not_found, "gone");
  }));
  EXPECT_EQ(calls, 1);
  calls = 0;
  EXPECT_FALSE(retry_on_conflict([&]() -> base::Result<int> {
    ++calls;
    return base::fail(base::Reason::conflict, "always");
  }));
  EXPECT_EQ(calls, 5);
}

}  // namespace
}  // namespace client
