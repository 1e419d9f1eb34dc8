// Strategic merge patch: merge patch that knows from the schema which lists are merged by key, with its $-directives;
// and the three-way patch that `kubectl apply` computes. Pure functions; any thread.
//
// Source: apimachinery's util/strategicpatch; semantics only.
#pragma once

#include "api/kinds.hpp"
#include "base/result.hpp"
#include "base/value.hpp"

namespace api {

// bad_request on a malformed directive, a list element without its merge key, or a type that does not fit.
base::Result<base::Value> apply_strategic_merge_patch(const base::Value& original, const base::Value& patch,
                                                      const Schema& schema);

// The patch that makes `to` out of `from`; an empty object when they are equal.
base::Result<base::Value> make_strategic_merge_patch(const base::Value& from, const base::Value& to,
                                                     const Schema& schema);

// What `kubectl apply` sends: deletions are what `last_applied` had and `modified` has not, the rest is the difference
// from `current` to `modified`. `last_applied` may be null.
base::Result<base::Value> three_way_merge_patch(const base::Value& last_applied, const base::Value& modified,
                                                const base::Value& current, const Schema& schema);
// The same as a JSON merge patch, for kinds without a schema.
base::Value three_way_json_merge_patch(const base::Value& last_applied, const base::Value& modified,
                                       const base::Value& current);

}  // namespace api
