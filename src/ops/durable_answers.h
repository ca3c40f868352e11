#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "base/status.h"
#include "log/log.h"

namespace millrace::ops {

// Calls back when a commit is durable, so that no request holds a thread while the disk works. One
// thread; callbacks run on it, in the order of the commits.
class DurableAnswers {
 public:
  explicit DurableAnswers(log::Log& log);
  // Answers what waits with `cancelled`.
  ~DurableAnswers();

  using Answer = std::function<void(const Status&)>;
  void when_durable(log::CommitSequence sequence, Answer answer);

 private:
  struct Waiting {
    log::CommitSequence sequence;
    Answer answer;
  };
  void run();

  log::Log& log_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_stopping_ = false;
  std::deque<Waiting> waiting_;  // nearly sorted: commits race from several threads
  std::thread thread_;
};

}  // namespace millrace::ops
