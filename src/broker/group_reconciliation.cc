#include "broker/group_reconciliation.h"

#include <algorithm>
#include <utility>

namespace millrace::broker {

namespace {

// As long as it has not said otherwise, it has everything.
bool has_any(const Assignment* owned, const Assignment& partitions) {
  return owned == nullptr || !are_disjoint(*owned, partitions);
}

void move_to(ConsumerMember& member, ConsumerMemberState state, std::int32_t epoch) {
  member.state = state;
  member.previous_epoch = std::exchange(member.epoch, epoch);
}

// `epoch`: where the member is until it has given up what it must.
void take_step(ConsumerMember& member, std::int32_t epoch, std::int32_t assignment_epoch,
               const IsTaken& is_taken, const Assignment* owned) {
  Assignment kept = intersection_of(member.assigned, member.target);
  Assignment revoking = difference_of(member.assigned, kept);
  if (!revoking.empty() && has_any(owned, revoking)) {
    member.assigned = std::move(kept);
    member.revoking = std::move(revoking);
    return move_to(member, ConsumerMemberState::unrevoked, epoch);
  }
  bool is_waiting = false;
  Assignment fresh = difference_of(member.target, kept);
  for (auto& [topic, partitions] : fresh) {
    const auto removed = std::erase_if(
        partitions, [&, id = topic](std::int32_t partition) { return is_taken(id, partition); });
    is_waiting = is_waiting || removed > 0;
  }
  normalise(fresh);
  member.assigned = union_of(kept, fresh);
  member.revoking.clear();
  move_to(member, is_waiting ? ConsumerMemberState::unreleased : ConsumerMemberState::stable,
          assignment_epoch);
}

}  // namespace

void reconcile(ConsumerMember& member, std::int32_t assignment_epoch, const IsTaken& is_taken,
               const Assignment* owned, const Assignment* said) {
  if (member.is_reconciled_to(assignment_epoch)) return;
  if (member.state != ConsumerMemberState::unrevoked) {
    return take_step(member, member.epoch, assignment_epoch, is_taken, owned);
  }
  // It has been told what to give up. If it may never have taken it, what it said before it was
  // told is enough: without that it would wait for its time-out, having nothing new to say.
  if (has_any(owned != nullptr ? owned : said, member.revoking)) return;
  // An epoch of its own, lest what it had before and what it has now look alike. There is one: the
  // assignment that made it give something up is of a later epoch than its own.
  take_step(member, member.epoch + 1, assignment_epoch, is_taken, owned);
}

}  // namespace millrace::broker
