#include "server/exchange.hpp"

#include <algorithm>
#include <stdexcept>

#include "api/status.hpp"
#include "base/gzip.hpp"
#include "base/ids.hpp"
#include "base/json.hpp"
#include "base/strings.hpp"
#include "base/yaml.hpp"
#include "server/protobuf_forms.hpp"

namespace server {

namespace {

// As an RFC 7234 warning: quoted, without line breaks.
std::string warning_value(std::string_view text) {
  std::string out = "299 - \"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) ? ' ' : c;
  }
  return out + "\"";
}

// As upstream: when all warnings together are long, each is cut, and the last ones are left out.
void add_warnings(net::Headers& headers, const std::vector<std::string>& warnings) {
  constexpr size_t kMaxTotal = 4096, kMaxEach = 256;
  size_t total = 0;
  for (const auto& warning : warnings) total += warning.size();
  const bool cut = total > kMaxTotal;
  size_t written = 0;
  for (std::string_view warning : warnings) {
    if (cut) warning = warning.substr(0, base::valid_utf8_prefix(warning.substr(0, kMaxEach)));
    if (written > kMaxTotal) return;
    headers.add("Warning", warning_value(warning));
    written += warning.size();
  }
}

// As upstream: smaller answers are not worth the time, and level 1 has most of the gain.
constexpr size_t kGzipFrom = 128u << 10;
constexpr int kGzipLevel = 1;

// Large answers to who takes gzip.
void compress(const net::Request& request, net::Response& response) {
  size_t size = 0;
  for (const auto& chunk : response.body) size += chunk->size();
  if (size <= kGzipFrom || response.headers.has("Content-Encoding") || !accepts_gzip(request)) return;
  std::vector<std::string_view> pieces;
  pieces.reserve(response.body.size());
  for (const auto& chunk : response.body) pieces.emplace_back(*chunk);
  response.body = {net::make_chunk(base::gzip(pieces, kGzipLevel))};
  response.headers.set("Content-Encoding", "gzip");
  response.headers.add("Vary", "Accept-Encoding");
}

}  // namespace

Exchange::Exchange(net::Request r, std::shared_ptr<net::Responder> responder)
    : request(std::move(r)), responder_(std::move(responder)) {}

void Exchange::warn(std::string text) {
  if (std::find(warnings_.begin(), warnings_.end(), text) == warnings_.end())
    warnings_.push_back(std::move(text));
}

void Exchange::warn(const std::vector<std::string>& texts) {
  for (const auto& text : texts) warn(text);
}

net::Headers Exchange::make_headers(std::string_view content_type) const {
  net::Headers headers;
  headers.add("Audit-Id", base::make_uid());
  headers.add("Cache-Control", "no-cache, private");
  headers.add("Content-Type", std::string(content_type));
  add_warnings(headers, warnings_);
  return headers;
}

void Exchange::send(int status, std::string_view content_type, std::vector<net::Chunk> body,
                    net::Headers extra) {
  if (!responder_) return;
  net::Response response;
  response.status = status;
  response.headers = make_headers(content_type);
  for (const auto& [name, value] : extra.fields()) response.headers.set(name, value);
  response.body = std::move(body);
  compress(request, response);
  release()->send(std::move(response));
}

void Exchange::send_document(int status, net::Chunk json) {
  send(status, format.content_type(), {encode_document(format, std::move(json), builtin)});
}

void Exchange::fail(const base::Error& error, net::Headers extra) {
  if (!responder_) return;
  Format reply = negotiate_or_json(request);
  if (reply.encoding == Format::Encoding::protobuf && !builtin) reply.encoding = Format::Encoding::json;
  if (error.details && error.details->retry_after_seconds > 0) {
    extra.add("Retry-After", std::to_string(error.details->retry_after_seconds));
  }
  auto body = net::make_chunk(base::write_json(api::make_status(error)));
  send(api::http_code(error.reason), reply.content_type(), {encode_document(reply, std::move(body), builtin)},
       std::move(extra));
}

void Exchange::not_found_plain() {
  send(404, "text/plain; charset=utf-8", {net::make_chunk("404 page not found\n")},
       {{"X-Content-Type-Options", "nosniff"}});
}

std::shared_ptr<net::BodyStream> Exchange::stream(int status, std::string_view content_type, net::Headers extra) {
  if (!responder_) return nullptr;
  auto headers = make_headers(content_type);
  for (const auto& [name, value] : extra.fields()) headers.set(name, value);
  return release()->stream(status, std::move(headers));
}

std::shared_ptr<net::Responder> Exchange::release() { return std::exchange(responder_, nullptr); }

net::Chunk encode_document(const Format& format, net::Chunk json, const api::Registry* kinds) {
  if (format.encoding == Format::Encoding::json && !format.pretty) return json;
  if (format.encoding == Format::Encoding::protobuf) {
    if (!kinds) throw std::logic_error("a document in protobuf needs to know the kinds");
    return net::make_chunk(protobuf_document(*kinds, *json));
  }
  auto value = base::parse_json(*json);
  if (!value) return json;
  if (format.encoding == Format::Encoding::yaml) return net::make_chunk(base::write_yaml(*value));
  return net::make_chunk(base::write_json_pretty(*value, 2) + "\n");
}

}  // namespace server
