#include "server/writing.hpp"

#include <fmt/format.h>

#include <atomic>
#include <memory>

#include "api/meta.hpp"
#include "api/status.hpp"
#include "api/validate.hpp"
#include "base/ids.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "base/strings.hpp"
#include "server/ahead.hpp"
#include "server/ownership.hpp"
#include "server/versions.hpp"
#include "server/workers.hpp"

namespace server {

namespace {

constexpr size_t kMaxGeneratedBase = 58;  // 63 less the suffix
constexpr int kNameTries = 8;
// What may be stored: three times what a request may bring, for the field sets of its managers and for defaults. Patches
// must not make, bit by bit, an object that nobody can read any more.
constexpr size_t kMaxObjectBytes = 8u << 20;
constexpr std::string_view kOwnManager = "kube-apiserver";  // of what this server writes by itself
// Writes are decided before their turn from so many bytes on, body and stored object together: when others wait for the
// writer, and in any case. Below, the way to another thread costs more than it saves.
constexpr size_t kAheadBytes = 1u << 10;
constexpr size_t kAheadAlways = 32u << 10;
// From here on the workers take it for long.
constexpr size_t kLong = 256u << 10;

Workers::Length length_of(size_t size) { return size >= kLong ? Workers::Length::long_ : Workers::Length::usual; }

// Writes that have come and are not over yet.
struct Uncount {
  void operator()(std::atomic<int64_t>* count) const { --*count; }
};
using Counted = std::unique_ptr<std::atomic<int64_t>, Uncount>;

struct Pending {
  Counted counted;
  ExchangePtr exchange;  // null for a quiet write
  const Resource* resource;
  bool dry_run;
  Decide decide;
  store::Done done;  // of a quiet write
  Answer answer;
  std::vector<std::string> warnings;
  bool touched = false;     // the allocators
  bool in_turn = true;      // decided on the writer thread, for good
  store::EntryPtr stored;   // what was put, when that is the answer
  size_t size = 0;          // of all that it is about
};

base::Error internal(std::string_view what) {
  return {base::Reason::internal_error, fmt::format("Internal error occurred: {}", what), nullptr};
}

base::Result<void> decide_on(Core& core, Pending& pending, store::Txn& txn) {
  Allocators::Journal allocations(core.allocators, txn);
  Writing writing{
      core,
      *pending.resource,
      {txn, *pending.resource->stored, core.clock.now(), pending.dry_run, allocations, pending.warnings, core.builtin,
       pending.exchange ? &pending.exchange->user : nullptr},
      pending.exchange ? field_manager_of(pending.exchange->request) : std::string(kOwnManager),
      std::nullopt,
      pending.in_turn};
  base::Result<Answer> result = std::unexpected(internal("the request was not decided"));
  try {
    result = pending.decide(writing);
  } catch (const std::exception& e) {
    base::log_error("server", "a write of {} failed unexpectedly: {}", pending.resource->qualified, e.what());
    result = std::unexpected(internal(e.what()));
  }
  if (!result || pending.dry_run) {
    allocations.revert();
  } else {
    pending.touched = allocations.touched();
  }
  if (!result) return std::unexpected(std::move(result).error());
  pending.answer = std::move(*result);
  return {};
}

void send_answer(Core& core, Pending& pending) {
  auto& exchange = *pending.exchange;
  exchange.warn(pending.warnings);
  auto bytes = pending.stored ? value_chunk(pending.stored) : net::make_chunk(std::move(pending.answer.json));
  if (pending.answer.document) {
    exchange.send_document(pending.answer.status, std::move(bytes));
    return;
  }
  auto served = served_bytes(*pending.resource, std::move(bytes));
  if (!served) return exchange.fail(served.error());
  auto include = parse_include_object(exchange.request.query);
  RenderStyle style{exchange.format, include.value_or(IncludeObject::metadata), core.clock.now()};
  exchange.send(pending.answer.status, exchange.format.content_type(),
                render_object(*pending.resource->kind, style, std::move(*served)));
}

// Encoded in a moment.
bool is_light(const Pending& pending) {
  const auto& exchange = *pending.exchange;
  return pending.size < kAheadAlways && exchange.format.verbatim() && !pending.resource->converts();
}

void answer(Core& core, const std::shared_ptr<Pending>& pending, base::Result<store::Revision> revision) {
  auto guarded = [&core, pending] {
    try {
      send_answer(core, *pending);
    } catch (const std::exception& e) {
      base::log_error("server", "answering a write failed: {}", e.what());
      pending->exchange->fail(internal(e.what()));
    }
  };
  pending->counted.reset();
  // Refused by the disk after the allocators had followed: they start again from what is stored.
  if (!revision && pending->touched) core.allocators.mark_stale();
  if (!pending->exchange) {
    if (pending->done) pending->done(std::move(revision));
    return;
  }
  if (!revision) return pending->exchange->fail(revision.error());
  if (is_light(*pending)) return guarded();
  core.workers->post(guarded, length_of(pending->size));
}

void submit_pending(Core& core, const std::shared_ptr<Pending>& pending) {
  core.store.submit([&core, pending](store::Txn& txn) { return decide_on(core, *pending, txn); },
                    [&core, pending](base::Result<store::Revision> revision) {
                      answer(core, pending, std::move(revision));
                    });
}

// What a decision left behind, before it is taken again.
void begin_again(Pending& pending) {
  pending.in_turn = true;
  pending.answer = {};
  pending.warnings.clear();
}

void submit_ahead(Core& core, const std::shared_ptr<Pending>& pending) {
  pending->in_turn = false;
  auto ahead = std::make_shared<AheadTxn>(core.store);
  auto decided = decide_on(core, *pending, *ahead);
  if (ahead->gave_up()) {
    begin_again(*pending);
    return submit_pending(core, pending);
  }
  // What was read is what everybody can read: a refusal, and that nothing is to be done, need no turn.
  if (!decided) return answer(core, pending, std::unexpected(std::move(decided).error()));
  if (!ahead->wrote()) return answer(core, pending, core.store.revision());
  core.store.submit(
      [&core, pending, ahead](store::Txn& txn) -> base::Result<void> {
        if (!ahead->stands(txn)) {
          begin_again(*pending);
          return decide_on(core, *pending, txn);
        }
        pending->stored = ahead->replay(txn, pending->answer.json);
        if (!pending->stored) AheadTxn::fill_in(pending->answer.json, txn.revision());
        return {};
      },
      [&core, pending](base::Result<store::Revision> revision) { answer(core, pending, std::move(revision)); });
}

// The bytes that a write has to work on: a guess.
size_t size_of(const Core& core, const Exchange& exchange, const Resource& resource) {
  const auto& route = exchange.route;
  size_t size = exchange.request.body.size();
  if (route.name.empty()) return size;
  auto entry = core.store.get(resource.key(route.namespace_, route.name));
  return size + (entry ? entry->value.size() : 0);
}

// As the admission plugin NamespaceLifecycle.
base::Result<void> check_namespace(Writing& writing, std::string_view namespace_, std::string_view name) {
  auto namespaces = writing.core.find("", "v1", "namespaces");
  if (!namespaces) return {};
  auto entry = writing.context.txn.get(namespaces->key("", namespace_));
  if (!entry) return std::unexpected(api::not_found("namespaces", namespace_));
  TRY(auto object, parse_stored(*entry));
  bool terminating =
      api::is_being_deleted(object) || object.at({"status", "phase"}).as_string() == "Terminating";
  if (!terminating) return {};
  auto error = api::forbidden(
      writing.resource.qualified, name,
      fmt::format("unable to create new content in namespace {} because it is being terminated", namespace_));
  auto details = error.details ? std::make_shared<base::ErrorDetails>(*error.details)
                               : std::make_shared<base::ErrorDetails>();
  details->causes.push_back({"NamespaceTerminating",
                             fmt::format("namespace {} is being terminated", namespace_),
                             "metadata.namespace"});
  error.details = std::move(details);
  return std::unexpected(std::move(error));
}

// `old` is null when the object is created.
void settle_fields(Writing& writing, const base::Value& old, base::Value& fresh, std::string_view subresource) {
  api::remove_member(fresh, "metadata", "selfLink");
  if (writing.applied_fields) return api::set_managed_fields(fresh, std::move(*writing.applied_fields));
  track_write(writing.core.catalog(), writing.resource,
              {writing.manager, std::string(subresource), writing.context.now}, old, fresh);
}

// The name of a generateName, one that is not taken.
base::Result<std::string> make_name(Writing& writing, std::string_view namespace_,
                                    std::string_view base_name) {
  std::string stem(base_name.substr(0, kMaxGeneratedBase));
  for (int i = 0; i < kNameTries; ++i) {
    std::string name = stem + base::make_name_suffix();
    if (!writing.context.txn.get(writing.resource.key(namespace_, name))) return name;
  }
  return std::unexpected(api::already_exists(writing.resource.qualified, stem));
}

// `before`: the size of what it replaces. What is too large already, may be made smaller.
base::Result<void> check_size(size_t size, size_t before) {
  if (size <= kMaxObjectBytes || size < before) return {};
  return base::fail(base::Reason::request_entity_too_large,
                    fmt::format("Request entity too large: the object would take {} bytes, limit is {}", size, kMaxObjectBytes));
}

bool ready_to_go(const Writing& writing, const base::Value& object) {
  if (!api::is_being_deleted(object) || !api::finalizers_of(object).empty()) return false;
  return api::deletion_grace_seconds_of(object).value_or(0) == 0 && writing.resource.strategy->may_go(object);
}

}  // namespace

bool post_large(Core& core, const ExchangePtr& exchange, const Resource& resource, Serve serve) {
  if (exchange->request.body.size() < kAheadAlways || exchange->on_worker) return false;
  exchange->on_worker = true;
  auto read = [&core, exchange, &resource, serve] {
    try {
      serve(core, exchange, resource);
    } catch (const std::exception& e) {
      base::log_error("server", "reading a write of {} failed: {}", resource.qualified, e.what());
      exchange->fail(internal(e.what()));
    }
  };
  core.workers->post(std::move(read), length_of(exchange->request.body.size()));
  return true;
}

void submit_write(Core& core, ExchangePtr exchange, const Resource& resource, bool dry_run, Decide decide) {
  auto pending = std::make_shared<Pending>();
  pending->exchange = std::move(exchange);
  pending->resource = &resource;
  pending->dry_run = dry_run;
  pending->decide = std::move(decide);
  pending->size = size_of(core, *pending->exchange, resource);
  bool others = core.writes++ > 0;
  pending->counted = Counted(&core.writes);
  bool ahead = pending->size >= (others ? kAheadBytes : kAheadAlways) && !resource.strategy->allocates();
  if (!ahead) return submit_pending(core, pending);
  if (pending->exchange->on_worker) return submit_ahead(core, pending);
  core.workers->post([&core, pending] { submit_ahead(core, pending); }, length_of(pending->size));
}

void submit_quiet(Core& core, const Resource& resource, bool dry_run, Decide decide, store::Done done) {
  auto pending = std::make_shared<Pending>();
  pending->resource = &resource;
  pending->dry_run = dry_run;
  pending->decide = std::move(decide);
  pending->done = std::move(done);
  submit_pending(core, pending);
}

base::Result<base::Value> parse_stored(const store::Entry& entry) {
  auto value = base::parse_json(entry.value);
  if (!value) return std::unexpected(internal(fmt::format("stored object {} cannot be read", entry.key)));
  return std::move(*value);
}

base::Result<store::EntryPtr> current_of(Writing& writing, std::string_view key, std::string_view name) {
  auto entry = writing.context.txn.get(key);
  if (!entry) return std::unexpected(api::not_found(writing.resource.qualified, name));
  return entry;
}

base::Result<void> check_preconditions(const Writing& writing, const store::Entry& entry,
                                       const base::Value& old, const base::Value& fresh) {
  auto name = api::name_of(old);
  auto uid = api::uid_of(fresh);
  if (!uid.empty() && uid != api::uid_of(old)) {
    return std::unexpected(
        api::conflict(writing.resource.qualified, name,
                      fmt::format("Precondition failed: UID in precondition: {}, UID in object "
                                  "meta: {}",
                                  uid, api::uid_of(old))));
  }
  auto version = api::resource_version_of(fresh);
  if (version.empty() || version == "0") {
    if (writing.resource.strategy->allows_unconditional_update()) return {};
    return std::unexpected(
        api::invalid(writing.resource.kind->group, writing.resource.kind->kind, name,
                     {api::invalid_field("metadata.resourceVersion", 0, "must be specified for an update")}));
  }
  TRY(auto wanted, parse_resource_version(version));
  if (wanted != entry.modified) return std::unexpected(api::conflict(writing.resource.qualified, name));
  return {};
}

std::string put_object(Writing& writing, std::string_view key, base::Value object) {
  if (writing.context.dry_run) return encode_object(object);
  api::set_resource_version(object, std::to_string(writing.context.txn.revision()));
  const auto& kind = *writing.resource.stored;
  if (kind.schema && !kind.custom) api::order_members(*kind.schema, object);
  std::string bytes = encode_object(object);
  writing.context.txn.put(key, bytes, parse_entry(*writing.resource.stored, object));
  return bytes;
}

std::string erase_object(Writing& writing, std::string_view key, base::Value object) {
  writing.resource.strategy->release(writing.context, object);
  if (writing.context.dry_run) return encode_object(object);
  api::set_resource_version(object, std::to_string(writing.context.txn.revision()));
  std::string bytes = encode_object(object);
  writing.context.txn.erase(key, bytes, parse_entry(*writing.resource.stored, object));
  return bytes;
}

base::Result<Answer> create_object(Writing& writing, std::string_view namespace_, base::Value object) {
  const auto& kind = *writing.resource.stored;
  const auto& strategy = *writing.resource.strategy;
  settle_fields(writing, {}, object, "");
  if (kind.namespaced) {
    CHECK_OK(check_namespace(writing, namespace_, api::name_of(object)));
    api::set_namespace(object, namespace_);
  } else {
    api::set_namespace(object, "");
  }
  if (api::name_of(object).empty() && !api::generate_name_of(object).empty()) {
    TRY(auto name, make_name(writing, namespace_, std::string(api::generate_name_of(object))));
    api::set_name(object, name);
  }
  std::string key = writing.resource.key(namespace_, api::name_of(object));
  if (!api::name_of(object).empty() && writing.context.txn.get(key)) {
    return std::unexpected(api::already_exists(writing.resource.qualified, api::name_of(object)));
  }
  api::set_type(object, kind);
  api::set_uid(object, base::make_uid());
  api::set_resource_version(object, "");
  api::set_creation_timestamp(object, base::format_time(writing.context.now));
  api::set_deletion(object, "", std::nullopt);
  api::set_generation(object, strategy.tracks_generation(kind) ? 1 : 0);
  strategy.prepare_create(writing.context, object);
  CHECK_OK(api::validate_create(kind, object));
  for (auto& warning : api::warnings_for(kind, object))
    writing.context.warnings.push_back(std::move(warning));
  CHECK_OK(strategy.admit_create(writing.context, object));
  std::string bytes = put_object(writing, key, std::move(object));
  CHECK_OK(check_size(bytes.size(), 0));
  return Answer{201, std::move(bytes)};
}

base::Result<Answer> replace_object(Writing& writing, const store::EntryPtr& entry, const base::Value& old,
                                    base::Value fresh, std::string_view subresource) {
  const auto& kind = *writing.resource.stored;
  const auto& strategy = *writing.resource.strategy;
  settle_fields(writing, old, fresh, subresource);
  base::Value managed_fields = fresh["metadata"]["managedFields"];
  api::set_type(fresh, kind);
  if (kind.namespaced) api::set_namespace(fresh, api::namespace_of(old));
  api::set_uid(fresh, api::uid_of(old));
  api::set_resource_version(fresh, std::to_string(entry->modified));
  if (api::creation_timestamp_of(fresh).empty())
    api::set_creation_timestamp(fresh, api::creation_timestamp_of(old));
  api::set_deletion(fresh, api::deletion_timestamp_of(old), api::deletion_grace_seconds_of(old));
  api::set_generation(fresh, api::generation_of(old));
  if (subresource == "status") {
    strategy.prepare_status(writing.context, fresh, old);
  } else if (subresource.empty() || subresource == "scale") {
    strategy.prepare_update(writing.context, fresh, old);
  } else {
    CHECK_OK(strategy.prepare_part(writing.context, subresource, fresh, old));
  }
  if (subresource != "status" && strategy.tracks_generation(kind) && fresh["spec"] != old["spec"]) {
    api::set_generation(fresh, api::generation_of(old) + 1);
  }
  CHECK_OK(api::validate_update(kind, fresh, old, subresource == "scale" ? "" : subresource));
  if (subresource.empty()) {
    for (auto& warning : api::warnings_for(kind, fresh))
      writing.context.warnings.push_back(std::move(warning));
    CHECK_OK(strategy.admit_update(writing.context, fresh, old));
  }
  // Strategies take metadata from `old` where a subresource has none.
  api::set_managed_fields(fresh, std::move(managed_fields));
  if (ready_to_go(writing, fresh)) return Answer{200, erase_object(writing, entry->key, std::move(fresh))};
  if (same_object(fresh, old)) return Answer{200, entry->value};
  std::string bytes = put_object(writing, entry->key, std::move(fresh));
  CHECK_OK(check_size(bytes.size(), entry->value.size()));
  return Answer{200, std::move(bytes)};
}

}  // namespace server
