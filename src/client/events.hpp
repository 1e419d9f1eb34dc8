// Writes core/v1 Events about objects ("Created pod: web-x7k2p"), repeated ones counted in one Event. Recording never
// blocks and never fails: events wait in a bounded queue for a thread of the recorder's own. Any thread.
//
// Source: client-go's EventRecorder and its correlator, the aggregation by count only.
#pragma once

#include <memory>
#include <string>

#include "api/types.hpp"
#include "client/client.hpp"
#include "sys/clock.hpp"

namespace client {

// What an event is about.
struct ObjectRef {
  std::string api_version;
  std::string kind;
  std::string namespace_ = {};
  std::string name;
  std::string uid = {};
  std::string resource_version = {};
  std::string field_path = {};  // "spec.containers{web}"
};

template <class T>
ObjectRef ref_of(const T& object) {
  using K = api::KindOf<T>;
  std::string api_version(K::version);
  if (!K::group.empty()) api_version = std::string(K::group) + "/" + api_version;
  return {.api_version = std::move(api_version),
          .kind = std::string(K::kind),
          .namespace_ = object.metadata.namespace_,
          .name = object.metadata.name,
          .uid = object.metadata.uid,
          .resource_version = object.metadata.resource_version,
          .field_path = {}};
}

class EventRecorder {
 public:
  // `host` may be empty: not every component runs on one node.
  EventRecorder(Client client, const sys::Clock& clock, std::string component, std::string host = "");
  ~EventRecorder();  // drops what is still queued
  void normal(const ObjectRef& object, std::string reason, std::string message);
  void warning(const ObjectRef& object, std::string reason, std::string message);
  // Blocks until everything recorded so far was written or given up: for the end of a command, and for tests.
  void flush();

 private:
  struct State;
  void record(const ObjectRef& object, std::string_view type, std::string reason, std::string message);
  std::unique_ptr<State> state_;
};

}  // namespace client
