#pragma once

#include <cstdint>
#include <functional>

#include "broker/consumer_group_record.h"

namespace millrace::broker {

// Whether anybody in the group has the partition or has still to give it up.
using IsTaken = std::function<bool(const kafka_wire::Uuid& topic, std::int32_t partition)>;

// The next step of a member from what it has to its target (KIP-848): first it gives up what it
// must not keep, and stays in its epoch until it has said so; then it moves to the epoch of the
// assignment with whatever of its target is free, and later takes what others give up.
//
// `owned`: what the member says it has; null when it says that nothing has changed since it said
// `said`, which is null when that is not known (any more). Only state, epochs, `assigned` and
// `revoking` change.
void reconcile(ConsumerMember& member, std::int32_t assignment_epoch, const IsTaken& is_taken,
               const Assignment* owned, const Assignment* said);

}  // namespace millrace::broker
