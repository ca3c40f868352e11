#pragma once

#include <deque>
#include <functional>

#include "base/thread.h"

namespace millrace::broker {

// Runs what blocks (creating topics, mostly) one after the other on a thread of its own, so that
// the threads of connections need not. How much waits is bounded by the requests in flight.
//
// Threads: every method from any thread.
class BlockingCalls {
 public:
  BlockingCalls();
  ~BlockingCalls();
  BlockingCalls(const BlockingCalls&) = delete;
  BlockingCalls& operator=(const BlockingCalls&) = delete;

  // After stop() the task is dropped.
  void run(std::function<void()> task);
  // Waits for the task that runs; the others are dropped.
  void stop();

 private:
  void run_tasks();

  Mutex mutex_;
  Condition changed_;
  std::deque<std::function<void()>> tasks_;
  bool is_stopping_ = false;
  Thread thread_;
};

}  // namespace millrace::broker
