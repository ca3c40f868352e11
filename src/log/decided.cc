#include "log/decided.h"

#include <chrono>
#include <string>

#include "base/thread.h"

namespace millrace::log {
namespace {

constexpr std::chrono::milliseconds kPollInterval{5};
constexpr int kPollsMax = 2'000;

}  // namespace

Result<Offset> wait_until_decided(const Log& log, const TopicPartition& at,
                                  const std::function<bool()>& is_cancelled) {
  Offset end;
  Offset stable;
  for (int poll = 0; poll < kPollsMax; ++poll) {
    MR_ASSIGN_OR_RETURN(const auto offsets, log.offsets(at));
    if (poll == 0) end = offsets.end;
    stable = offsets.last_stable;
    if (stable >= end) return end;
    if (is_cancelled && is_cancelled()) return cancelled_error("it is being stopped");
    pause_for(kPollInterval);
  }
  return overloaded_error(at.to_string() + " can be read up to " + std::to_string(stable.value) +
                          " only and has records up to " + std::to_string(end.value) +
                          ": an open transaction holds back what stands behind it");
}

}  // namespace millrace::log
