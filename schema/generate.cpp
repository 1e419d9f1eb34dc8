// Reads schema/**/*.yaml at build time and writes what the program needs of it: the C++ structs with their
// codecs, and all schemas as one JSON text. One thread; run by CMake: generate SCHEMA_DIR OUT_DIR
// CODEC_FILES.
#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include <fmt/format.h>

#include "base/json.hpp"
#include "base/value.hpp"
#include "base/yaml.hpp"

namespace {

namespace fs = std::filesystem;
using base::Value;

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "schema: %s\n", what.c_str());
  std::exit(1);
}

struct Model {
  std::map<std::string, Value> types;  // by name; with "openapi": the key under components/schemas
  std::map<std::string, std::string> file_of;
  std::vector<Value> kinds;        // in order of discovery
  std::vector<std::string> order;  // names of types that become structs, users after what they use
};

// The root types of the kinds that C++ code handles as structs. All others live as base::Value and their
// schema alone: a struct costs every file that includes types.hpp, so a kind comes here when a controller
// needs it.
const std::set<std::string_view> kStructKinds = {
    "Binding",    "ConfigMap", "DeleteOptions", "Deployment", "EndpointSlice", "Endpoints", "Event",
    "IPAddress",  "Lease",     "Namespace",     "Node",       "Pod",           "ReplicaSet", "ReplicationController",
    "Scale",      "Secret",    "Service",       "ServiceAccount", "ServiceCIDR", "Status"};

// C++ words that JSON names may collide with.
const std::set<std::string_view> kKeywords = {
    "and",       "auto",    "bool",   "break",    "case",    "catch",    "char",      "class",    "const",
    "continue",  "default", "delete", "do",       "double",  "else",     "enum",      "explicit", "export",
    "false",     "float",   "for",    "friend",   "goto",    "if",       "inline",    "int",      "long",
    "namespace", "new",     "not",    "operator", "or",      "private",  "protected", "public",   "register",
    "return",    "short",   "signed", "sizeof",   "static",  "struct",   "switch",    "template", "this",
    "throw",     "true",    "try",    "typename", "union",   "unsigned", "using",     "virtual",  "void",
    "volatile",  "while",   "xor",    "concept",  "requires"};

bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }

// clusterIPs -> cluster_ips, downwardAPI -> downward_api, namespace -> namespace_.
std::string cpp_name(std::string_view json) {
  std::string out;
  for (size_t i = 0; i < json.size();) {
    if (!is_upper(json[i])) {
      out += json[i++];
      continue;
    }
    size_t end = i;
    while (end < json.size() && is_upper(json[end])) ++end;
    const bool plural = end - i >= 2 && end < json.size() && json[end] == 's' &&
                        (end + 1 == json.size() || is_upper(json[end + 1]));
    if (!out.empty()) out += '_';
    for (size_t k = i; k < end; ++k) {
      const bool starts_word = k + 1 == end && k > i && end < json.size() && !plural;
      if (starts_word) out += '_';
      out += static_cast<char>(std::tolower(json[k]));
    }
    if (plural) out += json[end++];
    i = end;
  }
  if (kKeywords.contains(out)) out += '_';
  return out;
}

bool contains_text(const Value& list, std::string_view text) {
  for (const Value& item : list.as_array()) {
    if (item.as_string() == text) return true;
  }
  return false;
}

bool is_builtin_ref(std::string_view ref) {
  return ref == "Time" || ref == "MicroTime" || ref == "Quantity" || ref == "IntOrString" ||
         ref == "RawExtension" || ref == "FieldsV1";
}

// The type of an element or of a required field; "" for what no struct can hold.
std::string plain_type(const Value& schema) {
  const std::string_view ref = schema["$ref"].as_string();
  if (ref == "Time" || ref == "MicroTime" || ref == "Quantity") return "std::string";
  if (ref == "RawExtension" || ref == "FieldsV1") return "base::Value";
  if (!ref.empty()) return std::string(ref);
  const std::string_view type = schema["type"].as_string();
  if (type == "string") return "std::string";
  if (type == "integer") return "int64_t";
  if (type == "boolean") return "bool";
  if (type == "number") return "double";
  if (type == "array") return "std::vector<" + plain_type(schema["items"]) + ">";
  if (type == "object" && schema["additionalProperties"].is_object()) {
    return "std::map<std::string, " + plain_type(schema["additionalProperties"]) + ">";
  }
  return "";
}

// Nested objects that every kind has: always there, so that no caller must ask.
bool is_always_there(std::string_view field) {
  return field == "metadata" || field == "spec" || field == "status" || field == "template";
}

std::string field_type(std::string_view field, const Value& schema, bool required) {
  const std::string plain = plain_type(schema);
  const std::string_view ref = schema["$ref"].as_string();
  if (plain == "int64_t" || plain == "bool" || plain == "double") {
    return required ? plain : "std::optional<" + plain + ">";
  }
  if (!ref.empty() && !is_builtin_ref(ref) && !required && !is_always_there(field)) {
    return "std::optional<" + plain + ">";
  }
  return plain;
}

// ---- reading

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) die("cannot read " + path.string());
  return {std::istreambuf_iterator<char>(in), {}};
}

void add_file(Model& model, const fs::path& path) {
  auto parsed = base::parse_yaml(read_file(path));
  if (!parsed) die(path.string() + ": " + parsed.error().message);
  Value& file = *parsed;
  const std::string package(file["package"].as_string());
  for (const auto& [name, type] : file["types"].as_object()) {
    if (model.types.contains(name))
      die(fmt::format("{}: type {} is also in {}", path.string(), name, model.file_of[name]));
    Value shared = type;
    if (package.empty()) die(path.string() + ": package is missing: it names the types in OpenAPI");
    const std::string_view other = shared["openapiName"].as_string();
    shared.object().set("openapi", package + "." + (other.empty() ? name : std::string(other)));
    shared.object().erase("openapiName");
    model.types[name] = std::move(shared);
    model.file_of[name] = path.string();
  }
  if (file["names"].is_null()) return;
  file.object().erase("types");
  file.object().erase("package");
  model.kinds.push_back(std::move(file));
}

void collect_refs(const Value& schema, std::set<std::string>& out) {
  const std::string_view ref = schema["$ref"].as_string();
  if (!ref.empty() && !is_builtin_ref(ref)) out.emplace(ref);
  if (schema["items"].is_object()) collect_refs(schema["items"], out);
  if (schema["additionalProperties"].is_object()) collect_refs(schema["additionalProperties"], out);
  for (const auto& [name, property] : schema["properties"].as_object()) collect_refs(property, out);
}

void visit(Model& model, const std::string& name, std::set<std::string>& open, std::set<std::string>& done) {
  if (done.contains(name)) return;
  if (!open.insert(name).second) die("type " + name + " contains itself: a struct cannot");
  std::set<std::string> refs;
  collect_refs(model.types.at(name), refs);
  for (const std::string& ref : refs) visit(model, ref, open, done);
  done.insert(name);
  model.order.push_back(name);
}

void check_references(const Model& model) {
  for (const auto& [name, type] : model.types) {
    std::set<std::string> refs;
    collect_refs(type, refs);
    for (const std::string& ref : refs) {
      if (!model.types.contains(ref))
        die(fmt::format("{}: type {} has a $ref to {}, which nobody defines", model.file_of.at(name), name,
                        ref));
    }
  }
  for (const Value& kind : model.kinds) {
    const std::string root(kind["schema"]["$ref"].as_string());
    if (!model.types.contains(root))
      die(fmt::format("kind {} has the type {:?}, which nobody defines", kind["names"]["kind"].as_string(),
                      root));
  }
}

// The types below the kinds that have structs.
std::set<std::string> struct_types(const Model& model) {
  std::set<std::string> found;
  std::vector<std::string> next(kStructKinds.begin(), kStructKinds.end());
  while (!next.empty()) {
    const std::string name = std::move(next.back());
    next.pop_back();
    if (!model.types.contains(name)) die("kStructKinds names " + name + ", which nobody defines");
    if (!found.insert(name).second) continue;
    std::set<std::string> refs;
    collect_refs(model.types.at(name), refs);
    next.insert(next.end(), refs.begin(), refs.end());
  }
  return found;
}

Model read_model(const fs::path& dir) {
  Model model;
  std::set<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(dir)) {
    if (entry.path().extension() == ".yaml") files.insert(entry.path());
  }
  if (files.empty()) die("no *.yaml below " + dir.string());
  for (const fs::path& file : files) add_file(model, file);
  check_references(model);
  std::set<std::string> open, done;
  for (const std::string& name : struct_types(model)) visit(model, name, open, done);
  // What is deprecated comes last: `kubectl get ingress` means the first group that has ingresses.
  const auto place = [](const Value& kind) {
    return std::tuple(kind["deprecation"].is_string(), kind["group"].as_string(), kind["version"].as_string(),
                      kind["names"]["kind"].as_string());
  };
  std::sort(model.kinds.begin(), model.kinds.end(),
            [&](const Value& a, const Value& b) { return place(a) < place(b); });
  return model;
}

// ---- writing

void write_if_changed(const fs::path& path, const std::string& text) {
  if (fs::exists(path) && read_file(path) == text) return;
  fs::create_directories(path.parent_path());
  std::ofstream out(path, std::ios::binary);
  out << text;
  if (!out.flush()) die("cannot write " + path.string());
}

std::string struct_text(const std::string& name, const Value& type) {
  std::string out = "struct " + name + " {\n";
  for (const auto& [field, schema] : type["properties"].as_object()) {
    const std::string cpp = field_type(field, schema, contains_text(type["required"], field));
    if (cpp.empty()) die(name + "." + field + ": no C++ type for this schema");
    const bool scalar = cpp == "int64_t" || cpp == "bool" || cpp == "double";
    out += fmt::format("  {} {}{};\n", cpp, cpp_name(field), scalar ? "{}" : "");
  }
  return out + fmt::format("  bool operator==(const {}&) const = default;\n}};\n", name);
}

// The kind of which the type is the root, or null.
const Value* kind_of(const Model& model, const std::string& type) {
  for (const Value& kind : model.kinds) {
    if (kind["schema"]["$ref"].as_string() == type) return &kind;
  }
  return nullptr;
}

std::string api_version(const Value& kind) {
  const std::string group(kind["group"].as_string()), version(kind["version"].as_string());
  return group.empty() ? version : group + "/" + version;
}

std::string header_text(const Model& model) {
  std::string out =
      "// Made from schema/ by schema/generate.cpp: the API's types as plain structs. Values; any "
      "thread.\n#pragma once\n\n"
      "#include <cstdint>\n#include <map>\n#include <optional>\n#include <string>\n#include <string_view>\n"
      "#include <vector>\n\n#include \"api/types_base.hpp\"\n#include \"base/result.hpp\"\n"
      "#include \"base/value.hpp\"\n\nnamespace api {\n\n";
  for (const std::string& name : model.order) out += struct_text(name, model.types.at(name)) + "\n";
  for (const std::string& name : model.order) {
    out += fmt::format(
        "base::Value to_value(const {0}& from);\nbase::Result<void> read_value(const base::Value& from, {0}& "
        "to);\n",
        name);
  }
  out +=
      "\n// Unknown members are ignored; a member of a wrong kind is bad_request with its path.\n"
      "template <class T>\nbase::Result<T> from_value(const base::Value& from) {\n"
      "  T to;\n  CHECK_OK(read_value(from, to));\n  return to;\n}\n\n"
      "// Names of a kind, by its struct.\ntemplate <class T>\nstruct KindOf;\n";
  for (const Value& kind : model.kinds) {
    if (!kStructKinds.contains(kind["schema"]["$ref"].as_string())) continue;
    out += fmt::format(
        "template <>\nstruct KindOf<{}> {{\n"
        "  static constexpr std::string_view group = \"{}\", version = \"{}\", kind = \"{}\", plural = "
        "\"{}\";\n"
        "  static constexpr bool namespaced = {};\n}};\n",
        kind["schema"]["$ref"].as_string(), kind["group"].as_string(), kind["version"].as_string(),
        kind["names"]["kind"].as_string(), kind["names"]["plural"].as_string(),
        kind["scope"].as_string() != "Cluster");
  }
  return out + "\n}  // namespace api\n";
}

std::string tables_header_text(const Model& model) {
  std::string out =
      "// Made by schema/generate.cpp: declares the codecs' tables for the codecs alone. Constants; any "
      "thread.\n"
      "#pragma once\n\n#include \"api/types.hpp\"\n#include \"api/types_codec.hpp\"\n\nnamespace api {\n\n";
  for (const std::string& name : model.order) {
    out += fmt::format("template <>\nstd::span<const CodecField> codec_fields<{0}>();\n", name);
  }
  return out + "\n}  // namespace api\n";
}

std::string codec_text(const Model& model, size_t begin, size_t end) {
  std::string out =
      "// Made by schema/generate.cpp.\n#include <cstddef>\n\n#include \"api/types_tables.hpp\"\n\n"
      "#pragma clang diagnostic ignored \"-Winvalid-offsetof\"\n\nnamespace api {\n";
  for (size_t i = begin; i < end; ++i) {
    const std::string& name = model.order[i];
    const Value& type = model.types.at(name);
    out += fmt::format("\ntemplate <>\nstd::span<const CodecField> codec_fields<{}>() {{\n", name);
    if (type["properties"].as_object().empty()) {
      out += "  return {};\n}\n";
    } else {
      out += "  static const CodecField fields[] = {\n";
      for (const auto& [field, schema] : type["properties"].as_object()) {
        const bool required = contains_text(type["required"], field);
        out += fmt::format("      {{\"{}\", offsetof({}, {}), {}, &codec_ops<{}>()}},\n", field, name,
                           cpp_name(field), required, field_type(field, schema, required));
      }
      out += "  };\n  return fields;\n}\n";
    }
    const Value* kind = kind_of(model, name);
    out += fmt::format(
        "base::Value to_value(const {0}& from) {{ return write_fields(&from, codec_fields<{0}>(), \"{1}\", "
        "\"{2}\"); }}\n"
        "base::Result<void> read_value(const base::Value& from, {0}& to) {{ return read_root(from, &to, "
        "codec_fields<{0}>()); }}\n",
        name, kind ? api_version(*kind) : "", kind ? std::string((*kind)["names"]["kind"].as_string()) : "");
  }
  return out + "\n}  // namespace api\n";
}

// All schemas as a C++ string literal, in pieces that stay below any compiler's limit: a line with the names of the
// types, then a line for each type and for each kind, so that the reader never holds more than one of them.
std::string blob_text(const Model& model) {
  base::Array names;
  for (const auto& [name, type] : model.types) names.emplace_back(name);
  std::string json = base::write_json(Value(std::move(names)));
  for (const auto& [name, type] : model.types) json += "\n" + base::write_json(type);
  for (const Value& kind : model.kinds) json += "\n" + base::write_json(kind);
  std::string out =
      "// Made by schema/generate.cpp.\n#include <string_view>\n\n#pragma clang diagnostic ignored "
      "\"-Woverlength-strings\"\n\nnamespace api {\n\n"
      "std::string_view builtin_schemas();\n\nstd::string_view builtin_schemas() {\n  static const char "
      "text[] =\n";
  constexpr size_t kPiece = 8'000;
  for (size_t i = 0; i < json.size(); i += kPiece) {
    out += "R\"~json~(" + json.substr(i, kPiece) + ")~json~\"\n";
  }
  return out + "      ;\n  return {text, sizeof text - 1};\n}\n\n}  // namespace api\n";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) die("usage: generate SCHEMA_DIR OUT_DIR CODEC_FILES");
  const Model model = read_model(argv[1]);
  const fs::path out = fs::path(argv[2]) / "api";
  write_if_changed(out / "types.hpp", header_text(model));
  write_if_changed(out / "types_tables.hpp", tables_header_text(model));
  const size_t files = std::strtoul(argv[3], nullptr, 10), count = model.order.size();
  for (size_t i = 0; i < files; ++i) {
    write_if_changed(out / fmt::format("types_codec_{}.cpp", i),
                     codec_text(model, count * i / files, count * (i + 1) / files));
  }
  write_if_changed(out / "builtin_schemas.cpp", blob_text(model));
  std::ofstream(fs::path(argv[2]) / "schema.stamp")
      << model.types.size() << " types, " << count << " structs\n";
  return 0;
}
