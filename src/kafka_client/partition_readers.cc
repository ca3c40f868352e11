#include "kafka_client/partition_readers.h"

#include <algorithm>
#include <chrono>
#include <mutex>

#include "kafka_client/backoff.h"

namespace millrace::kafka_client {
namespace {

constexpr std::size_t kCursorsPerPartitionMax = 4;
constexpr std::int64_t kNanosPerMilli = 1'000'000;
constexpr std::int64_t kNanosPerSecond = 1'000'000'000;
// A cursor that was used more recently is somebody's, who comes back to it.
constexpr std::int64_t kStealAfterNs = 5 * kNanosPerSecond;
constexpr int kAskAgainWaitMs = 50;

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
