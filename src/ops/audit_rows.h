#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "log/log.h"
#include "ops/audit_range.h"
#include "ops/audit_scan.h"
#include "task/plan.h"

namespace millrace::ops {

// What an audit of rows found.
struct RowsReport {
  std::uint64_t offsets = 0;       // of the source, looked at
  std::uint64_t rows = 0;          // in the first enriched topic
  std::uint64_t dead_letters = 0;  // of row stages
  std::uint64_t window_letters = 0;
  std::uint64_t dropped = 0;       // duplicates that leave no trace but a counter
  std::uint64_t foreign = 0;       // records of others in the same topics
  std::vector<std::string> notes;  // why less than everything could be looked at
  Findings findings;               // empty: exact
};

// Every offset of every source partition is in exactly one of: each enriched topic, the dead
// letters of a row stage, the dropped duplicates; none is anywhere twice; an event that a window
// refused has its row as well; and the tasks' counters say the same.
//
// Reads the outputs by their headers, once for each kOffsetsPerPass offsets. Where retention has
// cut outputs or the source, what may be gone is left out and said in `notes`.
Result<RowsReport> audit_rows(const log::Log& log, const task::SourcePlan& plan,
                              const std::string& pipeline_name,
                              const std::vector<AuditedTask>& tasks,
                              const IsCancelled& is_cancelled);

}  // namespace millrace::ops
