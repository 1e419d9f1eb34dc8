// How many bytes are held for clients that have not read them yet. A chunk is counted from when it is made until the
// last who holds it, the connection as a rule, lets go: shared ones once. Any thread.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "net/http.hpp"

namespace server {

class ByteBudget {
 public:
  size_t used() const { return *used_; }
  net::Chunk hold(std::string bytes) const {
    auto held = std::make_shared<const Held>(std::move(bytes), used_);
    return {held, &held->bytes};
  }

 private:
  struct Held {
    Held(std::string b, std::shared_ptr<std::atomic<size_t>> u) : bytes(std::move(b)), size(bytes.capacity()), used(std::move(u)) {
      *used += size;
    }
    ~Held() { *used -= size; }
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;
    const std::string bytes;
    const size_t size;
    const std::shared_ptr<std::atomic<size_t>> used;  // chunks may outlive the budget
  };
  std::shared_ptr<std::atomic<size_t>> used_ = std::make_shared<std::atomic<size_t>>(0);
};

}  // namespace server
