#pragma once

#include <string>

#include "app/verbs.h"
#include "base/thread.h"

namespace millrace::app {

// While it lives, asks the server under `target` how far its job is, and shows it on stderr if a
// person is watching there and the verb prints text.
class ProgressLine {
 public:
  ProgressLine(const ServerOptions& options, std::string target);
  ~ProgressLine();  // clears the line
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

 private:
  void run(const ServerOptions& options, const std::string& target);

  Mutex mutex_;
  Condition changed_;
  bool is_stopping_ = false;  // guarded by mutex_
  Thread thread_;
};

}  // namespace millrace::app
