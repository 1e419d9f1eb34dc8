#include <algorithm>
#include <unordered_map>

#include <fmt/format.h>

#include "api/custom/rules.hpp"
#include "api/decode.hpp"
#include "api/status.hpp"
#include "base/json.hpp"

namespace api {

using base::Reason;
using base::Result;
using base::Value;

namespace {

bool is_null_without_value(const Value& value, const Schema* schema) {
  return value.is_null() && schema && !schema->nullable;
}

const Schema* element_schema(const Schema& schema) {
  return schema.type == Schema::Type::map ? nullptr : schema.items.get();
}

class Pruner {
 public:
  explicit Pruner(bool want_unknown) : want_unknown_(want_unknown) {}

  Result<void> prune(const Schema* schema, Value& value, bool root = false) {
    if (schema && keeps_unknown(*schema)) return look_inside(*schema, value, root);
    if (!schema) {
      prune_all(value);
      return {};
    }
    if (auto* list = value.if_array()) {
      for (size_t i = 0; i < list->size(); ++i) {
        Step step(*this, i);
        CHECK_OK(prune(element_schema(*schema), (*list)[i]));
      }
      return {};
    }
    auto* object = value.if_object();
    if (!object) return {};
    return prune_members(*schema, *object, root);
  }

  std::vector<std::string> unknown;

 private:
  // Remembers where we are.
  class Step {
   public:
    Step(Pruner& owner, std::string_view name) : owner_(owner), size_(owner.path_.size()) {
      if (!owner.want_unknown_) return;
      if (!owner.path_.empty()) owner.path_ += '.';
      owner.path_ += name;
    }
    Step(Pruner& owner, size_t index) : owner_(owner), size_(owner.path_.size()) {
      if (owner.want_unknown_) owner.path_ += fmt::format("[{}]", index);
    }
    ~Step() { owner_.path_.resize(size_); }

   private:
    Pruner& owner_;
    size_t size_;
  };

  static bool keeps_unknown(const Schema& schema) {
    return schema.keeps_unknown || (schema.type == Schema::Type::any && !schema.rules);
  }

  // Where there is no schema: members of objects go, also of objects in lists, which may be nested 10,000 deep.
  void prune_all(Value& value) {
    std::vector<std::pair<Value*, std::string>> next{{&value, path_}};
    while (!next.empty()) {
      const auto [at, path] = std::move(next.back());
      next.pop_back();
      if (auto* list = at->if_array()) {
        for (size_t i = 0; i < list->size(); ++i) {
          Value& item = (*list)[i];
          if (item.is_array() || item.is_object())
            next.emplace_back(&item, want_unknown_ ? fmt::format("{}[{}]", path, i) : std::string());
        }
      } else if (auto* object = at->if_object()) {
        if (want_unknown_)
          for (const auto& member : *object) unknown.push_back(path.empty() ? member.key : path + "." + member.key);
        *object = base::Object();
      }
    }
  }

  Result<void> prune_members(const Schema& schema, base::Object& object, bool root) {
    base::Object kept;
    kept.reserve(object.size());
    const bool has_meta = root || schema.embedded_resource;
    for (auto& [name, member] : object) {
      if (has_meta && is_meta_field(name)) {
        if (!root) CHECK_OK(clean_meta(schema, name, member));
        kept.append(name, std::move(member));
        continue;
      }
      bool known = false;
      const Schema* inner = member_schema(schema, name, known);
      Step step(*this, name);
      if (known) {
        CHECK_OK(prune(inner, member));
        kept.append(name, std::move(member));
      } else if (want_unknown_) {
        unknown.push_back(path_);
      }
    }
    object = std::move(kept);
    return {};
  }

  // Unknown members stay, but those that are known may hold unknown ones.
  Result<void> look_inside(const Schema& schema, Value& value, bool root) {
    if (auto* list = value.if_array()) {
      const Schema* inner = element_schema(schema);
      if (!inner) return {};
      for (size_t i = 0; i < list->size(); ++i) {
        Step step(*this, i);
        CHECK_OK(keeps_unknown(*inner) ? prune(inner, (*list)[i]) : look_inside(*inner, (*list)[i], false));
      }
      return {};
    }
    auto* object = value.if_object();
    if (!object) return {};
    for (auto& [name, member] : *object) {
      if ((root || schema.embedded_resource) && is_meta_field(name)) {
        if (!root) CHECK_OK(clean_meta(schema, name, member));
        continue;
      }
      bool known = false;
      const Schema* inner = member_schema(schema, name, known);
      if (!known || !inner) continue;
      Step step(*this, name);
      CHECK_OK(prune(inner, member));
    }
    return {};
  }

  // Of an embedded resource.
  Result<void> clean_meta(const Schema& schema, const std::string& name, Value& member) {
    const std::string at = path_.empty() ? name : path_ + "." + name;
    if (name != "metadata") {
      if (member.is_string()) return {};
      return base::fail(Reason::bad_request,
                        invalid_field(at, member, "must be a string").text());
    }
    const auto* metadata = schema.find("metadata");
    if (!metadata || member.is_null()) return {};
    auto cleaned = decode_part(*metadata->schema, member, at, want_unknown_ ? &unknown : nullptr);
    if (!cleaned) return base::fail(Reason::bad_request, invalid_field(at, member, cleaned.error().message).text());
    member = std::move(*cleaned);
    return {};
  }

  bool want_unknown_;
  std::string path_;
};

}  // namespace

Result<void> prune(const Schema& schema, Value& value, bool root, std::vector<std::string>* unknown) {
  Pruner pruner(unknown != nullptr);
  CHECK_OK(pruner.prune(&schema, value, root));
  if (!unknown) return {};
  std::ranges::sort(pruner.unknown);
  unknown->insert(unknown->end(), std::make_move_iterator(pruner.unknown.begin()),
                  std::make_move_iterator(pruner.unknown.end()));
  return {};
}

void prune_nulls(const Schema& schema, Value& value) {
  if (auto* list = value.if_array()) {
    const Schema* inner = element_schema(schema);
    if (!inner) return;
    for (Value& item : *list) prune_nulls(*inner, item);
    return;
  }
  auto* object = value.if_object();
  if (!object) return;
  base::Object kept;
  kept.reserve(object->size());
  for (auto& [name, member] : *object) {
    bool known = false;
    const Schema* inner = member_schema(schema, name, known);
    if (is_null_without_value(member, inner) && inner->default_value.is_null()) continue;
    if (inner) prune_nulls(*inner, member);
    kept.append(name, std::move(member));
  }
  *object = std::move(kept);
}

namespace {

// Sets defaults up to so many bytes of text: more than an object may have (server/writing.cpp), so that one that did not
// get all of them is not stored. A list of "{}" can ask for gigabytes.
class DefaultSetter {
 public:
  void set(const Schema& schema, Value& value) {
    if (auto* list = value.if_array()) {
      const Schema* inner = element_schema(schema);
      if (!inner) return;
      for (Value& item : *list) {
        if (is_null_without_value(item, inner) && may_take("", inner->default_value)) item = inner->default_value;
        set(*inner, item);
      }
      return;
    }
    auto* object = value.if_object();
    if (!object) return;
    if (schema.rules) add_missing(schema.rules->own_meta, *object);
    add_missing(schema.properties, *object);
    for (auto& [name, member] : *object) {
      bool known = false;
      const Schema* inner = member_schema(schema, name, known);
      if (!inner) continue;
      if (is_null_without_value(member, inner) && may_take("", inner->default_value)) member = inner->default_value;
      set(*inner, member);
    }
  }

 private:
  void add_missing(const std::vector<Schema::Property>& properties, base::Object& object) {
    for (const Schema::Property& property : properties) {
      const Value& wanted = property.schema->default_value;
      if (wanted.is_null()) continue;
      Value* member = object.find(property.name);
      if (member && !is_null_without_value(*member, property.schema.get())) continue;
      if (!may_take(property.name, wanted)) return;
      if (member) *member = wanted;
      else object.append(property.name, wanted);
    }
  }

  bool may_take(std::string_view name, const Value& wanted) {
    size_t& size = sizes_[&wanted];
    if (size == 0) size = name.size() + base::write_json(wanted).size();
    if (size > left_) left_ = 0;
    else left_ -= size;
    return left_ > 0;
  }

  size_t left_ = 12u << 20;
  std::unordered_map<const Value*, size_t> sizes_;
};

}  // namespace

void apply_custom_defaults(const Schema& schema, Value& value) {
  prune_nulls(schema, value);
  DefaultSetter().set(schema, value);
}

}  // namespace api
