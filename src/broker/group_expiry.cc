#include <algorithm>
#include <set>
#include <utility>

#include "broker/group_coordinator_internal.h"

// Kafka's rule (KIP-211): the offsets of a group expire some time after its last member left, those
// of a group that never had members by their own age, and those of topics that a consumer group
// does not subscribe to any more by theirs.

namespace millrace::broker {

GroupCoordinator::Impl::Entry* GroupCoordinator::Impl::find_or_adopt(const std::string& group_id,
                                                                     const GroupTurn& turn) {
  if (Entry* const known = find(group_id); known != nullptr) return known;
  if (is_reserved(group_id) || !is_running_) return nullptr;
  return ports_.log.group_offsets(group_id).empty() ? nullptr : find_or_create(group_id, turn);
}

// Groups whose offsets somebody else wrote: a transaction, or a program before this one.
void GroupCoordinator::Impl::adopt_groups_of_log(GroupTurn& turn) {
  for (const auto& id : ports_.log.groups()) {
    if (!is_reserved(id)) find_or_create(id, turn);
  }
}

std::vector<TopicPartition> GroupCoordinator::Impl::expired_offsets(Entry& entry,
                                                                    WallTime now) const {
  const AnyGroup& group = *entry.group;
  const bool is_empty = group.is_empty();
  const auto subscribed = group.subscribed_topics();
  auto offsets = ports_.log.group_offsets(group.id());
  // Offsets that went with their topic; those the log only does not show yet are younger.
  std::set<TopicPartition> there;
  for (const auto& offset : offsets) there.insert(offset.source);
  std::erase_if(entry.committed_at, [&](const auto& known) {
    return !there.contains(known.first) &&
           now.value - known.second.value >= options_.offsets_retention_check_interval_ms;
  });
  std::vector<TopicPartition> out;
  if (!is_empty && (!group.may_lose_offsets() || !subscribed)) return out;
  for (auto& offset : offsets) {
    if (!is_empty && subscribed->contains(offset.source.topic)) continue;
    // Not known from before the start: an empty group was empty by then, others count anew.
    const WallTime unknown = is_empty ? group.since() : now;
    WallTime since = entry.committed_at.try_emplace(offset.source, unknown).first->second;
    // Which partitions a transaction had is its own affair: they all stay.
    since = std::max(since, entry.staged_at);
    if (is_empty && group.protocol_type()) since = std::max(since, group.since());
    if (now.value - since.value >= options_.offsets_retention_ms) {
      out.push_back(std::move(offset.source));
    }
  }
  return out;
}

void GroupCoordinator::Impl::expire_offsets() {
  std::vector<std::string> ids;
  run([&](GroupTurn& turn) {
    adopt_groups_of_log(turn);
    for (const auto& [id, entry] : groups_) ids.push_back(id);
  });
  // One after the other, so that nobody waits for all.
  for (const auto& id : ids) {
    std::vector<TopicPartition> expired;
    run([&](GroupTurn& turn) {
      Entry* const entry = find(id);
      if (entry == nullptr || options_.offsets_retention_ms < 0) return;
      // Its age must survive a restart.
      if (!entry->group->is_stored() && entry->group->member_count() == 0 &&
          !ports_.log.group_offsets(id).empty()) {
        (void)entry->group->save(turn, {});
      }
      expired = expired_offsets(*entry, turn.wall_now);
    });
    std::erase_if(expired, [&](const auto& source) {
      return ports_.staged != nullptr && ports_.staged->has_staged(id, source);
    });
    run([&](GroupTurn& turn) { drop_offsets(id, {expired.begin(), expired.end()}, turn); });
  }
}

void GroupCoordinator::Impl::drop_offsets(const std::string& group_id,
                                          const std::set<TopicPartition>& unstaged,
                                          GroupTurn& turn) {
  const auto at = groups_.find(group_id);
  if (at == groups_.end()) return;
  Entry& entry = at->second;
  std::vector<log::OffsetCommit> removals;
  // Once more: they may have been committed since.
  for (auto& source : expired_offsets(entry, turn.wall_now)) {
    if (!unstaged.contains(source)) continue;
    removals.push_back({group_id, std::move(source), log::kNoOffset, ""});
  }
  if (!removals.empty()) {
    ports_.logger.info("offsets expired", {{"group", group_id}, {"count", removals.size()}});
    for (const auto& removal : removals) entry.committed_at.erase(removal.source);
    (void)store_.save_offsets(std::move(removals));  // or at the next check
  }
  const bool is_unused = entry.group->is_empty() && entry.committed_at.empty() &&
                         ports_.log.group_offsets(group_id).empty();
  if (is_unused) (void)drop_group(at, turn);
}

Result<log::CommitSequence> GroupCoordinator::Impl::drop_group(Groups::iterator at,
                                                               GroupTurn& turn) {
  std::vector<TopicPartition> partitions;
  for (const auto& [source, time] : at->second.committed_at) partitions.push_back(source);
  auto removed = store_.remove(at->first, at->second.group->is_stored(), partitions, turn.wall_now);
  if (!removed.is_ok()) return removed;
  at->second.group->give_up(kafka_wire::ErrorCode::unknown_member_id, turn);
  forget(at);
  return removed;
}

}  // namespace millrace::broker
