// Who a partition is read from, and what an answer says of it.

#include <algorithm>
#include <mutex>

#include "kafka_client/broker_errors.h"
#include "kafka_client/partition_readers.h"

namespace millrace::kafka_client {
namespace {

using kafka_wire::ErrorCode;

// So long a replica is read from before the leader is asked again who is near.
constexpr std::int64_t kReplicaForNs = 300'000'000'000;

bool is_unknown_topic(ErrorCode error) {
  return error == ErrorCode::unknown_topic_or_partition || error == ErrorCode::unknown_topic_id ||
         error == ErrorCode::inconsistent_topic_id;
}

}  // namespace

void PartitionReaders::lose_node(const TopicPartition& source) {
  auto& partition = partitions_[source];
  partition.node = kNoNode;
  partition.is_replica = false;
  cluster_.forget(source.topic);
}

Status PartitionReaders::locate(Lock& lock, const TopicPartition& source, MonotonicTime deadline) {
  lock.unlock();
  const auto leader = cluster_.leader(source, deadline);
  lock.lock();
  MR_RETURN_IF_ERROR(Status(leader.status()));
  auto& partition = partitions_[source];
  const auto& id = leader->topic_id;
  if (!partition.topic_id.is_zero() && !id.is_zero() && partition.topic_id != id) {
    return not_found_error("topic " + source.topic + " was deleted and created again");
  }
  partition.topic_id = id;
  partition.leader_epoch = leader->epoch;
  partition.node = leader->node;
  partition.is_replica = false;
  start_loop(leader->node);
  return ok_status();
}

FetchAsk PartitionReaders::ask_of(const TopicPartition& source, const Partition& partition,
                                  const Cursor& cursor) const {
  return {source, cursor.fetched_to(), partition.topic_id, partition.leader_epoch,
          kPartitionBytesMax};
}

bool PartitionReaders::take_answer(const TopicPartition& source, Cursor& cursor,
                                   FetchAnswer& answer) {
  auto& partition = partitions_[source];
  if (answer.error == ErrorCode::none) {
    partition.start = std::max(partition.start, answer.start);
    partition.high_watermark = std::max(partition.high_watermark, answer.high_watermark);
    if (answer.preferred_replica >= 0 && answer.preferred_replica != partition.node) {
      partition.node = answer.preferred_replica;
      partition.is_replica = true;
      partition.replica_until = clock_.monotonic_now() + kReplicaForNs;
      start_loop(partition.node);
      return false;
    }
    partition.known_end = std::max(partition.known_end, answer.last_stable);
    const bool has_batches = cursor.add(answer);
    return has_batches || !cursor.failure().is_ok();
  }
  // A replica may not have got so far yet, or no more have it: the leader knows.
  if (answer.error == ErrorCode::offset_out_of_range && !partition.is_replica) {
    cursor.fail(out_of_range_error(source.to_string() + " has no offset " +
                                   std::to_string(cursor.fetched_to().value)));
    return true;
  }
  const bool is_passing = kafka_wire::is_retriable(answer.error) ||
                          is_unknown_topic(answer.error) ||
                          code_of(answer.error) == StatusCode::disconnected || partition.is_replica;
  if (!is_passing) {
    cursor.fail(status_of(answer.error, "read of " + source.to_string()));
    return true;
  }
  // What is unknown has another leader, or is gone: locate() finds out.
  if (answer.error != ErrorCode::network_exception) lose_node(source);
  return false;
}

bool PartitionReaders::is_current(const TopicPartition& source, const Cursor& cursor) const {
  const auto found = partitions_.find(source);
  return found != partitions_.end() &&
         std::ranges::any_of(found->second.cursors,
                             [&](const auto& one) { return one.get() == &cursor; });
}

}  // namespace millrace::kafka_client
