// A value that can be reached only while its mutex is held. Any thread.
#pragma once

#include <condition_variable>
#include <mutex>
#include <utility>

namespace base {

template <class T>
class Guarded {
 public:
  // The lock and the only way to the value. Keep it short-lived.
  class Lock {
   public:
    explicit Lock(Guarded& owner) : lock_(owner.mutex_), value_(&owner.value_) {}
    T* operator->() { return value_; }
    T& operator*() { return *value_; }
    // For std::condition_variable.
    std::unique_lock<std::mutex>& native() { return lock_; }

   private:
    std::unique_lock<std::mutex> lock_;
    T* value_;
  };

  Guarded() = default;
  template <class... Args>
  explicit Guarded(std::in_place_t, Args&&... args) : value_(std::forward<Args>(args)...) {}

  Lock lock() { return Lock(*this); }
  Lock lock() const { return Lock(const_cast<Guarded&>(*this)); }

 private:
  std::mutex mutex_;
  T value_{};
};

}  // namespace base
