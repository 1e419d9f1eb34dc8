#include "client/client.hpp"

#include <fmt/format.h>

#include <utility>

#include "api/status.hpp"
#include "base/json.hpp"
#include "client/metrics.hpp"

namespace client {
namespace {

std::string collection_path(const Resource& resource) {
  std::string path = resource.group.empty() ? "/api/" + resource.version
                                            : "/apis/" + resource.group + "/" + resource.version;
  if (!resource.namespace_.empty()) path += "/namespaces/" + resource.namespace_;
  return path + "/" + resource.plural;
}

base::Result<std::string> object_path(const Resource& resource, std::string_view name, std::string_view subresource) {
  // An empty name would address the whole collection: a DELETE of it must never come from a bug.
  if (name.empty()) {
    return base::fail(base::Reason::bad_request, "resource name may not be empty: name the " + resource.plural +
                                                     " object in metadata.name");
  }
  std::string path = collection_path(resource) + "/" + std::string(name);
  if (!subresource.empty()) path += "/" + std::string(subresource);
  return path;
}

net::Query query_of(const ListOptions& options) {
  net::Query query;
  if (!options.label_selector.empty()) query.add("labelSelector", options.label_selector);
  if (!options.field_selector.empty()) query.add("fieldSelector", options.field_selector);
  if (!options.resource_version.empty()) query.add("resourceVersion", options.resource_version);
  if (options.limit > 0) query.add("limit", std::to_string(options.limit));
  if (!options.continue_token.empty()) query.add("continue", options.continue_token);
  return query;
}

std::string body_text(const net::Response& response) {
  std::string text;
  for (const auto& chunk : response.body) text += *chunk;
  return text;
}

base::Error error_of(int code, std::string_view what, const std::string& body) {
  if (auto value = base::parse_json(body); value && (*value)["kind"].as_string() == "Status") {
    return api::error_from_status(*value, code);
  }
  return {.reason = api::reason_of_http_code(code),
          .message = fmt::format("{}: the server answered {} {}", what, code, std::string_view(body).substr(0, 300)),
          .details = nullptr};
}

class LineWatch final : public WatchStream {
 public:
  LineWatch(std::unique_ptr<net::ResponseStream> stream, std::string what)
      : stream_(std::move(stream)), what_(std::move(what)) {}

  base::Result<WatchEvent> next() override {
    TRY(auto line, next_line());
    auto event = base::parse_json(line);
    if (!event) return std::unexpected(std::move(event).error().wrap(what_));
    std::string type((*event)["type"].as_string());
    if (type.empty()) return base::fail(base::Reason::internal_error, what_ + ": an event without type came");
    base::Value* object = event->object().find("object");
    if (type == "ERROR") {
      base::Error error = object ? api::error_from_status(*object, static_cast<int>((*object)["code"].int_or(500))) : base::Error{};
      if (error.reason == base::Reason::gone) error.reason = base::Reason::expired;
      if (error.message.empty()) error.message = what_ + ": the server ended the watch with an error";
      return std::unexpected(std::move(error));
    }
    return WatchEvent{std::move(type), object ? std::move(*object) : base::Value()};
  }

  void cancel() override { stream_->cancel(); }

 private:
  base::Result<std::string> next_line() {
    while (true) {
      size_t end = buffer_.find('\n', searched_);
      if (end != std::string::npos) {
        std::string line = buffer_.substr(begin_, end - begin_);
        begin_ = searched_ = end + 1;
        if (line.find_first_not_of(" \t\r") != std::string::npos) return line;
        continue;
      }
      buffer_.erase(0, begin_);
      begin_ = 0;
      searched_ = buffer_.size();
      if (buffer_.empty()) buffer_.shrink_to_fit();  // an idle watch keeps nothing
      TRY(auto bytes, stream_->read());
      if (bytes.empty()) return base::fail(base::Reason::service_unavailable, what_ + ": the stream ended");
      if (buffer_.empty()) buffer_ = std::move(bytes);
      else buffer_ += bytes;
    }
  }

  std::unique_ptr<net::ResponseStream> stream_;
  std::string what_;
  std::string buffer_;
  size_t begin_ = 0;     // of the next line
  size_t searched_ = 0;  // no newline in [begin_, searched_)
};

struct Call {
  std::string method;
  std::string path;
  net::Query query = {};
  std::string body = {};
  std::string content_type = "application/json";
  std::string accept = "application/json";
};

// In the order of preference: old servers may know no metadata-only form.
constexpr std::string_view kMetadataList =
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1, application/json";
constexpr std::string_view kMetadata = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1, application/json";

Call watch_call(const Resource& resource, const ListOptions& options) {
  Call call{.method = "GET", .path = collection_path(resource), .query = query_of(options)};
  call.query.add("watch", "true");
  call.query.add("allowWatchBookmarks", "true");
  if (options.timeout_seconds > 0) call.query.add("timeoutSeconds", std::to_string(options.timeout_seconds));
  if (options.metadata_only) call.accept = kMetadata;
  return call;
}

net::Request request_of(Call call, const std::string& user_agent) {
  net::Request request;
  request.method = std::move(call.method);
  request.path = std::move(call.path);
  request.query = std::move(call.query);
  request.headers.add("Accept", std::move(call.accept));
  request.headers.add("User-Agent", user_agent);
  if (!call.body.empty()) request.headers.add("Content-Type", call.content_type);
  request.body = std::move(call.body);
  return request;
}

base::Result<base::Value> send(Transport& transport, const std::string& user_agent, Call call) {
  std::string what = call.method + " " + call.path;
  const std::string method = call.method;
  auto began = std::chrono::steady_clock::now();
  auto answered = transport.round_trip(request_of(std::move(call), user_agent));
  count_request(transport, method, answered ? answered->status : 0, std::chrono::steady_clock::now() - began);
  TRY(auto response, std::move(answered));
  std::string text = body_text(response);
  if (response.status < 200 || response.status > 299) return std::unexpected(error_of(response.status, what, text));
  auto value = base::parse_json(text);
  if (!value) return std::unexpected(std::move(value).error().wrap(what));
  return value;
}

std::string_view content_type(PatchType type) {
  switch (type) {
    case PatchType::json: return "application/json-patch+json";
    case PatchType::merge: return "application/merge-patch+json";
    case PatchType::strategic: return "application/strategic-merge-patch+json";
  }
  return "application/merge-patch+json";
}

std::string delete_body(const DeleteOptions& options) {
  base::Value body(base::Object{{"kind", "DeleteOptions"}, {"apiVersion", "v1"}});
  if (options.grace_period_seconds) body.object().set("gracePeriodSeconds", *options.grace_period_seconds);
  if (!options.uid.empty()) body.make({"preconditions", "uid"}) = options.uid;
  if (!options.resource_version.empty()) body.make({"preconditions", "resourceVersion"}) = options.resource_version;
  if (!options.propagation_policy.empty()) body.object().set("propagationPolicy", options.propagation_policy);
  return base::write_json(body);
}

}  // namespace

Client::Client(std::shared_ptr<Transport> transport, std::string user_agent)
    : transport_(std::move(transport)), user_agent_(std::move(user_agent)) {}

base::Result<base::Value> Client::get(const Resource& resource, std::string_view name, std::string_view subresource) {
  TRY(auto path, object_path(resource, name, subresource));
  return send(*transport_, user_agent_, {.method = "GET", .path = std::move(path)});
}

base::Result<base::Value> Client::list(const Resource& resource, const ListOptions& options) {
  Call call{.method = "GET", .path = collection_path(resource), .query = query_of(options)};
  if (options.metadata_only) call.accept = kMetadataList;
  return send(*transport_, user_agent_, std::move(call));
}

base::Result<base::Value> Client::create(const Resource& resource, const base::Value& object,
                                         std::string_view name_for_subresource, std::string_view subresource) {
  std::string path = collection_path(resource);
  if (!subresource.empty()) {
    TRY(path, object_path(resource, name_for_subresource, subresource));
  }
  return send(*transport_, user_agent_,
              {.method = "POST", .path = std::move(path), .body = base::write_json(object)});
}

base::Result<base::Value> Client::update(const Resource& resource, const base::Value& object,
                                         std::string_view subresource) {
  TRY(auto path, object_path(resource, object.at({"metadata", "name"}).as_string(), subresource));
  return send(*transport_, user_agent_,
              {.method = "PUT", .path = std::move(path), .body = base::write_json(object)});
}

base::Result<base::Value> Client::patch(const Resource& resource, std::string_view name, PatchType type,
                                        const base::Value& patch, std::string_view subresource) {
  TRY(auto path, object_path(resource, name, subresource));
  return send(*transport_, user_agent_,
              {.method = "PATCH",
               .path = std::move(path),
               .body = base::write_json(patch),
               .content_type = std::string(content_type(type))});
}

base::Result<base::Value> Client::remove(const Resource& resource, std::string_view name,
                                         const DeleteOptions& options) {
  TRY(auto path, object_path(resource, name, ""));
  return send(*transport_, user_agent_,
              {.method = "DELETE", .path = std::move(path), .body = delete_body(options)});
}

base::Result<base::Value> Client::remove_collection(const Resource& resource, const DeleteOptions& options,
                                                    const ListOptions& which) {
  return send(*transport_, user_agent_,
              {.method = "DELETE",
               .path = collection_path(resource),
               .query = query_of(which),
               .body = delete_body(options)});
}

base::Result<base::Value> Client::get_document(std::string path, std::string accept) {
  return send(*transport_, user_agent_, {.method = "GET", .path = std::move(path), .accept = std::move(accept)});
}

std::unique_ptr<PushedStream> Client::push_watch(const Resource& resource, const ListOptions& options,
                                                 std::shared_ptr<StreamSink> sink) {
  return transport_->push_stream(request_of(watch_call(resource, options), user_agent_), std::move(sink));
}

base::Result<std::unique_ptr<WatchStream>> Client::watch(const Resource& resource, const ListOptions& options) {
  Call call = watch_call(resource, options);
  std::string what = "watch " + call.path;
  auto began = std::chrono::steady_clock::now();
  auto opened = transport_->open_stream(request_of(std::move(call), user_agent_));
  count_request(*transport_, "GET", opened ? (*opened)->status() : 0, std::chrono::steady_clock::now() - began);
  TRY(auto stream, std::move(opened));
  if (stream->status() < 200 || stream->status() > 299) {
    std::string body;
    while (body.size() < (1u << 20)) {
      auto bytes = stream->read();
      if (!bytes || bytes->empty()) break;
      body += *bytes;
    }
    return std::unexpected(error_of(stream->status(), what, body));
  }
  return std::make_unique<LineWatch>(std::move(stream), std::move(what));
}

}  // namespace client
