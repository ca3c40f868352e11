#include "log/producer_state.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/check.h"

namespace millrace::log {

namespace {

// Sequences run from 0 to 2^31 - 1 and start over.
std::int32_t sequence_after(std::int32_t sequence, std::int32_t steps) {
  constexpr std::int64_t kSequences = std::int64_t{1} << 31;
  return static_cast<std::int32_t>((std::int64_t{sequence} + steps) % kSequences);
}

std::int32_t last_sequence_of(const codec::BatchHeader& header) {
  return sequence_after(header.base_sequence, header.last_offset_delta);
}

}  // namespace

std::int32_t ProducerEntry::next_sequence() const {
  return count_ == 0 ? 0 : sequence_after(batches_[count_ - 1].last_sequence, 1);
}

std::int32_t ProducerEntry::last_sequence() const {
  return count_ == 0 ? -1 : batches_[count_ - 1].last_sequence;
}

Status ProducerEntry::refuse(const codec::BatchHeader& header) const {
  return out_of_sequence_error(
      "producer " + std::to_string(header.producer_id.value) + " sent sequence " +
      std::to_string(header.base_sequence) + ", expected is " +
      std::to_string(header.producer_epoch > epoch_ ? 0 : next_sequence()) +
      ": send the missing batches first, or start with a new producer id");
}

Result<std::optional<Offset>> ProducerEntry::check(const codec::BatchHeader& header) const {
  if (header.base_sequence < 0) {
    return invalid_error("a batch with producer id " + std::to_string(header.producer_id.value) +
                         " needs a base sequence of 0 or more, it has " +
                         std::to_string(header.base_sequence));
  }
  if (header.producer_epoch < epoch_) {
    return fenced_error("producer " + std::to_string(header.producer_id.value) + " has epoch " +
                        std::to_string(header.producer_epoch.value) + ", a newer one has epoch " +
                        std::to_string(epoch_.value));
  }
  if (header.producer_epoch > epoch_) {
    if (epoch_ != kNoProducerEpoch && header.base_sequence != 0) return refuse(header);
    return std::optional<Offset>();
  }
  for (std::size_t i = 0; i < count_; ++i) {
    const Batch& batch = batches_[i];
    if (batch.first_sequence == header.base_sequence &&
        batch.last_sequence == last_sequence_of(header)) {
      return std::optional(batch.base_offset);
    }
  }
  if (header.base_sequence != next_sequence()) return refuse(header);
  return std::optional<Offset>();
}

Status ProducerEntry::check_marker(ProducerId id, ProducerEpoch epoch) const {
  if (epoch >= epoch_) return ok_status();
  return fenced_error("a transaction of producer " + std::to_string(id.value) +
                      " cannot be ended with epoch " + std::to_string(epoch.value) +
                      ", a newer one has epoch " + std::to_string(epoch_.value));
}

void ProducerEntry::ended(ProducerEpoch epoch, WallTime append_time) {
  MR_CHECK(epoch >= epoch_);
  if (epoch > epoch_) {
    epoch_ = epoch;
    count_ = 0;
  }
  last_append_time_ = append_time;
}

void ProducerEntry::appended(const codec::BatchHeader& header, Offset base_offset,
                             WallTime append_time) {
  MR_CHECK(header.producer_epoch >= epoch_);
  MR_CHECK(count_ <= kBatchesKept);
  if (header.producer_epoch > epoch_) {
    epoch_ = header.producer_epoch;
    count_ = 0;
  }
  if (count_ == kBatchesKept) {
    std::move(batches_.begin() + 1, batches_.end(), batches_.begin());
    --count_;
  }
  batches_[count_++] = {.first_sequence = header.base_sequence,
                        .last_sequence = last_sequence_of(header),
                        .base_offset = base_offset};
  last_append_time_ = append_time;
}

void ProducerEntry::encode(Encoder& to) const {
  to.zigzag(epoch_.value);
  to.zigzag(last_append_time_.value);
  to.u8(count_);
  for (std::size_t i = 0; i < count_; ++i) {
    to.zigzag(batches_[i].first_sequence);
    to.zigzag(batches_[i].last_sequence);
    to.zigzag(batches_[i].base_offset.value);
  }
}

ProducerEntry ProducerEntry::decode(Decoder& from) {
  ProducerEntry entry;
  entry.epoch_ = ProducerEpoch(static_cast<std::int16_t>(from.zigzag()));
  entry.last_append_time_ = WallTime(from.zigzag());
  const std::size_t count = from.u8();
  for (std::size_t i = 0; i < count && !from.has_failed(); ++i) {
    Batch batch;
    batch.first_sequence = static_cast<std::int32_t>(from.zigzag());
    batch.last_sequence = static_cast<std::int32_t>(from.zigzag());
    batch.base_offset = Offset(from.zigzag());
    if (entry.count_ < kBatchesKept) entry.batches_[entry.count_++] = batch;
  }
  return entry;
}

const ProducerEntry* ProducerTable::find(ProducerId id) const {
  const auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : &found->second;
}

void ProducerTable::expire(WallTime before, const std::function<bool(ProducerId)>& is_needed) {
  std::erase_if(entries_, [&](const auto& entry) {
    return entry.second.last_append_time() < before && !is_needed(entry.first);
  });
}

std::vector<ProducerId> ProducerTable::ids() const {
  std::vector<ProducerId> ids;
  ids.reserve(entries_.size());
  for (const auto& [id, entry] : entries_) ids.push_back(id);
  std::sort(ids.begin(), ids.end());
  return ids;
}

void ProducerTable::encode(Encoder& to) const {
  to.varint(entries_.size());
  for (const ProducerId id : ids()) {
    to.zigzag(id.value);
    entries_.at(id).encode(to);
  }
}

ProducerTable ProducerTable::decode(Decoder& from) {
  ProducerTable table;
  const std::uint64_t count = from.varint();
  for (std::uint64_t i = 0; i < count && !from.has_failed(); ++i) {
    const ProducerId id(from.zigzag());
    table.entries_[id] = ProducerEntry::decode(from);
  }
  return table;
}

}  // namespace millrace::log
