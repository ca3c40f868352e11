#include "log/log.h"

#include <utility>

#include "base/check.h"

namespace millrace::log {

Result<Offset> append_and_wait(Log& log, AppendBatch batch) {
  Commit commit;
  commit.appends.push_back(std::move(batch));
  MR_ASSIGN_OR_RETURN(const Appended appended, log.commit(std::move(commit)));
  MR_CHECK(appended.batches.size() == 1);
  MR_RETURN_IF_ERROR(log.wait_durable(appended.sequence));
  return appended.batches.front().base_offset;
}

}  // namespace millrace::log
