#include "codec/foreign_batch.h"

#include <string>

namespace millrace::codec {
namespace {

// What is corrupt when it lies on a disk is a wrong request when somebody sends it.
Status as_invalid(const Status& status) {
  if (status.code() != StatusCode::corrupt) return status;
  return invalid_error(std::string(status.message()));
}

Status check_attributes(const BatchHeader& header, const ForeignBatchLimits& limits) {
  if (header.is_control) {
    return invalid_error("record batch: a control batch can only be written by the log itself");
  }
  if (header.is_transactional && !limits.allows_transactions) {
    return unsupported_error(
        "record batch: transactions are not offered here; clear the transactional bit");
  }
  if (header.is_log_append_time) {
    return invalid_error(
        "record batch: the timestamp type must be CreateTime; append times are the log's own");
  }
  if (header.record_count == 0) return invalid_error("record batch: it has no records");
  if (header.record_count != header.last_offset_delta + 1) {
    return invalid_error("record batch: it says " + std::to_string(header.record_count) +
                         " records but spans " + std::to_string(header.last_offset_delta + 1) +
                         " offsets");
  }
  return ok_status();
}

std::size_t bytes_of(const RecordView& record) {
  std::size_t bytes = record.key.value_or("").size() + record.value.value_or("").size();
  for (const auto& header : record.headers) {
    bytes += header.key.size() + header.value.value_or("").size();
  }
  return bytes;
}

}  // namespace

Result<std::size_t> check_foreign_batch(std::string_view batch, const ForeignBatchLimits& limits,
                                        BatchReader& reader) {
  const auto header = parse_batch_header(batch);
  if (!header.is_ok()) return as_invalid(header.status());
  MR_RETURN_IF_ERROR(check_attributes(*header, limits));
  if (auto status = reader.open(batch, limits.plain_bytes_max); !status.is_ok()) {
    return as_invalid(status);
  }
  std::size_t total = 0;
  for (std::int32_t index = 0; const RecordView* record = reader.next(); ++index) {
    const auto refuse = [&](const std::string& what, std::size_t limit) {
      return invalid_error("record " + std::to_string(index) + " of a batch has " + what +
                           "; at most " + std::to_string(limit) + " are allowed");
    };
    const auto bytes = bytes_of(*record);
    if (bytes > limits.record_bytes_max) {
      return refuse(std::to_string(bytes) + " bytes (uncompressed)", limits.record_bytes_max);
    }
    if (record->headers.size() > limits.headers_max) {
      return refuse(std::to_string(record->headers.size()) + " headers", limits.headers_max);
    }
    if (limits.needs_keys && !record->key) {
      return invalid_error("record " + std::to_string(index) +
                           " of a batch has no key; the topic is compacted and needs one");
    }
    total += bytes;
  }
  if (!reader.status().is_ok()) return as_invalid(reader.status());
  return total;
}

}  // namespace millrace::codec
