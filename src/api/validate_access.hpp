// The rules that the validate_access*.cpp files share out among them. Internal to src/api; pure; any thread.
#pragma once

#include "api/validate_rules.hpp"

namespace api::rules {

// Admission (validate_access_admission.cpp).
void check_validating_webhooks(Problems& out, const Value& object);
void check_mutating_webhooks(Problems& out, const Value& object);
void check_validating_policy(Problems& out, const Value& policy);
void check_mutating_policy(Problems& out, const Value& policy);
void check_validating_policy_binding(Problems& out, const Value& binding);
void check_mutating_policy_binding(Problems& out, const Value& binding);

// Certificates (validate_access_certificates.cpp).
void check_signing_request(Problems& out, const Value& request);
// Through the object itself and /status: no decision is added or changed.
void check_signing_request_update(Problems& out, const Value& fresh, const Value& old);
void check_signing_request_status(Problems& out, const Value& fresh, const Value& old);
void check_signer_name(Problems& out, const std::string& path, std::string_view name);

}  // namespace api::rules
