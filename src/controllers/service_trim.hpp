// What controllers of a Service's addresses keep of it: neither selector nor what people wrote on it. One function, so
// that their informers share what it leaves. Pure; any thread.
#pragma once

#include "api/types.hpp"

namespace controllers {

inline void trim_service_for_addresses(api::Service& service) {
  service.metadata.annotations.clear();
  service.metadata.labels.clear();
  service.spec.selector.clear();
}

}  // namespace controllers
