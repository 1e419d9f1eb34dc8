// Which requests the audit log tells of, and how much: the rules of an audit.k8s.io/v1 Policy. Pure; any thread.
//
// Source: apiserver's audit/policy. A subset: users, userGroups, verbs, resources, namespaces, nonResourceURLs,
// omitStages and omitManagedFields.
//
// One difference, on purpose: bodies of Secrets, ConfigMaps and token reviews are logged only by a rule that names
// that resource. A rule for everything logs them at level Metadata.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace server {

enum class AuditLevel : uint8_t { none, metadata, request, request_response };
enum class AuditStage : uint8_t { request_received, response_started, response_complete, panic };

std::string_view audit_level_name(AuditLevel level);
std::string_view audit_stage_name(AuditStage stage);

// A request as the rules see it.
struct AuditSubject {
  std::string user;
  std::vector<std::string> groups;
  std::string verb;  // "get", "list", ...; of paths that are no resources: the method
  std::string path;  // of paths that are no resources, else ""
  std::string group;
  std::string resource;
  std::string subresource;
  std::string namespace_;
  std::string name;
};

struct AuditDecision {
  AuditLevel level = AuditLevel::none;
  std::vector<AuditStage> omit;
  bool omit_managed_fields = false;
  bool omits(AuditStage stage) const;
};

class AuditPolicy {
 public:
  // Everything at level Metadata, once it is answered.
  static AuditPolicy make_default();
  // YAML or JSON.
  static base::Result<AuditPolicy> parse(std::string_view text);
  AuditDecision decide(const AuditSubject& subject) const;

 private:
  struct Resources {
    std::string group;
    std::vector<std::string> resources;
    std::vector<std::string> names;
  };
  struct Rule {
    AuditLevel level = AuditLevel::none;
    std::vector<std::string> users;
    std::vector<std::string> groups;
    std::vector<std::string> verbs;
    std::vector<Resources> resources;
    std::vector<std::string> namespaces;
    std::vector<std::string> paths;
    std::vector<AuditStage> omit;
    bool omit_managed_fields = false;
    // Set when the rule names the resource itself, not only "all".
    bool matches(const AuditSubject& subject, bool& by_name) const;
    bool matches_resource(const AuditSubject& subject, bool& by_name) const;
  };
  std::vector<Rule> rules_;
};

}  // namespace server
