// Server-side apply: an object laid over the one that is stored, field by field, with managers that own
// fields and conflicts where two of them disagree. Pure functions over values; any thread.
//
// Source: KEP-555; structured-merge-diff's merge.Updater and apimachinery's util/managedfields.
#pragma once

#include "api/managed_fields.hpp"

namespace api {

struct Applied {
  base::Value object;          // not decoded yet: nulls and unset fields are as the merge left them
  base::Value managed_fields;  // of that object
  bool same = false;           // the configuration changed no field of the object
  bool same_owners = false;    // nobody owns anything else than before: only the time of the manager may differ
  bool unchanged = false;      // both: object and managed_fields are as they were, and not filled in
};

// `config` as the client sent it, `live` as it is stored (null: there is none), both in the version of the
// request. Errors: bad_request for what is no apply configuration, conflict with one cause per field
// (FieldManagerConflict), unknown (500, as upstream) for fields that the schema has not.
base::Result<Applied> apply_config(const FieldRules& rules, const FieldWriter& writer,
                                   const base::Value& live, const base::Value& config, bool force);
// The same with the managedFields beside the object, which has none.
base::Result<Applied> apply_config(const FieldRules& rules, const FieldWriter& writer, const base::Value& live,
                                   base::Value managed_fields, const base::Value& config, bool force);

}  // namespace api
