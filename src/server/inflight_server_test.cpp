// The limits, the metrics, the health checks and the audit log of a whole server.
#include <gmock/gmock.h>

#include <filesystem>

#include "base/strings.hpp"
#include "server/testing.hpp"
#include "sys/fs.hpp"

namespace server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class FrontTest : public testing::ServerTest {
 protected:
  // As somebody without a certificate.
  testing::Reply call_unknown(std::string_view url) {
    auto request = make_request("GET", url, "", {});
    request.peer = {"192.0.2.7:4711", false, "", {}};
    auto recorder = std::make_shared<testing::Recorder>();
    handler_(std::move(request), recorder);
    recorder->wait_answer();
    return {recorder->status(), recorder->body(), {}, recorder->headers()};
  }
};

TEST_F(FrontTest, HealthIsOpenButNotItsDetails) {
  EXPECT_EQ(call_unknown("/readyz").text, "ok");
  EXPECT_EQ(call_unknown("/readyz").status, 200);
  EXPECT_THAT(call_unknown("/livez?verbose").text, HasSubstr("[+]store ok\n"));
  EXPECT_EQ(call_unknown("/readyz/store").status, 401);
  EXPECT_EQ(call("GET", "/readyz/store").text, "ok");
  EXPECT_EQ(call("GET", "/readyz/none").status, 404);
  server_->health().begin_shutdown();
  auto reply = call_unknown("/readyz");
  EXPECT_EQ(reply.status, 500);
  EXPECT_THAT(reply.text, HasSubstr("[-]shutdown failed: reason withheld\n"));
  EXPECT_EQ(call("GET", "/readyz/shutdown").text, "internal server error: process is shutting down\n");
  EXPECT_EQ(call_unknown("/livez").status, 200);
}

TEST_F(FrontTest, MetricsCountWhatWasAsked) {
  EXPECT_EQ(call_unknown("/metrics").status, 401);
  call("GET", "/api/v1/namespaces/default/pods");
  call("GET", "/api/v1/namespaces/default/pods");
  call("GET", "/api/v1/namespaces/default/pods/none");
  call("POST", config_maps_ + "?dryRun=All", config_map_json("a"));
  auto page = call("GET", "/metrics");
  EXPECT_EQ(page.status, 200);
  EXPECT_THAT(std::string(page.headers.get("Content-Type")), HasSubstr("text/plain; version=0.0.4"));
  EXPECT_THAT(page.text, HasSubstr(R"(apiserver_request_total{code="200",component="apiserver",dry_run="",group="",resource="pods",scope="namespace",subresource="",verb="LIST",version="v1"} 2)"));
  EXPECT_THAT(page.text, HasSubstr(R"(apiserver_request_total{code="404",component="apiserver",dry_run="",group="",resource="pods",scope="resource",subresource="",verb="GET",version="v1"} 1)"));
  EXPECT_THAT(page.text, HasSubstr(R"(apiserver_request_total{code="201",component="apiserver",dry_run="All",group="",resource="configmaps",scope="resource",subresource="",verb="POST",version="v1"} 1)"));
  EXPECT_THAT(page.text, HasSubstr(R"(apiserver_storage_objects{resource="namespaces"} 4)"));
  EXPECT_THAT(page.text, HasSubstr(R"(apiserver_resource_objects{group="",resource="services"} 1)"));
  EXPECT_THAT(page.text, HasSubstr("apiserver_current_inflight_requests{request_kind=\"readOnly\"} 1\n")) << "this one";
}

TEST_F(FrontTest, WhatClientsMakeUpIsNoLabel) {
  for (int i = 0; i < 50; ++i) {
    auto made_up = "made-up-" + std::to_string(i);
    call("GET", "/" + made_up);
    call("GET", "/api/v1/" + made_up);
    call("GET", "/apis/" + made_up + "/v1/x");
    call("GET", pods_ + "/p/" + made_up);
    call("FROB" + std::to_string(i), pods_);
  }
  EXPECT_THAT(call("GET", "/metrics").text, Not(HasSubstr("made-up")));
  EXPECT_THAT(call("GET", "/metrics").text, Not(HasSubstr("FROB")));
}

TEST_F(FrontTest, TheTimeInTheUrlMustBeATime) {
  auto reply = call("GET", pods_ + "?timeout=soon");
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(reply.message(), "invalid timeout specified in the request URL - time: invalid duration \"soon\"");
  EXPECT_EQ(call("GET", pods_ + "?timeout=5s").status, 200);
}

TEST_F(FrontTest, TheAuditLogTellsOfEveryRequest) {
  char folder[] = "/tmp/audit-server-XXXXXX";
  ASSERT_TRUE(::mkdtemp(folder));
  std::string path = std::string(folder) + "/audit.log";
  server_.reset();
  Config config;
  config.git_version = "v1.36.0";
  config.audit.path = path;
  auto made = ApiServer::make(config, registry_, *store_, clock_, {});
  ASSERT_TRUE(made) << made.error().message;
  server_ = std::move(*made);
  handler_ = server_->handler();
  auto created = call("POST", config_maps_, config_map_json("a"));
  auto id = std::string(created.headers.get("Audit-Id"));
  call("GET", config_maps_ + "/none");
  call_unknown("/api/v1/secrets");
  auto watch = begin("GET", config_maps_ + "?watch=1");
  watch->wait_events(1);
  server_.reset();  // ends the watch, and writes what waits
  auto text = sys::read_file(path);
  ASSERT_TRUE(text);
  std::vector<base::Value> events;
  for (const auto& line : base::split(base::trim(*text), '\n')) {
    auto value = base::parse_json(line);
    ASSERT_TRUE(value) << line;
    events.push_back(*value);
  }
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(events[0]["verb"].as_string(), "create");
  EXPECT_EQ(events[0]["auditID"].as_string(), id);
  EXPECT_EQ(events[0].at({"responseStatus", "code"}).int_or(0), 201);
  EXPECT_EQ(events[0].at({"user", "username"}).as_string(), "admin");
  EXPECT_EQ(events[1].at({"responseStatus", "reason"}).as_string(), "NotFound");
  EXPECT_EQ(events[1].at({"objectRef", "name"}).as_string(), "none");
  EXPECT_EQ(events[2].at({"responseStatus", "code"}).int_or(0), 401);
  EXPECT_EQ(events[2].at({"annotations", "authorization.k8s.io/decision"}).as_string(), "forbid");
  EXPECT_EQ(events[2]["sourceIPs"].as_array().at(0).as_string(), "192.0.2.7");
  EXPECT_EQ(events[3]["verb"].as_string(), "watch");
  EXPECT_EQ(events[3]["stage"].as_string(), "ResponseComplete");
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace server
