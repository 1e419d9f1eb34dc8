// CustomResourceDefinitions, and the objects of the kinds that they define.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "api/custom/definition.hpp"
#include "api/meta.hpp"
#include "base/json.hpp"
#include "server/encoding.hpp"
#include "server/strategy/strategy.hpp"

namespace server {

namespace {

// Everything that makes up what the object asks for: all but metadata, and status where that is written apart.
bool same_content(const api::Kind& kind, const base::Value& a, const base::Value& b) {
  const bool status_apart = kind.find_subresource("status") != nullptr;
  auto contains_all = [&](const base::Value& some, const base::Value& other) {
    for (const auto& [name, value] : some.as_object()) {
      if (name == "metadata" || name == "apiVersion" || (name == "status" && status_apart)) continue;
      if (other[name] != value) return false;
    }
    return true;
  };
  return contains_all(a, b) && contains_all(b, a);
}

class CustomStrategy : public Strategy {
 public:
  void prepare_create(WriteContext& context, base::Value& object) const override {
    Strategy::prepare_create(context, object);
    api::set_generation(object, 1);
  }
  void prepare_update(WriteContext& context, base::Value& fresh, const base::Value& old) const override {
    Strategy::prepare_update(context, fresh, old);
    const int64_t generation = api::generation_of(old);
    api::set_generation(fresh, same_content(context.kind, fresh, old) ? generation : generation + 1);
  }
  bool tracks_generation(const api::Kind&) const override { return false; }
  bool allows_unconditional_update() const override { return false; }
};

struct NameUse {
  std::set<std::string> resources;  // plural, singular, short names
  std::set<std::string> kinds;      // kind, list kind
};

void use_names(NameUse& use, const base::Value& names) {
  for (std::string_view member : {"plural", "singular"}) use.resources.emplace(names[member].as_string());
  for (const auto& name : names["shortNames"].as_array()) use.resources.emplace(name.as_string());
  for (std::string_view member : {"kind", "listKind"}) use.kinds.emplace(names[member].as_string());
}

NameUse names_in_use(WriteContext& context, std::string_view group, std::string_view own_name) {
  NameUse use;
  for (const auto& kind : context.builtin.all()) {
    if (kind->group != group || !kind->stored) continue;
    use.resources.insert({kind->plural, kind->singular});
    use.resources.insert(kind->short_names.begin(), kind->short_names.end());
    use.kinds.insert({kind->kind, kind->list_kind});
  }
  context.txn.scan(key_prefix(context.kind.group, context.kind.plural), [&](const store::EntryPtr& entry) {
    auto other = base::parse_json(entry->value);
    if (other && other->at({"spec", "group"}).as_string() == group && api::name_of(*other) != own_name)
      use_names(use, other->at({"status", "acceptedNames"}));
    return true;
  });
  use.resources.erase("");
  use.kinds.erase("");
  return use;
}

struct Conflict {
  std::string reason;
  std::string message;
};

// The first name that another definition of the group has.
std::optional<Conflict> find_conflict(const NameUse& use, const base::Value& names) {
  auto in_use = [](std::string_view name) { return fmt::format("\"{}\" is already in use", name); };
  std::string plural(names["plural"].as_string()), singular(names["singular"].as_string());
  if (use.resources.contains(plural)) return Conflict{"PluralConflict", in_use(plural)};
  if (use.resources.contains(singular)) return Conflict{"SingularConflict", in_use(singular)};
  for (const auto& name : names["shortNames"].as_array()) {
    if (use.resources.contains(std::string(name.as_string())))
      return Conflict{"ShortNamesConflict", in_use(name.as_string())};
  }
  std::string kind(names["kind"].as_string()), list(names["listKind"].as_string());
  if (use.kinds.contains(kind)) return Conflict{"KindConflict", in_use(kind)};
  if (use.kinds.contains(list)) return Conflict{"ListKindConflict", in_use(list)};
  return std::nullopt;
}

void set_condition(base::Value& object, std::string_view type, bool holds, std::string_view reason,
                   std::string_view message, base::Time now) {
  auto& list = object.make({"status", "conditions"});
  if (!list.is_array()) list = base::Array{};
  std::string_view status = holds ? "True" : "False";
  base::Value condition = base::Object{{"type", type},
                                       {"status", status},
                                       {"lastTransitionTime", base::format_time(now)},
                                       {"reason", reason},
                                       {"message", message}};
  for (auto& known : list.array()) {
    if (known["type"].as_string() != type) continue;
    if (known["status"].as_string() == status) condition.object().set("lastTransitionTime", known["lastTransitionTime"]);
    known = std::move(condition);
    return;
  }
  list.array().push_back(std::move(condition));
}

void note_storage_version(base::Value& object) {
  std::string storage;
  for (const auto& version : object.at({"spec", "versions"}).as_array()) {
    if (version["storage"].as_bool(false)) storage = version["name"].as_string();
  }
  auto& stored = object.make({"status", "storedVersions"});
  if (!stored.is_array()) stored = base::Array{};
  for (const auto& known : stored.as_array()) {
    if (known.as_string() == storage) return;
  }
  if (!storage.empty()) stored.array().emplace_back(storage);
}

class DefinitionStrategy final : public Strategy {
 public:
  void prepare_create(WriteContext& context, base::Value& object) const override {
    Strategy::prepare_create(context, object);
    add_finalizer(object);
    note_storage_version(object);
  }
  // Before validation, which wants the storage version among the stored ones.
  void prepare_update(WriteContext& context, base::Value& fresh, const base::Value& old) const override {
    Strategy::prepare_update(context, fresh, old);
    note_storage_version(fresh);
  }
  // Upstream's naming and establishing controllers, at once: a client may use the kind when it has the answer.
  base::Result<void> admit_create(WriteContext& context, base::Value& object) const override {
    judge(context, object);
    return {};
  }
  base::Result<void> admit_update(WriteContext& context, base::Value& fresh, const base::Value&) const override {
    judge(context, fresh);
    return {};
  }
  bool allows_unconditional_update() const override { return false; }

 private:
  static void add_finalizer(base::Value& object) {
    auto finalizers = api::finalizers_of(object);
    if (std::ranges::find(finalizers, api::kCustomObjectsFinalizer) != finalizers.end()) return;
    finalizers.emplace_back(api::kCustomObjectsFinalizer);
    api::set_finalizers(object, finalizers);
  }

  static void judge(WriteContext& context, base::Value& object) {
    const base::Value names = object.at({"spec", "names"});
    auto use = names_in_use(context, object.at({"spec", "group"}).as_string(), api::name_of(object));
    auto conflict = find_conflict(use, names);
    note_storage_version(object);
    if (conflict) {
      set_condition(object, "NamesAccepted", false, conflict->reason, conflict->message, context.now);
      if (!is_established(object))
        set_condition(object, "Established", false, "NotAccepted", "not all names are accepted", context.now);
      object.make({"status", "acceptedNames"}) = base::Object{{"plural", ""}, {"kind", ""}};
      return;
    }
    object.make({"status", "acceptedNames"}) = names;
    set_condition(object, "NamesAccepted", true, "NoConflicts", "no conflicts found", context.now);
    if (!is_established(object)) {
      set_condition(object, "Established", true, "InitialNamesAccepted", "the initial names have been accepted",
                    context.now);
    }
  }

  static bool is_established(const base::Value& object) {
    for (const auto& condition : object.at({"status", "conditions"}).as_array()) {
      if (condition["type"].as_string() == "Established") return condition["status"].as_string() == "True";
    }
    return false;
  }
};

}  // namespace

std::unique_ptr<Strategy> make_custom_strategy() { return std::make_unique<CustomStrategy>(); }
std::unique_ptr<Strategy> make_definition_strategy() { return std::make_unique<DefinitionStrategy>(); }

}  // namespace server
