// metadata.managedFields: who set which fields, read, kept up by every write, and written again. Pure
// functions over values; any thread.
//
// Source: KEP-555; apimachinery's util/managedfields (which entries exist, when their time changes, in which
// order they stand).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/field_set.hpp"
#include "api/kinds.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "base/value.hpp"

namespace api {

// One manager: the fields that it set by one kind of request.
struct ManagedEntry {
  std::string manager;
  bool applied = false;  // operation Apply, else Update
  std::string api_version;
  std::string subresource;
  std::string time;  // "" for none
  FieldSet fields;
  base::Value written;  // not null: the fields as they stand in the object, not read yet

  // The same manager: appliers whatever their version.
  bool same_manager(const ManagedEntry& other) const;
  // For errors: `"kubectl" using v1 at 2026-01-02T03:04:05Z`, `"kubectl"` for an applier.
  std::string text() const;
};

using ManagedFields = std::vector<ManagedEntry>;

// `list` is metadata.managedFields or null. invalid when an entry has no meaning: another operation or
// fieldsType, a set that is none.
base::Result<ManagedFields> read_managed_fields(const base::Value& list);
// The same of a list that is stored, whose sets are taken as they are written and not read yet.
base::Result<ManagedFields> read_stored_fields(base::Value list);
// Reads what was left for later. What cannot be read is nothing.
void read_now(ManagedEntry& entry);
// In the order of the API: Apply before Update, by time, by name. Null for no entries.
base::Value write_managed_fields(ManagedFields entries);
// Whether a client asks for a new beginning: [] or [{}].
bool resets_managed_fields(const base::Value& list);

// The entries of `object` under the metadata, set or taken away.
void set_managed_fields(base::Value& object, base::Value list);
base::Value take_managed_fields(base::Value& object);
// Whether two lists differ in nothing but times.
bool same_but_times(const base::Value& a, const base::Value& b);

// What the merge has to know of the kind.
struct FieldRules {
  const Kind* kind = nullptr;  // the version of the request
  // Fields that this kind of write cannot change: status through the main resource, spec through /status.
  const FieldSet* reset = nullptr;
  // Other versions of the kind that managers may speak: null when nobody serves them any more.
  std::function<KindPtr(std::string_view api_version)> find;
  std::function<base::Result<base::Value>(const Kind& from, const Kind& to, const base::Value& object)>
      convert;

  const Schema* schema() const { return kind->schema.get(); }
};

// Who writes, by which part of the object.
struct FieldWriter {
  std::string manager;      // fieldManager, or the start of the User-Agent; "" counts as "unknown"
  std::string subresource;  // "" for the object itself
  base::Time now;
};

// `fresh` is about to replace `live` (null: is created): brings the managedFields of `fresh` up to date. What
// a client wrote there itself counts where it can be read, `reset` starts anew; else those of `live` go on.
void track_update(const FieldRules& rules, const FieldWriter& writer, const base::Value& live,
                  base::Value& fresh, bool reset = false);

// --- Steps that apply shares.

// The differences as each manager's version sees them, computed when first asked for.
class VersionedChanges {
 public:
  VersionedChanges(const FieldRules& rules, const base::Value& from, const base::Value& to,
                   bool plain_structs);
  // Null when nobody serves that version.
  struct FieldChanges* in(std::string_view api_version);

 private:
  struct Row;
  const FieldRules& rules_;
  const base::Value& from_;
  const base::Value& to_;
  bool plain_structs_;
  std::vector<std::shared_ptr<Row>> rows_;
};

// Fields that nobody owns, because everybody has them: name, uid, apiVersion, ...
const FieldSet& unowned_fields();
// A view of the object in that version; nothing when nobody serves it.
std::optional<base::Value> in_version(const FieldRules& rules, const base::Value& object,
                                      std::string_view api_version);
const Schema* schema_in_version(const FieldRules& rules, std::string_view api_version);

}  // namespace api
