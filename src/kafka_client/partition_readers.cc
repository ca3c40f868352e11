#include "kafka_client/partition_readers.h"

#include <algorithm>
#include <chrono>
#include <mutex>

#include "kafka_client/backoff.h"
#include "kafka_client/broker_errors.h"

namespace millrace::kafka_client {
namespace {

using kafka_wire::ErrorCode;

constexpr std::size_t kCursorsPerPartitionMax = 4;
constexpr std::int64_t kNanosPerMilli = 1'000'000;
constexpr std::int64_t kNanosPerSecond = 1'000'000'000;
// A cursor that was used more recently is somebody's, who comes back to it.
constexpr std::int64_t kStealAfterNs = 5 * kNanosPerSecond;
// So long a replica is read from before the leader is asked again who is near.
constexpr std::int64_t kReplicaForNs = 300 * kNanosPerSecond;
constexpr int kAskAgainWaitMs = 50;

bool is_unknown_topic(ErrorCode error) {
  return error == ErrorCode::unknown_topic_or_partition || error == ErrorCode::unknown_topic_id ||
         error == ErrorCode::inconsistent_topic_id;
}

}  // namespace

// Busy for the caller: the one that stands at `from`, else a new one or the one idle longest.
std::shared_ptr<Cursor> PartitionReaders::take_cursor(Lock& lock, const TopicPartition& source,
                                                      Offset from) {
  while (true) {
    auto& cursors = partitions_[source].cursors;
    std::shared_ptr<Cursor>* oldest = nullptr;
    for (auto& cursor : cursors) {
      if (cursor->is_busy) continue;
      if (cursor->position() == from) {
        cursor->is_busy = true;
        return cursor;
      }
      if (oldest == nullptr || cursor->used_at < (*oldest)->used_at) oldest = &cursor;
    }
    const bool is_full = cursors.size() >= kCursorsPerPartitionMax;
    if (is_full && oldest == nullptr) {
      changed_.wait(lock);
      continue;
    }
    const bool may_replace =
        oldest != nullptr &&
        (is_full || clock_.monotonic_now() - (*oldest)->used_at > kStealAfterNs);
    auto& place = may_replace ? *oldest : cursors.emplace_back();
    place = std::make_shared<Cursor>(from);
    place->is_busy = true;
    return place;
  }
}

void PartitionReaders::drop(const TopicPartition& source, const Cursor& cursor) {
  const auto found = partitions_.find(source);
  if (found == partitions_.end()) return;
  std::erase_if(found->second.cursors, [&](const auto& one) { return one.get() == &cursor; });
}

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

// Without a loop, for what a loop's long poll would make wait.
void PartitionReaders::read_alone(Lock& lock, const TopicPartition& source,
                                  const std::shared_ptr<Cursor>& cursor, int wait_ms,
                                  MonotonicTime deadline) {
  const auto node = partitions_[source].node;
  const auto ask = ask_of(source, partitions_[source], *cursor);
  lock.unlock();
  Result<std::vector<FetchAnswer>> answers = std::vector<FetchAnswer>();
  auto lease = cluster_.brokers().to(node, deadline);
  if (lease.is_ok()) {
    const FetchLimits limits{wait_ms, kPartitionBytesMax, options_.client_rack};
    answers = fetch_batches(*lease.value(), {&ask, 1}, limits, deadline);
  } else {
    answers = lease.status();
  }
  lock.lock();
  if (answers.is_ok()) {
    (void)take_answer(source, *cursor, answers->front());
  } else if (answers.status().code() == StatusCode::invalid) {
    cursor->fail(answers.status());  // a log-in that is refused
  } else {
    lose_node(source);
  }
}

Status PartitionReaders::wait_for_batches(Lock& lock, const TopicPartition& source,
                                          const std::shared_ptr<Cursor>& cursor) {
  const auto deadline = clock_.monotonic_now() + options_.request_timeout_ms * kNanosPerMilli;
  Backoff backoff(clock_, deadline);
  for (int attempt = 0;;) {
    if (cursor->has_batches()) return ok_status();
    if (!cursor->failure().is_ok()) return cursor->failure();
    if (cursor->is_at_end() && cursor->position() >= partitions_[source].known_end) {
      return ok_status();
    }
    const auto left_ns = deadline - clock_.monotonic_now();
    if (left_ns <= 0) {
      return disconnected_error("read of " + source.to_string() + " at " +
                                std::to_string(cursor->position().value) + ": no answer");
    }
    if (cursor->is_asked) {
      (void)changed_.wait_for(lock, std::chrono::nanoseconds(left_ns));
      continue;
    }
    cursor->is_asked_alone = true;
    if (partitions_[source].node == kNoNode) {
      auto located = locate(lock, source, deadline);
      if (!located.is_ok()) cursor->fail(std::move(located));
    }
    if (attempt > 0) {
      lock.unlock();
      (void)backoff.wait();
      lock.lock();
    }
    if (cursor->failure().is_ok()) {
      read_alone(lock, source, cursor, attempt++ == 0 ? 0 : kAskAgainWaitMs, deadline);
    }
    cursor->is_asked_alone = false;
    wants_more_.notify_all();
  }
}

Result<log::FetchResult> PartitionReaders::fetch(const TopicPartition& source, Offset from,
                                                 std::size_t bytes_max) {
  Lock lock(mutex_);
  if (const auto known = partitions_.find(source);
      known != partitions_.end() && from < known->second.start) {
    return out_of_range_error(source.to_string() + " starts at " +
                              std::to_string(known->second.start.value) + ", above " +
                              std::to_string(from.value));
  }
  const auto cursor = take_cursor(lock, source, from);
  auto status = wait_for_batches(lock, source, cursor);
  cursor->is_busy = false;
  cursor->used_at = clock_.monotonic_now();
  log::FetchResult out;
  if (status.is_ok()) {
    out.batches = cursor->take(bytes_max);
    wants_more_.notify_all();
    auto& partition = partitions_[source];
    partition.known_end = std::max(partition.known_end, cursor->position());
    out.offsets.start = partition.start;
    out.offsets.last_stable = partition.known_end;
    out.offsets.high_watermark = std::max(partition.high_watermark, partition.known_end);
    out.offsets.end = out.offsets.high_watermark;
  } else {
    drop(source, *cursor);
  }
  changed_.notify_all();
  lock.unlock();
  if (status.code() == StatusCode::not_found) forget(source.topic);
  MR_RETURN_IF_ERROR(std::move(status));
  return out;
}

void PartitionReaders::note_bounds(const TopicPartition& source, Offset start, Offset end) {
  const std::lock_guard lock(mutex_);
  auto& partition = partitions_[source];
  partition.start = std::max(partition.start, start);
  partition.known_end = std::max(partition.known_end, end);
}

// A partition never begins lower than it did, unless its topic was made again.
void PartitionReaders::set_bounds(const TopicPartition& source, Offset start, Offset end) {
  const std::lock_guard lock(mutex_);
  auto& partition = partitions_[source];
  const bool is_new = start < partition.start;
  partition.start = start;
  partition.known_end = is_new ? end : std::max(partition.known_end, end);
}

void PartitionReaders::forget(const std::string& topic) {
  Lock lock(mutex_);
  cluster_.forget(topic);
  const auto is_in_use = [&] {
    return std::ranges::any_of(partitions_, [&](const auto& entry) {
      return entry.first.topic == topic &&
             std::ranges::any_of(entry.second.cursors,
                                 [](const auto& cursor) { return cursor->is_busy; });
    });
  };
  changed_.wait(lock, [&] { return !is_in_use(); });
  std::erase_if(partitions_, [&](const auto& entry) { return entry.first.topic == topic; });
}

}  // namespace millrace::kafka_client
