#include "broker/produce_check.h"

#include <algorithm>

#include "broker/errors.h"
#include "codec/foreign_batch.h"

namespace millrace::broker {

using kafka_wire::ErrorCode;

namespace {

constexpr std::int16_t kFirstVersionWithZstd = 7;  // KIP-110
constexpr std::size_t kRecordErrorsMax = 10'000;   // of one batch

TopicError error_of(const Status& status) {
  return {error_code_of(status, ErrorContext::produce), message_of(status)};
}

// What may be wrong with the bytes alone. `header` is valid only without an error.
std::optional<TopicError> check_bytes(std::string_view batch, const log::TopicConfig& config,
                                      codec::BatchHeader& header) {
  const auto parsed = codec::parse_batch_header(batch);
  if (!parsed.is_ok()) return error_of(parsed.status());
  header = *parsed;
  if (static_cast<std::size_t>(header.batch_bytes) != batch.size()) {
    return TopicError{ErrorCode::invalid_record,
                      "exactly one record batch per partition is expected"};
  }
  if (batch.size() > static_cast<std::size_t>(config.batch_bytes_max)) {
    return TopicError{ErrorCode::message_too_large,
                      "the batch has " + std::to_string(batch.size()) +
                          " bytes, max.message.bytes of the topic is " +
                          std::to_string(config.batch_bytes_max)};
  }
  // Apart from the rest, because it may have happened on the way and pass.
  if (const auto status = codec::verify_batch_crc(batch, header); !status.is_ok()) {
    return error_of(status);
  }
  codec::ForeignBatchLimits limits;
  limits.allows_transactions = true;
  limits.needs_keys = config.is_compacted;
  limits.record_bytes_max =
      std::max(limits.record_bytes_max, static_cast<std::size_t>(config.batch_bytes_max));
  thread_local codec::BatchReader reader;
  const auto checked = codec::check_foreign_batch(batch, limits, reader);
  if (!checked.is_ok()) return error_of(checked.status());
  return std::nullopt;
}

}  // namespace

ProduceTopicCheck::ProduceTopicCheck(const Services& services, const std::string& topic,
                                     const std::optional<std::string>& transactional_id,
                                     std::int16_t api_version)
    : name_(topic), transactional_id_(transactional_id), api_version_(api_version) {
  const auto found = services.log->topic(topic);
  if (!found.is_ok()) {
    topic_error_ = error_of(found.status());
    return;
  }
  config_ = found->config;
  topic_error_ = check_writable(*found);
}

std::optional<TopicError> ProduceTopicCheck::check(
    std::int32_t partition, const kafka_wire::Records& records,
    std::optional<log::ProducerIdentity>& transaction) const {
  if (topic_error_) return topic_error_;
  if (partition < 0 || partition >= config_->partition_count) {
    return TopicError{ErrorCode::unknown_topic_or_partition,
                      "topic '" + name_ + "' has partitions 0 to " +
                          std::to_string(config_->partition_count - 1)};
  }
  codec::BatchHeader header;
  if (auto error = check_bytes(records.view(), *config_, header)) return error;
  if (header.compression == codec::Compression::zstd && api_version_ < kFirstVersionWithZstd) {
    return TopicError{ErrorCode::unsupported_compression_type,
                      "zstd needs Produce version 7 or above"};
  }
  const bool has_producer = header.producer_id != kNoProducerId;
  if (has_producer && (header.producer_epoch.value < 0 || header.base_sequence < 0)) {
    return TopicError{ErrorCode::invalid_record,
                      "a batch with a producer id must have an epoch and a sequence"};
  }
  if (!header.is_transactional) return std::nullopt;
  if (!has_producer) {
    return TopicError{ErrorCode::invalid_record, "a transactional batch must have a producer id"};
  }
  if (!transactional_id_) {
    return TopicError{ErrorCode::transactional_id_authorization_failed,
                      "a transactional batch needs a transactional id in its request"};
  }
  transaction = {header.producer_id, header.producer_epoch};
  return std::nullopt;
}

std::vector<kafka_wire::ProduceResponse::RecordError> ProduceTopicCheck::invalid_records(
    const kafka_wire::Records& records) const {
  std::vector<kafka_wire::ProduceResponse::RecordError> errors;
  if (!config_ || !config_->is_compacted) return errors;
  codec::BatchReader reader;
  if (!reader.open(records.view(), codec::ForeignBatchLimits().plain_bytes_max).is_ok()) {
    return errors;
  }
  for (std::int32_t index = 0; const auto* record = reader.next(); ++index) {
    if (record->key || errors.size() == kRecordErrorsMax) continue;
    errors.push_back({index, "a record of a compacted topic needs a key"});
  }
  return errors;
}

}  // namespace millrace::broker
