// The options of the verbs, read from the query (and DeleteOptions also from the body) and checked. Pure; any
// thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "api/decode.hpp"
#include "api/kinds.hpp"
#include "base/result.hpp"
#include "base/value.hpp"
#include "net/http.hpp"
#include "server/catalog.hpp"
#include "server/encoding.hpp"

namespace server {

enum class IncludeObject { metadata, none, object };

struct ListOptions {
  Filter filter;
  int64_t limit = 0;
  std::string continue_;
  std::optional<int64_t> resource_version;  // nothing: not given
  std::string match;                        // resourceVersionMatch
  bool watch = false;
  bool allow_bookmarks = false;
  std::optional<bool> send_initial_events;
  std::optional<int64_t> timeout_seconds;
  IncludeObject include = IncludeObject::metadata;
};

// Field selectors in the names of the served version come back in those of the stored one.
base::Result<ListOptions> parse_list_options(const net::Query& query, const Resource& resource);
base::Result<IncludeObject> parse_include_object(const net::Query& query);
// "" and absent: nothing. bad_request for what is no revision.
base::Result<std::optional<int64_t>> parse_resource_version(std::string_view text);

// 504 with what client-go looks for: the client has seen a newer state than this server has.
base::Error too_large_revision(int64_t wanted, int64_t current);

struct WriteOptions {
  bool dry_run = false;
  api::FieldValidation validation = api::FieldValidation::warn;
  std::string field_manager;
};

// `type` is what the errors name: CreateOptions, UpdateOptions, PatchOptions.
base::Result<WriteOptions> parse_write_options(const net::Query& query, std::string_view type);

struct DeleteOptions {
  std::optional<int64_t> grace_period_seconds;
  std::string propagation_policy;  // "", Orphan, Background, Foreground
  std::optional<bool> orphan_dependents;
  std::optional<std::string> uid;
  std::optional<std::string> resource_version;
  bool dry_run = false;
};

// `body` is null when the request had none: then the query counts.
base::Result<DeleteOptions> parse_delete_options(const net::Query& query, const base::Value& body);

// The place where a list goes on: after `start_after`, as of `revision`.
struct ContinueToken {
  int64_t revision = 0;     // kInconsistent: as of now, whatever the pages before showed
  std::string start_after;  // key without the prefix
};
inline constexpr int64_t kInconsistent = -1;
std::string encode_continue(const ContinueToken& token, std::string_view prefix);
base::Result<ContinueToken> decode_continue(std::string_view text, std::string_view prefix);

}  // namespace server
