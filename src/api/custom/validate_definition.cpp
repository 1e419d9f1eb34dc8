// The rules of CustomResourceDefinitions. What all versions have in common upstream names at the top of spec, as older
// versions of the API had it (spec.validation.openAPIV3Schema...): so do these.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "api/custom/definition.hpp"
#include "api/custom/validate_schema.hpp"
#include "api/meta.hpp"
#include "api/validate_rules.hpp"
#include "base/strings.hpp"

namespace api {

using base::Value;
using rules::child;
using rules::index;
using rules::Problems;

namespace {

constexpr size_t kMaxSelectableFields = 8;
constexpr size_t kMaxWarning = 256;

bool is_established(const Value& crd) {
  return std::ranges::any_of(crd.at({"status", "conditions"}).as_array(), [](const Value& condition) {
    return condition["type"].as_string() == "Established" && condition["status"].as_string() == "True";
  });
}

void check_1035(Problems& out, const std::string& path, const Value& name) {
  if (const auto wrong = base::check_dns1035_label(name.as_string()); !wrong.empty())
    out.invalid(path, name.as_string(), base::join(wrong, ","));
}

// ---- names --------------------------------------------------------------------------------------------------------

void check_names(Problems& out, const Value& names, const std::string& path) {
  for (const char* member : {"plural", "singular"})
    if (!names[member].as_string().empty()) check_1035(out, child(path, member), names[member]);
  for (const char* member : {"kind", "listKind"}) {
    const std::string_view name = names[member].as_string();
    if (name.empty()) continue;
    if (const auto wrong = base::check_dns1035_label(base::to_lower(name)); !wrong.empty())
      out.invalid(child(path, member), name,
                  "may have mixed case, but should otherwise match: " + base::join(wrong, ","));
  }
  const auto check_all = [&](const char* member) {
    const auto& list = names[member].as_array();
    for (size_t i = 0; i < list.size(); ++i) check_1035(out, index(child(path, member), i), list[i]);
  };
  check_all("shortNames");
  if (const auto kind = names["kind"].as_string(); !kind.empty() && kind == names["listKind"].as_string())
    out.invalid(child(path, "listKind"), kind, std::string("kind and listKind may not be the same"));
  check_all("categories");
}

void check_group(Problems& out, const Value& group) {
  const std::string_view text = group.as_string();
  if (text.empty()) return out.required("spec.group");
  if (const auto wrong = base::check_dns1123_subdomain(text); !wrong.empty())
    return out.invalid("spec.group", text, base::join(wrong, ","));
  if (text.find('.') == std::string_view::npos)
    out.invalid("spec.group", text, std::string("should be a domain with at least one dot"));
}

// ---- parts of a version -------------------------------------------------------------------------------------------

void check_simple_path(Problems& out, const std::string& at, std::string_view path) {
  if (!path.starts_with('.')) out.invalid(at, path, std::string("must be a simple json path starting with ."));
}

void check_subresources(Problems& out, const Value& subresources, const std::string& path) {
  const Value& scale = subresources["scale"];
  if (!scale.is_object()) return;
  const auto below = [&](const char* member, std::initializer_list<std::string_view> parents, const char* why) {
    const std::string at = child(path, std::string("scale.") + member);
    const std::string_view text = scale[member].as_string();
    const bool fits = std::ranges::any_of(parents, [&](std::string_view parent) { return text.starts_with(parent); });
    if (!text.starts_with('.')) check_simple_path(out, at, text);
    else if (!fits) out.invalid(at, text, std::string(why));
  };
  const std::string at = child(path, "scale.");
  if (scale["specReplicasPath"].as_string().empty()) out.required(at + "specReplicasPath");
  else below("specReplicasPath", {".spec."}, "should be a json path under .spec");
  if (scale["statusReplicasPath"].as_string().empty()) out.required(at + "statusReplicasPath");
  else below("statusReplicasPath", {".status."}, "should be a json path under .status");
  if (!scale["labelSelectorPath"].as_string().empty())
    below("labelSelectorPath", {".spec.", ".status."}, "should be a json path under either .spec or .status");
}

void check_columns(Problems& out, const Value& columns, const std::string& path) {
  static constexpr std::string_view kTypes[] = {"boolean", "date", "integer", "number", "string"};
  static constexpr std::string_view kFormats[] = {"byte",  "date",  "date-time", "double",
                                                  "float", "int32", "int64",     "password"};
  const auto& list = columns.as_array();
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string at = index(path, i);
    const std::string_view type = list[i]["type"].as_string(), format = list[i]["format"].as_string();
    if (list[i]["name"].as_string().empty()) out.required(child(at, "name"));
    const std::string wanted = fmt::format("must be one of {}", fmt::join(kTypes, ","));
    if (type.empty()) out.required(child(at, "type"), wanted);
    else if (std::ranges::find(kTypes, type) == std::end(kTypes)) out.invalid(child(at, "type"), type, wanted);
    if (!format.empty() && std::ranges::find(kFormats, format) == std::end(kFormats))
      out.invalid(child(at, "format"), format, fmt::format("must be one of {}", fmt::join(kFormats, ",")));
    if (list[i]["jsonPath"].as_string().empty()) out.required(child(at, "JSONPath"));
    else check_simple_path(out, child(at, "JSONPath"), list[i]["jsonPath"].as_string());
  }
}

void check_selectable(Problems& out, const Value& fields, const Value& schema, const std::string& path,
                      bool may_be_many) {
  const auto& list = fields.as_array();
  if (list.empty()) return;
  if (!schema.is_object())
    return out.invalid(path, "", std::string("may only be set when validations.schema is included"));
  std::set<std::string_view> seen;
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string at = child(index(path, i), "jsonPath");
    const std::string_view text = list[i]["jsonPath"].as_string();
    if (text.empty()) {
      out.required(at);
      continue;
    }
    const auto type = schemas::type_at_path(schema, text);
    if (!type) {
      out.invalid(at, text, "is an invalid path: " + type.error().message);
      continue;
    }
    if (text == ".metadata" || text.starts_with(".metadata."))
      out.invalid(at, text, std::string("must not point to fields in metadata"));
    if (*type != "string" && *type != "boolean" && *type != "integer")
      out.invalid(at, text, std::string("must point to a field of type string, boolean or integer. Enum string fields "
                                        "and strings with formats are allowed."));
    if (!seen.insert(text).second) out.duplicate(at, text);
  }
  if (seen.size() > kMaxSelectableFields && !may_be_many) out.too_many(path, seen.size(), kMaxSelectableFields);
}

void check_deprecation(Problems& out, const Value& version, const std::string& path) {
  const Value& warning = version["deprecationWarning"];
  if (warning.is_null()) return;
  const std::string at = child(path, "deprecationWarning");
  const std::string_view text = warning.as_string();
  if (!version["deprecated"].as_bool())
    return out.invalid(at, warning, std::string("can only be set for deprecated versions"));
  if (text.size() > kMaxWarning) out.invalid(at, warning, std::string("must be <= 256 characters long"));
  if (text.empty()) out.invalid(at, warning, std::string("must not be an empty string"));
  const auto control = std::ranges::find_if(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  if (control != text.end())
    out.invalid(at, warning,
                fmt::format("must only contain printable UTF-8 characters; non-printable character found at index {}",
                            control - text.begin()));
}

// ---- schemas ------------------------------------------------------------------------------------------------------

// With a status subresource the root of the schema may not restrict the object as a whole.
void check_root(Problems& out, const Value& schema, const std::string& path) {
  static constexpr std::pair<std::string_view, std::string_view> kAllowed[] = {
      {"description", "Description"}, {"type", "Type"}, {"format", "Format"}, {"title", "Title"},
      {"maximum", "Maximum"}, {"exclusiveMaximum", "ExclusiveMaximum"}, {"minimum", "Minimum"},
      {"exclusiveMinimum", "ExclusiveMinimum"}, {"maxLength", "MaxLength"}, {"minLength", "MinLength"},
      {"pattern", "Pattern"}, {"maxItems", "MaxItems"}, {"minItems", "MinItems"}, {"uniqueItems", "UniqueItems"},
      {"multipleOf", "MultipleOf"}, {"required", "Required"}, {"items", "Items"}, {"properties", "Properties"},
      {"externalDocs", "ExternalDocs"}, {"example", "Example"},
      {"x-kubernetes-preserve-unknown-fields", "XPreserveUnknownFields"}, {"x-kubernetes-validations", "XValidations"}};
  const std::string_view type = schema["type"].as_string();
  if (!type.empty() && type != "object")
    out.invalid(child(path, "type"), type,
                std::string(R"(only "object" is allowed as the type at the root of the schema if the status subresource is enabled)"));
  std::string names;
  for (const auto& allowed : kAllowed) names += fmt::format("{}{}", names.empty() ? "" : " ", allowed.second);
  const bool fits = std::ranges::all_of(schema.as_object(), [](const base::Member& member) {
    return std::ranges::any_of(kAllowed, [&](const auto& allowed) { return allowed.first == member.key; });
  });
  if (!fits)
    out.invalid(path, schema, fmt::format("only [{}] fields are allowed at the root of the schema if the status "
                                          "subresource is enabled", names));
}

void check_schema(Problems& out, const Value& validation, bool status, bool structural, const std::string& path) {
  const Value& schema = validation["openAPIV3Schema"];
  if (!schema.is_object()) return;
  const std::string at = child(path, "openAPIV3Schema");
  if (schemas::is_too_deep(schema))
    return out.invalid(at, "", fmt::format("must not be nested more than {} levels deep", kMaxSchemaDepth));
  if (status) check_root(out, schema, at);
  if (schema["nullable"].as_bool()) out.forbidden(child(at, "nullable"), "nullable cannot be true at the root");
  if (structural) {
    auto wrong = schemas::check_structural(schema, at);
    if (wrong.empty()) wrong = schemas::check_defaults(schema, at);
    for (FieldError& error : wrong) out.add(std::move(error));
  }
  for (FieldError& error : schemas::check_keywords(schema, at)) out.add(std::move(error));
}

bool is_structural(const Value& spec) {
  return std::ranges::all_of(spec["versions"].as_array(), [](const Value& version) {
    const Value& schema = version["schema"]["openAPIV3Schema"];
    return !schema.is_object() || (!schemas::is_too_deep(schema) && schemas::check_structural(schema, "").empty());
  });
}

// ---- versions -----------------------------------------------------------------------------------------------------

bool is_identical(const base::Array& versions, const char* member) {
  return std::ranges::all_of(versions,
                             [&](const Value& version) { return version[member] == versions.front()[member]; });
}

bool has_status(const Value& version) { return version["subresources"]["status"].is_object(); }

struct Leniency {
  bool structural = true;             // what the old definition lacked the new one may lack too
  bool schemas = true;
  bool review_versions = true;
  std::set<std::string> many_fields;  // versions with too many selectable fields before
};

void check_version_names(Problems& out, const Value& spec) {
  const auto& versions = spec["versions"].as_array();
  size_t stored = 0;
  bool unique = true;
  std::set<std::string_view> seen;
  for (const Value& version : versions) {
    stored += version["storage"].as_bool();
    unique = seen.insert(version["name"].as_string()).second && unique;
  }
  if (!unique) out.invalid("spec.versions", spec["versions"], std::string("must contain unique version names"));
  if (stored != 1)
    out.invalid("spec.versions", spec["versions"],
                std::string("must have exactly one version marked as storage version"));
}

void check_versions(Problems& out, const Value& spec, const Leniency& lenient) {
  const auto& versions = spec["versions"].as_array();
  const bool same_schema = !versions.empty() && is_identical(versions, "schema");
  const bool same_subresources = !versions.empty() && is_identical(versions, "subresources");
  const bool same_columns = !versions.empty() && is_identical(versions, "additionalPrinterColumns");
  const bool same_fields = !versions.empty() && is_identical(versions, "selectableFields");
  for (size_t i = 0; i < versions.size(); ++i) {
    const Value& schema = versions[i]["schema"]["openAPIV3Schema"];
    if (!schema.is_object() && (lenient.schemas || versions[i]["served"].as_bool()))
      out.required(index("spec.versions", i) + ".schema.openAPIV3Schema",
                   lenient.schemas ? "" : "because otherwise all fields are pruned");
  }
  for (size_t i = 0; i < versions.size(); ++i) {
    const Value& version = versions[i];
    const std::string at = index("spec.versions", i);
    check_1035(out, child(at, "name"), version["name"]);
    check_deprecation(out, version, at);
    if (!same_schema)
      check_schema(out, version["schema"], has_status(version), lenient.structural, child(at, "schema"));
    if (!same_subresources) check_subresources(out, version["subresources"], child(at, "subresources"));
    if (!same_columns) check_columns(out, version["additionalPrinterColumns"], child(at, "additionalPrinterColumns"));
    if (!same_fields)
      check_selectable(out, version["selectableFields"], version["schema"]["openAPIV3Schema"],
                       child(at, "selectableFields"),
                       lenient.many_fields.contains(std::string(version["name"].as_string())));
  }
  check_version_names(out, spec);
  if (versions.empty()) return;
  const Value& first = versions.front();
  if (same_schema)
    check_schema(out, first["schema"], std::ranges::any_of(versions, has_status), lenient.structural,
                 "spec.validation");
  if (same_subresources) check_subresources(out, first["subresources"], "spec.subresources");
  if (same_columns) check_columns(out, first["additionalPrinterColumns"], "spec.additionalPrinterColumns");
  if (same_fields)
    check_selectable(out, first["selectableFields"], first["schema"]["openAPIV3Schema"], "spec.selectableFields",
                     lenient.many_fields.contains(std::string(first["name"].as_string())));
}

// ---- conversion ---------------------------------------------------------------------------------------------------

void check_client_config(Problems& out, const Value& config, const std::string& path) {
  const Value &url = config["url"], &service = config["service"];
  if (url.is_null() == service.is_null()) return out.required(path, "exactly one of url or service is required");
  if (!url.is_null()) {
    constexpr const char* kForm = "; desired format: https://host[/path]";
    const std::string_view text = url.as_string();
    if (!text.starts_with("https://"))
      out.invalid(child(path, "url"), text, std::string("'https' is the only allowed URL scheme") + kForm);
    else if (text.size() == 8 || text[8] == '/')
      out.invalid(child(path, "url"), "", std::string("host must be specified") + kForm);
    return;
  }
  const std::string at = child(path, "service");
  for (const char* member : {"name", "namespace"})
    if (service[member].as_string().empty()) out.required(child(at, member));
  if (const int64_t port = service["port"].int_or(443); port < 1 || port > 65'535)
    out.invalid(child(at, "port"), port, std::string("port is not valid: must be between 1 and 65535, inclusive"));
  if (const auto text = service["path"].as_string(); !text.empty() && !text.starts_with('/'))
    out.invalid(child(at, "path"), text, std::string("must start with a '/'"));
}

void check_review_versions(Problems& out, const Value& versions, bool known, const std::string& path) {
  const auto& list = versions.as_array();
  if (list.empty()) return out.required(path);
  std::set<std::string_view> seen;
  for (size_t i = 0; i < list.size(); ++i) {
    if (!seen.insert(list[i].as_string()).second) {
      out.invalid(index(path, i), list[i], std::string("duplicate version"));
      continue;
    }
    out.invalid(index(path, i), list[i], base::check_dns1035_label(list[i].as_string()));
  }
  if (known && !seen.contains("v1") && !seen.contains("v1beta1"))
    out.invalid(path, versions, std::string("must include at least one of v1, v1beta1"));
}

void check_conversion(Problems& out, const Value& conversion, const Leniency& lenient) {
  if (!conversion.is_object()) return;
  const std::string path = "spec.conversion";
  out.one_of(child(path, "strategy"), conversion["strategy"], {"None", "Webhook"});
  const Value &webhook = conversion["webhook"], &config = webhook["clientConfig"];
  if (conversion["strategy"].as_string() == "Webhook") {
    if (config.is_null()) out.required(child(path, "webhookClientConfig"), "required when strategy is set to Webhook");
    else check_client_config(out, config, child(path, "webhookClientConfig"));
    check_review_versions(out, webhook["conversionReviewVersions"], lenient.review_versions,
                          child(path, "conversionReviewVersions"));
    return;
  }
  constexpr const char* kWhy = "should not be set when strategy is not set to Webhook";
  if (!config.is_null()) out.forbidden(child(path, "webhookClientConfig"), kWhy);
  if (!webhook["conversionReviewVersions"].as_array().empty())
    out.forbidden(child(path, "conversionReviewVersions"), kWhy);
}

// ---- the rest -----------------------------------------------------------------------------------------------------

void check_stored_versions(Problems& out, const Value& crd) {
  const std::string path = "status.storedVersions";
  const Value& stored = crd.at({"status", "storedVersions"});
  const auto& list = stored.as_array();
  if (list.empty()) return out.invalid(path, base::Array(), std::string("must have at least one stored version"));
  const auto has = [](const base::Array& names, std::string_view name, const char* member) {
    return std::ranges::any_of(
        names, [&](const Value& one) { return (member ? one[member] : one).as_string() == name; });
  };
  const auto& versions = crd.at({"spec", "versions"}).as_array();
  for (const Value& version : versions) {
    const std::string_view name = version["name"].as_string();
    if (version["storage"].as_bool() && !has(list, name, nullptr))
      out.invalid(path, stored, "must have the storage version " + std::string(name));
  }
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string_view name = list[i].as_string();
    if (has(versions, name, "name")) continue;
    out.invalid(index(path, i), name,
                fmt::format("missing from spec.versions; {0} was previously a storage version, and must remain in "
                            "spec.versions until a storage migration ensures no data remains persisted in {0} and "
                            "removes {0} from status.storedVersions", name));
  }
}

bool is_protected(std::string_view group) {
  return group == "k8s.io" || group.ends_with(".k8s.io") || group == "kubernetes.io" ||
         group.ends_with(".kubernetes.io");
}

enum class Approval { missing, approved, bypassed, invalid };

Approval approval_of(const Value& crd) {
  const std::string_view text = annotation_of(crd, kApprovedAnnotation);
  if (text.empty()) return Approval::missing;
  if (text.starts_with("unapproved")) return Approval::bypassed;
  const size_t scheme = text.find("://");
  const bool is_url = scheme != std::string_view::npos && scheme > 0 && scheme + 3 < text.size() &&
                      text[scheme + 3] != '/' && text.find(' ') == std::string_view::npos;
  return is_url ? Approval::approved : Approval::invalid;
}

void check_approval(Problems& out, const Value& crd, const Value* old) {
  if (!is_protected(crd.at({"spec", "group"}).as_string())) return;
  const Approval approval = approval_of(crd);
  if (old && approval_of(*old) == approval) return;
  const std::string path = rules::key("metadata.annotations", kApprovedAnnotation);
  const std::string need = fmt::format("protected groups must have approval annotation \"{}\"", kApprovedAnnotation);
  constexpr const char* kSee = ", see https://github.com/kubernetes/enhancements/pull/1111";
  if (approval == Approval::missing) out.required(path, need + kSee);
  if (approval == Approval::invalid)
    out.invalid(path, annotation_of(crd, kApprovedAnnotation),
                need + " with either a URL or a reason starting with \"unapproved\"" + kSee);
}

void check_spec(Problems& out, const Value& crd, const Leniency& lenient) {
  const Value& spec = crd["spec"];
  check_group(out, spec["group"]);
  out.one_of("spec.scope", spec["scope"], {"Cluster", "Namespaced"});
  check_versions(out, spec, lenient);
  for (const char* member : {"plural", "singular", "kind", "listKind"})
    if (spec["names"][member].as_string().empty()) out.required(child("spec.names", member));
  check_names(out, spec["names"], "spec.names");
  check_conversion(out, spec["conversion"], lenient);
}

std::vector<FieldError> check(const Value& crd, const Value* old, const Leniency& lenient) {
  Problems out;
  const Value& spec = crd["spec"];
  const std::string wanted =
      fmt::format("{}.{}", spec["names"]["plural"].as_string(), spec["group"].as_string());
  if (!old && name_of(crd) != wanted)
    out.invalid("metadata.name", name_of(crd), std::string(R"(must be spec.names.plural+"."+spec.group)"));
  check_spec(out, crd, lenient);
  check_names(out, crd.at({"status", "acceptedNames"}), "status.acceptedNames");
  check_stored_versions(out, crd);
  check_approval(out, crd, old);
  if (spec["preserveUnknownFields"].as_bool() && !(old && old->at({"spec", "preserveUnknownFields"}).as_bool()))
    out.invalid("spec.preserveUnknownFields", true,
                std::string("cannot set to true, set x-kubernetes-preserve-unknown-fields to true in "
                            "spec.versions[*].schema instead"));
  return std::move(out).take();
}

Leniency leniency_of(const Value& fresh, const Value& old) {
  Leniency out;
  const Value& spec = old["spec"];
  out.structural = is_structural(spec);
  out.schemas = std::ranges::all_of(spec["versions"].as_array(), [](const Value& version) {
    return version["schema"]["openAPIV3Schema"].is_object();
  });
  const auto& reviews = spec.at({"conversion", "webhook", "conversionReviewVersions"}).as_array();
  out.review_versions = reviews.empty() || std::ranges::any_of(reviews, [](const Value& version) {
                          return version.as_string() == "v1" || version.as_string() == "v1beta1";
                        });
  for (const Value& before : spec["versions"].as_array()) {
    for (const Value& version : fresh.at({"spec", "versions"}).as_array()) {
      if (version["name"] == before["name"] && version["selectableFields"] == before["selectableFields"] &&
          before["selectableFields"].as_array().size() > kMaxSelectableFields)
        out.many_fields.emplace(version["name"].as_string());
    }
  }
  return out;
}

}  // namespace

void default_definition(Value& crd) {
  base::Object& spec = crd.make({"spec"}).object();
  Value& names = spec["names"];
  if (names.is_null()) names = base::Object();
  if (!names.is_object()) return;
  const std::string kind(names["kind"].as_string());
  if (names["singular"].as_string().empty() && !kind.empty()) names.object().set("singular", base::to_lower(kind));
  if (names["listKind"].as_string().empty() && !kind.empty()) names.object().set("listKind", kind + "List");
  Value& conversion = spec["conversion"];
  if (conversion.is_null()) conversion = base::Object{{"strategy", "None"}};
  if (conversion["webhook"]["clientConfig"]["service"].is_object()) {
    Value& service = conversion.make({"webhook", "clientConfig", "service"});
    if (service["port"].is_null()) service.object().set("port", 443);
  }
  Value& stored = crd.make({"status", "storedVersions"});
  if (!stored.as_array().empty()) return;
  stored = base::Array();
  for (const Value& version : crd.at({"spec", "versions"}).as_array()) {
    if (!version["storage"].as_bool()) continue;
    stored.array().emplace_back(version["name"]);
    break;
  }
}

std::vector<FieldError> check_definition(const Value& crd) { return check(crd, nullptr, {}); }

std::vector<FieldError> check_definition_update(const Value& fresh, const Value& old) {
  Problems out;
  for (FieldError& error : check(fresh, &old, leniency_of(fresh, old))) out.add(std::move(error));
  const Value &now = fresh["spec"], &before = old["spec"];
  if (is_established(old)) {
    out.immutable("spec.scope", now["scope"], before["scope"]);
    out.immutable("spec.names.kind", now["names"]["kind"], before["names"]["kind"]);
  }
  out.immutable("spec.group", now["group"], before["group"]);
  out.immutable("spec.names.plural", now["names"]["plural"], before["names"]["plural"]);
  return std::move(out).take();
}

}  // namespace api
