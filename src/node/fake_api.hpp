// For tests: a few collections of the API in memory behind a client::Transport - get, list, watch, create,
// update, merge patch, delete. Enough to drive the agent; it validates nothing. Any thread.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/value.hpp"
#include "client/transport.hpp"

namespace node {

class FakeApi : public client::Transport {
 public:
  base::Result<net::Response> round_trip(net::Request request) override;
  base::Result<std::unique_ptr<net::ResponseStream>> open_stream(net::Request request) override;

  // By path, as /api/v1/namespaces/default/pods/web.
  void put(const std::string& path, base::Value object);
  base::Value get(const std::string& path) const;  // null when absent
  // Waits until `accept` likes the object (null when it is absent); false after 20 seconds.
  bool wait_for(const std::string& path, const std::function<bool(const base::Value&)>& accept) const;
  // What a graceful DELETE does: deletionTimestamp, or removal at once when grace is 0.
  void remove(const std::string& path, int grace_seconds);
  // Messages of the recorded events, in order.
  std::vector<std::string> event_messages() const;

 private:
  class Stream;
  struct Shared {
    mutable std::mutex mutex;
    mutable std::condition_variable changed;
    std::map<std::string, base::Value> objects;
    std::vector<std::pair<std::string, std::string>> log;  // path, watch line
    int64_t revision = 1;
  };
  void store(const std::string& path, base::Value object, const char* type);
  static bool in_collection(const std::string& path, const std::string& collection);

  std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
};

}  // namespace node

#include "node/fake_api_inl.hpp"
