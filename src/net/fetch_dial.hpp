// The part that every Fetch begins with: a non-blocking connect, and after it a Channel. One thread at a
// time.
#pragma once

#include <optional>
#include <string>

#include "net/channel.hpp"
#include "net/fetch.hpp"
#include "sys/fd.hpp"

namespace net {

class DialledFetch : public Fetch {
 public:
  explicit DialledFetch(const FetchAddress& address);
  int fd() const override { return fd_.get(); }
  short events() const override;
  void advance() final;

 protected:
  // Connected: begin, or be done. Called once.
  virtual void connected() = 0;
  // The descriptor is ready again.
  virtual void proceed() = 0;
  // "read tcp 10.0.0.1:80: read: connection reset by peer"
  void lost(const char* doing, int error);
  void fail_dial(int error);

  const std::string where_;
  sys::Fd fd_;
  bool want_write_ = true;
};

// errno as Go spells it.
std::string go_errno(int error);

}  // namespace net
