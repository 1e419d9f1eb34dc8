// Reviews: who the caller is, what somebody may do, whose a token is. They ask the functions that every request passes
// (access.hpp), so that an answer is what a request would meet.
#include <algorithm>

#include <fmt/format.h>

#include "api/meta.hpp"
#include "api/status.hpp"
#include "base/json.hpp"
#include "server/access.hpp"
#include "server/virtual.hpp"
#include "server/writing.hpp"

namespace server {

namespace {

using api::FieldError;

base::Value user_info(const User& user) {
  base::Object out{{"username", user.name}};
  base::Array groups;
  for (const std::string& group : user.groups) groups.emplace_back(group);
  if (!groups.empty()) out.set("groups", std::move(groups));
  return out;
}

// A review has no name and no labels; a local one has its namespace.
void check_no_metadata(const base::Value& review, bool local, std::vector<FieldError>& errors) {
  base::Object rest = review["metadata"].as_object();
  rest.erase("creationTimestamp");
  rest.erase("managedFields");
  if (local) rest.erase("namespace");
  if (rest.empty()) return;
  errors.push_back(api::invalid_field("metadata", review["metadata"],
                                      local ? "must be empty except for namespace" : "must be empty"));
}

void check_selector(const base::Value& attributes, const std::string& member, std::vector<FieldError>& errors) {
  const base::Value& selector = attributes[member];
  if (!selector.is_object()) return;
  const std::string path = "spec.resourceAttributes." + member;
  const bool raw = !selector["rawSelector"].as_string().empty();
  const bool parts = !selector["requirements"].as_array().empty();
  if (raw && parts) {
    errors.push_back(api::invalid_field(path + ".rawSelector", selector["rawSelector"],
                                        "may not specified at the same time as requirements"));
  } else if (!raw && !parts) {
    errors.push_back(api::required_field(
        path + ".requirements", fmt::format("when {} is specified, requirements or rawSelector is required", path)));
  }
}

void check_attributes(const base::Value& spec, std::vector<FieldError>& errors) {
  const base::Value &resource = spec["resourceAttributes"], &other = spec["nonResourceAttributes"];
  if (!resource.is_null() && !other.is_null()) {
    errors.push_back(api::invalid_field("spec.nonResourceAttributes", other,
                                        "cannot be specified in combination with resourceAttributes"));
  } else if (resource.is_null() && other.is_null()) {
    errors.push_back(
        api::invalid_field("spec.resourceAttributes", resource,
                           "exactly one of nonResourceAttributes or resourceAttributes must be specified"));
  }
  for (const char* selector : {"fieldSelector", "labelSelector"}) check_selector(resource, selector, errors);
}

void check_subject(const base::Value& spec, std::vector<FieldError>& errors) {
  if (!spec["user"].as_string().empty() || !spec["groups"].as_array().empty()) return;
  errors.push_back(api::invalid_field("spec.user", "", "at least one of user or group must be specified"));
}

void check_local(const base::Value& review, std::vector<FieldError>& errors) {
  const base::Value &resource = review["spec"]["resourceAttributes"], &other = review["spec"]["nonResourceAttributes"];
  if (!resource.is_null() && resource["namespace"].as_string() != api::namespace_of(review)) {
    errors.push_back(api::invalid_field("spec.resourceAttributes.namespace", resource["namespace"].as_string(),
                                        "must match metadata.namespace"));
  }
  if (!other.is_null()) {
    errors.push_back(
        api::invalid_field("spec.nonResourceAttributes", other, "disallowed on this kind of request"));
  }
}

Attributes attributes_of(const base::Value& spec) {
  const base::Value &resource = spec["resourceAttributes"], &other = spec["nonResourceAttributes"];
  const auto text = [](const base::Value& value) { return std::string(value.as_string()); };
  if (resource.is_null()) return {.verb = text(other["verb"]), .path = text(other["path"])};
  return {.verb = text(resource["verb"]),
          .group = text(resource["group"]),
          .resource = text(resource["resource"]),
          .subresource = text(resource["subresource"]),
          .namespace_ = text(resource["namespace"]),
          .name = text(resource["name"])};
}

base::Value access_status(const User& user, const Attributes& attributes) {
  auto allowed = authorize(user, attributes);
  base::Object status{{"allowed", allowed.has_value()}};
  if (!allowed) status.set("reason", allowed.error().message);
  return status;
}

User subject_of(const base::Value& spec) {
  User user{std::string(spec["user"].as_string()), {}};
  for (const base::Value& group : spec["groups"].as_array()) user.groups.emplace_back(group.as_string());
  return user;
}

base::Result<void> review_access(const Exchange& exchange, const api::Kind& kind, base::Value& review) {
  const bool self = kind.kind == "SelfSubjectAccessReview", local = kind.kind == "LocalSubjectAccessReview";
  if (local) {
    const std::string_view space = api::namespace_of(review);
    if (!space.empty() && space != exchange.route.namespace_) {
      return std::unexpected(api::bad_request(
          "the namespace of the provided object does not match the namespace sent on the request"));
    }
    api::set_namespace(review, exchange.route.namespace_);
  }
  const base::Value& spec = review["spec"];
  std::vector<FieldError> errors;
  check_attributes(spec, errors);
  if (!self) check_subject(spec, errors);
  check_no_metadata(review, local, errors);
  if (local) check_local(review, errors);
  if (!errors.empty()) return std::unexpected(api::invalid(kind.group, kind.kind, "", errors));
  review.object().set("status", access_status(self ? exchange.user : subject_of(spec), attributes_of(spec)));
  return {};
}

// Who may do everything has one rule; for others nothing can be listed yet.
base::Result<void> review_rules(const Exchange& exchange, base::Value& review) {
  const std::string space(review["spec"]["namespace"].as_string());
  if (space.empty()) return std::unexpected(api::bad_request("no namespace on request"));
  const auto all = [] { return base::Array{base::Value("*")}; };
  base::Array resources, others;
  if (authorize(exchange.user, {.verb = "*", .group = "*", .resource = "*", .namespace_ = space})) {
    resources.emplace_back(base::Object{{"verbs", all()}, {"apiGroups", all()}, {"resources", all()}});
  }
  if (authorize(exchange.user, {.verb = "*", .path = "*"})) {
    others.emplace_back(base::Object{{"verbs", all()}, {"nonResourceURLs", all()}});
  }
  const bool incomplete = resources.empty() || others.empty();
  base::Object status{
      {"resourceRules", std::move(resources)}, {"nonResourceRules", std::move(others)}, {"incomplete", incomplete}};
  if (incomplete) status.set("evaluationError", "single rules cannot be listed");
  review.object().set("status", std::move(status));
  return {};
}

base::Result<void> review_token(base::Value& review) {
  if (review["spec"]["token"].as_string().empty()) {
    return std::unexpected(api::bad_request("token is required for TokenReview in authentication"));
  }
  review.object().set("status",
                      base::Object{{"user", base::Object{}},
                                   {"error", "invalid bearer token: this server accepts client certificates only"}});
  return {};
}

base::Result<void> review_self(const Exchange& exchange, base::Time now, base::Value& review) {
  review.object().set("metadata", base::Object{{"creationTimestamp", base::format_time(now)}});
  review.object().set("status", base::Object{{"userInfo", user_info(exchange.user)}});
  return {};
}

base::Result<void> fill_review(const Exchange& exchange, const api::Kind& kind, base::Time now, base::Value& review) {
  review.object().erase("status");
  if (kind.kind == "SelfSubjectReview") return review_self(exchange, now, review);
  if (kind.kind == "TokenReview") return review_token(review);
  if (kind.kind == "SelfSubjectRulesReview") return review_rules(exchange, review);
  return review_access(exchange, kind, review);
}

}  // namespace

void serve_review(Core& core, const ExchangePtr& exchange, const Resource& resource) {
  const auto& kind = *resource.kind;
  auto review = [&]() -> base::Result<base::Value> {
    TRY(auto options, parse_write_options(exchange->request.query, "CreateOptions"));
    TRY(auto body, read_body(kind, *exchange));
    std::vector<std::string> warnings;
    TRY(auto object, read_object(core, kind, std::move(body), options.validation, warnings));
    exchange->warn(warnings);
    CHECK_OK(fill_review(*exchange, kind, core.clock.now(), object));
    api::set_type(object, kind);
    return object;
  }();
  if (!review) return exchange->fail(review.error());
  if (kind.schema) api::order_members(*kind.schema, *review);
  RenderStyle style{exchange->format, IncludeObject::metadata, core.clock.now()};
  exchange->send(201, exchange->format.content_type(),
                 render_object(kind, style, net::make_chunk(encode_object(*review))));
}

}  // namespace server
