#include <algorithm>
#include <utility>

#include "broker/group_coordinator_internal.h"
#include "broker/offset_note.h"

namespace millrace::broker {

using kafka_wire::ErrorCode;
using kafka_wire::OffsetCommitRequest;
using kafka_wire::OffsetCommitResponse;
using kafka_wire::OffsetDeleteRequest;
using kafka_wire::OffsetDeleteResponse;
using kafka_wire::OffsetFetchRequest;
using kafka_wire::OffsetFetchResponse;

namespace {

constexpr std::int16_t kVersionFetchSeveral = 8;
constexpr std::int16_t kVersionMemberEpoch = 9;
// The record of a group that only keeps offsets is written anew when its time is this old.
constexpr std::int64_t kSinceStepMsMax = 3'600'000;

void fail_all(OffsetCommitResponse& response, ErrorCode error) {
  for (auto& topic : response.topics) {
    for (auto& partition : topic.partitions) {
      // What is wrong with a partition itself stays so.
      if (partition.error_code == ErrorCode::none) partition.error_code = error;
    }
  }
}

ErrorCode to_error(const Status& status) {
  switch (status.code()) {
    case StatusCode::ok:
      return ErrorCode::none;
    case StatusCode::invalid:
      return ErrorCode::invalid_commit_offset_size;
    case StatusCode::overloaded:
      return ErrorCode::coordinator_load_in_progress;  // clients try again, after a while
    default:
      return ErrorCode::coordinator_not_available;
  }
}

// As asked, without looking anything up.
OffsetFetchResponse::Group failed_group(const OffsetFetchRequest::Group& asked, ErrorCode error) {
  OffsetFetchResponse::Group out;
  out.group_id = asked.group_id;
  out.error_code = error;
  if (!asked.topics) return out;
  for (const auto& topic : *asked.topics) {
    auto& shown = out.topics.emplace_back();
    shown.name = topic.name;
    for (const auto index : topic.partition_indexes) {
      shown.partitions.push_back(
          {.partition_index = index, .committed_offset = -1, .metadata = "", .error_code = error});
    }
  }
  return out;
}

std::vector<OffsetFetchRequest::Topic> topics_of(const std::vector<log::GroupOffset>& offsets) {
  std::map<std::string, OffsetFetchRequest::Topic> topics;
  for (const auto& offset : offsets) {
    auto& topic = topics[offset.source.topic];
    topic.name = offset.source.topic;
    topic.partition_indexes.push_back(offset.source.partition);
  }
  std::vector<OffsetFetchRequest::Topic> out;
  for (auto& [name, topic] : topics) out.push_back(std::move(topic));
  return out;
}

}  // namespace

ErrorCode GroupCoordinator::Impl::check_claim(const GroupMemberClaim& claim, bool is_transactional,
                                              std::int16_t version, const GroupTurn& turn,
                                              Entry*& entry) {
  const ErrorCode error = check_group(claim.group_id);
  if (error != ErrorCode::none) return error;
  if (claim.group_id.empty()) return ErrorCode::invalid_group_id;
  entry = find_or_adopt(claim.group_id, turn);
  if (entry == nullptr) {
    // A generation of a group that is not there (any more).
    if (claim.generation_id >= 0) {
      return !is_transactional && version >= kVersionMemberEpoch ? ErrorCode::group_id_not_found
                                                                 : ErrorCode::illegal_generation;
    }
    entry = find_or_create(claim.group_id, turn);
    if (entry == nullptr) return ErrorCode::group_max_size_reached;
  }
  const ErrorCode refused = entry->group->check_commit(claim, is_transactional, version, turn);
  changed(*entry);
  return refused;
}

OffsetCommitResponse GroupCoordinator::Impl::check_offsets(
    OffsetCommitRequest& request, std::vector<log::OffsetCommit>& offsets) const {
  OffsetCommitResponse response;
  for (auto& topic : request.topics) {
    auto& answered = response.topics.emplace_back();
    answered.name = topic.name;
    const auto info = ports_.log.topic(topic.name);
    const std::int32_t partition_count = info.is_ok() ? info->config.partition_count : 0;
    for (auto& partition : topic.partitions) {
      ErrorCode error = ErrorCode::none;
      std::string metadata = std::move(partition.committed_metadata).value_or("");
      if (partition.partition_index < 0 || partition.partition_index >= partition_count) {
        error = ErrorCode::unknown_topic_or_partition;
      } else if (metadata.size() > options_.offset_metadata_bytes_max) {
        error = ErrorCode::offset_metadata_too_large;
      } else if (partition.committed_offset < 0) {
        error = ErrorCode::offset_out_of_range;
      } else {
        offsets.push_back(
            {request.group_id,
             {topic.name, partition.partition_index},
             Offset(partition.committed_offset),
             keep_offset_note({std::move(metadata), partition.committed_leader_epoch})});
      }
      answered.partitions.push_back({partition.partition_index, error});
    }
  }
  return response;
}

// Their offsets expire by their age, which must survive a restart.
bool GroupCoordinator::Impl::has_old_record(const AnyGroup& group, WallTime now) const {
  const bool is_simple = !group.protocol_type() && group.member_count() == 0;
  if (!is_simple || !group.is_stored()) return is_simple;
  if (options_.offsets_retention_ms < 0) return false;
  const std::int64_t step_ms = std::min(kSinceStepMsMax, options_.offsets_retention_ms / 8);
  return now.value - group.since().value >= step_ms;
}

Result<log::CommitSequence> GroupCoordinator::Impl::store_offsets(
    Entry& entry, std::vector<log::OffsetCommit> offsets, GroupTurn& turn) {
  std::vector<TopicPartition> partitions;
  partitions.reserve(offsets.size());
  for (const auto& offset : offsets) partitions.push_back(offset.source);
  const auto fresh = std::count_if(partitions.begin(), partitions.end(), [&](const auto& source) {
    return !entry.committed_at.contains(source);
  });
  if (entry.committed_at.size() + static_cast<std::size_t>(fresh) >
      options_.offsets_per_group_max) {
    return invalid_error("group " + entry.group->id() + " would keep more than " +
                         std::to_string(options_.offsets_per_group_max) + " offsets");
  }
  AnyGroup& group = *entry.group;
  const bool is_due = has_old_record(group, turn.wall_now);
  if (is_due) group.set_since(turn.wall_now);
  auto saved =
      is_due ? group.save(turn, std::move(offsets)) : store_.save_offsets(std::move(offsets));
  if (!saved.is_ok()) return saved;
  for (auto& source : partitions) entry.committed_at[std::move(source)] = turn.wall_now;
  return saved;
}

void GroupCoordinator::Impl::commit_offsets(OffsetCommitRequest request, std::int16_t version,
                                            Answer<OffsetCommitResponse> answer) {
  // Looked up before the lock is taken: the log has one of its own.
  std::vector<log::OffsetCommit> offsets;
  OffsetCommitResponse response = check_offsets(request, offsets);
  run([&](GroupTurn& turn) {
    Entry* entry = nullptr;
    log::CommitSequence after = kAtOnce;
    ErrorCode error = check_claim({request.group_id, request.generation_id_or_member_epoch,
                                   request.member_id, request.group_instance_id},
                                  false, version, turn, entry);
    if (error == ErrorCode::none && !offsets.empty()) {
      const auto stored = store_offsets(*entry, std::move(offsets), turn);
      error = to_error(stored.status());
      if (stored.is_ok()) after = *stored;
      changed(*entry);
    }
    if (error != ErrorCode::none) fail_all(response, error);
    turn.answers.push_back(
        {after, [answer, response = std::move(response)](const Status& status) mutable {
           if (!status.is_ok()) fail_all(response, ErrorCode::coordinator_not_available);
           answer(std::move(response));
         }});
  });
}

ErrorCode GroupCoordinator::Impl::stage_offsets(const GroupMemberClaim& claim,
                                                const std::function<ErrorCode()>& stage) {
  ErrorCode result = ErrorCode::none;
  run([&](GroupTurn& turn) {
    Entry* entry = nullptr;
    result = check_claim(claim, true, 0, turn, entry);
    if (result == ErrorCode::none) result = stage();
    if (result != ErrorCode::none) return;
    entry->staged_at = turn.wall_now;
    if (!has_old_record(*entry->group, turn.wall_now)) return;
    entry->group->set_since(turn.wall_now);
    (void)entry->group->save(turn, {});  // or next time
  });
  return result;
}

// Who says that it is a member must be one.
ErrorCode GroupCoordinator::Impl::check_reader(const OffsetFetchRequest::Group& asked) {
  const std::lock_guard lock(mutex_);
  if (!is_running_) return ErrorCode::coordinator_not_available;
  if (!asked.member_id && asked.member_epoch < 0) return ErrorCode::none;
  const Entry* const entry = find(asked.group_id);
  if (entry == nullptr) return ErrorCode::none;  // it has no offsets, and that is the answer
  return entry->group->check_fetch(
      {asked.group_id, asked.member_epoch, asked.member_id.value_or(""), std::nullopt});
}

OffsetFetchResponse::Group GroupCoordinator::Impl::fetch_group(
    const OffsetFetchRequest::Group& asked, bool require_stable) const {
  OffsetFetchRequest::Group all = asked;
  if (!all.topics) all.topics = topics_of(ports_.log.group_offsets(asked.group_id));
  OffsetFetchResponse::Group out = failed_group(all, ErrorCode::none);
  // Before the offsets are read: what is not staged any more is among them.
  for (auto& topic : out.topics) {
    for (auto& partition : topic.partitions) {
      if (require_stable && ports_.staged != nullptr &&
          ports_.staged->has_staged(asked.group_id, {topic.name, partition.partition_index})) {
        partition.error_code = ErrorCode::unstable_offset_commit;
      }
    }
  }
  std::map<TopicPartition, log::GroupOffset> offsets;
  for (auto& offset : ports_.log.group_offsets(asked.group_id)) {
    offsets.emplace(offset.source, std::move(offset));
  }
  for (auto& topic : out.topics) {
    for (auto& partition : topic.partitions) {
      const auto found = offsets.find({topic.name, partition.partition_index});
      if (found == offsets.end() || partition.error_code != ErrorCode::none) continue;
      partition.committed_offset = found->second.next_offset.value;
      OffsetNote note = read_offset_note(found->second.metadata);
      partition.metadata = std::move(note.metadata);
      partition.committed_leader_epoch = note.leader_epoch;
    }
  }
  return out;
}

void GroupCoordinator::Impl::fetch_offsets(const OffsetFetchRequest& request, std::int16_t version,
                                           Answer<OffsetFetchResponse> answer) {
  const auto fetched = [&](const OffsetFetchRequest::Group& asked) {
    const ErrorCode error = check_reader(asked);
    return error == ErrorCode::none ? fetch_group(asked, request.require_stable)
                                    : failed_group(asked, error);
  };
  OffsetFetchResponse response;
  if (version >= kVersionFetchSeveral) {
    for (const auto& group : request.groups) response.groups.push_back(fetched(group));
  } else {
    OffsetFetchRequest::Group only;
    only.group_id = request.group_id;
    only.topics = request.topics;
    auto group = fetched(only);
    response.topics = std::move(group.topics);
    response.error_code = group.error_code;
  }
  answer(std::move(response));
}

void GroupCoordinator::Impl::delete_offsets(const OffsetDeleteRequest& request,
                                            Answer<OffsetDeleteResponse> answer) {
  std::set<std::string> unknown;
  for (const auto& topic : request.topics) {
    if (!ports_.log.topic(topic.name).is_ok()) unknown.insert(topic.name);
  }
  run([&](GroupTurn& turn) {
    OffsetDeleteResponse response;
    const auto refuse = [&](ErrorCode error) {
      response.error_code = error;
      turn.answer(answer, std::move(response));
    };
    const ErrorCode error = check_group(request.group_id);
    if (error != ErrorCode::none) return refuse(error);
    Entry* const entry = find_or_adopt(request.group_id, turn);
    if (entry == nullptr) return refuse(ErrorCode::group_id_not_found);
    const AnyGroup& group = *entry->group;
    const bool is_empty = group.member_count() == 0;
    if (!is_empty && group.protocol_type() != "consumer") return refuse(ErrorCode::non_empty_group);
    const auto subscribed = group.subscribed_topics();
    std::vector<log::OffsetCommit> removals;
    for (const auto& topic : request.topics) {
      auto& answered = response.topics.emplace_back();
      answered.name = topic.name;
      const bool is_in_use = !is_empty && (!subscribed || subscribed->contains(topic.name));
      for (const auto& partition : topic.partitions) {
        const ErrorCode of_partition = unknown.contains(topic.name)
                                           ? ErrorCode::unknown_topic_or_partition
                                       : is_in_use ? ErrorCode::group_subscribed_to_topic
                                                   : ErrorCode::none;
        answered.partitions.push_back({partition.partition_index, of_partition});
        if (of_partition != ErrorCode::none) continue;
        const TopicPartition source{topic.name, partition.partition_index};
        entry->committed_at.erase(source);
        removals.push_back({request.group_id, source, log::kNoOffset, ""});
      }
    }
    if (removals.empty()) return turn.answer(answer, std::move(response));
    const auto removed = store_.save_offsets(std::move(removals));
    if (!removed.is_ok()) return refuse(to_error(removed.status()));
    turn.answer(answer, std::move(response), *removed);
  });
}

}  // namespace millrace::broker
