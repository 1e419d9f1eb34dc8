// Rules for rbac, certificates and admission: one table per kind.
#include "api/validate_testing.hpp"

namespace api {
namespace {

using testing::expect_create;
using testing::expect_update;

constexpr std::string_view kRbac = "rbac.authorization.k8s.io";
constexpr std::string_view kAdmission = "admissionregistration.k8s.io";
constexpr std::string_view kCertificates = "certificates.k8s.io";

TEST(ValidateAccess, Roles) {
  const std::string role = R"({"metadata":{"name":"system:reader","namespace":"default"},
    "rules":[{"verbs":["get"],"apiGroups":[""],"resources":["pods"]}]})";
  expect_create(
      kRbac, "Role", role,
      {{"as it is", "{}", ""},
       {"no rules", R"({"rules":null})", ""},
       {"a name that is no path", R"({"metadata":{"name":"a/b"}})",
        R"(metadata.name: Invalid value: "a/b": may not contain '/')"},
       {"no verbs", R"({"rules":[{"verbs":[],"apiGroups":[""],"resources":["pods"]}]})",
        "rules[0].verbs: Required value: verbs must contain at least one value"},
       {"no groups and resources", R"({"rules":[{"verbs":["get"]}]})",
        "rules[0].apiGroups: Required value: resource rules must supply at least one api group|rules[0].resources: "
        "Required value: resource rules must supply at least one resource"},
       {"URLs", R"({"rules":[{"verbs":["get"],"nonResourceURLs":["/healthz"]}]})",
        "rules[0].nonResourceURLs: Invalid value: *: namespaced rules cannot apply to non-resource URLs"},
       {"names of two resources",
        R"({"rules":[{"verbs":["get"],"apiGroups":[""],"resources":["pods","services"],"resourceNames":["a"]}]})",
        "rules[0].resourceNames: Required value: resource names cannot apply to multiple resources"}});
  expect_create(
      kRbac, "ClusterRole", R"({"metadata":{"name":"reader"}})",
      {{"URLs", R"({"rules":[{"verbs":["get"],"nonResourceURLs":["/healthz"]}]})", ""},
       {"both", R"({"rules":[{"verbs":["get"],"nonResourceURLs":["/healthz"],"apiGroups":[""]}]})",
        "rules[0].nonResourceURLs: Invalid value: *: rules cannot apply to both regular resources and non-resource URLs"},
       {"an empty aggregation", R"({"aggregationRule":{}})",
        "aggregationRule.clusterRoleSelectors: Required value: at least one clusterRoleSelector required if "
        "aggregationRule is non-nil"},
       {"aggregation", R"({"aggregationRule":{"clusterRoleSelectors":[{"matchLabels":{"a":"b"}}]}})", ""}});
}

TEST(ValidateAccess, Bindings) {
  const std::string binding = R"({"metadata":{"name":"read","namespace":"default"},
    "roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"reader"},
    "subjects":[{"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":"ann"}]})";
  expect_create(
      kRbac, "RoleBinding", binding,
      {{"as it is", "{}", ""},
       {"nobody", R"({"subjects":null})", ""},
       {"another group", R"({"roleRef":{"apiGroup":"x"}})",
        R"(roleRef.apiGroup: Unsupported value: "x": supported values: "rbac.authorization.k8s.io")"},
       {"another kind", R"({"roleRef":{"kind":"Pod"}})",
        R"(roleRef.kind: Unsupported value: "Pod": supported values: "Role", "ClusterRole")"},
       {"no name", R"({"roleRef":{"name":""}})", "roleRef.name: Required value"},
       {"a service account", R"({"subjects":[{"kind":"ServiceAccount","name":"web"}]})", ""},
       {"a service account of a group", R"({"subjects":[{"kind":"ServiceAccount","apiGroup":"x","name":"web"}]})",
        R"(subjects[0].apiGroup: Unsupported value: "x": supported values: "")"},
       {"a nameless user", R"({"subjects":[{"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":""}]})",
        R"(subjects[0].name: Required value|subjects[0].name: Invalid value: "": user name cannot be empty)"},
       {"some kind", R"({"subjects":[{"kind":"Pod","name":"a"}]})",
        R"(subjects[0].kind: Unsupported value: "Pod": supported values: "ServiceAccount", "User", "Group")"}});
  expect_update(kRbac, "RoleBinding", binding,
                {{"subjects may change", R"({"subjects":null})", ""},
                 {"the role may not", R"({"roleRef":{"name":"writer"}})",
                  R"(roleRef: Invalid value: *: cannot change roleRef)"}});
  expect_create(kRbac, "ClusterRoleBinding", testing::patched(binding, R"({"metadata":{"namespace":null}})"),
                {{"a Role", "{}", R"(roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole")"},
                 {"an account without namespace",
                  R"({"roleRef":{"kind":"ClusterRole"},"subjects":[{"kind":"ServiceAccount","name":"web"}]})",
                  "subjects[0].namespace: Required value"}});
}

// A request that openssl made: CN=ann, O=team, ECDSA.
constexpr std::string_view kRequest =
    "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlIV01IOENBUUF3SFRFTU1Bb0dBMVVFQXd3RFlXNXVNUTB3Q3dZRFZRUUtEQVIwWl"
    "dGdE1Ga3dFd1lIS29aSQp6ajBDQVFZSUtvWkl6ajBEQVFjRFFnQUVFUVVGRHJuWTUrNG5JL0NVUk9yRFFGYlB3WmUvNEZPY0J6M29aNXAzClBpTVpZa3"
    "Z5cWRyeFF5SFlpMGtGNlk4RXJlNUgxUm90NG54RlBDNzhOSVpGbHFBQU1Bb0dDQ3FHU000OUJBTUMKQTBjQU1FUUNJQ3ExbjNBUm5nNFlLNGJsL2ErTm"
    "JYeDFOblNRKzdJRDJpQm5QR2t0Q0FzTUFpQVZSMHpFUUt5VgpOeTRGZzBFTlJjNE9tV1NtQmxOYm5lYm9CL3ZGcHBzbVh3PT0KLS0tLS1FTkQgQ0VSVE"
    "lGSUNBVEUgUkVRVUVTVC0tLS0tCg==";

std::string signing_request(std::string_view status = "{}") {
  return R"({"metadata":{"name":"ann"},"spec":{"request":")" + std::string(kRequest) +
         R"(","signerName":"example.com/people","usages":["client auth"]},"status":)" + std::string(status) + "}";
}

TEST(ValidateAccess, SigningRequests) {
  const std::string pem_of_nothing = base::base64_encode(
      "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n");
  const std::string certificate =
      base::base64_encode("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  expect_create(
      kCertificates, "CertificateSigningRequest", signing_request(),
      {{"as it is", "{}", ""},
       {"text", R"({"spec":{"request":"aGVsbG8="}})",
        "spec.request: Invalid value: *: PEM block type must be CERTIFICATE REQUEST"},
       {"a certificate", R"({"spec":{"request":")" + certificate + "\"}}",
        "spec.request: Invalid value: *: PEM block type must be CERTIFICATE REQUEST"},
       {"an empty block", R"({"spec":{"request":")" + pem_of_nothing + "\"}}",
        "spec.request: Invalid value: *: asn1: the PEM block holds no PKCS#10 certificate request"},
       {"no usages", R"({"spec":{"usages":[]}})", "spec.usages: Required value"},
       {"an unknown usage", R"({"spec":{"usages":["fun"]}})",
        R"(spec.usages[0]: Unsupported value: "fun": supported values: "any", "cert sign", "client auth", *)"},
       {"a usage twice", R"({"spec":{"usages":["any","any"]}})", R"(spec.usages[1]: Duplicate value: "any")"},
       {"no signer", R"({"spec":{"signerName":""}})", "spec.signerName: Required value"},
       {"a signer without path", R"({"spec":{"signerName":"example.com"}})",
        R"(spec.signerName: Invalid value: "example.com": must be a fully qualified domain and path of the form )"
        "'example.com/signer-name'"},
       {"a signer without dots", R"({"spec":{"signerName":"com/people"}})",
        R"(spec.signerName: Invalid value: "com": should be a domain with at least two segments separated by dots)"},
       {"the old signer", R"({"spec":{"signerName":"kubernetes.io/legacy-unknown"}})",
        R"(spec.signerName: Invalid value: "kubernetes.io/legacy-unknown": the legacy signerName is not allowed via )"
        "this API version"},
       {"a short life", R"({"spec":{"expirationSeconds":599}})",
        "spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 600 seconds (10 minutes)"}});
}

TEST(ValidateAccess, DecisionsOnSigningRequests) {
  const std::string approve = R"({"status":{"conditions":[{"type":"Approved","status":"True"}]}})";
  const std::string approved = signing_request(R"({"conditions":[{"type":"Approved","status":"True"}]})");
  const std::string fail = R"({"status":{"conditions":[{"type":"Failed","status":"True"}]}})";
  const std::string certificate =
      base::base64_encode("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  const std::string issue = R"({"status":{"certificate":")" + certificate + "\"}}";
  const std::string kind = "CertificateSigningRequest";
  expect_update(kCertificates, kind, signing_request(),
                {{"approve", approve, ""},
                 {"both", R"({"status":{"conditions":[{"type":"Approved","status":"True"},{"type":"Denied","status":"True"}]}})",
                  R"(status.conditions: Invalid value: "Denied": Approved and Denied conditions are mutually exclusive)"},
                 {"twice", R"({"status":{"conditions":[{"type":"Approved","status":"True"},{"type":"Approved","status":"True"}]}})",
                  R"(status.conditions[1].type: Duplicate value: "Approved")"},
                 {"not really", R"({"status":{"conditions":[{"type":"Approved","status":"False"}]}})",
                  R"(status.conditions[0].status: Unsupported value: "False": supported values: "True")"},
                 {"issue", issue, "status.certificate: Forbidden: updates may not set certificate content"}},
                "approval");
  expect_update(kCertificates, kind, signing_request(),
                {{"approve", approve,
                  R"(status.conditions: Forbidden: updates may not add a condition of type "Approved")"},
                 {"fail", fail, ""},
                 {"issue", issue, ""},
                 {"issue text", R"({"status":{"certificate":"aGVsbG8="}})",
                  R"(status.certificate: Invalid value: "<certificate data>": must contain at least one CERTIFICATE PEM block)"}},
                "status");
  const std::string removal = R"({"status":{"conditions":[]}})";
  expect_update(kCertificates, kind, approved,
                {{"no way back", removal,
                  R"(status.conditions: Forbidden: updates may not remove a condition of type "Approved")"}},
                "approval");
  expect_update(kCertificates, kind, approved,
                {{"another reason", R"({"status":{"conditions":[{"type":"Approved","status":"True","reason":"X"}]}})",
                  R"(status.conditions: Forbidden: updates may not modify a condition of type "Approved")"}},
                "status");
}

TEST(ValidateAccess, Webhooks) {
  const std::string hooks = R"({"metadata":{"name":"checks"},"webhooks":[{"name":"quota.example.com",
    "clientConfig":{"service":{"namespace":"default","name":"quota","path":"/check","port":443}},
    "rules":[{"operations":["CREATE"],"apiGroups":[""],"apiVersions":["v1"],"resources":["pods"],"scope":"*"}],
    "sideEffects":"None","admissionReviewVersions":["v1"],"timeoutSeconds":10}]})";
  auto hook = [&](std::string_view patch) {
    auto object = testing::json(hooks);
    auto& one = object.object()["webhooks"].array()[0];
    one = apply_merge_patch(one, testing::json(patch));
    return base::write_json(base::Object{{"webhooks", object["webhooks"]}});
  };
  expect_create(
      kAdmission, "ValidatingWebhookConfiguration", hooks,
      {{"as it is", "{}", ""},
       {"a short name", hook(R"({"name":"quota"})"),
        R"(webhooks[0].name: Invalid value: "quota": should be a domain with at least three segments separated by dots)"},
       {"no side effects said", hook(R"({"sideEffects":null})"),
        "webhooks[0].sideEffects: Required value: must specify one of None, NoneOnDryRun"},
       {"side effects", hook(R"({"sideEffects":"Some"})"),
        R"(webhooks[0].sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun")"},
       {"a failure policy", hook(R"({"failurePolicy":"Maybe"})"),
        R"(webhooks[0].failurePolicy: Unsupported value: "Maybe": supported values: "Fail", "Ignore")"},
       {"no versions", hook(R"({"admissionReviewVersions":[]})"),
        "webhooks[0].admissionReviewVersions: Required value: must specify one of v1, v1beta1"},
       {"unknown versions", hook(R"({"admissionReviewVersions":["v9"]})"),
        "webhooks[0].admissionReviewVersions: Invalid value: *: must include at least one of v1, v1beta1"},
       {"patience", hook(R"({"timeoutSeconds":31})"),
        "webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds"},
       {"nowhere", hook(R"({"clientConfig":{"service":null}})"),
        "webhooks[0].clientConfig: Required value: exactly one of url or service is required"},
       {"plain http", hook(R"({"clientConfig":{"service":null,"url":"http://a.example.com/x"}})"),
        R"(webhooks[0].clientConfig.url: Invalid value: "http": 'https' is the only allowed URL scheme; desired format: )"
        "https://host[/path]"},
       {"a query", hook(R"({"clientConfig":{"service":null,"url":"https://u@a.example.com/x?y=1#z"}})"),
        R"(webhooks[0].clientConfig.url: Invalid value: "u": user information is not permitted in the URL|)"
        R"(webhooks[0].clientConfig.url: Invalid value: "z": fragments are not permitted in the URL|)"
        R"(webhooks[0].clientConfig.url: Invalid value: "y=1": query parameters are not permitted in the URL)"},
       {"a path", hook(R"({"clientConfig":{"service":{"path":"a//b"}}})"),
        R"(webhooks[0].clientConfig.service.path: Invalid value: "a//b": must start with a '/'|*segment[0] may not be empty*)"},
       {"all resources and one", hook(R"({"rules":[{"operations":["CREATE"],"apiGroups":[""],"apiVersions":["v1"],
          "resources":["*","pods"]}]})"),
        "webhooks[0].rules[0].resources: Invalid value: *: if '*' is present, must not specify other resources without "
        "subresources"},
       {"all parts and one", hook(R"({"rules":[{"operations":["CREATE"],"apiGroups":[""],"apiVersions":["v1"],
          "resources":["pods/*","pods/log"]}]})"),
        R"(webhooks[0].rules[0].resources[1]: Invalid value: "pods/log": if 'pods/*' is present, must not specify pods/log)"},
       {"an empty rule", hook(R"({"rules":[{}]})"),
        "webhooks[0].rules[0].operations: Required value|webhooks[0].rules[0].apiGroups: Required "
        "value|webhooks[0].rules[0].apiVersions: Required value|webhooks[0].rules[0].resources: Required value"},
       {"an operation", hook(R"({"rules":[{"operations":["READ"],"apiGroups":[""],"apiVersions":["v1"],
          "resources":["pods"]}]})"),
        R"(webhooks[0].rules[0].operations[0]: Unsupported value: "READ": supported values: "*", "CONNECT", "CREATE", )"
        R"("DELETE", "UPDATE")"},
       {"a condition without text", hook(R"({"matchConditions":[{"name":"a","expression":" "}]})"),
        "webhooks[0].matchConditions[0].expression: Required value"}});
  auto twice = testing::json(hooks);
  twice.object()["webhooks"].array().push_back(base::Value(twice["webhooks"].as_array()[0]));
  expect_create(kAdmission, "MutatingWebhookConfiguration", base::write_json(twice),
                {{"one name twice", "{}", R"(webhooks[1].name: Duplicate value: "quota.example.com")"}});
}

TEST(ValidateAccess, Policies) {
  const std::string match = R"("matchConstraints":{"matchPolicy":"Equivalent","namespaceSelector":{},"objectSelector":{},
    "resourceRules":[{"operations":["CREATE"],"apiGroups":["apps"],"apiVersions":["v1"],"resources":["deployments"]}]})";
  expect_create(
      kAdmission, "ValidatingAdmissionPolicy",
      R"({"metadata":{"name":"replicas"},"spec":{"failurePolicy":"Fail","validations":[{"expression":"true"}],)" + match +
          "}}",
      {{"as it is", "{}", ""},
       {"nothing", R"({"spec":{"validations":null,"matchConstraints":null,"failurePolicy":null}})",
        "spec.failurePolicy: Required value|spec.matchConstraints: Required value|spec.validations: Required value: "
        "validations or auditAnnotations must contain at least one item|spec.auditAnnotations: Required value: "
        "validations or auditAnnotations must contain at least one item"},
       {"no rules", R"({"spec":{"matchConstraints":{"resourceRules":null}}})",
        "spec.matchConstraints.resourceRules: Required value"},
       {"a kind of parameters", R"({"spec":{"paramKind":{"apiVersion":"a/b/c"}}})",
        R"(spec.paramKind.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c|spec.paramKind.kind: )"
        "Required value"},
       {"a variable", R"({"spec":{"variables":[{"name":"in","expression":"1"}]}})",
        R"(spec.variables[0].name: Invalid value: "in": name is not a valid CEL identifier)"},
       {"an empty check", R"({"spec":{"validations":[{"expression":"","message":"a\nb","reason":"Why"}]}})",
        "spec.validations[0].expression: Required value: expression is not specified|spec.validations[0].message: "
        R"(Invalid value: "a\nb": message must not contain line breaks|spec.validations[0].reason: Unsupported value: )"
        R"("Why": supported values: "Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized")"},
       {"a note without text", R"({"spec":{"auditAnnotations":[{"key":"a","valueExpression":""}]}})",
        "spec.auditAnnotations[0].valueExpression: Required value: valueExpression is not specified"}});
  expect_create(
      kAdmission, "MutatingAdmissionPolicy",
      R"({"metadata":{"name":"labels"},"spec":{"failurePolicy":"Fail","reinvocationPolicy":"Never",)" + match +
          R"(,"mutations":[{"patchType":"JSONPatch","jsonPatch":{"expression":"[]"}}]}})",
      {{"as it is", "{}", ""},
       {"nothing", R"({"spec":{"mutations":null,"reinvocationPolicy":null}})",
        "spec.mutations: Required value: mutations must contain at least one item|spec.reinvocationPolicy: Required value"},
       {"the wrong half", R"({"spec":{"mutations":[{"patchType":"ApplyConfiguration","jsonPatch":{"expression":"[]"}}]}})",
        "spec.mutations[0].applyConfiguration: Required value: must be specified when patchType is "
        R"(ApplyConfiguration|spec.mutations[0].jsonPatch: Invalid value: "{jsonPatch}": must not be specified when )"
        "patchType is ApplyConfiguration"}});
  expect_create(
      kAdmission, "ValidatingAdmissionPolicyBinding",
      R"({"metadata":{"name":"b"},"spec":{"policyName":"replicas","validationActions":["Deny"]}})",
      {{"as it is", "{}", ""},
       {"no action", R"({"spec":{"validationActions":[]}})",
        "spec.validationActions: Required value: at least one validation action is required"},
       {"too much", R"({"spec":{"validationActions":["Deny","Warn"]}})",
        "spec.validationActions: Invalid value: *: must not contain both Deny and Warn *"},
       {"no policy", R"({"spec":{"policyName":""}})", "spec.policyName: Required value"},
       {"no parameter", R"({"spec":{"paramRef":{}}})",
        "spec.paramRef: Required value: one of name or selector must be specified|"
        "spec.paramRef.parameterNotFoundAction: Required value"},
       {"two ways", R"({"spec":{"paramRef":{"name":"a","selector":{},"parameterNotFoundAction":"Deny"}}})",
        "spec.paramRef.name: Forbidden: name and selector are mutually exclusive|spec.paramRef.selector: Forbidden: name "
        "and selector are mutually exclusive"}});
}

}  // namespace
}  // namespace api
