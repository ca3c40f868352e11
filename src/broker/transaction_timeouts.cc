#include <algorithm>
#include <utility>

#include "broker/transaction_coordinator_internal.h"

// What time brings: transactions that took too long, ids that nobody uses, transactions in the log
// that no id knows of.

namespace millrace::broker {

namespace {

constexpr std::int64_t kNanosPerMilli = 1'000'000;
// A time-out whose abort the log did not take is tried again after this long.
constexpr std::int64_t kRetryNs = 1'000 * kNanosPerMilli;
constexpr std::size_t kPerCommitMax = 1'000;  // markers of hanging transactions, forgotten ids

}  // namespace

MonotonicTime TransactionCoordinator::Impl::run_due() {
  const MonotonicTime now = ports_.clock.monotonic_now();
  const std::lock_guard lock(mutex_);
  if (!is_started_) return now + options_.cleanup_interval_ms * kNanosPerMilli;
  abort_timed_out(now);
  if (now >= next_cleanup_) {
    forget_expired_ids(ports_.clock.wall_now());
    // What the log does not take now it takes next time.
    static_cast<void>(end_hanging());
    const auto durable = ports_.log.durable_sequence();
    std::erase_if(staged_, [&](const auto& staged) {
      return staged.second.ongoing_count == 0 && staged.second.ended <= durable;
    });
    next_cleanup_ = now + options_.cleanup_interval_ms * kNanosPerMilli;
  }
  wake_at_.reset();
  return deadlines_.empty() ? next_cleanup_ : std::min(next_cleanup_, deadlines_.begin()->first);
}

// The epoch moves on with the markers, so that the producer cannot go on in what it takes for the
// same transaction.
void TransactionCoordinator::Impl::abort_timed_out(MonotonicTime now) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const std::string id = deadlines_.begin()->second;
    Entry& entry = entries_.at(id);
    TransactionRecord next = entry.record;
    next.producer.epoch = epoch_after(next.producer.epoch);
    next.previous = kNobody;
    next.state = TransactionState::complete_abort;
    const log::ProducerIdentity marker = next.producer;
    if (finish(id, entry, false, marker, std::move(next)).is_ok()) {
      ++counts_.timed_out;
    } else {
      set_deadline(id, entry, now + kRetryNs);
    }
  }
}

void TransactionCoordinator::Impl::forget_expired_ids(WallTime now) {
  std::vector<std::string> expired;
  for (const auto& [id, entry] : entries_) {
    if (entry.record.state == TransactionState::ongoing) continue;
    if (now - entry.record.changed <= options_.id_expiration_ms) continue;
    expired.push_back(id);
    if (expired.size() == kPerCommitMax) break;  // the others next time
  }
  if (expired.empty()) return;
  log::Commit commit;
  for (const auto& id : expired) commit.appends.push_back(record_batch_of(id, std::nullopt, now));
  if (!ports_.log.commit(std::move(commit)).is_ok()) return;
  for (const auto& id : expired) entries_.erase(id);
}

// A transaction in a partition that no id knows of stays open for ever and hides all behind it: of
// a producer whose id was forgotten, of an append that went around the check, or of a log whose
// coordinator's topic was deleted.
Status TransactionCoordinator::Impl::end_hanging() {
  std::set<std::pair<ProducerId, TopicPartition>> known;
  for (const auto& [id, entry] : entries_) {
    for (const auto& [name, topic] : entry.record.topics) {
      for (const std::int32_t index : topic.partitions) {
        known.insert({entry.record.producer.id, {name, index}});
      }
    }
  }
  log::Commit commit;
  for (const auto& topic : ports_.log.topics()) {
    for (std::int32_t index = 0; index < topic.config.partition_count; ++index) {
      const TopicPartition partition{topic.name, index};
      const auto offsets = ports_.log.offsets(partition);
      if (!offsets.is_ok() || offsets->last_stable >= offsets->high_watermark) continue;
      const auto producers = ports_.log.producers(partition);
      if (!producers.is_ok()) continue;
      for (const auto& producer : *producers) {
        if (!producer.transaction_start || known.contains({producer.id, partition})) continue;
        if (commit.markers.size() == kPerCommitMax) continue;  // the others next time
        commit.markers.push_back({.partition = partition,
                                  .producer = {producer.id, producer.epoch},
                                  .is_commit = false});
      }
    }
  }
  if (commit.markers.empty()) return ok_status();
  const std::size_t count = commit.markers.size();
  MR_RETURN_IF_ERROR(ports_.log.commit(std::move(commit)).status());
  counts_.hanging_ended += count;
  return ok_status();
}

}  // namespace millrace::broker
