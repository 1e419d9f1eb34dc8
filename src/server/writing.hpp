// One write from decision to answer: decided against the current state, answered after the commit. Small ones are decided
// on the store's writer thread, larger ones before their turn (server/ahead.hpp) and once more on the writer thread when
// something came in between. What it allocated is undone when it is refused, tried only (dryRun), or not committed.
//
// Threading: submit_write from any thread; everything that takes a Writing runs on the writer thread or on one of the
// workers, one after the other.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/core.hpp"

namespace server {

// What a decision may use.
struct Writing {
  Core& core;
  const Resource& resource;
  WriteContext context;
  std::string manager;                        // whose fields the changes become
  std::optional<base::Value> applied_fields;  // managedFields that are settled already: server-side apply
  bool in_turn = true;                        // else the decision may have to be taken again
};

// What is sent when the write is durable.
struct Answer {
  int status = 200;
  std::string json;       // an object of the resource's kind unless `document`
  bool document = false;  // anything else: a Status, a Scale
};

// May be called twice: what it takes from the request, it takes with take().
using Decide = std::function<base::Result<Answer>(Writing&)>;
inline base::Value take(const Writing& writing, base::Value& from) { return writing.in_turn ? std::move(from) : from; }

// True: the request is large, and a worker calls `serve` with it.
using Serve = void (*)(Core&, const ExchangePtr&, const Resource&);
bool post_large(Core& core, const ExchangePtr& exchange, const Resource& resource, Serve serve);

void submit_write(Core& core, ExchangePtr exchange, const Resource& resource, bool dry_run, Decide decide);
// The same without a request: `done` gets the error, if any. For bootstrap and housekeeping.
void submit_quiet(Core& core, const Resource& resource, bool dry_run, Decide decide, store::Done done);

// --- Steps of decisions.
// Both keep metadata.managedFields up to date, for writing.manager and the subresource.
// Gives the object its system fields, checks its namespace, allocates, stores it.
base::Result<Answer> create_object(Writing& writing, std::string_view namespace_, base::Value object);
// Stores `fresh` over `entry`: system fields, strategy, validation; erases it when that ends its deletion.
base::Result<Answer> replace_object(Writing& writing, const store::EntryPtr& entry, const base::Value& old,
                                    base::Value fresh, std::string_view subresource);
base::Result<Answer> delete_object(Writing& writing, const store::EntryPtr& entry, DeleteOptions options);

// The current version of an object: not_found when there is none.
base::Result<store::EntryPtr> current_of(Writing& writing, std::string_view key, std::string_view name);
base::Result<base::Value> parse_stored(const store::Entry& entry);
// 409 when the object carries another resourceVersion or uid than is stored.
base::Result<void> check_preconditions(const Writing& writing, const store::Entry& entry,
                                       const base::Value& old, const base::Value& fresh);
// Encodes with the transaction's revision and puts it, unless dry. Returns the bytes.
std::string put_object(Writing& writing, std::string_view key, base::Value object);
std::string erase_object(Writing& writing, std::string_view key, base::Value object);

// --- Patches (verbs_write.cpp).
enum class PatchKind { json, merge, strategic };
// unsupported_media_type, with the types that objects of `target` take.
base::Result<PatchKind> patch_kind_of(const Exchange& exchange, const api::Kind& target);
// What an outsized or malformed patch is told before anything is looked up.
base::Result<void> check_patch(PatchKind kind, const base::Value& patch);

// --- Server-side apply (verbs_apply.cpp).
// By the request's Content-Type.
bool is_apply(const Exchange& exchange);
void serve_apply(Core& core, const ExchangePtr& exchange, const Resource& resource);

// --- Scales (subresources.cpp).
// autoscaling/v1 Scale of an object: of a built-in kind by spec.replicas, of a custom one by its own paths.
base::Result<base::Value> make_scale(const api::Kind& kind, const base::Value& object);
// The write back.
base::Result<void> set_replicas(const api::Kind& kind, base::Value& object, int64_t replicas);

// --- Bodies (bodies.cpp).
base::Result<void> check_body_size(const Exchange& exchange);
// The request's body by its Content-Type as an untyped value; `kind` is what a protobuf body must hold.
base::Result<api::ParsedBody> read_body(const api::Kind& kind, const Exchange& exchange);
// The same where the body is of a type that no path serves: DeleteOptions, Scale, Binding.
base::Result<base::Value> read_helper_body(const Core& core, const Exchange& exchange,
                                           std::string_view api_version, std::string_view kind);
// The body of a patch: JSON, whatever the media type of the patch.
base::Result<base::Value> read_patch_body(const api::Kind& kind, const Exchange& exchange);
// The value as an object of that kind: type checked against the URL, decoded with the asked strictness,
// defaults set. Warnings are appended.
base::Result<base::Value> read_object(const Core& core, const api::Kind& kind, api::ParsedBody body,
                                      api::FieldValidation validation, std::vector<std::string>& warnings);

}  // namespace server
