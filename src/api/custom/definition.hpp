// Custom kinds: what a CustomResourceDefinition says, as the same structures that built-in kinds have, and the rules for
// the definition itself and for objects of its kinds. Pure functions; any thread.
//
// Source: apiextensions.k8s.io/v1 and its structural schemas; messages as kube-apiserver and kube-openapi write them.
// x-kubernetes-validations (CEL) are checked for form, kept and published, but not evaluated.
#pragma once

#include <cstdint>
#include <vector>

#include "api/kinds.hpp"
#include "api/status.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "base/value.hpp"

namespace api {

// Annotations and finalizers of definitions.
inline constexpr std::string_view kCustomObjectsFinalizer = "customresourcecleanup.apiextensions.k8s.io";
inline constexpr std::string_view kApprovedAnnotation = "api-approved.kubernetes.io";

// ---- reading ------------------------------------------------------------------------------------------------------

struct CustomKinds {
  std::vector<KindPtr> served;  // in the definition's order; each that is not the storage version has stored_as
  KindPtr storage;              // one of `served`, or a kind of its own when the storage version is not served
};

// `crd` passed check_definition. Names come from spec.names. The schema of every kind is an object with apiVersion, kind,
// metadata (that of `builtin`) and the properties of the definition.
base::Result<CustomKinds> read_definition(const base::Value& crd, const Registry& builtin);

// ---- the definition itself ----------------------------------------------------------------------------------------

// Singular and list kind, conversion None, status.storedVersions of a definition that is new; before the checks.
void default_definition(base::Value& crd);
// What is wrong besides its metadata.
std::vector<FieldError> check_definition(const base::Value& crd);
// The same for one that replaces another, and what may not change. Rules that `old` broke are not applied where upstream
// forgives it (a schema that is not structural, too many selectable fields).
std::vector<FieldError> check_definition_update(const base::Value& fresh, const base::Value& old);

// ---- objects ------------------------------------------------------------------------------------------------------

// Types, formats, bounds, required members, enums, oneOf...: everything the schema says. Metadata is not looked at: that
// is validate's. Decoding only pruned the object: a member of a wrong type is found here.
std::vector<FieldError> check_custom(const Kind& kind, const base::Value& object);
// The same, but what did not change since `old` may be wrong (ratcheting).
std::vector<FieldError> check_custom_update(const Kind& kind, const base::Value& fresh, const base::Value& old);

// One cell per column of the kind (kind.columns, which has no Name: the server puts that in front).
std::vector<base::Value> custom_cells(const Kind& kind, const base::Value& object, base::Time now);

// The autoscaling/v1 Scale of an object, and the write back. The kind has a scale subresource (kind.scale).
base::Result<base::Value> scale_of(const Kind& kind, const base::Value& object);
base::Result<void> set_scale(const Kind& kind, base::Value& object, int64_t replicas);

}  // namespace api
