// Who owns which fields, on the server's side: the name of the manager that a request speaks for, the fields
// that a part of an object cannot change, and the versions of a kind for api/managed_fields.hpp.
//
// Threading: pure but for the catalog, which is immutable; any thread.
#pragma once

#include <string>
#include <string_view>

#include "api/managed_fields.hpp"
#include "net/http.hpp"
#include "server/catalog.hpp"

namespace server {

// ?fieldManager, or the User-Agent up to its first '/'.
std::string field_manager_of(const net::Request& request);

// For writes to that part ("" for the object itself). Keeps the catalog.
api::FieldRules field_rules(const CatalogPtr& catalog, const Resource& resource,
                            std::string_view subresource);

// Brings the managedFields of `fresh` up to date, which will replace `old` (null: is created). Both are in
// the stored version.
void track_write(const CatalogPtr& catalog, const Resource& resource, const api::FieldWriter& writer,
                 const base::Value& old, base::Value& fresh);

// An empty list asks for a new beginning; decoding would drop it.
void keep_reset(base::Value& body);

// Whether the two differ in nothing but resourceVersion and the times in managedFields.
bool same_object(const base::Value& a, const base::Value& b);
// The same, whoever owns what.
bool same_without_managers(const base::Value& a, const base::Value& b);

}  // namespace server
