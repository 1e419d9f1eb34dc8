// One request and its answer on their way between a handler on any thread and the protocol on the loop's thread: what
// handlers call becomes commands in a mailbox, which the loop empties in batches.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/guarded.hpp"
#include "net/channel.hpp"
#include "net/http.hpp"

namespace net {

class Protocol;
class Mailbox;

// Shared by the handler's side (Responder, BodyStream, WebSocket) and the protocol.
class Exchange : public Account {
 public:
  Exchange(std::shared_ptr<Mailbox> mailbox, Protocol* protocol) : mailbox_(std::move(mailbox)), protocol_(protocol) {}

  // Loop thread only. Null once the protocol let go of it.
  Protocol* protocol() const { return protocol_; }
  void attach(Protocol* protocol) { protocol_ = protocol; }
  // Loop thread only. Tells the handler's side that it is over.
  void close();

  // Any thread.
  bool closed() const { return closed_.load(std::memory_order_acquire); }
  void on_close(std::function<void()> callback);
  Mailbox& mailbox() { return *mailbox_; }

  // Set before the handler is called, constant then.
  int32_t stream_id = 0;
  bool head_request = false;
  std::string websocket_key;  // empty: asks for no WebSocket
  std::string websocket_protocols;
  // From the handler to the loop.
  base::Guarded<std::function<void(std::string, bool)>> on_message;

 private:
  struct Closing {
    bool closed = false;
    std::vector<std::function<void()>> callbacks;
  };

  std::shared_ptr<Mailbox> mailbox_;
  Protocol* protocol_;
  std::atomic<bool> closed_{false};
  base::Guarded<Closing> closing_;
};

struct Command {
  enum class Op : uint8_t {
    answer,      // response: the whole answer
    start,       // response: status and headers of a stream
    write,       // chunk: of a stream
    finish,
    abort,       // the stream's owner dropped it without finishing
    upgrade,     // response: headers of the 101
    listen,      // a WebSocket's on_message is there
    message,     // chunk: a binary message
    ws_close,    // code, chunk: reason
    pause,       // code 1: read nothing more for now; 0: go on
  };
  std::shared_ptr<Exchange> exchange;
  Op op;
  int code = 0;
  Chunk chunk;
  std::unique_ptr<Response> response;
};

// Commands for one loop. Any thread; nothing is taken any more after close().
class Mailbox {
 public:
  // `wake` makes the loop call drain soon; it is called once per batch, from any thread.
  explicit Mailbox(std::function<void()> wake) : wake_(std::move(wake)) {}
  bool post(Command command);
  // Swaps the waiting commands into `commands`, which must be empty.
  void take(std::vector<Command>& commands);
  void close();

 private:
  struct State {
    bool closed = false;
    bool woken = false;
    std::vector<Command> commands;
  };
  std::function<void()> wake_;
  base::Guarded<State> state_;
};

std::shared_ptr<Responder> make_responder(std::shared_ptr<Exchange> exchange);

}  // namespace net
