#include "server/exchange.hpp"

#include <algorithm>

#include "api/status.hpp"
#include "base/ids.hpp"
#include "base/json.hpp"
#include "base/strings.hpp"
#include "base/yaml.hpp"

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
  for (const auto& warning : warnings_) headers.add("Warning", warning_value(warning));
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
  release()->send(std::move(response));
}

void Exchange::send_document(int status, net::Chunk json) {
  send(status, format.content_type(), {encode_document(format, std::move(json))});
}

void Exchange::fail(const base::Error& error, net::Headers extra) {
  if (!responder_) return;
  Format reply = negotiate_or_json(request);
  if (error.details && error.details->retry_after_seconds > 0) {
    extra.add("Retry-After", std::to_string(error.details->retry_after_seconds));
  }
  auto body = net::make_chunk(base::write_json(api::make_status(error)));
  send(api::http_code(error.reason), reply.content_type(), {encode_document(reply, std::move(body))},
       std::move(extra));
}

void Exchange::not_found_plain() {
  send(404, "text/plain; charset=utf-8", {net::make_chunk("404 page not found\n")},
       {{"X-Content-Type-Options", "nosniff"}});
}

std::shared_ptr<net::BodyStream> Exchange::stream(int status, std::string_view content_type) {
  if (!responder_) return nullptr;
  auto headers = make_headers(content_type);
  return release()->stream(status, std::move(headers));
}

std::shared_ptr<net::Responder> Exchange::release() { return std::exchange(responder_, nullptr); }

net::Chunk encode_document(const Format& format, net::Chunk json) {
  if (format.encoding == Format::Encoding::json && !format.pretty) return json;
  auto value = base::parse_json(*json);
  if (!value) return json;
  if (format.encoding == Format::Encoding::yaml) return net::make_chunk(base::write_yaml(*value));
  return net::make_chunk(base::write_json_pretty(*value, 2) + "\n");
}

}  // namespace server
