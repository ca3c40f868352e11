#include "sys/loop_thread.h"

#include <exception>

#include "base/check.h"

namespace millrace::sys {

LoopThread::LoopThread() : io_(1), work_(boost::asio::make_work_guard(io_)) {}

LoopThread::~LoopThread() {
  MR_CHECK(!thread_.joinable());
}

void LoopThread::start() {
  MR_CHECK(!thread_.joinable());
  thread_ = Thread([this] { run(); });
}

void LoopThread::run() {
  // Our completion handlers let nothing escape; what does is Asio out of memory or of descriptors
  // in the middle of an operation, after which the loop goes on with the next one.
  while (true) {
    try {
      io_.run();
      return;
    } catch (const std::exception&) {
    }
  }
}

void LoopThread::join() {
  work_.reset();
  if (thread_.joinable()) thread_.join();
  {
    const std::lock_guard lock(mutex_);
    is_closed_ = true;
  }
  // What was posted between the loop's end and `is_closed_` holds what may hold us.
  io_.restart();
  io_.poll();
}

}  // namespace millrace::sys
