#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "base/time.h"

namespace millrace::broker {

inline constexpr MonotonicTime kNever{std::numeric_limits<std::int64_t>::max()};

inline MonotonicTime after_ms(MonotonicTime now, std::int64_t ms) {
  return MonotonicTime(now.value + ms * 1'000'000);
}

// Bounds of groups. Names are Kafka's broker settings, where there is one.
struct GroupLimits {
  std::int32_t session_timeout_ms_min = 6'000;      // group.min.session.timeout.ms
  std::int32_t session_timeout_ms_max = 1'800'000;  // group.max.session.timeout.ms
  // group.initial.rebalance.delay.ms: how long an empty group waits for further members. 0, unlike
  // Kafka: the first member of a group need not wait three seconds.
  std::int32_t initial_rebalance_delay_ms = 0;
  std::size_t members_per_group_max = 1'000;  // group.max.size
  std::size_t member_bytes_max = 512 << 10;   // names, protocols and assignment of one member
  std::size_t group_bytes_max = 4 << 20;      // of all members: they are one record
  std::size_t protocols_per_member_max = 32;
  // Groups of the consumer protocol (KIP-848): the broker says, not the client.
  std::int32_t consumer_session_timeout_ms = 45'000;    // group.consumer.session.timeout.ms
  std::int32_t consumer_heartbeat_interval_ms = 5'000;  // group.consumer.heartbeat.interval.ms
  std::size_t partitions_per_group_max = 100'000;       // that its members subscribe to
};

// A join that nobody collects is given up after this long, as in Kafka: the connection cannot be
// seen to break while its request waits.
inline constexpr std::int64_t kNewMemberJoinMs = 300'000;
// A rebalance for which nobody is there waits at least this long, whatever time-out its members
// have: they may say 0.
inline constexpr std::int32_t kJoinAgainMsMin = 1'000;
// After the log refused a group's record (it has too much to write): when to try again.
inline constexpr std::int64_t kSaveAgainMs = 100;

}  // namespace millrace::broker
