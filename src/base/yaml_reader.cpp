#include <fmt/format.h>
#include <yaml.h>

#include <map>
#include <memory>
#include <unordered_map>

#include "base/strings.hpp"
#include "base/yaml.hpp"
#include "base/yaml_scalar.hpp"

namespace base {

namespace {

constexpr size_t kMaxReports = 20;
constexpr std::string_view kTagPrefix = "tag:yaml.org,2002:";

struct Event {
  yaml_event_t raw{};
  Event() = default;
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { yaml_event_delete(&raw); }

  size_t line() const { return raw.start_mark.line + 1; }
};

std::string_view text_of(const yaml_char_t* text) {
  return text ? std::string_view(reinterpret_cast<const char*>(text)) : std::string_view();
}

struct Node {
  Value value;
  size_t nodes = 1;  // with everything below
  int height = 1;    // levels below and with this one
  size_t line = 0;
  YamlKind kind = YamlKind::string;  // of a scalar
};

class Reader {
 public:
  Reader(std::string_view text, const YamlLimits& limits) : text_(text), limits_(limits) {
    yaml_parser_initialize(&parser_);
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()), text.size());
    yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  ~Reader() { yaml_parser_delete(&parser_); }

  Result<std::vector<Value>> read() {
    if (text_.size() > limits_.max_bytes)
      return refuse(0, fmt::format("the document is {} bytes long, the limit is {}: send less", text_.size(),
                                   limits_.max_bytes));
    std::vector<Value> documents;
    for (;;) {
      Event event;
      CHECK_OK(next(event));
      if (event.raw.type == YAML_STREAM_END_EVENT) break;
      if (event.raw.type != YAML_DOCUMENT_START_EVENT) continue;
      anchors_.clear();
      Event root;
      CHECK_OK(next(root));
      TRY(Node node, read_node(root, 1));
      if (!node.value.is_null()) documents.push_back(std::move(node.value));
    }
    if (reports_.empty()) return documents;
    std::string message = "yaml: unmarshal errors:";
    for (const std::string& report : reports_) message += "\n  " + report;
    return fail(Reason::bad_request, std::move(message));
  }

 private:
  std::unexpected<Error> refuse(size_t line, std::string_view problem) const {
    std::string where = line == 0 ? "" : fmt::format("line {}: ", line);
    return fail(Reason::bad_request, fmt::format("yaml: {}{}", where, problem));
  }

  Result<void> next(Event& event) {
    if (yaml_parser_parse(&parser_, &event.raw)) return {};
    // The line as go-yaml counts it, so that kubectl's users meet the message that they know.
    size_t line = 0;
    if (parser_.problem_mark.line != 0)
      line = parser_.problem_mark.line + (parser_.error == YAML_SCANNER_ERROR ? 1 : 0);
    else
      line = parser_.context_mark.line;
    return refuse(line, parser_.problem ? parser_.problem : "unknown problem parsing YAML content");
  }

  Result<Node> read_node(const Event& event, int depth) {
    if (depth > limits_.max_depth)
      return refuse(event.line(), fmt::format("nested more than {} levels deep: flatten the document", limits_.max_depth));
    if (++nodes_ > limits_.max_nodes) return too_many(event);
    switch (event.raw.type) {
      case YAML_ALIAS_EVENT: return read_alias(event, depth);
      case YAML_SCALAR_EVENT: {
        TRY(Node node, read_scalar(event));
        return keep(event, text_of(event.raw.data.scalar.anchor), std::move(node));
      }
      case YAML_SEQUENCE_START_EVENT: {
        std::string anchor(text_of(event.raw.data.sequence_start.anchor));
        if (!anchor.empty()) anchors_[anchor] = nullptr;
        TRY(Node node, read_sequence(event, depth));
        return keep(event, anchor, std::move(node));
      }
      case YAML_MAPPING_START_EVENT: {
        std::string anchor(text_of(event.raw.data.mapping_start.anchor));
        if (!anchor.empty()) anchors_[anchor] = nullptr;
        TRY(Node node, read_mapping(event, depth));
        return keep(event, anchor, std::move(node));
      }
      default: return refuse(event.line(), "unexpected event in the YAML stream");
    }
  }

  std::unexpected<Error> too_many(const Event& event) const {
    return refuse(event.line(), fmt::format("document contains excessive aliasing or more than {} values: split it",
                                            limits_.max_nodes));
  }

  // The copy that aliases will copy counts too, else anchors nested in each other would cost the square of the budget.
  Result<Node> keep(const Event& event, std::string_view anchor, Node node) {
    if (anchor.empty()) return node;
    nodes_ += node.nodes;
    if (nodes_ > limits_.max_nodes) return too_many(event);
    anchors_[std::string(anchor)] = std::make_unique<Node>(node);
    return node;
  }

  Result<Node> read_alias(const Event& event, int depth) {
    std::string name(text_of(event.raw.data.alias.anchor));
    auto it = anchors_.find(name);
    if (it == anchors_.end()) return refuse(0, fmt::format("unknown anchor '{}' referenced", name));
    if (!it->second) return refuse(0, fmt::format("anchor '{}' value contains itself", name));
    const Node& target = *it->second;
    nodes_ += target.nodes;
    if (nodes_ > limits_.max_nodes) return too_many(event);
    if (depth + target.height > limits_.max_depth)
      return refuse(event.line(), fmt::format("nested more than {} levels deep: flatten the document", limits_.max_depth));
    Node copy = target;
    copy.line = event.line();
    return copy;
  }

  Result<Node> read_scalar(const Event& event) {
    const auto& scalar = event.raw.data.scalar;
    std::string_view text(reinterpret_cast<const char*>(scalar.value), scalar.length);
    std::string_view tag = text_of(scalar.tag);
    Node node;
    node.line = event.line();
    if (tag.empty() && scalar.plain_implicit && scalar.style == YAML_PLAIN_SCALAR_STYLE) {
      YamlScalar resolved = resolve_yaml_scalar(text);
      node.kind = resolved.kind;
      node.value = std::move(resolved.value);
      if (node.kind == YamlKind::infinite)
        return refuse(node.line, fmt::format("the number {} has no form in JSON: quote it if it is text", text));
      return node;
    }
    if (!tag.starts_with(kTagPrefix)) {
      node.value = Value(text);
      return node;
    }
    tag.remove_prefix(kTagPrefix.size());
    return read_tagged(std::move(node), tag, text);
  }

  Result<Node> read_tagged(Node node, std::string_view tag, std::string_view text) {
    node.value = Value(text);
    if (tag == "binary") {
      std::optional<std::string> bytes = base64_decode(text);
      if (!bytes) return refuse(node.line, "!!binary value contains invalid base64 data");
      if (valid_utf8_prefix(*bytes) != bytes->size())
        return refuse(node.line, "!!binary value is not UTF-8 text: give the base64 text itself, without the tag");
      node.value = Value(std::move(*bytes));
      return node;
    }
    static const std::map<std::string_view, YamlKind, std::less<>> kWanted = {
        {"bool", YamlKind::boolean}, {"int", YamlKind::integer}, {"float", YamlKind::floating}, {"null", YamlKind::null}};
    auto wanted = kWanted.find(tag);
    if (wanted == kWanted.end()) return node;
    YamlScalar resolved = resolve_yaml_scalar(text);
    bool whole_float = wanted->second == YamlKind::floating && resolved.kind == YamlKind::integer;
    if (resolved.kind != wanted->second && !whole_float)
      return refuse(node.line, fmt::format("cannot decode `{}` as a !!{}", text, tag));
    node.kind = resolved.kind;
    node.value = std::move(resolved.value);
    return node;
  }

  Result<Node> read_sequence(const Event& start, int depth) {
    Node node;
    node.line = start.line();
    Array items;
    for (;;) {
      Event event;
      CHECK_OK(next(event));
      if (event.raw.type == YAML_SEQUENCE_END_EVENT) break;
      TRY(Node item, read_node(event, depth + 1));
      add_below(node, item);
      items.push_back(std::move(item.value));
    }
    node.value = Value(std::move(items));
    return node;
  }

  static void add_below(Node& node, const Node& below) {
    node.nodes += below.nodes;
    node.height = std::max(node.height, below.height + 1);
  }

  // A mapping under construction: where each key stands, and what `<<` brought in.
  struct Mapping {
    Object object;
    std::unordered_map<std::string, size_t> index;
    Array merged;
  };

  Result<Node> read_mapping(const Event& start, int depth) {
    Node node;
    node.line = start.line();
    Mapping mapping;
    for (;;) {
      Event event;
      CHECK_OK(next(event));
      if (event.raw.type == YAML_MAPPING_END_EVENT) break;
      TRY(Node key, read_node(event, depth + 1));
      Event value_event;
      CHECK_OK(next(value_event));
      TRY(Node value, read_node(value_event, depth + 1));
      add_below(node, value);
      if (key.kind == YamlKind::merge) CHECK_OK(add_merge(mapping, std::move(value)));
      else CHECK_OK(add_member(mapping, key, std::move(value)));
    }
    for (Value& source : mapping.merged)
      for (Member& member : source.object())
        if (mapping.index.emplace(member.key, mapping.object.size()).second)
          mapping.object.append(member.key, std::move(member.value));
    node.value = Value(std::move(mapping.object));
    return node;
  }

  Result<void> add_merge(Mapping& mapping, Node value) {
    if (value.value.is_object()) {
      mapping.merged.push_back(std::move(value.value));
      return {};
    }
    Array* sources = value.value.if_array();
    if (!sources) return refuse(value.line, "map merge requires map or sequence of maps as the value");
    for (Value& source : *sources) {
      if (!source.is_object()) return refuse(value.line, "map merge requires map or sequence of maps as the value");
      mapping.merged.push_back(std::move(source));
    }
    return {};
  }

  Result<void> add_member(Mapping& mapping, const Node& key, Node value) {
    TRY(std::string name, key_text(key));
    auto [it, fresh] = mapping.index.emplace(name, mapping.object.size());
    if (fresh) {
      mapping.object.append(std::move(name), std::move(value.value));
      return {};
    }
    if (reports_.size() < kMaxReports)
      reports_.push_back(fmt::format("line {}: key {} already set in map", value.line,
                                     key.value.is_string() ? quote(name) : name));
    return {};
  }

  Result<std::string> key_text(const Node& key) const {
    if (const std::string* text = key.value.if_string()) return *text;
    if (const bool* b = key.value.if_bool()) return std::string(*b ? "true" : "false");
    if (const Value::Number* n = key.value.if_number()) {
      if (key.kind != YamlKind::floating) return n->text;
      return format_go_float(key.value.as_double().value_or(0));
    }
    return refuse(key.line, fmt::format("invalid map key: {}: use a string as the key", key.value.kind_name()));
  }

  std::string_view text_;
  const YamlLimits& limits_;
  yaml_parser_t parser_{};
  size_t nodes_ = 0;
  std::vector<std::string> reports_;
  std::unordered_map<std::string, std::unique_ptr<Node>> anchors_;  // null while the anchored value is being read
};

}  // namespace

Result<std::vector<Value>> parse_yaml_stream(std::string_view text, const YamlLimits& limits) {
  return Reader(text, limits).read();
}

Result<Value> parse_yaml(std::string_view text, const YamlLimits& limits) {
  TRY(std::vector<Value> documents, parse_yaml_stream(text, limits));
  if (documents.size() == 1) return std::move(documents.front());
  return fail(Reason::bad_request, fmt::format("yaml: expected one document, found {}{}", documents.size(),
                                               documents.empty() ? ": the text is empty" : ": split them"));
}

}  // namespace base
