#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace millrace::ops {

// Runs requests that block (topic creation, drains) one after the other, off the HTTP server's
// threads.
class JobThread {
 public:
  JobThread();
  ~JobThread();  // finishes the running job, drops the rest

  void run(std::function<void()> job);

 private:
  void loop();

  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_stopping_ = false;
  std::deque<std::function<void()>> jobs_;
  std::thread thread_;
};

}  // namespace millrace::ops
