#include "broker/transaction_record.h"

#include "base/coding.h"

namespace millrace::broker {

namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::int32_t kPartitionMax = 1'000'000;

void encode_producer(Encoder& to, const log::ProducerIdentity& producer) {
  to.zigzag(producer.id.value);
  to.zigzag(producer.epoch.value);
}

// `is_possible` turns false for an epoch that is none.
log::ProducerIdentity decode_producer(Decoder& from, bool& is_possible) {
  const ProducerId id(from.zigzag());
  const std::int64_t epoch = from.zigzag();
  is_possible = is_possible && id.value >= -1 && epoch >= -1 && epoch <= INT16_MAX &&
                (id.value < 0) == (epoch < 0);
  return {id, ProducerEpoch(static_cast<std::int16_t>(epoch))};
}

Status check_version(Decoder& from, const char* what) {
  const std::uint8_t version = from.u8();
  if (from.has_failed()) return corrupt_error(std::string(what) + " is empty");
  if (version == kVersion) return ok_status();
  return unsupported_error(std::string(what) + " has format version " + std::to_string(version) +
                           "; this program reads version 1");
}

void decode_topics(Decoder& from, TransactionRecord& record, bool& is_possible) {
  for (std::uint64_t i = from.varint(); i > 0 && !from.has_failed(); --i) {
    EnlistedTopic& topic = record.topics[std::string(from.bytes())];
    topic.incarnation = from.u64();
    for (std::uint64_t k = from.varint(); k > 0 && !from.has_failed(); --k) {
      const std::int64_t partition = from.zigzag();
      is_possible = is_possible && partition >= 0 && partition <= kPartitionMax;
      topic.partitions.insert(static_cast<std::int32_t>(partition));
    }
  }
}

void decode_groups(Decoder& from, TransactionRecord& record, bool& is_possible) {
  for (std::uint64_t i = from.varint(); i > 0 && !from.has_failed(); --i) {
    auto& offsets = record.groups[std::string(from.bytes())];
    for (std::uint64_t k = from.varint(); k > 0 && !from.has_failed(); --k) {
      TopicPartition source;
      source.topic = from.bytes();
      const std::int64_t partition = from.zigzag();
      source.partition = static_cast<std::int32_t>(partition);
      StagedOffset& offset = offsets[source];
      offset.next_offset = Offset(from.zigzag());
      offset.metadata = from.bytes();
      is_possible = is_possible && partition >= 0 && partition <= kPartitionMax &&
                    offset.next_offset.value >= 0;
    }
  }
}

}  // namespace

std::string_view to_string(TransactionState state) {
  switch (state) {
    case TransactionState::empty:
      return "Empty";
    case TransactionState::ongoing:
      return "Ongoing";
    case TransactionState::complete_commit:
      return "CompleteCommit";
    case TransactionState::complete_abort:
      return "CompleteAbort";
  }
  return "Unknown";
}

std::size_t TransactionRecord::partition_count() const {
  std::size_t count = 0;
  for (const auto& [name, topic] : topics) count += topic.partitions.size();
  return count;
}

std::size_t TransactionRecord::offset_count() const {
  std::size_t count = 0;
  for (const auto& [group, offsets] : groups) count += offsets.size();
  return count;
}

std::string encode_transaction_key(std::string_view transactional_id) {
  std::string out;
  Encoder to(out);
  to.u8(kVersion);
  to.bytes(transactional_id);
  return out;
}

std::string encode_transaction_record(const TransactionRecord& record) {
  std::string out;
  Encoder to(out);
  to.u8(kVersion);
  encode_producer(to, record.producer);
  encode_producer(to, record.previous);
  to.zigzag(record.timeout_ms);
  to.u8(static_cast<std::uint8_t>(record.state));
  to.zigzag(record.started.value);
  to.zigzag(record.changed.value);
  to.varint(record.topics.size());
  for (const auto& [name, topic] : record.topics) {
    to.bytes(name);
    to.u64(topic.incarnation);
    to.varint(topic.partitions.size());
    for (const std::int32_t partition : topic.partitions) to.zigzag(partition);
  }
  to.varint(record.groups.size());
  for (const auto& [group, offsets] : record.groups) {
    to.bytes(group);
    to.varint(offsets.size());
    for (const auto& [source, offset] : offsets) {
      to.bytes(source.topic);
      to.zigzag(source.partition);
      to.zigzag(offset.next_offset.value);
      to.bytes(offset.metadata);
    }
  }
  return out;
}

Result<std::string> decode_transaction_key(std::string_view bytes) {
  Decoder from(bytes);
  MR_RETURN_IF_ERROR(check_version(from, "a transaction's key"));
  std::string id(from.bytes());
  MR_RETURN_IF_ERROR(from.finish("a transaction's key"));
  if (id.empty()) return corrupt_error("a transaction's key has no transactional id");
  return id;
}

Result<TransactionRecord> decode_transaction_record(std::string_view bytes) {
  Decoder from(bytes);
  MR_RETURN_IF_ERROR(check_version(from, "a transaction's record"));
  TransactionRecord record;
  bool is_possible = true;
  record.producer = decode_producer(from, is_possible);
  record.previous = decode_producer(from, is_possible);
  const std::int64_t timeout_ms = from.zigzag();
  const std::uint8_t state = from.u8();
  record.started = WallTime(from.zigzag());
  record.changed = WallTime(from.zigzag());
  decode_topics(from, record, is_possible);
  decode_groups(from, record, is_possible);
  MR_RETURN_IF_ERROR(from.finish("a transaction's record"));
  is_possible = is_possible && record.producer.id.value >= 0 && timeout_ms > 0 &&
                timeout_ms <= INT32_MAX &&
                state <= static_cast<std::uint8_t>(TransactionState::complete_abort);
  record.timeout_ms = static_cast<std::int32_t>(timeout_ms);
  record.state = static_cast<TransactionState>(state);
  const bool is_ongoing = record.state == TransactionState::ongoing;
  // A transaction that is ongoing may still have to be ended with the next epoch.
  is_possible = is_possible && (is_ongoing ? record.producer.epoch.value < INT16_MAX
                                           : record.topics.empty() && record.groups.empty());
  if (!is_possible) return corrupt_error("a transaction's record has impossible values");
  return record;
}

}  // namespace millrace::broker
