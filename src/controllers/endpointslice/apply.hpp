// What a plan of EndpointSlices says, done through the API; for the two controllers that have such plans. On their
// worker's thread.
#pragma once

#include <string_view>
#include <utility>

#include "client/client.hpp"
#include "controllers/endpointslice/own_writes.hpp"
#include "controllers/pod_changes.hpp"

namespace controllers {

// Creations and updates first: an endpoint that moves between slices is never in none. `complain(verb, error)` says what
// to answer when the server refuses.
template <class Plan, class Complain>
base::Result<void> apply_slices(client::Client& client, OwnWrites& own, const Plan& plan, Complain complain) {
  for (const auto& slice : plan.create) {
    auto made = client.create(slice);
    if (!made && is_namespace_going(made.error())) return {};
    if (!made) return complain("create", std::move(made).error());
    own.wrote(std::move(*made));
  }
  for (const auto& slice : plan.update) {
    auto made = client.update(slice);
    if (!made) return complain("update", std::move(made).error());
    own.wrote(std::move(*made));
  }
  for (const auto& slice : plan.remove) {
    auto gone = client.remove<api::EndpointSlice>(slice->metadata.namespace_, slice->metadata.name,
                                                  client::only_uid(slice->metadata.uid));
    if (!gone && gone.error().reason != base::Reason::not_found && gone.error().reason != base::Reason::conflict) {
      return complain("delete", std::move(gone).error());
    }
    own.removed(*slice);
  }
  return {};
}

}  // namespace controllers
