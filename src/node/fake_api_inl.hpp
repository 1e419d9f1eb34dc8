// The functions of node/fake_api.hpp, which includes it; inline because only tests are built with them.
#pragma once

#include <algorithm>
#include <chrono>

#include "base/ids.hpp"
#include "base/json.hpp"
#include "base/strings.hpp"
#include "node/fake_api.hpp"

namespace node {

class FakeApi::Stream : public net::ResponseStream {
 public:
  Stream(std::shared_ptr<Shared> shared, std::string collection, size_t from)
      : shared_(std::move(shared)), collection_(std::move(collection)), next_(from) {}
  int status() const override { return 200; }
  const net::Headers& headers() const override { return headers_; }
  base::Result<std::string> read() override {
    std::unique_lock lock(shared_->mutex);
    for (;;) {
      if (cancelled_) return base::fail(base::Reason::service_unavailable, "cancelled");
      while (next_ < shared_->log.size()) {
        const auto& [path, line] = shared_->log[next_++];
        if (in_collection(path, collection_)) return line;
      }
      shared_->changed.wait(lock);
    }
  }
  void cancel() override {
    {
      std::lock_guard lock(shared_->mutex);
      cancelled_ = true;
    }
    shared_->changed.notify_all();
  }

 private:
  std::shared_ptr<Shared> shared_;
  std::string collection_;
  size_t next_;
  bool cancelled_ = false;
  net::Headers headers_;
};

// /api/v1/pods holds /api/v1/namespaces/x/pods/y.
inline bool FakeApi::in_collection(const std::string& path, const std::string& collection) {
  if (path.starts_with(collection + "/")) return true;
  const auto slash = collection.rfind('/');
  const std::string version = collection.substr(0, slash);
  const std::string plural = collection.substr(slash);
  return collection.find("/namespaces/") == std::string::npos && path.starts_with(version + "/namespaces/") &&
         path.find(plural + "/") != std::string::npos;
}

inline void FakeApi::store(const std::string& path, base::Value object, const char* type) {
  ++shared_->revision;
  object.make({"metadata", "resourceVersion"}) = std::to_string(shared_->revision);
  shared_->log.emplace_back(path, base::write_json(base::Object{{"type", type}, {"object", object}}) + "\n");
  if (std::string_view(type) == "DELETED") {
    shared_->objects.erase(path);
  } else {
    shared_->objects[path] = std::move(object);
  }
  shared_->changed.notify_all();
}

inline void FakeApi::put(const std::string& path, base::Value object) {
  std::lock_guard lock(shared_->mutex);
  const bool there = shared_->objects.contains(path);
  if (object.at({"metadata", "uid"}).is_null()) object.make({"metadata", "uid"}) = base::make_uid();
  store(path, std::move(object), there ? "MODIFIED" : "ADDED");
}

inline base::Value FakeApi::get(const std::string& path) const {
  std::lock_guard lock(shared_->mutex);
  const auto found = shared_->objects.find(path);
  return found == shared_->objects.end() ? base::Value() : found->second;
}

inline bool FakeApi::wait_for(const std::string& path,
                              const std::function<bool(const base::Value&)>& accept) const {
  std::unique_lock lock(shared_->mutex);
  return shared_->changed.wait_for(lock, std::chrono::seconds(20), [&] {
    const auto found = shared_->objects.find(path);
    return accept(found == shared_->objects.end() ? base::Value() : found->second);
  });
}

inline void FakeApi::remove(const std::string& path, int grace_seconds) {
  std::lock_guard lock(shared_->mutex);
  base::Value object = shared_->objects[path];
  if (grace_seconds == 0) return store(path, std::move(object), "DELETED");
  object.make({"metadata", "deletionTimestamp"}) = "2026-01-01T00:00:00Z";
  object.make({"metadata", "deletionGracePeriodSeconds"}) = grace_seconds;
  store(path, std::move(object), "MODIFIED");
}

inline std::vector<std::string> FakeApi::event_messages() const {
  std::lock_guard lock(shared_->mutex);
  std::vector<std::string> messages;
  for (const auto& [path, object] : shared_->objects) {
    if (path.find("/events/") != std::string::npos) messages.emplace_back(object["message"].as_string());
  }
  return messages;
}

inline base::Result<net::Response> FakeApi::round_trip(net::Request request) {
  const auto answer = [](int status, const base::Value& body) {
    net::Response response;
    response.status = status;
    response.body = {net::make_chunk(base::write_json(body))};
    return response;
  };
  const auto missing = [&] {
    return answer(404, base::Object{{"kind", "Status"},
                                    {"status", "Failure"},
                                    {"reason", "NotFound"},
                                    {"message", "not found"},
                                    {"code", 404}});
  };
  std::lock_guard lock(shared_->mutex);
  std::string path = request.path;
  if (path.ends_with("/status")) path.resize(path.size() - 7);
  const auto found = shared_->objects.find(path);
  if (request.method == "GET") {
    if (found != shared_->objects.end()) return answer(200, found->second);
    if (base::split(path, '/').size() % 2 == 1 && path.find("/namespaces/") != std::string::npos)
      return missing();
    const std::string last = path.substr(path.rfind('/') + 1);
    if (last != "pods" && last != "services") return missing();
    base::Array items;
    for (const auto& [key, object] : shared_->objects) {
      if (in_collection(key, path)) items.push_back(object);
    }
    return answer(
        200, base::Object{{"metadata", base::Object{{"resourceVersion", std::to_string(shared_->revision)}}},
                          {"items", items}});
  }
  if (request.method == "DELETE") {
    if (found == shared_->objects.end()) return missing();
    const base::Value object = found->second;
    store(path, object, "DELETED");
    return answer(200, object);
  }
  TRY(auto body, base::parse_json(request.body));
  if (request.method == "POST") {
    std::string name(body.at({"metadata", "name"}).as_string());
    if (name.empty()) name = "generated-" + base::make_name_suffix(8);
    body.make({"metadata", "name"}) = name;
    body.make({"metadata", "uid"}) = base::make_uid();
    store(path + "/" + name, body, "ADDED");
    return answer(201, body);
  }
  if (found == shared_->objects.end()) return missing();
  if (request.method == "PUT") {
    store(path, body, "MODIFIED");
    return answer(200, body);
  }
  base::Value merged = found->second;
  for (const auto& member : body.as_object()) {
    for (const auto& inner : member.value.as_object()) {
      base::Object& target = merged.object()[member.key].object();
      if (inner.value.is_null()) {
        target.erase(inner.key);
      } else {
        target.set(inner.key, inner.value);
      }
    }
  }
  store(path, merged, "MODIFIED");
  return answer(200, merged);
}

inline base::Result<std::unique_ptr<net::ResponseStream>> FakeApi::open_stream(net::Request request) {
  const auto from = base::parse_int(request.query.get("resourceVersion")).value_or(0);
  // The first event made revision 2.
  const size_t next = static_cast<size_t>(std::max<int64_t>(from - 1, 0));
  return std::make_unique<Stream>(shared_, request.path, next);
}

}  // namespace node
