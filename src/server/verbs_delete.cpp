// DELETE of one object and of collections: preconditions, graceful deletion, finalizers, propagation.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>

#include "api/meta.hpp"
#include "api/status.hpp"
#include "base/json.hpp"
#include "server/versions.hpp"
#include "server/writing.hpp"

namespace server {

namespace {

constexpr std::string_view kOrphan = "orphan";
constexpr std::string_view kForeground = "foregroundDeletion";

base::Result<DeleteOptions> read_delete_options(Core& core, const Exchange& exchange) {
  base::Value body;
  if (!exchange.request.body.empty()) {
    TRY(body, read_helper_body(core, exchange, "v1", "DeleteOptions"));
  }
  return parse_delete_options(exchange.request.query, body);
}

base::Result<void> check_delete_preconditions(const Writing& writing, const base::Value& object,
                                              const DeleteOptions& options) {
  auto conflict = [&](std::string_view what, std::string_view wanted, std::string_view found) {
    return std::unexpected(
        api::conflict(writing.resource.qualified, api::name_of(object),
                      fmt::format("Precondition failed: {} in precondition: {}, {} in object meta: {}", what,
                                  wanted, what, found)));
  };
  if (options.uid && *options.uid != api::uid_of(object))
    return conflict("UID", *options.uid, api::uid_of(object));
  if (options.resource_version && *options.resource_version != api::resource_version_of(object)) {
    return conflict("ResourceVersion", *options.resource_version, api::resource_version_of(object));
  }
  return {};
}

// The finalizers of garbage collection that the options ask for, beside the object's own.
std::vector<std::string> finalizers_for(const base::Value& object, const DeleteOptions& options,
                                        const Strategy& strategy) {
  auto finalizers = api::finalizers_of(object);
  bool has_orphan = std::erase(finalizers, kOrphan) != 0;
  bool has_foreground = std::erase(finalizers, kForeground) != 0;
  bool orphan = false;
  bool foreground = false;
  if (options.orphan_dependents) {
    orphan = *options.orphan_dependents;
  } else if (!options.propagation_policy.empty()) {
    orphan = options.propagation_policy == "Orphan";
    foreground = options.propagation_policy == "Foreground";
  } else if (has_orphan || has_foreground) {
    orphan = has_orphan;
    foreground = !has_orphan && has_foreground;
  } else {
    orphan = strategy.orphans_by_default();
  }
  if (orphan) finalizers.emplace_back(kOrphan);
  if (foreground) finalizers.emplace_back(kForeground);
  return finalizers;
}

std::string after(base::Time now, int64_t seconds) {
  return base::format_time(now + std::chrono::seconds(seconds));
}

void begin_deletion(const Writing& writing, base::Value& object, int64_t grace) {
  api::set_deletion(object, after(writing.context.now, grace), grace);
  if (int64_t generation = api::generation_of(object); generation > 0)
    api::set_generation(object, generation + 1);
}

// A namespace waits, Terminating, for its controller to empty it.
base::Result<Answer> delete_waiting(Writing& writing, const store::EntryPtr& entry, base::Value object) {
  if (api::is_being_deleted(object)) return Answer{200, entry->value};
  api::set_deletion(object, base::format_time(writing.context.now), std::nullopt);
  object.make({"status", "phase"}) = "Terminating";
  return Answer{200, put_object(writing, entry->key, std::move(object))};
}

Answer deleted_answer(const Writing& writing, const base::Value& object, std::string json) {
  if (writing.resource.strategy->returns_deleted_object()) return {200, std::move(json)};
  const auto& kind = *writing.resource.kind;
  auto status = api::make_success_status(api::name_of(object), kind.group, kind.plural, api::uid_of(object));
  return {200, base::write_json(status), true};
}

// The second and later deletions of an object that is on its way: only a shorter grace counts.
enum class Repeat { proceed, shortened, pending };
Repeat repeat_deletion(base::Value& object, const DeleteOptions& options) {
  auto old_grace = api::deletion_grace_seconds_of(object);
  if (!old_grace) return Repeat::proceed;
  if (!options.grace_period_seconds || *options.grace_period_seconds >= *old_grace) {
    return *old_grace == 0 && api::finalizers_of(object).empty() ? Repeat::proceed : Repeat::pending;
  }
  int64_t grace = std::max<int64_t>(0, *options.grace_period_seconds);
  if (auto ends = base::parse_time(api::deletion_timestamp_of(object))) {
    api::set_deletion(object, after(*ends, grace - *old_grace), grace);
  } else {
    api::set_deletion(object, std::string(api::deletion_timestamp_of(object)), grace);
  }
  return Repeat::shortened;
}

// Of all kinds that orphan by default only this one tells.
void warn_of_orphans(Exchange& exchange, const Resource& resource, const DeleteOptions& options) {
  if (resource.kind->group != "batch" || resource.kind->kind != "Job") return;
  if (options.orphan_dependents || !options.propagation_policy.empty()) return;
  exchange.warn("child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove "
                "them or set propagationPolicy=Orphan to suppress this warning");
}

// The decision for one object of a collection; one that is gone by now is no error.
Decide decide_delete(std::string key, std::string name, DeleteOptions options, bool may_be_gone) {
  return [key = std::move(key), name = std::move(name), options = std::move(options),
          may_be_gone](Writing& writing) -> base::Result<Answer> {
    if (may_be_gone && !writing.context.txn.get(key)) return Answer{};
    TRY(auto entry, current_of(writing, key, name));
    return delete_object(writing, entry, options);
  };
}

}  // namespace

base::Result<Answer> delete_object(Writing& writing, const store::EntryPtr& entry, DeleteOptions options) {
  const auto& strategy = *writing.resource.strategy;
  TRY(auto object, parse_stored(*entry));
  CHECK_OK(strategy.check_delete(*writing.resource.kind, api::name_of(object)));
  CHECK_OK(check_delete_preconditions(writing, object, options));
  if (!strategy.may_go(object)) return delete_waiting(writing, entry, std::move(object));

  int64_t grace = 0;
  bool changed = false;
  if (api::is_being_deleted(object)) {
    auto repeat = repeat_deletion(object, options);
    if (repeat == Repeat::pending) return Answer{200, entry->value};
    changed = repeat == Repeat::shortened;
    grace = api::deletion_grace_seconds_of(object).value_or(0);
  } else if (auto seconds = strategy.grace_seconds(object, options.grace_period_seconds)) {
    grace = *seconds;
    begin_deletion(writing, object, grace);
    changed = true;
  }
  auto finalizers = finalizers_for(object, options, strategy);
  if (finalizers != api::finalizers_of(object)) {
    api::set_finalizers(object, finalizers);
    changed = true;
  }
  if (!finalizers.empty() && !api::is_being_deleted(object)) {
    begin_deletion(writing, object, 0);
    changed = true;
  }
  if (grace == 0 && finalizers.empty()) {
    std::string json = erase_object(writing, entry->key, object);
    return deleted_answer(writing, object, std::move(json));
  }
  if (!changed) return Answer{200, entry->value};
  int status = options.orphan_dependents && !*options.orphan_dependents ? 202 : 200;
  return Answer{status, put_object(writing, entry->key, std::move(object))};
}

void serve_delete(Core& core, const ExchangePtr& exchange, const Resource& resource) {
  auto options = read_delete_options(core, *exchange);
  if (!options) return exchange->fail(options.error());
  warn_of_orphans(*exchange, resource, *options);
  const auto& route = exchange->route;
  bool dry_run = options->dry_run;
  submit_write(
      core, exchange, resource, dry_run,
      decide_delete(resource.key(route.namespace_, route.name), route.name, std::move(*options), false));
}

void serve_delete_collection(Core& core, const ExchangePtr& exchange, const Resource& resource) {
  auto selection = parse_list_options(exchange->request.query, resource);
  if (!selection) return exchange->fail(selection.error());
  auto options = read_delete_options(core, *exchange);
  if (!options) return exchange->fail(options.error());
  warn_of_orphans(*exchange, resource, *options);

  struct Progress {
    std::vector<store::EntryPtr> entries;
    std::atomic<size_t> open{0};
    std::atomic<bool> failed{false};
  };
  auto progress = std::make_shared<Progress>();
  auto listing = core.store.list(resource.prefix_of(exchange->route.namespace_));
  for (auto& entry : listing.entries) {
    if (selection->filter.matches(*entry)) progress->entries.push_back(std::move(entry));
  }
  auto finish = [&core, exchange, progress, &resource, revision = listing.revision] {
    if (exchange->answered()) return;
    auto entries = served_entries(resource, progress->entries);
    if (!entries) return exchange->fail(entries.error());
    RenderStyle style{exchange->format, IncludeObject::metadata, core.clock.now()};
    exchange->send(200, exchange->format.content_type(),
                   render_list(*resource.kind, style, {revision, "", std::nullopt}, *entries));
  };
  if (progress->entries.empty()) return finish();
  progress->open = progress->entries.size();
  auto entries = progress->entries;
  for (const auto& entry : entries) {
    // One transaction, and so one revision, per object: a watch may be taken up again after any of them.
    std::string name = entry->key.substr(entry->key.rfind('/') + 1);
    bool dry_run = options->dry_run;
    auto done = [exchange, progress, finish](base::Result<store::Revision> revision) {
      if (!revision && !progress->failed.exchange(true)) exchange->fail(revision.error());
      if (progress->open.fetch_sub(1) == 1 && !progress->failed) finish();
    };
    submit_quiet(core, resource, dry_run, decide_delete(entry->key, name, *options, true), std::move(done));
  }
}

}  // namespace server
