// For this folder's tests only: a whole API server over the memory store, and requests that wait for their
// answers. Waiting is by condition, never by time; the bound is there to end a broken test.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "api/kinds.hpp"
#include "base/json.hpp"
#include "server/server.hpp"
#include "store/store.hpp"
#include "sys/clock.hpp"

namespace server::testing {

inline constexpr std::chrono::seconds kPatience{20};

// The far end of one request.
class Recorder final : public net::Responder,
                       public net::BodyStream,
                       public std::enable_shared_from_this<Recorder> {
 public:
  void send(net::Response response) override {
    std::lock_guard lock(mutex_);
    ++answers_;
    status_ = response.status;
    headers_ = std::move(response.headers);
    chunks_ = std::move(response.body);
    for (const auto& chunk : chunks_) body_ += *chunk;
    changed_.notify_all();
  }
  std::shared_ptr<net::BodyStream> stream(int status, net::Headers headers) override {
    std::lock_guard lock(mutex_);
    ++answers_;
    streaming_ = true;
    status_ = status;
    headers_ = std::move(headers);
    changed_.notify_all();
    return shared_from_this();
  }
  base::Result<std::shared_ptr<net::WebSocket>> websocket(std::string_view) override {
    return base::fail(base::Reason::bad_request, "not in this test");
  }

  bool write(net::Chunk chunk) override {
    std::lock_guard lock(mutex_);
    if (gone_) return false;
    body_ += *chunk;
    if (chunks_.empty()) chunks_.push_back(chunk);  // no more of them: who holds a chunk counts as waiting
    if (!reading_) {
      pending_ += chunk->size();
      waiting_.push_back(std::move(chunk));
    }
    changed_.notify_all();
    return true;
  }
  void finish() override {
    std::lock_guard lock(mutex_);
    finished_ = true;
    changed_.notify_all();
  }
  size_t pending() const override {
    std::lock_guard lock(mutex_);
    return pending_;
  }
  // A client that does not read: what is written waits, until it reads again.
  void set_reading(bool reading) {
    std::lock_guard lock(mutex_);
    reading_ = reading;
    if (!reading) return;
    pending_ = 0;
    waiting_.clear();
  }
  bool finished() const {
    std::lock_guard lock(mutex_);
    return finished_;
  }
  void on_close(std::function<void()> callback) override {
    std::lock_guard lock(mutex_);
    on_close_ = std::move(callback);
  }
  // The client goes away.
  void hang_up() {
    std::function<void()> callback;
    {
      std::lock_guard lock(mutex_);
      gone_ = true;
      callback = on_close_;
    }
    if (callback) callback();
  }

  void wait_answer() {
    wait([&] { return answers_ > 0; });
  }
  // The whole answer, also one that comes bit by bit.
  void wait_whole() {
    wait([&] { return answers_ > 0 && (!streaming_ || finished_); });
  }
  void wait_finished() {
    wait([&] { return finished_; });
  }
  // The first `count` lines of a stream, parsed.
  std::vector<base::Value> wait_events(size_t count) {
    wait([&] { return static_cast<size_t>(std::count(body_.begin(), body_.end(), '\n')) >= count; });
    std::lock_guard lock(mutex_);
    std::vector<base::Value> events;
    size_t at = 0;
    for (size_t end; (end = body_.find('\n', at)) != std::string::npos; at = end + 1) {
      auto value = base::parse_json(std::string_view(body_).substr(at, end - at));
      EXPECT_TRUE(value) << body_.substr(at, end - at);
      if (value) events.push_back(*value);
    }
    return events;
  }
  int status() const { return status_; }
  const net::Headers& headers() const { return headers_; }
  std::string body() const {
    std::lock_guard lock(mutex_);
    return body_;
  }
  std::vector<net::Chunk> chunks() const {
    std::lock_guard lock(mutex_);
    return chunks_;
  }
  int answers() const { return answers_; }

 private:
  template <class Condition>
  void wait(Condition condition) {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, kPatience, condition)) << "no answer; so far: " << body_;
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  int answers_ = 0;
  int status_ = 0;
  net::Headers headers_;
  std::vector<net::Chunk> chunks_;
  std::vector<net::Chunk> waiting_;
  std::string body_;
  bool gone_ = false;
  bool streaming_ = false;
  bool finished_ = false;
  bool reading_ = true;
  size_t pending_ = 0;
  std::function<void()> on_close_;
};

struct Reply {
  int status = 0;
  std::string text;
  base::Value json;
  net::Headers headers;
  std::string_view message() const { return json["message"].as_string(); }
  std::string_view reason() const { return json["reason"].as_string(); }
};

// A request in one line: call("GET", "/api/v1/pods?limit=1", body, {{"Accept", "..."}}).
class ServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto kinds = api::load_builtin_kinds();
    ASSERT_TRUE(kinds) << kinds.error().message;
    registry_ = std::move(*kinds);
    store_ = store::make_memory({.parse = make_entry_parser(registry_), .window_events = window_});
    start();
  }
  void TearDown() override {
    server_.reset();
    if (store_) store_->close();
  }

  void start() {
    Config config;
    config.advertise_address = "192.0.2.1";
    config.git_version = "v1.36.0+sampan-0.1.0";
    config.service_cidr = service_cidr_;
    auto made = ApiServer::make(
        config, registry_, *store_, clock_,
        [this](const std::string& node, net::Request request, std::shared_ptr<net::Responder> responder) {
          node_ = node;
          node_request_ = request;
          responder->send({200, {{"Content-Type", "text/plain"}}, {net::make_chunk("from the node")}});
        });
    ASSERT_TRUE(made) << made.error().message;
    server_ = std::move(*made);
    handler_ = server_->handler();
  }

  static net::Request make_request(std::string method, std::string_view url, std::string body,
                                   net::Headers headers) {
    net::Request request;
    request.method = std::move(method);
    size_t mark = url.find('?');
    request.path = std::string(url.substr(0, mark));
    if (mark != std::string_view::npos) request.query = net::Query::parse(url.substr(mark + 1));
    request.headers = std::move(headers);
    request.body = std::move(body);
    request.peer = {"127.0.0.1:1", true, "admin", {"system:masters"}};
    return request;
  }

  std::shared_ptr<Recorder> begin(std::string method, std::string_view url, std::string body = "",
                                  net::Headers headers = {}) {
    auto recorder = std::make_shared<Recorder>();
    handler_(make_request(std::move(method), url, std::move(body), std::move(headers)), recorder);
    return recorder;
  }

  Reply call(std::string method, std::string_view url, std::string body = "", net::Headers headers = {}) {
    auto recorder = begin(std::move(method), url, std::move(body), std::move(headers));
    if (url.find("watch") == std::string_view::npos) recorder->wait_whole();
    else recorder->wait_answer();
    EXPECT_EQ(recorder->answers(), 1);
    Reply reply{recorder->status(), recorder->body(), {}, recorder->headers()};
    if (auto json = base::parse_json(reply.text)) reply.json = *json;
    return reply;
  }
  Reply patch(std::string_view url, std::string_view type, std::string body) {
    return call("PATCH", url, std::move(body), {{"Content-Type", "application/" + std::string(type)}});
  }

  static std::string service_json(std::string_view name, std::string_view spec = R"("ports":[{"port":80}])",
                                  std::string_view metadata = "") {
    return "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"" + std::string(name) +
           "\"" + std::string(metadata) + "},\"spec\":{" + std::string(spec) + "}}";
  }
  static std::string config_map_json(std::string_view name, std::string_view labels = "{}",
                                     std::string_view value = "1") {
    return "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"" + std::string(name) +
           "\",\"labels\":" + std::string(labels) + "},\"data\":{\"key\":\"" + std::string(value) + "\"}}";
  }
  static std::string pod_json(std::string_view name, std::string_view extra_spec = "") {
    return "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"" + std::string(name) +
           "\"},\"spec\":{\"containers\":[{\"name\":\"main\",\"image\":\"kubia\"}]" +
           std::string(extra_spec) + "}}";
  }

  const std::string services_ = "/api/v1/namespaces/default/services";
  const std::string config_maps_ = "/api/v1/namespaces/default/configmaps";
  const std::string pods_ = "/api/v1/namespaces/default/pods";

  size_t window_ = 10'000;
  std::string service_cidr_ = "10.96.0.0/16";
  sys::FakeClock clock_;
  api::Registry registry_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<ApiServer> server_;
  net::Handler handler_;
  std::string node_;
  net::Request node_request_;
};

}  // namespace server::testing
