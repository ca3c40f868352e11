#include <algorithm>

#include "base/check.h"
#include "base/thread.h"
#include "codec/transaction_marker.h"
#include "log/config_format.h"
#include "log/embedded_log_impl.h"

namespace millrace::log {

namespace {

// A commit waits for the next WAL file at most this often, each time a moment.
constexpr int kRoomAttemptsMax = 10;

Status check_offset_commit(const OffsetCommit& offset) {
  if (offset.group.empty() || offset.group.size() > kGroupNameBytesMax) {
    return invalid_error("a group name must have 1 to " + std::to_string(kGroupNameBytesMax) +
                         " bytes");
  }
  if (offset.metadata.size() > kOffsetMetadataBytesMax ||
      offset.source.topic.size() > kTopicNameBytesMax || offset.next_offset < kNoOffset) {
    return invalid_error("group " + offset.group + " commits an offset below 0, metadata over " +
                         std::to_string(kOffsetMetadataBytesMax) +
                         " bytes, or a topic name that is too long");
  }
  return ok_status();
}

}  // namespace

Result<PreparedCommit::Batch> EmbeddedLogImpl::prepare_batch(const AppendBatch& batch) const {
  const auto topic = state_->topics.find(batch.topic);
  if (topic == nullptr) return not_found_error("topic '" + batch.topic + "' does not exist");
  MR_ASSIGN_OR_RETURN(auto partition, partition_of(*topic, batch.partition));
  if (batch.bytes.size() > static_cast<std::size_t>(topic->info.config.batch_bytes_max)) {
    return invalid_error("a batch for topic '" + batch.topic + "' has " +
                         std::to_string(batch.bytes.size()) + " bytes, at most " +
                         std::to_string(topic->info.config.batch_bytes_max) +
                         " are allowed (batch_bytes_max)");
  }
  const auto context = [&] { return "batch for " + batch.topic; };
  auto header = codec::parse_batch_header(batch.bytes);
  if (!header.is_ok()) return std::move(header).take_status().with_context(context());
  if (static_cast<std::size_t>(header->batch_bytes) != batch.bytes.size()) {
    return invalid_error(
        context() + ": exactly one batch is expected, behind it are " +
        std::to_string(batch.bytes.size() - static_cast<std::size_t>(header->batch_bytes)) +
        " more bytes");
  }
  if (header->is_control) {
    return invalid_error(context() + ": it has the control bit; markers are the log's own");
  }
  if (header->is_transactional && header->producer_id == kNoProducerId) {
    return invalid_error(context() + ": a transactional batch needs a producer id");
  }
  if (header->record_count != header->last_offset_delta + 1) {
    return invalid_error(context() + ": it says " + std::to_string(header->record_count) +
                         " records but spans " + std::to_string(header->last_offset_delta + 1) +
                         " offsets");
  }
  if (Status status = codec::verify_batch_crc(batch.bytes, *header); !status.is_ok()) {
    return std::move(status).with_context(context());
  }
  return PreparedCommit::Batch{std::move(partition), *header};
}

Result<PreparedCommit> EmbeddedLogImpl::prepare(const Commit& commit) const {
  PreparedCommit out;
  out.batches.reserve(commit.appends.size());
  out.bytes_max =
      kGroupHeaderBytes + kEntryHeaderBytes +
      commit_meta_bytes_max(commit.appends.size() + commit.markers.size(), commit.offsets) +
      commit.markers.size() * codec::kTransactionMarkerBytes;
  for (const auto& batch : commit.appends) {
    out.bytes_max += batch.bytes.size();
    MR_ASSIGN_OR_RETURN(auto prepared, prepare_batch(batch));
    out.batches.push_back(std::move(prepared));
  }
  for (const auto& marker : commit.markers) {
    if (marker.producer.id.value < 0 || marker.producer.epoch.value < 0) {
      return invalid_error("a transaction's marker needs a producer id and an epoch");
    }
    MR_ASSIGN_OR_RETURN(auto partition, state_->topics.partition(marker.partition.topic,
                                                                 marker.partition.partition));
    out.markers.push_back(std::move(partition));
  }
  for (const auto& offset : commit.offsets) MR_RETURN_IF_ERROR(check_offset_commit(offset));
  if (out.bytes_max > writer_->item_bytes_limit()) {
    return invalid_error(
        "a commit of " + std::to_string(out.bytes_max) + " bytes does not fit in one WAL file of " +
        std::to_string(options_.wal_file_bytes) + ": split it, or raise wal_file_bytes");
  }
  return out;
}

Status EmbeddedLogImpl::check_open() const {
  if (is_closed_) return cancelled_error("the log is closed");
  if (!has_failed_) return ok_status();
  const std::lock_guard lock(durable_mutex_);
  return failure_;
}

WallTime EmbeddedLogImpl::next_append_time() const {
  // Never backwards, whatever the clock does: offset_for_time searches by it.
  return std::max(state_->last_append_time, clock_.wall_now());
}

Result<bool> EmbeddedLogImpl::reserve(std::unique_lock<Mutex>& lock, std::size_t bytes,
                                      int attempt) {
  MR_CHECK(lock.owns_lock());
  MR_ASSIGN_OR_RETURN(const bool has_room, writer_->try_reserve(bytes));
  if (has_room) return true;
  if (attempt >= kRoomAttemptsMax) {
    return overloaded_error("the next WAL file is not ready yet; try again");
  }
  lock.unlock();
  writer_->wait_for_room();
  lock.lock();
  return false;
}

Offset EmbeddedLogImpl::place_batch(const std::shared_ptr<PartitionLog>& partition,
                                    std::string batch, const codec::BatchHeader& header,
                                    const PartitionLog::TransactionStep& step, WalItem& item) {
  const Offset base_offset = partition->end();
  codec::set_base_offset(batch, 0, base_offset);
  auto bytes = std::make_shared<const std::string>(std::move(batch));
  const std::uint64_t tail_index =
      partition->append({.sequence = item.sequence,
                         .base_offset = base_offset,
                         .next_offset = base_offset + header.last_offset_delta + 1,
                         .append_time = item.append_time,
                         .bytes = bytes,
                         .file = nullptr,
                         .wal_offset = 0,
                         .batch_bytes = static_cast<std::uint32_t>(bytes->size()),
                         .max_timestamp = max_timestamp_of(header)},
                        step);
  item.batches.push_back({.partition = partition,
                          .topic_id = partition->identity().topic_id,
                          .partition_index = partition->identity().source.partition,
                          .tail_index = tail_index,
                          .bytes = std::move(bytes),
                          .wal_offset = 0});
  return base_offset;
}

Appended EmbeddedLogImpl::place(Commit& commit, const PreparedCommit& prepared,
                                const Placement& placement, WallTime append_time) {
  using Kind = PartitionLog::TransactionStep::Kind;
  MR_CHECK(placement.repeats.size() == commit.appends.size());
  MR_CHECK(prepared.batches.size() == commit.appends.size());
  Appended out{.sequence = state_->last_sequence, .batches = {}, .append_time = append_time};
  out.batches.reserve(commit.appends.size());
  WalItem item;
  item.batches.reserve(placement.new_count);
  const bool is_new = placement.new_count > 0 || !commit.offsets.empty();
  // A commit of nothing but repeats is durable when the last one placed is: the originals are among
  // those before it.
  if (is_new) out.sequence = ++state_->last_sequence;
  item.sequence = out.sequence;
  item.append_time = append_time;
  for (std::size_t i = 0; i < commit.appends.size(); ++i) {
    if (placement.repeats[i]) {
      out.batches.push_back({*placement.repeats[i], true});
      continue;
    }
    const auto& batch = prepared.batches[i];
    const Offset base_offset =
        place_batch(batch.partition, std::move(commit.appends[i].bytes), batch.header,
                    {.kind = batch.header.is_transactional ? Kind::data : Kind::none,
                     .producer = batch.header.producer_id},
                    item);
    out.batches.push_back({base_offset, false});
  }
  for (std::size_t i = 0; i < commit.markers.size(); ++i) {
    const TransactionMarker& marker = commit.markers[i];
    std::string bytes = codec::encode_transaction_marker(marker.producer.id, marker.producer.epoch,
                                                         marker.is_commit, append_time);
    const auto header = codec::parse_batch_header(bytes);
    MR_CHECK(header.is_ok());
    out.markers.push_back(place_batch(
        prepared.markers[i], std::move(bytes), header.value(),
        {.kind = marker.is_commit ? Kind::commit : Kind::abort, .producer = marker.producer.id},
        item));
  }
  if (!is_new) return out;
  for (const auto& producer : placement.producers) {
    producer.partition->producers().set(producer.id, producer.entry);
  }
  state_->last_append_time = append_time;
  placed_.store(out.sequence.value, std::memory_order_release);
  item.offsets = std::move(commit.offsets);
  item.reserved_bytes = prepared.bytes_max;
  writer_->push(std::move(item));
  return out;
}

Result<Appended> EmbeddedLogImpl::commit(Commit&& commit) {
  MR_ASSIGN_OR_RETURN(const PreparedCommit prepared, prepare(commit));
  Appended out;
  {
    std::unique_lock lock(commit_mutex_);
    for (int attempt = 0;; ++attempt) {
      MR_RETURN_IF_ERROR(check_open());
      const WallTime append_time = next_append_time();
      MR_ASSIGN_OR_RETURN(const Placement placement, plan(commit, prepared, append_time));
      if (placement.new_count > 0 || !commit.offsets.empty()) {
        MR_ASSIGN_OR_RETURN(const bool has_room, reserve(lock, prepared.bytes_max, attempt));
        if (!has_room) continue;
      }
      out = place(commit, prepared, placement, append_time);
      break;
    }
  }
  const PartitionLog* notified = nullptr;
  const auto notify = [&](const PartitionLog& partition) {
    if (&partition != notified) partition.listeners().notify();
    notified = &partition;
  };
  for (const auto& batch : prepared.batches) notify(*batch.partition);
  for (const auto& partition : prepared.markers) notify(*partition);
  return out;
}

Status EmbeddedLogImpl::place_and_wait(EntryKind kind, std::size_t meta_bytes_max,
                                       const ApplyEntry& apply) {
  const std::size_t bytes = kGroupHeaderBytes + kEntryHeaderBytes + meta_bytes_max;
  if (bytes > writer_->item_bytes_limit()) return invalid_error("the name is too long");
  CommitSequence sequence;
  {
    std::unique_lock lock(commit_mutex_);
    for (int attempt = 0;; ++attempt) {
      MR_RETURN_IF_ERROR(check_open());
      MR_ASSIGN_OR_RETURN(const bool has_room, reserve(lock, bytes, attempt));
      if (has_room) break;
    }
    WalItem item;
    item.kind = kind;
    item.reserved_bytes = bytes;
    item.sequence = state_->last_sequence + 1;
    auto meta = apply(item.sequence);
    if (!meta.is_ok()) {
      writer_->cancel_reservation(bytes);
      return std::move(meta).take_status();
    }
    item.meta = std::move(meta).value();
    MR_CHECK(item.meta.size() <= meta_bytes_max);
    sequence = ++state_->last_sequence;
    placed_.store(sequence.value, std::memory_order_release);
    writer_->push(std::move(item));
  }
  return wait_durable(sequence);
}

}  // namespace millrace::log
