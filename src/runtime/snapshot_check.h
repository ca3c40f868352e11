#pragma once

#include <cstdint>

#include "base/status.h"
#include "log/log.h"
#include "runtime/snapshot_store.h"
#include "runtime/task_runner.h"

namespace millrace::runtime {

// Whether a snapshot is of this task, and of the log as it is now (R6, R7): pipeline, stage,
// partition, the source topic's incarnation and partition count, and the last batch before its
// offset where retention has left it. `corrupt` or `invalid` says what differs.
Status check_snapshot_identity(const log::Log& log, const RunnerOptions& task,
                               std::uint64_t source_incarnation, const SnapshotIdentity& identity);

}  // namespace millrace::runtime
