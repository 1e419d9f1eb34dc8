#include <gtest/gtest.h>

#include "api/columns.hpp"
#include "base/json.hpp"

namespace api {
namespace {

const base::Time kNow = *base::parse_time("2026-01-01T01:00:00Z");

std::string head(const Kind& kind) {
  std::string out;
  for (const auto& column : columns_of(kind)) {
    out += (out.empty() ? "" : " | ") + column.name + (column.priority > 0 ? "*" : "");
  }
  return out;
}

std::string row(const Kind& kind, const std::string& members) {
  const auto object = base::parse_json(
      R"({"metadata":{"name":"x","creationTimestamp":"2026-01-01T00:00:00Z"},)" + members + "}");
  EXPECT_TRUE(object) << members;
  const auto cells = table_cells(kind, *object, kNow);
  EXPECT_EQ(cells.size(), columns_of(kind).size());
  std::string out;
  for (const auto& cell : cells) {
    if (!out.empty()) out += " | ";
    out += cell.is_string() ? std::string(cell.as_string()) : base::write_json(cell);
  }
  return out;
}

Kind kind(std::string group, std::string name) {
  Kind out;
  out.group = std::move(group);
  out.kind = std::move(name);
  out.version = "v1";
  return out;
}

TEST(ColumnsAccess, Bindings) {
  const Kind binding = kind("rbac.authorization.k8s.io", "RoleBinding");
  EXPECT_EQ(head(binding), "Name | Role | Age | Users* | Groups* | ServiceAccounts*");
  EXPECT_EQ(row(binding, R"("roleRef":{"kind":"ClusterRole","name":"view"},"subjects":[{"kind":"User","name":"ann"},
      {"kind":"User","name":"bob"},{"kind":"Group","name":"g"},{"kind":"ServiceAccount","namespace":"n","name":"s"}])"),
            "x | ClusterRole/view | 60m | ann, bob | g | n/s");
  EXPECT_EQ(head(kind("rbac.authorization.k8s.io", "Role")), "Name | Created At");
}

TEST(ColumnsAccess, SigningRequests) {
  const Kind request = kind("certificates.k8s.io", "CertificateSigningRequest");
  EXPECT_EQ(head(request), "Name | Age | SignerName | Requestor | RequestedDuration | Condition");
  const std::string spec = R"("spec":{"signerName":"a.b/c","username":"ann","expirationSeconds":86400})";
  EXPECT_EQ(row(request, spec), "x | 60m | a.b/c | ann | 24h | Pending");
  EXPECT_EQ(row(request, R"("spec":{"username":"ann"},"status":{"conditions":[{"type":"Approved"}],"certificate":"AA=="})"),
            "x | 60m | <none> | ann | <none> | Approved,Issued");
  EXPECT_EQ(row(request, R"("spec":{"username":"ann"},"status":{"conditions":[{"type":"Denied"},{"type":"Failed"}]})"),
            "x | 60m | <none> | ann | <none> | Denied,Failed");
}

TEST(ColumnsAccess, Admission) {
  const std::string group = "admissionregistration.k8s.io";
  EXPECT_EQ(row(kind(group, "MutatingWebhookConfiguration"), R"("webhooks":[{},{}])"), "x | 2 | 60m");
  const Kind policy = kind(group, "ValidatingAdmissionPolicy");
  EXPECT_EQ(head(policy), "Name | Validations | ParamKind | Age");
  EXPECT_EQ(row(policy, R"("spec":{"validations":[{}]})"), "x | 1 | <unset> | 60m");
  EXPECT_EQ(row(kind(group, "MutatingAdmissionPolicy"), R"("spec":{"paramKind":{"apiVersion":"a/v1","kind":"K"}})"),
            "x | 0 | a/v1/K | 60m");
  const Kind binding = kind(group, "ValidatingAdmissionPolicyBinding");
  EXPECT_EQ(head(binding), "Name | PolicyName | ParamRef | Age");
  EXPECT_EQ(row(binding, R"("spec":{"policyName":"p"})"), "x | p | <unset> | 60m");
  EXPECT_EQ(row(binding, R"("spec":{"policyName":"p","paramRef":{"name":"n"}})"), "x | p | */n | 60m");
  EXPECT_EQ(row(binding, R"("spec":{"policyName":"p","paramRef":{"selector":{"matchLabels":{"a":"b"}}}})"),
            "x | p | &LabelSelector{MatchLabels:map[string]string{a: b,},MatchExpressions:[]LabelSelectorRequirement{},} | "
            "60m");
}

TEST(ColumnsAccess, ComponentStatuses) {
  EXPECT_EQ(row(kind("", "ComponentStatus"), R"("conditions":[{"type":"Healthy","status":"True","message":"ok"}])"),
            "x | Healthy | ok | ");
}

}  // namespace
}  // namespace api
