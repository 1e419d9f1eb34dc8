// Sets of fields of an object, as metadata.managedFields names them: a tree of path elements, in and out of
// the FieldsV1 form ({"f:spec":{"f:replicas":{}}}). Values without threading of their own; any thread.
//
// Source: KEP-555 (server-side apply) and the FieldsV1 form of metav1.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/value.hpp"

namespace api {

// One step of a path: a member by name, an element of a list by its keys, of a set by its value, of an atomic
// list by its place.
class PathElement {
 public:
  enum class Kind : uint8_t { field, key, value, index };

  static PathElement field(std::string_view name);
  // `keys` are sorted by name here.
  static PathElement key(base::Object keys);
  static PathElement value(base::Value scalar);
  static PathElement index(int64_t place);

  Kind kind() const { return kind_; }
  const std::string& name() const { return name_; }
  // As paths are printed: `.spec`, `[name="web"]`, `[="a"]`, `[3]`.
  std::string text() const;
  // As FieldsV1 has it: `f:spec`, `k:{"name":"web"}`, `v:"a"`, `i:3`.
  std::string wire() const;
  // The other way round; nothing for a kind of element that this version does not know. invalid for what is
  // none.
  static base::Result<std::optional<PathElement>> parse(std::string_view wire);

  // Names first, then keys, values and places: the order in which sets are written.
  int compare(const PathElement& other) const;
  bool operator==(const PathElement& other) const { return compare(other) == 0; }

 private:
  Kind kind_ = Kind::field;
  std::string name_;
  std::shared_ptr<const base::Value> value_;  // the keys as an object, or the value
  int64_t index_ = 0;
};

using FieldPath = std::vector<PathElement>;
std::string path_text(std::span<const PathElement> path);
// A path of names: {"metadata", "name"}.
FieldPath field_path(std::initializer_list<std::string_view> names);

// The order of values inside of path elements: numbers, texts, booleans, lists, objects, null.
int compare_values(const base::Value& a, const base::Value& b);

class FieldSet {
 public:
  struct Node;

  // As deep as a set may be; objects are not divided further below.
  static constexpr int kMaxDepth = 256;

  FieldSet();
  FieldSet(const FieldSet& other);
  FieldSet(FieldSet&& other) noexcept;
  FieldSet& operator=(const FieldSet& other);
  FieldSet& operator=(FieldSet&& other) noexcept;
  ~FieldSet();
  FieldSet(std::initializer_list<FieldPath> paths);

  bool empty() const { return nodes_.empty(); }
  size_t size() const;
  bool has(std::span<const PathElement> path) const;
  void insert(std::span<const PathElement> path);
  bool operator==(const FieldSet& other) const;
  // Whether every member of the other is one of this.
  bool covers(const FieldSet& other) const;

  // Members of either.
  void add(const FieldSet& other);
  // Members of both.
  FieldSet intersection(const FieldSet& other) const;
  // Without the members of the other; what lies below them stays. True when that changed anything.
  bool remove(const FieldSet& other);
  // The same with all that lies below them.
  bool remove_trees(const FieldSet& other);

  // Calls for every member, those of a level before those below.
  void for_each(const std::function<void(std::span<const PathElement>)>& call) const;

  // The nodes, sorted by element.
  std::span<const Node> nodes() const;
  std::span<Node> nodes();
  const Node* find(const PathElement& element) const;
  // For builders: appends in any order, sort() must follow. Nodes without members are left out.
  void append(PathElement element, bool member, FieldSet children);
  void append(Node node);
  // Sorts, and makes one of nodes that are equal.
  void sort();

  // FieldsV1.
  base::Value to_value() const;
  static base::Result<FieldSet> from_value(const base::Value& fields);
  // Whether a set that to_value() wrote may have a member of this one, without reading it. Exact for small sets.
  bool touches(const base::Value& fields) const;

 private:
  base::Value written(bool self) const;
  void walk(FieldPath& path, const std::function<void(std::span<const PathElement>)>& call) const;

  // Every node is a member or has members below it.
  std::vector<Node> nodes_;
};

struct FieldSet::Node {
  PathElement element;
  bool member = false;
  FieldSet children;
};

}  // namespace api
