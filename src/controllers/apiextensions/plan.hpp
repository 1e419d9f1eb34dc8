// The end of a CustomResourceDefinition: where its objects are to be found, and what its status says while they go. Pure
// functions over values; any thread.
//
// Source: upstream's CRD finalizer controller.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/time.hpp"
#include "base/value.hpp"
#include "client/client.hpp"

namespace controllers {

// It is being deleted, and its objects have not been looked after yet.
bool awaits_cleanup(const base::Value& definition);
// Its kind was served once: else it has no objects.
bool was_established(const base::Value& definition);
// The collection of all its objects: the storage version where that is served, else any other. Nothing when none is.
std::optional<client::Resource> objects_of(const base::Value& definition);

struct Termination {
  bool over;  // status of the condition is the opposite
  std::string reason;
  std::string message;
};
// Writes the condition Terminating; false when it said the same already.
bool set_termination(base::Value& definition, const Termination& termination, base::Time now);
void remove_cleanup_finalizer(base::Value& definition);

}  // namespace controllers
