// JSON patch (RFC 6902) and JSON merge patch (RFC 7386) over values. Pure functions; any thread.
#pragma once

#include <cstddef>

#include "base/result.hpp"
#include "base/value.hpp"

namespace api {

inline constexpr size_t kMaxPatchOperations = 10'000;
// Bytes that all copy operations of one JSON patch may add up to, as in the API server.
inline constexpr size_t kMaxPatchCopyBytes = 3u << 20;
// Members looked at and elements moved by one JSON patch: a second of it. An insertion in front moves the whole list.
inline constexpr size_t kMaxPatchWork = 200'000'000;
// As deep as JSON may be.
inline constexpr size_t kMaxPatchHeight = 10'000;

// `patch` is the array of operations. bad_request when it is no patch at all, request_entity_too_large beyond a limit,
// invalid (422) when an operation cannot be done or a test fails. The original is untouched then.
base::Result<base::Value> apply_json_patch(const base::Value& original, const base::Value& patch);

base::Value apply_merge_patch(base::Value original, const base::Value& patch);
// The smallest merge patch that makes `to` out of `from`; an empty object when they are equal. A null that stands in
// `to` as a member cannot be said in a merge patch: it is treated as absent.
base::Value make_merge_patch(const base::Value& from, const base::Value& to);

}  // namespace api
