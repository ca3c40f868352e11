#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "base/thread.h"
#include "base/time.h"
#include "log/log.h"
#include "model/record.h"

namespace millrace::lake {

// How a process of a shared log asks all of them to deliver what they have: records of the internal
// topic millrace.lake.flushes, kept for an hour. A request is news, not a promise: whoever asks
// looks at the groups' offsets, and asks again. Who cannot deliver says so in the same topic. One
// thread, but for ask() and failure_since().
class FlushRequests {
 public:
  // `log` and `clock` outlive it.
  FlushRequests(log::Log& log, const Clock& clock) : log_(log), clock_(clock) {}

  // Makes the topic where it is missing. Only what is asked later is heard.
  // `overloaded` and `disconnected`: again.
  Status open();
  // Whether somebody has asked since the last call. Passing errors of the log are a no.
  bool poll();
  // Any thread. Returns when everybody can hear it.
  Status ask(const std::string& process);
  // This process cannot deliver what it was asked for; `why` goes to whoever asked.
  Status tell_failure(const std::string& process, const Status& why);
  // Any thread. "process b: io: ..." of another process that has said so, if poll() heard it then
  // or later.
  [[nodiscard]] std::optional<std::string> failure_since(MonotonicTime then,
                                                         const std::string& process) const;

 private:
  log::Log& log_;
  const Clock& clock_;
  Offset next_;

  struct Failure {
    MonotonicTime at;
    std::string why;
  };
  Status append(const std::string& process, std::string_view value);
  void take_failure(const RecordView& record);

  mutable Mutex mutex_;                      // guards what follows
  std::map<std::string, Failure> failures_;  // the last one of each process, of kProcessesMax
};

}  // namespace millrace::lake
