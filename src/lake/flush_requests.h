#pragma once

#include <string>

#include "base/status.h"
#include "base/time.h"
#include "log/log.h"

namespace millrace::lake {

// How a process of a shared log asks all of them to deliver what they have: records of the internal
// topic millrace.lake.flushes, kept for an hour. A request is news, not a promise: whoever asks
// looks at the groups' offsets, and asks again. One thread, but for ask().
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

 private:
  Status make_topic();

  log::Log& log_;
  const Clock& clock_;
  Offset next_;
};

}  // namespace millrace::lake
