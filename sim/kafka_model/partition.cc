#include "sim/kafka_model/partition.h"

#include <algorithm>

#include "base/check.h"
#include "base/crc32c.h"
#include "codec/record_batch.h"

namespace millrace::kafka_model {
namespace {

constexpr std::size_t kCrcAt = 17;
constexpr std::size_t kAttributesAt = 21;
constexpr std::size_t kMaxTimestampAt = 35;
constexpr std::size_t kProducerIdAt = 43;
constexpr std::size_t kProducerEpochAt = 51;
constexpr std::size_t kBaseSequenceAt = 53;
constexpr std::int16_t kLogAppendTimeBit = 1 << 3;
constexpr std::int16_t kTransactionalBit = 1 << 4;
constexpr std::size_t kBatchesRetained = 5;  // NUM_BATCHES_TO_RETAIN

void set_bit(std::string& batch, std::int16_t bit) {
  const auto attributes = load_big<std::int16_t>(batch.data() + kAttributesAt);
  store_big(batch.data() + kAttributesAt, static_cast<std::int16_t>(attributes | bit));
}

void write_crc(std::string& batch) {
  store_big(batch.data() + kCrcAt, crc32c(std::string_view(batch).substr(kAttributesAt)));
}

}  // namespace

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::none:
      return "none";
    case ErrorCode::timed_out:
      return "timed out";
    case ErrorCode::disconnected:
      return "disconnected";
    case ErrorCode::not_coordinator:
      return "not coordinator";
    case ErrorCode::concurrent_transactions:
      return "concurrent transactions";
    case ErrorCode::producer_fenced:
      return "producer fenced";
    case ErrorCode::invalid_txn_state:
      return "invalid transaction state";
    case ErrorCode::out_of_order_sequence:
      return "out of order sequence number";
    case ErrorCode::unknown_member_id:
      return "unknown member id";
    case ErrorCode::illegal_generation:
      return "illegal generation";
    case ErrorCode::rebalance_in_progress:
      return "rebalance in progress";
    case ErrorCode::unstable_offset_commit:
      return "unstable offset commit";
    case ErrorCode::unknown_topic_or_partition:
      return "unknown topic or partition";
  }
  return "?";
}

void set_batch_producer(std::string& batch, ProducerEpochOf producer, std::int32_t base_sequence,
                        bool is_transactional) {
  store_big(batch.data() + kProducerIdAt, producer.id);
  store_big(batch.data() + kProducerEpochAt, producer.epoch);
  store_big(batch.data() + kBaseSequenceAt, base_sequence);
  if (is_transactional) set_bit(batch, kTransactionalBit);
  write_crc(batch);
}

void set_log_append_time(std::string& batch, WallTime time) {
  set_bit(batch, kLogAppendTimeBit);
  store_big(batch.data() + kMaxTimestampAt, time.value);
  write_crc(batch);
}

Partition::Appended Partition::append(std::string bytes, WallTime now, bool check_only) {
  const auto parsed = codec::parse_batch_header(bytes);
  MR_CHECK(parsed.is_ok());
  const auto& header = *parsed;
  Appended answer;
  answer.base_offset = end_;
  if (header.producer_id != kNoProducerId) {
    const auto known = producers_.find(header.producer_id.value);
    const Producer fresh{header.producer_epoch.value, header.base_sequence, {}};
    Producer producer = known == producers_.end() ? fresh : known->second;
    if (header.producer_epoch.value < producer.epoch) {
      answer.error = ErrorCode::producer_fenced;
      return answer;
    }
    const auto last = header.base_sequence + header.record_count - 1;
    if (header.producer_epoch.value > producer.epoch) {
      producer = {header.producer_epoch.value, 0, {}};
    }
    for (const auto& recent : producer.recent) {
      if (recent.first_sequence != header.base_sequence || recent.last_sequence != last) continue;
      answer.base_offset = recent.base_offset;
      answer.is_duplicate = true;
      return answer;
    }
    answer.expected_sequence = producer.next_sequence;
    if (header.base_sequence != producer.next_sequence) {
      answer.error = ErrorCode::out_of_order_sequence;
      return answer;
    }
    producer.next_sequence = last + 1;
    producer.recent.push_back({header.base_sequence, last, end_});
    if (producer.recent.size() > kBatchesRetained) producer.recent.pop_front();
    if (!check_only) producers_[header.producer_id.value] = std::move(producer);
  }
  if (check_only) return answer;
  if (header.is_transactional) open_.try_emplace(header.producer_id.value, end_);
  codec::set_base_offset(bytes, 0, Offset(end_));
  set_log_append_time(bytes, now);
  Batch batch;
  batch.base_offset = end_;
  batch.next_offset = end_ + header.last_offset_delta + 1;
  batch.append_time = now;
  batch.producer_id = header.is_transactional ? header.producer_id.value : -1;
  batch.bytes = SharedBytes(std::move(bytes));
  end_ = batch.next_offset;
  batches_.push_back(std::move(batch));
  return answer;
}

void Partition::append_marker(ProducerEpochOf producer, bool is_commit, WallTime now) {
  auto& state = producers_[producer.id];
  if (producer.epoch > state.epoch) state = {producer.epoch, 0, {}};
  const auto open = open_.find(producer.id);
  if (open != open_.end()) {
    for (auto& batch : batches_) {
      if (batch.base_offset < open->second || batch.producer_id != producer.id) continue;
      batch.is_aborted = !is_commit;
    }
    open_.erase(open);
  }
  Batch marker;
  marker.base_offset = end_++;
  marker.next_offset = end_;
  marker.append_time = now;
  marker.producer_id = producer.id;
  marker.is_control = true;
  batches_.push_back(std::move(marker));
}

std::int64_t Partition::last_stable_offset() const {
  auto lowest = end_;
  for (const auto& [producer, first] : open_) lowest = std::min(lowest, first);
  return lowest;
}

std::int64_t Partition::bytes() const {
  std::int64_t total = 0;
  for (const auto& batch : batches_) {
    if (batch.next_offset > start_) total += static_cast<std::int64_t>(batch.bytes.size());
  }
  return total;
}

void Partition::delete_before(std::int64_t offset) {
  start_ = std::max(start_, offset);
}

std::vector<log::FetchedBatch> Partition::fetch(std::int64_t from, std::size_t bytes_max,
                                                bool is_committed_only) const {
  const auto limit = is_committed_only ? last_stable_offset() : end_;
  std::vector<log::FetchedBatch> out;
  std::size_t total = 0;
  auto at = std::lower_bound(
      batches_.begin(), batches_.end(), from,
      [](const Batch& batch, std::int64_t offset) { return batch.next_offset <= offset; });
  for (; at != batches_.end() && at->next_offset <= limit; ++at) {
    if (at->is_control || (is_committed_only && at->is_aborted)) continue;
    if (!out.empty() && total + at->bytes.size() > bytes_max) break;
    total += at->bytes.size();
    out.push_back({.bytes = at->bytes,
                   .base_offset = Offset(at->base_offset),
                   .next_offset = Offset(at->next_offset),
                   .append_time = at->append_time});
  }
  return out;
}

std::int64_t Partition::offset_for_time(WallTime time) const {
  for (const auto& batch : batches_) {
    if (!batch.is_control && batch.append_time >= time) return std::max(batch.base_offset, start_);
  }
  return end_;
}

}  // namespace millrace::kafka_model
