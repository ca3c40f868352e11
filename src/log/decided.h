#pragma once

#include <functional>

#include "base/status.h"
#include "log/log.h"
#include "model/topic.h"

namespace millrace::log {

// Waits until readers of committed records can see what became of everything that stands in `at`
// when the call begins, and gives the offset behind that. On a log that several processes share a
// commit becomes visible partition by partition: who has seen a position in a journal finds the
// outputs of that commit only once they were waited for so. What is in this process alone waits for
// nothing but a sync.
//
// `overloaded` after ten seconds, naming the partition: an open transaction, somebody else's maybe,
// holds up what stands behind it. `cancelled` when asked to. Any thread.
Result<Offset> wait_until_decided(const Log& log, const TopicPartition& at,
                                  const std::function<bool()>& is_cancelled = {});

}  // namespace millrace::log
