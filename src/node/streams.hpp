// What the node serves: logs and exec, in the kubelet's own URL form. The Handler answers on any thread; each
// open stream has a thread of its own, of which there is a bounded number.
#pragma once

#include <memory>

#include "net/http.hpp"
#include "node/records.hpp"
#include "node/runtime.hpp"

namespace node {

class Streams {
 public:
  Streams(const Records& records, const Runtime& runtime, const sys::Clock& clock, std::string run_dir);
  ~Streams();  // ends every stream
  void handle(net::Request request, std::shared_ptr<net::Responder> responder);

  struct State;  // node/streams_state.hpp

 private:
  std::shared_ptr<State> state_;
};

}  // namespace node
