#pragma once

#include <functional>

#include "base/thread.h"
#include "base/time.h"

namespace millrace::broker {

// Calls `run_due` again and again, each time at the latest when its last call, or wake(), said.
// Threads: every method from any thread.
class DueThread {
 public:
  DueThread(const Clock& clock, std::function<MonotonicTime()> run_due);
  ~DueThread();
  DueThread(const DueThread&) = delete;
  DueThread& operator=(const DueThread&) = delete;

  void wake(MonotonicTime at);
  // Afterwards nothing is called.
  void stop();

 private:
  void run();

  const Clock& clock_;
  std::function<MonotonicTime()> run_due_;
  Mutex mutex_;
  Condition changed_;
  MonotonicTime next_{0};  // at once
  bool is_stopping_ = false;
  Thread thread_;
};

}  // namespace millrace::broker
