#include "api/field_set.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/json.hpp"
#include "base/strings.hpp"

namespace api {

using base::Object;
using base::Result;
using base::Value;

namespace {

int sign(int n) { return n < 0 ? -1 : n > 0 ? 1 : 0; }

int compare_numbers(const Value& a, const Value& b) {
  auto x = a.as_int(), y = b.as_int();
  if (x && y) return *x < *y ? -1 : *x > *y ? 1 : 0;
  double d = a.as_double().value_or(0), e = b.as_double().value_or(0);
  if (d != e) return d < e ? -1 : 1;
  // Beyond what fits: two that differ must not be taken for one.
  return x || y ? 0 : sign(a.if_number()->text.compare(b.if_number()->text));
}

int rank(const Value& value) {
  if (value.is_number()) return 0;
  if (value.is_string()) return 1;
  if (value.is_bool()) return 2;
  if (value.is_array()) return 3;
  return value.is_object() ? 4 : 5;
}

int compare_objects(const Object& a, const Object& b) {
  auto i = a.begin(), j = b.begin();
  for (; i != a.end() && j != b.end(); ++i, ++j) {
    if (int c = sign(i->key.compare(j->key))) return c;
    if (int c = compare_values(i->value, j->value)) return c;
  }
  return i != a.end() ? 1 : j != b.end() ? -1 : 0;
}

// As paths print it: texts quoted, all else as JSON.
std::string value_text(const Value& value) {
  return value.is_string() ? base::quote(value.as_string()) : base::write_json(value);
}

bool is_flat(const Value& value) { return !value.is_array() && !value.is_object(); }

base::Error malformed(std::string_view wire, std::string_view why) {
  constexpr size_t kShown = 64;
  return {base::Reason::invalid,
          fmt::format("{} is no path element: {}", base::quote(wire.substr(0, kShown)), why), nullptr};
}

constexpr base::JsonLimits kElementLimits{.max_depth = 8, .max_bytes = 64u << 10};

}  // namespace

int compare_values(const Value& a, const Value& b) {
  int x = rank(a), y = rank(b);
  if (x != y) return x < y ? -1 : 1;
  switch (x) {
    case 0:
      return compare_numbers(a, b);
    case 1:
      return sign(a.as_string().compare(b.as_string()));
    case 2:
      return static_cast<int>(a.as_bool()) - static_cast<int>(b.as_bool());
    case 3: {
      const auto &p = a.as_array(), &q = b.as_array();
      for (size_t i = 0; i < p.size() && i < q.size(); ++i)
        if (int c = compare_values(p[i], q[i])) return c;
      return p.size() < q.size() ? -1 : p.size() > q.size() ? 1 : 0;
    }
    case 4:
      return compare_objects(a.as_object(), b.as_object());
    default:
      return 0;
  }
}

// --- PathElement

PathElement PathElement::field(std::string_view name) {
  PathElement element;
  element.name_ = name;
  return element;
}

PathElement PathElement::key(Object keys) {
  PathElement element;
  element.kind_ = Kind::key;
  keys.sort();
  element.value_ = std::make_shared<const Value>(std::move(keys));
  return element;
}

PathElement PathElement::value(Value scalar) {
  PathElement element;
  element.kind_ = Kind::value;
  element.value_ = std::make_shared<const Value>(std::move(scalar));
  return element;
}

PathElement PathElement::index(int64_t place) {
  PathElement element;
  element.kind_ = Kind::index;
  element.index_ = place;
  return element;
}

std::string PathElement::text() const {
  switch (kind_) {
    case Kind::field:
      return "." + name_;
    case Kind::value:
      return "[=" + value_text(*value_) + "]";
    case Kind::index:
      return "[" + std::to_string(index_) + "]";
    case Kind::key:
      break;
  }
  std::string out = "[";
  for (const auto& [name, value] : value_->as_object()) {
    if (out.size() > 1) out += ',';
    out += name + "=" + value_text(value);
  }
  return out + "]";
}

std::string PathElement::wire() const {
  std::string out;
  switch (kind_) {
    case Kind::field:
      out.reserve(name_.size() + 2);
      out = "f:";
      out += name_;
      break;
    case Kind::key:
      out = "k:";
      base::append_json(out, *value_);
      break;
    case Kind::value:
      out = "v:";
      base::append_json(out, *value_);
      break;
    case Kind::index:
      out = "i:" + std::to_string(index_);
      break;
  }
  return out;
}

Result<std::optional<PathElement>> PathElement::parse(std::string_view wire) {
  if (wire.size() < 2 || wire[1] != ':')
    return std::unexpected(malformed(wire, "it must start with f:, k:, v: or i:"));
  std::string_view rest = wire.substr(2);
  switch (wire[0]) {
    case 'f':
      return field(rest);
    case 'i': {
      auto place = base::parse_int(rest);
      if (!place) return std::unexpected(malformed(wire, "a place must be a whole number"));
      return index(*place);
    }
    case 'v': {
      auto parsed = base::parse_json(rest, kElementLimits);
      if (!parsed || !is_flat(*parsed)) return std::unexpected(malformed(wire, "no scalar follows v:"));
      return value(std::move(*parsed));
    }
    case 'k': {
      auto parsed = base::parse_json(rest, kElementLimits);
      if (!parsed || !parsed->is_object()) return std::unexpected(malformed(wire, "no object follows k:"));
      for (const auto& [name, member] : parsed->as_object())
        if (!is_flat(member)) return std::unexpected(malformed(wire, "keys must be scalars"));
      return key(std::move(*parsed->if_object()));
    }
    default:
      return std::optional<PathElement>();
  }
}

int PathElement::compare(const PathElement& other) const {
  if (kind_ != other.kind_) return kind_ < other.kind_ ? -1 : 1;
  switch (kind_) {
    case Kind::field:
      return sign(name_.compare(other.name_));
    case Kind::index:
      return index_ < other.index_ ? -1 : index_ > other.index_ ? 1 : 0;
    case Kind::key:
      return value_ == other.value_ ? 0 : compare_objects(value_->as_object(), other.value_->as_object());
    case Kind::value:
      return value_ == other.value_ ? 0 : compare_values(*value_, *other.value_);
  }
  return 0;
}

std::string path_text(std::span<const PathElement> path) {
  std::string out;
  for (const auto& element : path) out += element.text();
  return out;
}

FieldPath field_path(std::initializer_list<std::string_view> names) {
  FieldPath path;
  for (auto name : names) path.push_back(PathElement::field(name));
  return path;
}

// --- FieldSet

FieldSet::FieldSet() = default;
FieldSet::FieldSet(const FieldSet& other) = default;
FieldSet::FieldSet(FieldSet&& other) noexcept = default;
FieldSet& FieldSet::operator=(const FieldSet& other) = default;
FieldSet& FieldSet::operator=(FieldSet&& other) noexcept = default;
FieldSet::~FieldSet() = default;

FieldSet::FieldSet(std::initializer_list<FieldPath> paths) {
  for (const auto& path : paths) insert(path);
}

std::span<const FieldSet::Node> FieldSet::nodes() const { return nodes_; }
std::span<FieldSet::Node> FieldSet::nodes() { return nodes_; }

namespace {

template <class Nodes>
auto place_of(Nodes& nodes, const PathElement& element) {
  return std::lower_bound(nodes.begin(), nodes.end(), element,
                          [](const auto& node, const PathElement& e) { return node.element.compare(e) < 0; });
}

}  // namespace

const FieldSet::Node* FieldSet::find(const PathElement& element) const {
  auto at = place_of(nodes_, element);
  return at == nodes_.end() || at->element.compare(element) != 0 ? nullptr : &*at;
}

size_t FieldSet::size() const {
  size_t n = 0;
  for (const auto& node : nodes_) n += (node.member ? 1 : 0) + node.children.size();
  return n;
}

bool FieldSet::has(std::span<const PathElement> path) const {
  if (path.empty()) return false;
  const Node* node = find(path[0]);
  if (!node) return false;
  return path.size() == 1 ? node->member : node->children.has(path.subspan(1));
}

void FieldSet::insert(std::span<const PathElement> path) {
  if (path.empty()) return;
  auto at = place_of(nodes_, path[0]);
  if (at == nodes_.end() || at->element.compare(path[0]) != 0)
    at = nodes_.insert(at, Node{path[0], false, FieldSet()});
  if (path.size() == 1) {
    at->member = true;
  } else {
    at->children.insert(path.subspan(1));
  }
}

bool FieldSet::operator==(const FieldSet& other) const {
  return std::ranges::equal(nodes_, other.nodes_, [](const Node& a, const Node& b) {
    return a.member == b.member && a.element == b.element && a.children == b.children;
  });
}

bool FieldSet::covers(const FieldSet& other) const {
  auto i = nodes_.begin();
  for (const Node& node : other.nodes_) {
    int c = -1;
    while (i != nodes_.end() && (c = i->element.compare(node.element)) < 0) ++i;
    if (c != 0 || i == nodes_.end() || (node.member && !i->member) || !i->children.covers(node.children)) return false;
  }
  return true;
}

void FieldSet::add(const FieldSet& other) {
  if (nodes_.empty()) {
    nodes_ = other.nodes_;
    return;
  }
  std::vector<Node> fresh;
  for (const Node& node : other.nodes_) {
    auto at = place_of(nodes_, node.element);
    if (at == nodes_.end() || at->element.compare(node.element) != 0) {
      fresh.push_back(node);
      continue;
    }
    at->member |= node.member;
    at->children.add(node.children);
  }
  if (fresh.empty()) return;
  std::vector<Node> merged;
  merged.reserve(nodes_.size() + fresh.size());
  std::merge(std::move_iterator(nodes_.begin()), std::move_iterator(nodes_.end()),
             std::move_iterator(fresh.begin()), std::move_iterator(fresh.end()), std::back_inserter(merged),
             [](const Node& a, const Node& b) { return a.element.compare(b.element) < 0; });
  nodes_ = std::move(merged);
}

FieldSet FieldSet::intersection(const FieldSet& other) const {
  FieldSet out;
  auto i = nodes_.begin(), j = other.nodes_.begin();
  while (i != nodes_.end() && j != other.nodes_.end()) {
    int c = i->element.compare(j->element);
    if (c == 0) out.append(i->element, i->member && j->member, i->children.intersection(j->children));
    if (c <= 0) ++i;
    if (c >= 0) ++j;
  }
  return out;
}

bool FieldSet::remove(const FieldSet& other) {
  bool changed = false, gone = false;
  for (const Node& node : other.nodes_) {
    auto at = place_of(nodes_, node.element);
    if (at == nodes_.end() || at->element.compare(node.element) != 0) continue;
    if (at->member && node.member) {
      at->member = false;
      changed = true;
    }
    if (at->children.remove(node.children)) changed = true;
    gone |= !at->member && at->children.empty();
  }
  if (gone) std::erase_if(nodes_, [](const Node& n) { return !n.member && n.children.empty(); });
  return changed;
}

bool FieldSet::remove_trees(const FieldSet& other) {
  bool changed = false, gone = false;
  for (const Node& node : other.nodes_) {
    auto at = place_of(nodes_, node.element);
    if (at == nodes_.end() || at->element.compare(node.element) != 0) continue;
    if (node.member) {
      at->member = false;
      at->children = FieldSet();
      changed = true;
    } else if (at->children.remove_trees(node.children)) {
      changed = true;
    }
    gone |= !at->member && at->children.empty();
  }
  if (gone) std::erase_if(nodes_, [](const Node& n) { return !n.member && n.children.empty(); });
  return changed;
}

void FieldSet::for_each(const std::function<void(std::span<const PathElement>)>& call) const {
  FieldPath path;
  walk(path, call);
}

void FieldSet::walk(FieldPath& path, const std::function<void(std::span<const PathElement>)>& call) const {
  for (const Node& node : nodes_) {
    if (!node.member) continue;
    path.push_back(node.element);
    call(path);
    path.pop_back();
  }
  for (const Node& node : nodes_) {
    if (node.children.empty()) continue;
    path.push_back(node.element);
    node.children.walk(path, call);
    path.pop_back();
  }
}

void FieldSet::append(PathElement element, bool member, FieldSet children) {
  if (!member && children.empty()) return;
  nodes_.push_back({std::move(element), member, std::move(children)});
}

void FieldSet::append(Node node) {
  if (node.member || !node.children.empty()) nodes_.push_back(std::move(node));
}

void FieldSet::sort() {
  auto before = [](const Node& a, const Node& b) { return a.element.compare(b.element) < 0; };
  if (std::ranges::adjacent_find(nodes_, [&](const Node& a, const Node& b) { return !before(a, b); }) ==
      nodes_.end())
    return;
  std::ranges::sort(nodes_, before);
  size_t kept = 0;
  for (size_t i = 1; i < nodes_.size(); ++i) {
    if (nodes_[kept].element == nodes_[i].element) {
      nodes_[kept].member |= nodes_[i].member;
      nodes_[kept].children.add(nodes_[i].children);
    } else if (++kept != i) {
      nodes_[kept] = std::move(nodes_[i]);
    }
  }
  nodes_.resize(kept + 1);
}

Value FieldSet::to_value() const { return written(false); }

Value FieldSet::written(bool self) const {
  Object out;
  out.reserve(nodes_.size() + (self ? 1 : 0));
  if (self) out.append(".", Object());
  for (const Node& node : nodes_) {
    out.append(node.element.wire(),
               node.children.empty() ? Value(Object()) : node.children.written(node.member));
  }
  return out;
}

bool FieldSet::touches(const Value& fields) const {
  const auto* object = fields.if_object();
  if (!object || object->empty() || nodes_.empty()) return false;
  // Members are looked up one by one: beyond this it is quicker to read the set.
  constexpr size_t kMaxLookups = 4096;
  if (nodes_.size() > kMaxLookups / object->size()) return true;
  for (const Node& node : nodes_) {
    const Value* below = object->find(node.element.wire());
    if (!below) continue;
    if (node.member && (below->as_object().empty() || below->as_object().contains("."))) return true;
    if (node.children.touches(*below)) return true;
  }
  return false;
}

namespace {

// True when the element that `fields` belongs to is a member itself.
Result<bool> read_fields(const Value& fields, FieldSet& out, int depth) {
  if (!fields.is_object() && !fields.is_null())
    return base::fail(base::Reason::invalid,
                      fmt::format("a set of fields must be an object, not a JSON {}", fields.kind_name()));
  if (depth > FieldSet::kMaxDepth)
    return base::fail(base::Reason::invalid,
                      fmt::format("a set of fields may be {} levels deep at most", FieldSet::kMaxDepth));
  bool member = false;
  for (const auto& [key, below] : fields.as_object()) {
    if (key == ".") {
      member = true;
      continue;
    }
    TRY(auto element, PathElement::parse(key));
    if (!element) continue;
    FieldSet::Node node{std::move(*element), false, FieldSet()};
    TRY(node.member, read_fields(below, node.children, depth + 1));
    out.append(std::move(node));
  }
  out.sort();
  return member || out.empty();
}

}  // namespace

Result<FieldSet> FieldSet::from_value(const Value& fields) {
  FieldSet set;
  CHECK_OK(read_fields(fields, set, 0));
  return set;
}

}  // namespace api
