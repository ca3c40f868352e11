#pragma once

#include <functional>
#include <map>

#include "base/status.h"
#include "base/thread.h"
#include "log/log.h"

namespace millrace::log {

// Runs what has to wait until a commit is durable, so that no thread blocks for a single answer:
// one thread waits for the oldest commit that anybody asked about, and answers all that are durable
// then.
//
// Threads: every method from any thread.
class DurableAnswers {
 public:
  using Then = std::function<void(const Status&)>;

  explicit DurableAnswers(CommitPort& log);
  ~DurableAnswers();
  DurableAnswers(const DurableAnswers&) = delete;
  DurableAnswers& operator=(const DurableAnswers&) = delete;

  // Calls `then` once: with ok when the sequence is durable (at once, on the calling thread, if it
  // is already), with the log's error when its outcome is unknown, with `cancelled` after stop().
  // Otherwise it runs on a thread of this object's, in the order of the sequences, and must not
  // block.
  void after(CommitSequence sequence, Then then);

  // Waits until everything asked for has been called; what comes later is cancelled.
  void stop();

 private:
  void run();

  CommitPort& log_;
  Mutex mutex_;
  Condition changed_;
  std::multimap<CommitSequence, Then> waiting_;
  bool is_stopping_ = false;
  Thread thread_;
};

}  // namespace millrace::log
