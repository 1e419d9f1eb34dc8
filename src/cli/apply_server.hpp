// `apply --server-side`: one object to the server as it stands in the file, and the managers of an object
// that client-side apply made, rewritten so that the fields of both are one. One thread.
//
// Source: KEP-555, and kubectl's way from client-side to server-side apply.
#pragma once

#include <string>

#include "base/result.hpp"
#include "base/value.hpp"
#include "cli/session.hpp"
#include "net/http.hpp"

namespace cli {

// The object after the apply. `query` has fieldManager, force, ...
base::Result<base::Value> apply_on_server(Session& session, const ApiResource& resource,
                                          const std::string& ns, const base::Value& object,
                                          const net::Query& query, bool dry_run);

// The JSON patch that makes the fields of `kubectl-client-side-apply` those of `manager`; null when there are
// none.
base::Value migrate_managers_patch(const base::Value& object, const std::string& manager);

}  // namespace cli
