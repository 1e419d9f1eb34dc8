// Definitions for the tests of this folder: one like the book's CronTab, and one with every keyword.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/custom/definition.hpp"
#include "api/decode.hpp"
#include "api/defaults.hpp"
#include "base/json.hpp"
#include "base/strings.hpp"
#include "base/yaml.hpp"

namespace api::testing {

using base::Value;

inline const Registry& builtin() {
  static const Registry kKinds = load_builtin_kinds().value();
  return kKinds;
}

inline Value yaml(std::string_view text) { return base::parse_yaml(text).value(); }
inline Value json(std::string_view text) { return base::parse_json(text).value(); }

// A definition of kind Thing (things.example.com) whose schema has the given properties of spec, in YAML flow style.
inline Value definition_of(std::string_view properties, std::string_view rest_of_spec = "") {
  std::string text = R"(
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: things, kind: Thing}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, properties: )";
  text += properties;
  text += std::string(rest_of_spec) + "}\n";
  Value out = yaml(text);
  default_definition(out);
  return out;
}

inline Kind kind_of_definition(const Value& definition) { return *read_definition(definition, builtin()).value().storage; }
inline Kind kind_with(std::string_view properties, std::string_view rest_of_spec = "") {
  return kind_of_definition(definition_of(properties, rest_of_spec));
}

// An object of kind Thing with that spec.
inline Value thing(std::string_view spec) {
  Value out = json(R"({"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"t","namespace":"default"}})");
  out.object().set("spec", yaml(spec));
  return out;
}

inline std::vector<std::string> texts(const std::vector<FieldError>& errors) {
  std::vector<std::string> out;
  for (const FieldError& error : errors) out.push_back(error.text());
  return out;
}

}  // namespace api::testing
