#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <set>
#include <span>

#include "base/strings.hpp"
#include "cli/command.hpp"

namespace cli {
namespace {

using base::Value;
using Path = std::span<const std::string>;
using Seen = std::set<std::string>;

// By words, as kubectl's wrapper does: blanks at a break are dropped, words that are too long stay whole.
std::string wrap(size_t limit, std::string_view text) {
  std::string out, blanks, word;
  size_t column = 0, word_width = 0;
  auto flush = [&] {
    column += blanks.size() + word_width;
    out += blanks + word;
    blanks.clear();
    word.clear();
    word_width = 0;
  };
  for (char c : text) {
    if (c == '\n') {
      if (!word.empty() || column + blanks.size() <= limit) flush();
      blanks.clear();
      out += '\n';
      column = 0;
    } else if (c == ' ' || c == '\t') {
      if (blanks.empty() || !word.empty()) flush();
      blanks += c;
    } else {
      word += c;
      if ((c & 0xc0) != 0x80) ++word_width;
      if (column + word_width + blanks.size() > limit && word_width < limit) {
        out += '\n';
        column = 0;
        blanks.clear();
      }
    }
  }
  if (!word.empty() || column + blanks.size() <= limit) flush();
  return out;
}

std::string indent(size_t amount, std::string_view text) {
  std::string pad(amount, ' ');
  std::string out = pad;
  for (char c : text) {
    out += c;
    if (c == '\n') out += pad;
  }
  return out;
}

// One OpenAPI v3 document, told as text.
class Explainer {
 public:
  Explainer(const Value& document, bool recursive, int64_t depth)
      : schemas_(document.at({"components", "schemas"})), recursive_(recursive), depth_(depth) {}

  const Value* find(const ApiResource& resource) const {
    for (auto& member : schemas_.as_object()) {
      for (auto& kind : member.value["x-kubernetes-group-version-kind"].as_array()) {
        if (kind["group"].as_string() == resource.group && kind["version"].as_string() == resource.version &&
            kind["kind"].as_string() == resource.kind)
          return &member.value;
      }
    }
    return nullptr;
  }

  // "": there is no such field.
  std::string explain(const Value& schema, Path path, Seen seen = {}) const {
    const std::string ref(schema["$ref"].as_string());
    const Value& resolved = resolve(schema);
    if (path.empty()) return describe(resolved);
    if (!ref.empty() && !seen.insert(ref).second) return "";
    if (const Value* field = resolved["properties"].as_object().find(path.front())) {
      std::string out;
      if (path.size() == 1)
        out = fmt::format("FIELD: {} <{}>\n{}\n\n", path.front(), type_of(*field), all_values(*field));
      std::string rest = explain(*field, path.subspan(1));
      return rest.empty() ? "" : out + rest;
    }
    if (resolved["items"].is_object()) return explain(resolved["items"], path, seen);
    if (resolved["additionalProperties"].is_object())
      return explain(resolved["additionalProperties"], path, seen);
    for (auto& part : resolved["allOf"].as_array()) {
      if (std::string out = explain(part, path, seen); !out.empty()) return out;
    }
    return "";
  }

 private:
  const Value& resolve(const Value& schema) const {
    std::string_view ref = schema["$ref"].as_string();
    if (ref.empty()) return schema;
    const Value* found = schemas_.as_object().find(ref.substr(ref.rfind('/') + 1));
    return found ? *found : schema;
  }

  std::string describe(const Value& schema) const {
    std::string text = description_of(schema);
    std::string out = "DESCRIPTION:\n" + indent(4, wrap(76, text.empty() ? "<empty>" : text)) + "\n";
    if (const Value& docs = schema["externalDocs"]; docs.is_object()) out += "\n" + docs_text(docs, 0);
    if (std::string fields = fields_of(schema, 1, {}); !fields.empty()) out += "FIELDS:\n" + fields;
    return out;
  }

  static std::string docs_text(const Value& docs, size_t level) {
    std::string out = indent(level, "EXTERNAL DOCS:") + "\n";
    if (auto text = docs["description"].as_string(); !text.empty())
      out += indent(level + 4, wrap(76 - level, text)) + "\n";
    if (auto url = docs["url"].as_string(); !url.empty())
      out += indent(level + 4, "URL: " + std::string(url)) + "\n";
    return out;
  }

  std::string description_of(const Value& schema) const {
    const Value& resolved = resolve(schema);
    std::string out(resolved["description"].as_string());
    if (!out.empty()) out += '\n';
    for (auto& part : resolved["allOf"].as_array()) out += description_of(part);
    if (resolved["items"].is_object()) out += description_of(resolved["items"]);
    if (resolved["additionalProperties"].is_object()) out += description_of(resolved["additionalProperties"]);
    return out;
  }

  std::string type_of(const Value& schema) const {
    if (schema["items"].is_object()) return "[]" + type_of(schema["items"]);
    if (schema["additionalProperties"].is_object())
      return "map[string]" + type_of(schema["additionalProperties"]);
    auto& parts = schema["allOf"].as_array();
    if (parts.size() == 1 && schema["properties"].as_object().empty()) return type_of(parts.front());
    auto type = schema["type"].as_string();
    if (std::string_view ref = schema["$ref"].as_string(); !ref.empty()) {
      auto its = resolve(schema)["type"].as_string();
      if (!its.empty() && its != "object") return std::string(its);
      return std::string(ref.substr(ref.find_last_of("./") + 1));
    }
    return type.empty() || type == "object" ? "Object" : std::string(type);
  }

  static std::string value_text(const Value& value) {
    if (value.is_string()) return value.as_string().empty() ? "\"\"" : std::string(value.as_string());
    return fmt::format("{}", value.int_or(0));
  }
  static std::string all_values(const Value& schema) {
    auto& values = schema["enum"].as_array();
    if (values.empty()) return "";
    std::string out = "ENUM:";
    for (auto& value : values) out += "\n    " + value_text(value);
    return out;
  }
  static std::string some_values(const Value& schema, size_t level) {
    auto& values = schema["enum"].as_array();
    if (values.empty()) return "";
    std::string out = "\n" + std::string(level, ' ') + "enum: ";
    for (size_t i = 0; i < values.size(); ++i) {
      if (i == 4) return out + ", ....";
      out += (i ? ", " : "") + value_text(values[i]);
    }
    return out;
  }

  std::string field_text(const Value& schema, const std::string& name, const Value& field,
                         size_t level) const {
    const size_t margin = level * 2;
    auto& required = schema["required"].as_array();
    const bool must =
        std::ranges::any_of(required, [&](const Value& one) { return one.as_string() == name; });
    std::string out = fmt::format("{}{}\t<{}>{}{}\n", std::string(margin, ' '), name, type_of(field),
                                  must ? " -required-" : "", some_values(field, margin));
    if (recursive_) return out;
    auto text = field["description"].as_string();
    out += indent(margin + 2, wrap(78 - margin, text.empty() ? "<no description>" : text)) + "\n";
    if (const Value& docs = field["externalDocs"]; docs.is_object())
      out += "\n" + docs_text(docs, margin + 2);
    return out + "\n";
  }

  std::string fields_of(const Value& schema, int64_t level, Seen seen) const {
    const std::string ref(schema["$ref"].as_string());
    if (!ref.empty() && !seen.insert(ref).second) return "";
    const Value& resolved = resolve(schema);
    std::vector<const base::Member*> members;
    for (auto& member : resolved["properties"].as_object()) members.push_back(&member);
    std::ranges::sort(members, {},
                      [](const base::Member* member) -> const std::string& { return member->key; });
    std::string out;
    for (const auto* member : members) {
      out += field_text(resolved, member->key, member->value, static_cast<size_t>(level));
      if (recursive_ && (depth_ == 0 || level < depth_)) out += fields_of(member->value, level + 1, seen);
    }
    for (auto& part : resolved["allOf"].as_array()) out += fields_of(part, level, seen);
    if (resolved["items"].is_object()) out += fields_of(resolved["items"], level, seen);
    if (resolved["additionalProperties"].is_object())
      out += fields_of(resolved["additionalProperties"], level, seen);
    return out;
  }

  const Value& schemas_;
  bool recursive_;
  int64_t depth_;
};

struct Request {
  ApiResource resource;
  std::vector<std::string> path;
};

// "deployments.apps.spec.replicas": the longest beginning that is a resource, then fields.
base::Result<Request> parse_request(Session& session, const Args& args) {
  auto pieces = base::split(args.operands[0], '.');
  base::Result<ApiResource> resource = usage("");
  size_t taken = pieces.size();
  for (; taken > 0 && !resource; --taken) {
    std::vector<std::string> front(pieces.begin(), pieces.begin() + static_cast<std::ptrdiff_t>(taken));
    resource = session.find_resource(base::join(front, "."));
  }
  if (!resource)
    return usage(fmt::format("the server doesn't have a resource type {}", base::quote(pieces[0])));
  ++taken;
  Request request{std::move(*resource), {pieces.begin() + static_cast<std::ptrdiff_t>(taken), pieces.end()}};
  if (auto version = args.get("api-version"); !version.empty()) {
    TRY(auto* all, session.resources());
    auto it = std::ranges::find_if(*all, [&](const ApiResource& one) {
      return one.plural == request.resource.plural && one.api_version() == version;
    });
    if (it == all->end())
      return base::fail(base::Reason::invalid, fmt::format("couldn't find resource for \"{}{}, Resource={}\"",
                                                           version.find('/') == std::string::npos ? "/" : "",
                                                           version, request.resource.plural));
    request.resource = *it;
  }
  return request;
}

int run_explain(Context& context) {
  const Args& args = context.args;
  if (args.operands.empty())
    return fail(
        "You must specify the type of resource to explain. Use \"kubectl api-resources\" for a complete list "
        "of "
        "supported resources.");
  if (args.operands.size() > 1) return fail("We accept only this format: explain RESOURCE");
  const int64_t depth = args.number("max-depth").value_or(0);
  if (depth > 0 && !args.on("recursive")) return fail("--max-depth requires --recursive");
  if (depth < 0) return fail("--max-depth must be non-negative");
  auto session = context.session();
  if (!session) return print_error(session.error());
  auto request = parse_request(**session, args);
  if (!request) {
    if (request.error().reason == base::Reason::invalid) return fail(request.error().message);
    fmt::print(stderr, "{}\n", request.error().message);
    return 1;
  }
  if (auto format = args.get("output"); format == "plaintext-openapiv2")
    return fail("this kubectl explains from OpenAPI v3 only: leave -o out");
  else if (format != "plaintext")
    return fail("unrecognized format: " + format);
  const ApiResource& resource = request->resource;
  auto document =
      (*session)->call("GET", resource.group.empty()
                                  ? "/openapi/v3/api/" + resource.version
                                  : fmt::format("/openapi/v3/apis/{}/{}", resource.group, resource.version));
  if (!document) return print_error(document.error());
  Explainer explainer(*document, args.on("recursive"), depth);
  const Value* schema = explainer.find(resource);
  if (!schema)
    return fail(
        fmt::format("{} {} is not in the server's OpenAPI document", resource.api_version(), resource.kind));
  if (!resource.group.empty()) fmt::print("GROUP:      {}\n", resource.group);
  fmt::print("KIND:       {}\nVERSION:    {}\n\n", resource.kind, resource.version);
  std::string text = explainer.explain(*schema, request->path);
  if (text.empty()) {
    std::fflush(stdout);
    return fail(fmt::format("field {} does not exist", base::quote(request->path.back())));
  }
  fmt::print("{}\n", text);
  return 0;
}

}  // namespace

Command explain_command() {
  using Type = Flag::Type;
  return {.name = "explain",
          .aliases = {},
          .usage = "explain TYPE[.FIELD...] [--recursive [--max-depth=N]] [--api-version=VERSION]",
          .summary = "What a type and its fields mean",
          .flags = {{"recursive", Type::boolean, "The fields of fields too", 'R'},
                    {"max-depth", Type::integer, "With --recursive: so deep at most; 0: to the end", 0, "0"},
                    {"api-version", Type::string, "The type in this version: apps/v1"},
                    {"output", Type::string, "plaintext", 'o', "plaintext"}},
          .run = run_explain};
}

}  // namespace cli
