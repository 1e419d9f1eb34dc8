#include "server/audit.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "api/protobuf.hpp"
#include "base/json.hpp"
#include "base/strings.hpp"
#include "server/inflight.hpp"
#include "server/testing.hpp"
#include "sys/fs.hpp"

namespace server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using enum AuditLevel;

AuditSubject subject(std::string verb, std::string resource, std::string user = "eve") {
  return {.user = std::move(user), .groups = {"devs"}, .verb = std::move(verb), .path = "", .group = "",
          .resource = std::move(resource), .subresource = "", .namespace_ = "shop", .name = "x"};
}

TEST(AuditPolicy, TheFirstRuleThatMatchesDecides) {
  auto policy = AuditPolicy::parse(R"(
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  users: ["system:kube-proxy"]
- level: None
  nonResourceURLs: ["/healthz*", "/version"]
- level: RequestResponse
  resources: [{group: "", resources: ["pods", "pods/status"]}]
  verbs: [create]
- level: Request
  resources: [{group: "", resources: ["configmaps"], resourceNames: ["x"]}]
- level: Request
  namespaces: ["shop"]
  omitStages: [ResponseStarted]
- level: Metadata
)");
  ASSERT_TRUE(policy) << policy.error().message;
  EXPECT_EQ(policy->decide(subject("create", "pods", "system:kube-proxy")).level, none);
  EXPECT_EQ(policy->decide(subject("create", "pods")).level, request_response);
  EXPECT_EQ(policy->decide(subject("get", "pods")).level, request) << "by its namespace";
  EXPECT_EQ(policy->decide(subject("get", "configmaps")).level, request) << "named by the rule";
  EXPECT_EQ(policy->decide(subject("get", "secrets")).level, metadata) << "no rule names secrets";
  auto scale = subject("create", "pods");
  scale.subresource = "status";
  EXPECT_EQ(policy->decide(scale).level, request_response);
  scale.subresource = "eviction";
  EXPECT_EQ(policy->decide(scale).level, request);
  auto decision = policy->decide(scale);
  EXPECT_TRUE(decision.omits(AuditStage::request_received));
  EXPECT_TRUE(decision.omits(AuditStage::response_started));
  EXPECT_FALSE(decision.omits(AuditStage::response_complete));
  AuditSubject path{.user = "eve", .groups = {}, .verb = "get", .path = "/healthz/ping", .group = "", .resource = "",
                    .subresource = "", .namespace_ = "", .name = ""};
  EXPECT_EQ(policy->decide(path).level, none);
  path.path = "/metrics";
  EXPECT_EQ(policy->decide(path).level, metadata);
}

TEST(AuditPolicy, SaysWhatIsWrong) {
  auto error = [](std::string_view rules) {
    auto policy = AuditPolicy::parse("apiVersion: audit.k8s.io/v1\nkind: Policy\n" + std::string(rules));
    return policy ? "" : policy.error().message;
  };
  EXPECT_THAT(error("rules: [{level: All}]"), HasSubstr("rules[0].level: must be one of None, Metadata"));
  EXPECT_THAT(error("rules: [{level: None, omitStages: [Late]}]"), HasSubstr("\"Late\" is no stage"));
  EXPECT_THAT(error("rules: [{level: None, user: [a]}]"), HasSubstr("unknown field \"user\""));
  EXPECT_THAT(error("rules: []"), HasSubstr("no rules"));
  EXPECT_THAT(error("rules: [{level: None, nonResourceURLs: [/x], namespaces: [shop]}]"), HasSubstr("cannot apply to both"));
  EXPECT_FALSE(AuditPolicy::parse("kind: Policy\nrules: []"));
}

class AuditTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/audit-test-XXXXXX";
    ASSERT_TRUE(::mkdtemp(name));
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::shared_ptr<AuditLog> open(AuditConfig config) {
    config.path = folder_ + "/audit.log";
    auto log = AuditLog::open(std::move(config), metrics_);
    EXPECT_TRUE(log);
    return std::move(*log);
  }
  std::vector<base::Value> events(AuditLog& log) {
    log.flush();
    std::vector<base::Value> out;
    auto text = sys::read_file(folder_ + "/audit.log");
    for (const auto& line : base::split(text ? *text : "", '\n')) {
      if (line.empty()) continue;
      auto value = base::parse_json(line);
      EXPECT_TRUE(value) << line;
      if (value) out.push_back(std::move(*value));
    }
    return out;
  }

  std::string folder_;
  std::shared_ptr<Metrics> metrics_ = std::make_shared<Metrics>();
  sys::FakeClock clock_;
};

TEST_F(AuditTest, OneLineForEachRequest) {
  auto log = open({});
  Inflight inflight({}, metrics_, log, clock_);
  net::Request request;
  request.method = "POST";
  request.path = "/api/v1/namespaces/shop/pods";
  request.query = net::Query::parse("dryRun=All");
  request.headers.add("User-Agent", "kubectl\n\"forged\":1");
  request.headers.add("Audit-ID", "my-id");
  request.peer.address = "192.0.2.7:4711";
  request.body = R"({"secret":"body"})";
  auto recorder = std::make_shared<testing::Recorder>();
  auto one = inflight.begin(request, recorder);
  RequestTraits traits;
  traits.audit.subject = subject("create", "pods");
  traits.audit.api_version = "v1";
  one->describe(std::move(traits), request);
  clock_.advance(std::chrono::milliseconds(5));
  one->send({409, {{"Content-Type", "application/json"}},
             {net::make_chunk(R"({"kind":"Status","status":"Failure","message":"it exists","reason":"AlreadyExists","code":409})")}});
  EXPECT_EQ(recorder->headers().get("Audit-Id"), "my-id");
  auto lines = events(*log);
  ASSERT_EQ(lines.size(), 1u);
  const auto& event = lines[0];
  EXPECT_EQ(event["kind"].as_string(), "Event");
  EXPECT_EQ(event["apiVersion"].as_string(), "audit.k8s.io/v1");
  EXPECT_EQ(event["level"].as_string(), "Metadata");
  EXPECT_EQ(event["stage"].as_string(), "ResponseComplete");
  EXPECT_EQ(event["auditID"].as_string(), "my-id");
  EXPECT_EQ(event["requestURI"].as_string(), "/api/v1/namespaces/shop/pods?dryRun=All");
  EXPECT_EQ(event["verb"].as_string(), "create");
  EXPECT_EQ(event.at({"user", "username"}).as_string(), "eve");
  EXPECT_EQ(event["sourceIPs"].as_array().at(0).as_string(), "192.0.2.7");
  EXPECT_EQ(event["userAgent"].as_string(), "kubectl\n\"forged\":1");
  EXPECT_EQ(event.at({"objectRef", "resource"}).as_string(), "pods");
  EXPECT_EQ(event.at({"objectRef", "namespace"}).as_string(), "shop");
  EXPECT_EQ(event.at({"responseStatus", "code"}).int_or(0), 409);
  EXPECT_EQ(event.at({"responseStatus", "message"}).as_string(), "it exists");
  EXPECT_EQ(event["requestReceivedTimestamp"].as_string(), "2023-11-14T22:13:20.000000Z");
  EXPECT_EQ(event["stageTimestamp"].as_string(), "2023-11-14T22:13:20.005000Z");
  EXPECT_EQ(event.at({"annotations", "authorization.k8s.io/decision"}).as_string(), "allow");
  EXPECT_TRUE(event["requestObject"].is_null()) << "not at this level";
  EXPECT_EQ(metrics_->audit_events.load(), 1u);
}

TEST_F(AuditTest, FilesThatAreTooOldGo) {
  namespace fs = std::filesystem;
  const std::string old = folder_ + "/audit-2001-01-01T00-00-00.000.log", fresh = folder_ + "/audit-2999-01-01T00-00-00.000.log";
  const std::string other = folder_ + "/audit-of-somebody-else-2001-01-01.log";
  for (const auto& path : {old, fresh, other}) ASSERT_TRUE(sys::write_file(path, "x"));
  AuditConfig config;
  config.max_age_days = 30;
  open(std::move(config));
  EXPECT_FALSE(fs::exists(old));
  EXPECT_TRUE(fs::exists(fresh));
  EXPECT_TRUE(fs::exists(other));
}

TEST_F(AuditTest, TellsOfProxiesAndOfTheNameThatWasMade) {
  auto log = open({});
  Inflight inflight({}, metrics_, log, clock_);
  auto send = [&](int status, std::string answer, const std::string& forwarded) {
    net::Request request;
    request.method = "POST";
    request.peer.address = "[2001:db8::7]:4711";
    if (!forwarded.empty()) request.headers.add("X-Forwarded-For", forwarded);
    request.headers.add("X-Real-Ip", "198.51.100.9");
    auto one = inflight.begin(request, std::make_shared<testing::Recorder>());
    RequestTraits traits;
    traits.audit.subject = subject("create", "pods");
    traits.audit.subject.name.clear();
    one->describe(std::move(traits), request);
    one->send({status, {{"Content-Type", "application/json"}}, {net::make_chunk(std::move(answer))}});
  };
  send(201, R"({"kind":"Pod","metadata":{"name":"web-x7f2k","generateName":"web-"}})", "198.51.100.7, nonsense,198.51.100.9");
  send(409, R"({"kind":"Status","code":409,"details":{"name":"web","kind":"pods"}})", "");
  auto lines = events(*log);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].at({"objectRef", "name"}).as_string(), "web-x7f2k");
  EXPECT_EQ(base::write_json(lines[0]["sourceIPs"]), R"(["198.51.100.7","198.51.100.9","2001:db8::7"])");
  EXPECT_EQ(lines[1].at({"objectRef", "name"}).as_string(), "web");
  EXPECT_EQ(base::write_json(lines[1]["sourceIPs"]), R"(["198.51.100.9","2001:db8::7"])");
}

TEST_F(AuditTest, BodiesAndStagesAsThePolicySays) {
  auto policy = AuditPolicy::parse("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- {level: RequestResponse, omitManagedFields: true}\n");
  ASSERT_TRUE(policy);
  AuditConfig config;
  config.policy = *policy;
  auto log = open(std::move(config));
  Inflight inflight({}, metrics_, log, clock_);
  auto send = [&](std::string resource, std::string body) {
    net::Request request;
    request.method = "POST";
    request.body = body;
    auto one = inflight.begin(request, std::make_shared<testing::Recorder>());
    RequestTraits traits;
    traits.audit.subject = subject("create", std::move(resource));
    one->describe(std::move(traits), request);
    one->send({201, {{"Content-Type", "application/json"}},
               {net::make_chunk(R"({"metadata":{"name":"x","managedFields":[1]},"data":1})")}});
  };
  send("pods", R"({"a":1})");
  send("secrets", R"({"a":1})");
  send("pods", "{\"a\":\"" + std::string(200'000, 'x') + "\"}");
  auto lines = events(*log);
  ASSERT_EQ(lines.size(), 6u);
  EXPECT_EQ(lines[0]["stage"].as_string(), "RequestReceived");
  EXPECT_EQ(lines[1]["requestObject"]["a"].int_or(0), 1);
  EXPECT_EQ(base::write_json(lines[1]["responseObject"]), R"({"metadata":{"name":"x"},"data":1})");
  EXPECT_EQ(lines[3]["level"].as_string(), "Metadata");
  EXPECT_TRUE(lines[3]["requestObject"].is_null());
  EXPECT_TRUE(lines[3]["responseObject"].is_null());
  EXPECT_EQ(lines[5].at({"annotations", "audit.k8s.io/truncated"}).as_string(), "true");
  EXPECT_TRUE(lines[5]["requestObject"].is_null());
}

TEST_F(AuditTest, BodiesInProtobufAreReadToo) {
  auto kinds = api::load_builtin_kinds();
  ASSERT_TRUE(kinds);
  AuditFacts facts;
  facts.decision.level = request_response;
  facts.subject = subject("create", "configmaps");
  facts.kind = kinds->find_kind("v1", "ConfigMap");
  facts.status_kind = kinds->find_kind("v1", "Status");
  ASSERT_TRUE(facts.kind && facts.status_kind);
  const std::string type = "application/vnd.kubernetes.protobuf";
  auto map = base::parse_json(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"data":{"a":"b"}})");
  facts.request_body = api::encode_protobuf(*facts.kind, *map);
  facts.request_type = type;
  auto status = base::parse_json(
      R"({"kind":"Status","apiVersion":"v1","status":"Failure","message":"no","reason":"Forbidden","code":403})");
  auto event = make_audit_event(facts, AuditStage::response_complete, base::Time(), 403,
                                api::encode_protobuf(*facts.status_kind, *status), type);
  EXPECT_EQ(event.at({"requestObject", "data", "a"}).as_string(), "b");
  EXPECT_EQ(event.at({"responseStatus", "reason"}).as_string(), "Forbidden");
  EXPECT_EQ(event.at({"responseObject", "message"}).as_string(), "no");
  facts.request_body = "k8s";
  EXPECT_TRUE(make_audit_event(facts, AuditStage::response_complete, base::Time(), 400, "", "")["requestObject"].is_null());
}

TEST_F(AuditTest, TheFileIsPutAsideBySize) {
  AuditConfig config;
  config.max_size = 2'000;
  config.max_backups = 2;
  auto log = open(std::move(config));
  for (int i = 0; i < 100; ++i) {
    log->write(base::Object{{"n", i}, {"text", std::string(100, 'x')}});
    log->flush();
  }
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    ++files;
    EXPECT_LE(entry.file_size(), 2'000u);
    EXPECT_EQ(entry.status().permissions(), std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  }
  EXPECT_EQ(files, 3u);
  EXPECT_EQ(metrics_->audit_events.load(), 100u);
  auto last = events(*log);
  ASSERT_FALSE(last.empty());
  EXPECT_EQ(last.back()["n"].int_or(0), 99);
}

TEST_F(AuditTest, APathThatCannotBe) {
  AuditConfig config;
  config.path = folder_ + "/missing/audit.log";
  auto log = AuditLog::open(std::move(config), metrics_);
  ASSERT_FALSE(log);
  EXPECT_THAT(log.error().message, HasSubstr("open the audit log"));
}

}  // namespace
}  // namespace server
