// Reads schemas and kinds from the shape that schema/*.yaml and CustomResourceDefinitions share:
// openAPIV3Schema with the x-kubernetes extensions, `proto` for protobuf numbers and `$ref` to shared types.
// Pure; any thread.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/kinds.hpp"
#include "base/result.hpp"
#include "base/value.hpp"

namespace api {

// The shared types of one document. Filled in two steps, so that types may use each other in any order.
class TypeTable {
 public:
  TypeTable();
  // `types`: an object of name -> schema. Fails on an unknown $ref or a member that no schema has.
  base::Result<void> add(const base::Value& types);
  // The same in steps: all names, then each type, then resolve().
  base::Result<void> declare(std::string_view name);
  base::Result<void> define(std::string_view name, const base::Value& schema);
  void resolve();
  // Null when there is none.
  SchemaPtr find(std::string_view name) const;
  // Reads one schema; its $refs are looked up here. Equal plain scalars share one Schema.
  base::Result<SchemaPtr> read(const base::Value& schema);

 private:
  // A field that uses a type, but merges it otherwise.
  struct Override {
    std::shared_ptr<Schema> copy;
    SchemaPtr type;
    std::optional<bool> atomic_map;
    bool merge, retain_keys;
    void apply() const;
  };

  base::Result<void> fill(Schema& out, const base::Value& from);
  base::Result<void> fill_properties(Schema& out, const base::Value& from);
  base::Result<Schema::Property> read_property(const std::string& name, const base::Value& from);
  base::Result<SchemaPtr> read_reference(const base::Value& from);

  std::map<std::string, std::shared_ptr<Schema>, std::less<>> types_;
  std::map<std::string, SchemaPtr, std::less<>> scalars_;  // by type/format
  std::vector<Override> overrides_;                        // whose types may not be filled yet
};

// `definition`: one file of schema/, without its types.
base::Result<Kind> read_kind(const base::Value& definition, TypeTable& types);

// The text of all built-in schemas, as the generator left it, in lines of JSON: the names of the types, each type, each
// kind.
std::string_view builtin_schemas();

}  // namespace api
