// Large lists on their way: made, compressed and written bit by bit on a thread of their own, as fast as their clients
// read. So they hold up no other request, and one of any length costs a few hundred KiB.
//
// Threading: send() from any thread. The thread starts with the first list.
#pragma once

#include <condition_variable>
#include <list>
#include <memory>
#include <thread>

#include "base/guarded.hpp"
#include "server/exchange.hpp"
#include "server/tables.hpp"
#include "sys/clock.hpp"

namespace server {

class Bulk {
 public:
  explicit Bulk(const sys::Clock& clock);
  ~Bulk();
  // Answers 200 with the list in the exchange's format.
  void send(const ExchangePtr& exchange, std::unique_ptr<ListSource> source);
  // What the lists hold on to while they are made.
  const std::shared_ptr<ListRoom>& room() const { return room_; }

 private:
  struct Job;
  using JobPtr = std::shared_ptr<Job>;
  struct State {
    std::list<JobPtr> jobs;  // the first ones are under way, the others wait
    bool stopping = false;
    bool running = false;
  };
  void run();
  // Those of the first jobs that could go on did so. False: all of them wait for their clients.
  bool turn();
  bool step(Job& job);

  const sys::Clock& clock_;
  const std::shared_ptr<ListRoom> room_;
  base::Guarded<State> state_;
  std::condition_variable changed_;
  std::thread thread_;  // guarded by state_ until it runs
};

}  // namespace server
