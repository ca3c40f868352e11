#include "log/log.h"

#include <chrono>
#include <mutex>
#include <utility>

#include "base/check.h"
#include "base/thread.h"

namespace millrace::log {

Result<Appended> commit_patiently(CommitPort& port, Commit& commit) {
  constexpr int kAttemptsMax = 500;
  constexpr std::chrono::milliseconds kPause{10};
  for (int attempt = 1;; ++attempt) {
    // A commit that was refused is left as it was.
    auto appended = port.commit(std::move(commit));  // NOLINT(bugprone-use-after-move)
    const bool is_overloaded = appended.status().code() == StatusCode::overloaded;
    if (!is_overloaded || attempt == kAttemptsMax) return appended;
    pause_for(kPause);
  }
}

Result<Offset> append_and_wait(Log& log, AppendBatch batch) {
  Commit commit;
  commit.appends.push_back(std::move(batch));
  MR_ASSIGN_OR_RETURN(const Appended appended, commit_patiently(log, commit));
  MR_CHECK(appended.batches.size() == 1);
  MR_RETURN_IF_ERROR(log.wait_durable(appended.sequence));
  return appended.batches.front().base_offset;
}

}  // namespace millrace::log
