#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/status.h"
#include "base/time.h"
#include "log/shared_log.h"

namespace millrace::runtime {

// How long somebody goes on trying to reach a log of several processes.
struct Perseverance {
  const Clock* clock = nullptr;
  std::function<bool()> is_cancelled;
  std::int64_t wait_ms_max = 60'000;
  std::uint64_t seed = 0;  // another one per process: two that get in each other's way part
};

// Calls `attempt` until it gives anything but `disconnected`, `overloaded` or `not_found`, with
// growing pauses. `cancelled`, or the last error when the time is over.
Status persevere(const Perseverance& how, const std::function<Status()>& attempt);

// Of all who call this with the same id one at a time reads and appends: a transactional id is
// taken over before the reading, and who takes it over meanwhile fences the append (R5). `decide`
// reads, read_committed, and says what is still missing; nothing once it sees that all is there. It
// may be called several times. What was appended is visible to everybody when this returns.
using Decide = std::function<Result<std::optional<log::AppendBatch>>()>;
Status append_exclusively(log::SharedLog& log, const std::string& transactional_id,
                          const Perseverance& how, const Decide& decide);

}  // namespace millrace::runtime
