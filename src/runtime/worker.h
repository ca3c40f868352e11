#pragma once

#include <atomic>
#include <functional>
#include <vector>

#include "base/status.h"
#include "base/thread.h"
#include "log/log.h"
#include "runtime/task_runner.h"

namespace millrace::runtime {

// One thread that steps its task runners in turn and sleeps while none has work. Appends to a
// runner's source and syncs of its journal wake it.
class Worker {
 public:
  // `on_failure` is called on the worker's thread when a runner fails; the worker then stops.
  Worker(log::Log& log, std::function<void(const Status&)> on_failure);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Before start(). The runner outlives the worker.
  void add(TaskRunner& runner);
  void start();
  // Returns after the running step; runners may then be used by the caller. Idempotent.
  void stop();
  // Any thread: there may be something to do.
  void wake();

 private:
  void run();
  Result<bool> step_all();

  log::Log& log_;
  std::function<void(const Status&)> on_failure_;
  std::vector<TaskRunner*> runners_;
  std::vector<std::uint64_t> listeners_;
  std::atomic<bool> is_stopping_{false};
  Mutex mutex_;
  Condition changed_;
  std::uint64_t wake_count_ = 0;  // guarded by mutex_
  Thread thread_;
};

}  // namespace millrace::runtime
