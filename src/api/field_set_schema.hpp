// How objects of a schema are divided into fields: the fields that an object has, the difference of two
// objects, one merged into another by fields. Where there is no schema (null), maps are divided and lists are
// not. Pure; any thread.
//
// Source: KEP-555; the semantics of structured-merge-diff v6 (typed): lists by x-kubernetes-list-type, maps
// by x-kubernetes-map-type, lists without a type by their patch strategy.
#pragma once

#include "api/field_set.hpp"
#include "api/kinds.hpp"
#include "base/result.hpp"
#include "base/value.hpp"

namespace api {

// All fields that `value` names: scalars, lists and maps that are atomic, elements of lists, keys of maps.
FieldSet fields_of(const base::Value& value, const Schema* schema);

struct FieldChanges {
  FieldSet added;
  FieldSet modified;
  FieldSet removed;
  bool empty() const { return added.empty() && modified.empty() && removed.empty(); }
};

// From one object to the other. `plain_structs`: members that are always written in Go (`default: {}` in
// schema/) count as there, empty: for objects of built-in kinds as they are stored.
FieldChanges compare_fields(const base::Value& from, const base::Value& to, const Schema* schema,
                            bool plain_structs);

// `config` laid over `live`: its scalars and atomic parts win, maps and lists by keys are joined. Elements
// keep their place, or take the order of `config` where it names several. Both must have passed check_fields.
base::Value merge_fields(const base::Value& live, const base::Value& config, const Schema* schema);

// Takes the fields away. A map or a list that is empty then becomes null.
void remove_fields(base::Value& value, const FieldSet& fields, const Schema* schema);

// Makes members of the named properties on the way to a member: of spec for spec.replicas.
void add_named_parents(FieldSet& fields, const Schema* schema);

// What a set says below something that has become atomic since is said of the whole. True when that changed
// anything.
bool fit_to_schema(FieldSet& fields, const Schema* schema);

// Whether the value can be divided: no unknown members, types that fit, lists whose elements have their keys
// and (unless `duplicates`) have them once. bad_request with upstream's text (`.spec.x: field not declared in
// schema`).
base::Result<void> check_fields(const base::Value& value, const Schema* schema, bool duplicates);

}  // namespace api
