// What the stream threads share: how many there are, and the word that they must end. Any thread.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/guarded.hpp"
#include "node/cri_log.hpp"
#include "node/record.hpp"
#include "node/records.hpp"
#include "node/runtime.hpp"
#include "node/streams.hpp"
#include "sys/clock.hpp"
#include "sys/fd.hpp"

namespace node {

// Wakes one stream's thread, from any thread, as long as somebody holds it.
class Wake {
 public:
  Wake() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  void ring() const {
    const uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(fd_.get(), &one, sizeof(one));
  }
  void quiet() const {
    uint64_t count = 0;
    [[maybe_unused]] const auto got = ::read(fd_.get(), &count, sizeof(count));
  }
  int fd() const { return fd_.get(); }
  std::atomic<bool> closed{false};

 private:
  sys::Fd fd_;
};

struct Streams::State {
  static constexpr int kMost = 256;

  const Records& records;
  const Runtime& runtime;
  const sys::Clock& clock;
  std::string run_dir;

  std::mutex mutex;
  std::condition_variable changed;
  int running = 0;
  bool stopping = false;
  std::set<std::shared_ptr<Wake>> wakes;
};

struct FoundContainer {
  std::string uid;
  ContainerRecord container;
};
// The pod's current container of that name.
base::Result<FoundContainer> find_container(const Records& records, const std::string& namespace_,
                                            const std::string& pod, const std::string& container);

// Serves one stream to its end, on the calling thread.
void serve_logs(const Records& records, const FoundContainer& found, const LogOptions& options,
                const std::string& path, net::BodyStream& stream, const Wake& wake);

struct ExecRequest {
  std::vector<std::string> command;
  bool in = false;
  bool out = false;
  bool err = false;
  bool tty = false;
};
// What has come from the peer and is not yet used: about a megabyte, then the peer has to wait.
struct ExecInput {
  static constexpr size_t kEnough = 1 << 20;

  explicit ExecInput(std::shared_ptr<Wake> w) : wake(std::move(w)) {}
  struct Pending {
    std::string bytes;
    bool ended = false;
    bool paused = false;
    std::optional<std::pair<int, int>> size;  // columns, rows
  };
  std::shared_ptr<Wake> wake;
  base::Guarded<Pending> pending;
};
// Sets the socket's callbacks: before anything else is done with it.
void listen(const std::shared_ptr<net::WebSocket>& socket, std::shared_ptr<ExecInput> input);
// All that is there; a peer that had to wait goes on.
ExecInput::Pending take(ExecInput& input, net::WebSocket& socket);
// Runs the command, moves the bytes, says how it ended, closes. On the calling thread.
void serve_exec(const Runtime& runtime, const std::string& container_id, const std::string& bundle,
                const ExecRequest& request, const std::string& run_dir, net::WebSocket& socket,
                std::string_view protocol, ExecInput& input);

}  // namespace node
