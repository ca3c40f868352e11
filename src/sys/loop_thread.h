#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <utility>

#include "base/thread.h"

namespace millrace::sys {

// An event loop of Boost.Asio with the thread that runs it, for servers: what is posted may keep
// the loop's owner alive, also when it comes after the end.
class LoopThread {
 public:
  LoopThread();
  // Not while the thread runs.
  ~LoopThread();
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;

  void start();
  // From another thread: returns when nothing is left to do, so whatever waits on the loop has been
  // cancelled before. What is posted afterwards is dropped.
  void join();

  // From any thread: runs `task` on this one, or never once join() has returned.
  template <typename Task>
  void post(Task task) {
    const std::lock_guard lock(mutex_);
    if (!is_closed_) boost::asio::post(io_, std::move(task));
  }
  [[nodiscard]] bool runs_here() { return io_.get_executor().running_in_this_thread(); }
  [[nodiscard]] boost::asio::io_context& io() { return io_; }

 private:
  void run();

  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  Mutex mutex_;
  bool is_closed_ = false;
  Thread thread_;
};

}  // namespace millrace::sys
