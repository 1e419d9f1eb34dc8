// Strategies of rbac, certificates and admission kinds.
#include "api/meta.hpp"
#include "api/status.hpp"
#include "base/strings.hpp"
#include "server/exchange.hpp"
#include "server/strategy/strategy.hpp"

namespace server {

namespace {

constexpr std::string_view kRbac = "rbac.authorization.k8s.io";
constexpr std::string_view kAdmission = "admissionregistration.k8s.io";

void take(base::Value& to, const base::Value& from, std::string_view member) {
  if (const auto* value = from.as_object().find(member))
    to.object().set(member, *value);
  else
    to.object().erase(member);
}

// ---- certificates ---------------------------------------------------------------------------------------------------

// Whether the PEM request in base64 asks for that organization: its attribute as DER, in any string type.
bool asks_for_organization(std::string_view request, std::string_view organization) {
  constexpr std::string_view kOrganizationId("\x06\x03\x55\x04\x0a", 5);
  auto pem = base::base64_decode(request);
  if (!pem) return false;
  size_t begin = pem->find("-----\n"), end = pem->rfind("-----END");
  if (begin == std::string::npos || end == std::string::npos || end <= begin + 6) return false;
  std::string packed;
  for (char c : pem->substr(begin + 6, end - begin - 6)) {
    if (c != '\n' && c != '\r' && c != ' ' && c != '\t') packed += c;
  }
  const std::string der = base::base64_decode(packed).value_or("");
  const std::string wanted = static_cast<char>(organization.size()) + std::string(organization);
  for (size_t at = der.find(kOrganizationId); at != std::string::npos; at = der.find(kOrganizationId, at + 1)) {
    if (der.compare(at + kOrganizationId.size() + 1, wanted.size(), wanted) == 0) return true;
  }
  return false;
}

class SigningRequestStrategy final : public Strategy {
 public:
  // Who asks is what the server knows of the user, whatever the request claims.
  void prepare_create(WriteContext& context, base::Value& request) const override {
    Strategy::prepare_create(context, request);
    base::Value& spec = request.make({"spec"});
    if (!spec.is_object() || !context.user) return;
    for (const char* member : {"uid", "extra", "groups"}) spec.object().erase(member);
    spec.object().set("username", context.user->name);
    base::Array groups;
    for (const auto& group : context.user->groups) groups.emplace_back(group);
    if (!groups.empty()) spec.object().set("groups", std::move(groups));
  }

  void prepare_update(WriteContext& context, base::Value& fresh, const base::Value& old) const override {
    Strategy::prepare_update(context, fresh, old);
    take(fresh, old, "spec");
  }

  void prepare_status(WriteContext& context, base::Value& fresh, const base::Value& old) const override {
    Strategy::prepare_status(context, fresh, old);
    set_times(context, fresh, old);
  }

  base::Result<void> prepare_part(WriteContext& context, std::string_view /*part*/, base::Value& fresh,
                                  const base::Value& old) const override {
    base::Value result = old;
    base::Value status = old["status"].is_object() ? old["status"] : base::Value(base::Object{});
    take(status, fresh["status"], "conditions");
    result.object().set("status", std::move(status));
    fresh = std::move(result);
    set_times(context, fresh, old);
    return {};
  }

  // As the admission plugin CertificateSubjectRestriction.
  base::Result<void> admit_create(WriteContext&, base::Value& request) const override {
    if (request.at({"spec", "signerName"}).as_string() != "kubernetes.io/kube-apiserver-client") return {};
    if (!asks_for_organization(request.at({"spec", "request"}).as_string(), "system:masters")) return {};
    return std::unexpected(api::forbidden(
        "certificatesigningrequests.certificates.k8s.io", api::name_of(request),
        "use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed"));
  }

  bool tracks_generation(const api::Kind&) const override { return false; }

 private:
  static void set_times(const WriteContext& context, base::Value& fresh, const base::Value& old) {
    base::Value& status = fresh.make({"status"});
    if (!status.is_object() || !status["conditions"].is_array()) return;
    const std::string now = base::format_time(context.now);
    for (base::Value& condition : status.object()["conditions"].array()) {
      if (!condition.is_object()) continue;
      if (condition["lastUpdateTime"].is_null()) condition.object().set("lastUpdateTime", now);
      if (!condition["lastTransitionTime"].is_null()) continue;
      base::Value since = now;
      for (const base::Value& known : old.at({"status", "conditions"}).as_array()) {
        const bool same = known["type"] == condition["type"] && known["status"] == condition["status"];
        if (same && !known["lastTransitionTime"].is_null()) since = known["lastTransitionTime"];
      }
      condition.object().set("lastTransitionTime", std::move(since));
    }
  }
};

// ---- admission ------------------------------------------------------------------------------------------------------

class PolicyStrategy : public Strategy {
 public:
  bool allows_unconditional_update() const override { return false; }
};

// Its generation counts changes of the webhooks.
class WebhooksStrategy final : public PolicyStrategy {
 public:
  void prepare_create(WriteContext&, base::Value& object) const override { api::set_generation(object, 1); }
  void prepare_update(WriteContext&, base::Value& fresh, const base::Value& old) const override {
    const int64_t generation = api::generation_of(old);
    api::set_generation(fresh, fresh["webhooks"] != old["webhooks"] ? generation + 1 : generation);
  }
  bool tracks_generation(const api::Kind&) const override { return false; }
};

}  // namespace

void add_access_strategies(Strategies& table) {
  for (const char* plural : {"roles", "rolebindings", "clusterroles", "clusterrolebindings"})
    table.add(kRbac, plural, make_plain_strategy(true, false));
  table.add("certificates.k8s.io", "certificatesigningrequests", std::make_unique<SigningRequestStrategy>());
  for (const char* plural : {"validatingwebhookconfigurations", "mutatingwebhookconfigurations"})
    table.add(kAdmission, plural, std::make_unique<WebhooksStrategy>());
  for (const char* plural : {"validatingadmissionpolicies", "validatingadmissionpolicybindings",
                             "mutatingadmissionpolicies", "mutatingadmissionpolicybindings"})
    table.add(kAdmission, plural, std::make_unique<PolicyStrategy>());
}

}  // namespace server
