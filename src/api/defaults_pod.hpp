// The defaults of a pod's spec, which pods and pod templates share. Only defaults.cpp includes this. Pure;
// any thread.
#pragma once

#include "base/value.hpp"

namespace api {

enum class PodPlace { of_pod, of_template };

// `holder` is the pod or the template: the object with the member spec.
void default_pod_spec(base::Value& holder, PodPlace place);

}  // namespace api
