#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "log/log.h"
#include "ops/audit_scan.h"
#include "task/task.h"

namespace millrace::ops {

// A source task as an audit sees it: what it has applied, and what it counted until then. All
// outputs of offsets below `next` are durable.
struct AuditedTask {
  TopicPartition source;
  Offset next;
  task::TaskCounters counters;
};

// The offsets [first, task.next) of a source partition that an audit can judge.
struct AuditedRange {
  Offset first;
  bool is_whole = false;   // it begins where the task began, so counters must agree with it
  std::uint64_t gaps = 0;  // offsets in it without data: markers, aborted records
  // Offsets in it that the log does not have: neither a record nor a marker nor aborted.
  std::uint64_t lost = 0;
  std::optional<std::pair<Offset, Offset>> first_lost;  // half open
};

// One range for each task. Retention of the source and of the output topics makes them shorter; why
// is said in `notes`. `corrupt` when the source ends before a task's position.
Result<std::vector<AuditedRange>> find_audited_ranges(const log::Log& log,
                                                      const std::vector<AuditedTask>& tasks,
                                                      const std::vector<std::string>& output_topics,
                                                      const IsCancelled& is_cancelled,
                                                      std::vector<std::string>& notes);

}  // namespace millrace::ops
