// One object in another version of its kind: events.k8s.io and core Events, autoscaling v1 and v2, the Ingress of old
// books, the versions of a custom kind. Pure functions; any thread.
//
// Source: the conversions of the Kubernetes API; a round trip through the stored version loses nothing that both know.
#pragma once

#include <string>
#include <string_view>

#include "api/kinds.hpp"
#include "base/result.hpp"
#include "base/value.hpp"

namespace api {

// `object` is a whole object of `from` (decoded, defaults set); the result one of `to`. Versions of a custom kind differ
// in apiVersion alone (strategy None). internal_error when nobody knows how.
base::Result<base::Value> convert(const Kind& from, const Kind& to, base::Value object);

// What a field selector on `from` is called in `to`: "regarding.name" -> "involvedObject.name". The same text when the
// names agree.
std::string convert_field(const Kind& from, const Kind& to, std::string_view field);

}  // namespace api
