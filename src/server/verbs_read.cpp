// GET of one object and of collections: from the store's memory, on the caller's thread, without parsing
// anything.
#include <fmt/format.h>

#include <algorithm>

#include "api/status.hpp"
#include "base/json.hpp"
#include "server/bulk.hpp"
#include "server/core.hpp"
#include "server/negotiate.hpp"
#include "server/versions.hpp"

namespace server {

namespace {

// A list that is more than this, and not just copied, is made on another thread.
constexpr size_t kLargeList = 128u << 10;

bool is_large(const Exchange& exchange, const std::vector<store::EntryPtr>& entries) {
  if (exchange.request.peer.address.empty()) return false;  // in-process: the caller's own thread
  if (exchange.format.verbatim() && !accepts_gzip(exchange.request)) return false;
  size_t bytes = 0;
  for (const auto& entry : entries) bytes += entry->value.size();
  return bytes > kLargeList;
}

base::Error list_expired() { return api::expired("The resourceVersion for the provided list is too old."); }

struct Page {
  store::Listing listing;
  size_t first = 0;   // where the page begins
  std::string go_on;  // the state is compacted: with this token the list goes on from another one
};

// 410 with the way out in metadata.continue: a Status of its own, since no other has list metadata.
void fail_compacted(const ExchangePtr& exchange, const std::string& go_on) {
  auto status = api::make_status(api::expired(
      "The provided continue parameter is too old to display a consistent list result. You can start a new list "
      "without the continue parameter, or use the continue token in this response to retrieve the remainder of the "
      "results. Continuing with the provided token results in an inconsistent list - objects that were created, "
      "modified, or deleted between the time the first chunk was returned and now may show up in the list."));
  status.object()["metadata"] = base::Object{{"continue", go_on}};
  exchange->format = negotiate_or_json(exchange->request);
  exchange->send_document(api::http_code(base::Reason::expired), net::make_chunk(base::write_json(status)));
}

// The state to list from, by resourceVersion, its match, limit and continue, as upstream reads them.
base::Result<Page> open_listing(Core& core, const ListOptions& options, const std::string& prefix,
                                const std::string& narrowed) {
  Page page;
  if (!options.continue_.empty()) {
    TRY(auto token, decode_continue(options.continue_, prefix));
    if (token.revision == kInconsistent) {
      page.listing = core.store.list(narrowed);
    } else {
      auto listing = core.store.list_at(narrowed, token.revision);
      if (!listing && listing.error().reason == base::Reason::expired)
        page.go_on = encode_continue({kInconsistent, token.start_after}, prefix);
      if (!page.go_on.empty()) return page;
      if (!listing) return std::unexpected(std::move(listing).error());
      page.listing = std::move(*listing);
    }
    std::string start = prefix + token.start_after;
    auto at = std::upper_bound(page.listing.entries.begin(), page.listing.entries.end(), start,
                               [](const std::string& key, const store::EntryPtr& e) { return key < e->key; });
    page.first = static_cast<size_t>(at - page.listing.entries.begin());
    return page;
  }
  int64_t wanted = options.resource_version.value_or(0);
  int64_t current = core.store.revision();
  if (wanted > current) return std::unexpected(too_large_revision(wanted, current));
  bool exact = options.match == "Exact" || (options.match.empty() && options.limit > 0 && wanted > 0);
  if (exact && wanted > 0) {
    auto listing = core.store.list_at(narrowed, wanted);
    if (!listing) {
      if (listing.error().reason == base::Reason::expired) return std::unexpected(list_expired());
      return std::unexpected(std::move(listing).error());
    }
    page.listing = std::move(*listing);
  } else {
    page.listing = core.store.list(narrowed);
  }
  return page;
}

// Keeps what matches, up to the limit; says in `meta` where to go on.
std::vector<store::EntryPtr> take_page(const Page& page, const ListOptions& options,
                                       const std::string& prefix, ListMeta& meta) {
  std::vector<store::EntryPtr> taken;
  const auto& all = page.listing.entries;
  size_t i = page.first;
  size_t limit = options.limit > 0 ? static_cast<size_t>(options.limit) : all.size();
  for (; i < all.size() && taken.size() < limit; ++i) {
    if (options.filter.matches(*all[i])) taken.push_back(all[i]);
  }
  if (options.filter.matches_everything()) {
    if (i < all.size()) meta.remaining = static_cast<int64_t>(all.size() - i);
  } else {
    // The next page must not be empty: look ahead to the next match.
    while (i < all.size() && !options.filter.matches(*all[i])) ++i;
  }
  if (i < all.size() && !taken.empty()) {
    meta.continue_ = encode_continue({meta.revision, taken.back()->key.substr(prefix.size())}, prefix);
  }
  return taken;
}

}  // namespace

void serve_get(Core& core, const ExchangePtr& exchange, const Resource& resource) {
  const auto& query = exchange->request.query;
  auto wanted = parse_resource_version(query.get("resourceVersion"));
  if (!wanted) return exchange->fail(wanted.error());
  auto include = parse_include_object(query);
  if (!include) return exchange->fail(include.error());
  int64_t current = core.store.revision();
  if (wanted->value_or(0) > current) return exchange->fail(too_large_revision(**wanted, current));
  auto entry = core.store.get(resource.key(exchange->route.namespace_, exchange->route.name));
  if (!entry) return exchange->fail(api::not_found(resource.qualified, exchange->route.name));
  auto bytes = served_bytes(resource, value_chunk(entry));
  if (!bytes) return exchange->fail(bytes.error());
  RenderStyle style{exchange->format, *include, core.clock.now()};
  exchange->send(200, exchange->format.content_type(), render_object(*resource.kind, style, std::move(*bytes)));
}

void serve_list(Core& core, const ExchangePtr& exchange, const Resource& resource) {
  auto options = parse_list_options(exchange->request.query, resource);
  if (!options) return exchange->fail(options.error());
  std::string prefix = resource.prefix_of(exchange->route.namespace_);
  // A list of one name looks at the keys of that name alone.
  std::string narrowed = prefix;
  auto name = options->filter.fields.required_value("metadata.name");
  if (name && (!resource.kind->namespaced || !exchange->route.namespace_.empty())) narrowed += *name;
  auto page = open_listing(core, *options, prefix, narrowed);
  if (!page) return exchange->fail(page.error());
  if (!page->go_on.empty()) return fail_compacted(exchange, page->go_on);
  ListMeta meta;
  meta.revision = page->listing.revision;
  auto entries = served_entries(resource, take_page(*page, *options, prefix, meta));
  if (!entries) return exchange->fail(entries.error());
  RenderStyle style{exchange->format, options->include, core.clock.now()};
  if (is_large(*exchange, *entries)) {
    auto list = make_list_source(resource.kind, style, meta, std::move(*entries), core.bulk->room());
    return core.bulk->send(exchange, std::move(list));
  }
  exchange->send(200, exchange->format.content_type(), render_list(*resource.kind, style, meta, *entries));
}

}  // namespace server
