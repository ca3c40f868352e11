#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "base/status.h"
#include "ops/api.h"
#include "ops/audit_scan.h"
#include "ops/job_progress.h"

namespace millrace::ops {

// Looks at everything the pipelines have made durable and says of each property whether it holds:
//
//   positions     each group's offset is its journal's position, and journals have no gaps
//   conservation  what tasks counted in is what they counted out (R24)
//   rows          every source offset up to the committed one went exactly one way (audit_rows.h)
//   merging       what left for the merging tasks has arrived there
//   windows       revisions follow each other (audit_windows.h) and are as many as were counted
//
// and what the extensions add. Runs beside the pipelines, blocks no writer, and takes a bounded
// amount of memory; a task is judged at the position it had when the audit began. An error only
// when the audit itself cannot go on (unreadable log, `cancelled`).
Result<std::vector<AuditCheck>> run_audit(const ApiContext& context,
                                          const IsCancelled& is_cancelled, JobProgress& progress);

// {"exact":true,"checks":[{"check","pipeline","ok","detail"}]}
nlohmann::ordered_json audit_json(const std::vector<AuditCheck>& checks);

}  // namespace millrace::ops
