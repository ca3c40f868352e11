#include "broker/transaction_coordinator.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "broker/transaction_coordinator_internal.h"
#include "codec/record_batch.h"
#include "log/partition_scan.h"

namespace millrace::broker {

namespace {

constexpr std::int64_t kNanosPerMilli = 1'000'000;

}  // namespace

log::AppendBatch record_batch_of(const std::string& transactional_id,
                                 std::optional<std::string_view> value, WallTime now) {
  codec::RecordBatchBuilder builder;
  builder.append(now, encode_transaction_key(transactional_id), value, {});
  log::AppendBatch batch;
  batch.topic = kTransactionsTopic;
  builder.finish(batch.bytes);
  return batch;
}

kafka_wire::ErrorCode error_of_commit(const Status& status) {
  // Retriable, all of them: what a producer asks for is right, the log cannot do it now.
  return status.is_ok() ? kafka_wire::ErrorCode::none
                        : kafka_wire::ErrorCode::coordinator_not_available;
}

// --- start ---

Status TransactionCoordinator::Impl::start() {
  const std::lock_guard lock(mutex_);
  MR_CHECK(!is_started_);
  log::TopicConfig config;
  config.is_compacted = true;
  config.is_internal = true;
  auto created = ports_.log.create_topic(std::string(kTransactionsTopic), config);
  if (!created.is_ok() && created.status().code() != StatusCode::exists) {
    return std::move(created).take_status();
  }
  MR_RETURN_IF_ERROR(read_all());
  MR_RETURN_IF_ERROR(end_hanging());
  next_cleanup_ = ports_.clock.monotonic_now() + options_.cleanup_interval_ms * kNanosPerMilli;
  is_started_ = true;
  return ok_status();
}

Status TransactionCoordinator::Impl::read_all() {
  const TopicPartition source{std::string(kTransactionsTopic), 0};
  std::map<std::string, std::string> newest;
  const auto take_record = [&](const RecordView& record) -> Status {
    MR_ASSIGN_OR_RETURN(const std::string id,
                        decode_transaction_key(record.key.value_or(std::string_view())));
    newest.erase(id);
    if (record.value) newest.emplace(id, *record.value);
    return ok_status();
  };
  MR_RETURN_IF_ERROR(log::scan_partition(ports_.log, source, Offset(0), take_record).status());
  for (const auto& [id, value] : newest) {
    auto record = decode_transaction_record(value);
    if (!record.is_ok()) {
      return std::move(record).take_status().with_context("transactional id '" + id + "'");
    }
    remember(id, *record);
  }
  return ok_status();
}

void TransactionCoordinator::Impl::remember(const std::string& transactional_id,
                                            const TransactionRecord& record) {
  Entry& entry = entries_[transactional_id];
  entry.record = record;
  if (record.state != TransactionState::ongoing) return;
  ++counts_.ongoing;
  const std::int64_t passed_ms = ports_.clock.wall_now() - record.started;
  const std::int64_t left_ms =
      std::clamp<std::int64_t>(record.timeout_ms - passed_ms, 0, record.timeout_ms);
  set_deadline(transactional_id, entry, ports_.clock.monotonic_now() + left_ms * kNanosPerMilli);
  for (const auto& [group, offsets] : record.groups) {
    for (const auto& [partition, offset] : offsets) ++staged_[{group, partition}].ongoing_count;
  }
}

// --- state ---

void TransactionCoordinator::Impl::set_deadline(const std::string& transactional_id, Entry& entry,
                                                MonotonicTime deadline) {
  deadlines_.erase({entry.deadline, transactional_id});
  entry.deadline = deadline;
  if (entry.record.state != TransactionState::ongoing) return;
  deadlines_.emplace(deadline, transactional_id);
  if (deadlines_.begin()->second == transactional_id) wake_at_ = deadline;
}

void TransactionCoordinator::Impl::wake_if_wanted() {
  std::optional<MonotonicTime> at;
  {
    const std::lock_guard lock(mutex_);
    at = std::exchange(wake_at_, std::nullopt);
  }
  if (at && ports_.wake) ports_.wake(*at);
}

TransactionCoordinator::ErrorCode TransactionCoordinator::Impl::find(
    const std::string& transactional_id, ProducerId id, ProducerEpoch epoch, ErrorCode wrong_epoch,
    const Entry*& entry) const {
  if (!is_started_) return ErrorCode::coordinator_not_available;
  if (transactional_id.empty()) return ErrorCode::invalid_request;
  const auto known = entries_.find(transactional_id);
  if (known == entries_.end() || known->second.record.producer.id != id) {
    return ErrorCode::invalid_producer_id_mapping;
  }
  // What only markers use is nobody's, even where a time-out has left it as the id's.
  if (known->second.record.producer.epoch != epoch || epoch > kEpochGivenMax) return wrong_epoch;
  entry = &known->second;
  return ErrorCode::none;
}

ProducerEpoch epoch_after(ProducerEpoch epoch) {
  MR_CHECK(epoch.value < INT16_MAX);
  return ProducerEpoch(static_cast<std::int16_t>(epoch.value + 1));
}

Result<log::Appended> TransactionCoordinator::Impl::append_and_store(
    const std::string& transactional_id, TransactionRecord next, log::Commit commit) {
  next.changed = ports_.clock.wall_now();
  commit.appends.push_back(
      record_batch_of(transactional_id, encode_transaction_record(next), next.changed));
  MR_ASSIGN_OR_RETURN(auto appended, ports_.log.commit(std::move(commit)));
  appended.batches.pop_back();
  Entry& entry = entries_[transactional_id];
  const bool was_ongoing = entry.record.state == TransactionState::ongoing;
  const bool is_ongoing = next.state == TransactionState::ongoing;
  for (const auto& [group, offsets] : entry.record.groups) {
    for (const auto& [partition, offset] : offsets) {
      StagedMark& mark = staged_[{group, partition}];
      --mark.ongoing_count;
      if (!is_ongoing) mark.ended = appended.sequence;
    }
  }
  for (const auto& [group, offsets] : next.groups) {
    for (const auto& [partition, offset] : offsets) ++staged_[{group, partition}].ongoing_count;
  }
  entry.record = std::move(next);
  entry.sequence = appended.sequence;
  if (is_ongoing == was_ongoing) return appended;
  counts_.ongoing = is_ongoing ? counts_.ongoing + 1 : counts_.ongoing - 1;
  set_deadline(transactional_id, entry,
               ports_.clock.monotonic_now() + entry.record.timeout_ms * kNanosPerMilli);
  return appended;
}

std::vector<log::TransactionMarker> TransactionCoordinator::Impl::markers_of(
    const TransactionRecord& record, const log::ProducerIdentity& marker, bool is_commit,
    bool leaves_out_fenced) const {
  std::vector<log::TransactionMarker> markers;
  for (const auto& [name, topic] : record.topics) {
    const auto info = ports_.log.topic(name);
    // Deleted, or another one by now: nothing of the transaction's is in it.
    if (!info.is_ok() || info->incarnation != topic.incarnation) continue;
    for (const std::int32_t index : topic.partitions) {
      const TopicPartition partition{name, index};
      if (leaves_out_fenced) {
        const auto known = ports_.log.producers(partition);
        const bool is_fenced =
            known.is_ok() && std::any_of(known->begin(), known->end(), [&](const auto& producer) {
              return producer.id == marker.id && producer.epoch > marker.epoch;
            });
        if (is_fenced) continue;
      }
      markers.push_back({.partition = partition, .producer = marker, .is_commit = is_commit});
    }
  }
  return markers;
}

Status TransactionCoordinator::Impl::finish(const std::string& transactional_id, const Entry& entry,
                                            bool is_commit, const log::ProducerIdentity& marker,
                                            TransactionRecord next) {
  constexpr int kAttemptsMax = 4;
  MR_CHECK(entry.record.state == TransactionState::ongoing);
  MR_CHECK(next.state != TransactionState::ongoing);
  next.topics.clear();
  next.groups.clear();
  Status last;
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    log::Commit commit;
    // A partition that has seen a newer epoch (an administrator's marker) has no batch of this one
    // open.
    commit.markers = markers_of(entry.record, marker, is_commit, last.code() == StatusCode::fenced);
    for (const auto& [group, offsets] : entry.record.groups) {
      if (!is_commit) break;
      for (const auto& [partition, offset] : offsets) {
        if (!ports_.log.topic(partition.topic).is_ok()) continue;
        commit.offsets.push_back({group, partition, offset.next_offset, offset.metadata});
      }
    }
    last = store(transactional_id, next, std::move(commit));
    if (last.is_ok()) {
      ++(is_commit ? counts_.committed : counts_.aborted);
      return last;
    }
    // A topic was deleted under it: look again.
    if (last.code() != StatusCode::fenced && last.code() != StatusCode::not_found) return last;
  }
  return last;
}

TransactionCounts TransactionCoordinator::Impl::counts() const {
  const std::shared_lock lock(mutex_);
  TransactionCounts out = counts_;
  out.ids = entries_.size();
  return out;
}

// --- the outside ---

TransactionCoordinator::TransactionCoordinator(const TransactionCoordinatorOptions& options,
                                               Ports ports)
    : impl_(std::make_unique<Impl>(options, std::move(ports))) {}

TransactionCoordinator::~TransactionCoordinator() = default;

Status TransactionCoordinator::start() {
  MR_RETURN_IF_ERROR(impl_->start());
  impl_->wake_if_wanted();
  return ok_status();
}

MonotonicTime TransactionCoordinator::run_due() {
  return impl_->run_due();
}

bool TransactionCoordinator::has_staged(const std::string& group,
                                        const TopicPartition& partition) const {
  return impl_->has_staged(group, partition);
}

TransactionCounts TransactionCoordinator::counts() const {
  return impl_->counts();
}

}  // namespace millrace::broker
