// A few threads for work that may take long and must not hold up the connections' thread or the store's writer:
// deciding on large writes, encoding large answers. Jobs begin in the order in which they were posted, but for those that
// take very long: they never have all the threads.
//
// Threading: post() from any thread, also from a job.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "base/guarded.hpp"

namespace server {

class Workers {
 public:
  // 0: as many as the machine can use, but a few at most. The threads start with the first job.
  explicit Workers(unsigned count = 0);
  ~Workers();
  enum class Length { usual, long_ };
  // Must not throw.
  void post(std::function<void()> job, Length length = Length::usual);
  // Waits for all jobs. What is posted from now on is done at once, by who posts it.
  void close();

 private:
  struct Queue {
    std::deque<std::function<void()>> usual;
    std::deque<std::function<void()>> long_;
    unsigned long_running = 0;
    bool long_next = false;  // they take turns
    unsigned idle = 0;
    bool closed = false;
    std::vector<std::thread> threads;
  };
  void run();
  // Of the two queues the one that a free thread takes from; null: nothing to do.
  std::deque<std::function<void()>>* next(Queue& queue) const;

  unsigned count_;
  base::Guarded<Queue> queue_;
  std::condition_variable wake_;
};

}  // namespace server
