#pragma once

#include <functional>

#include "base/status.h"
#include "log/log.h"
#include "model/record.h"

namespace millrace::log {

// Ends a scan when it is not ok. The record is valid during the call only.
using VisitRecord = std::function<Status(const RecordView&)>;

// Gives every committed record of a partition in offset order, from `from` (from the log's start,
// if that is later) to what is durable when the call begins; the end of that, where another scan
// would go on. The first error of the log, of a batch's bytes or of `visit`, with the partition's
// name. `out_of_range` when records are deleted while they are read.
Result<Offset> scan_partition(const Log& log, const TopicPartition& source, Offset from,
                              const VisitRecord& visit);

}  // namespace millrace::log
