#include "broker/errors.h"

namespace millrace::broker {

using kafka_wire::ErrorCode;

namespace {

struct Row {
  StatusCode status;
  ErrorCode produce;
  ErrorCode read;
  ErrorCode topics;
};

// What is retriable for clients must be what may pass: a full disk, a shutdown, too much at once.
constexpr Row kTable[] = {
    {StatusCode::ok, ErrorCode::none, ErrorCode::none, ErrorCode::none},
    {StatusCode::invalid, ErrorCode::invalid_record, ErrorCode::invalid_request,
     ErrorCode::invalid_request},
    {StatusCode::not_found, ErrorCode::unknown_topic_or_partition,
     ErrorCode::unknown_topic_or_partition, ErrorCode::unknown_topic_or_partition},
    {StatusCode::exists, ErrorCode::unknown_server_error, ErrorCode::unknown_server_error,
     ErrorCode::topic_already_exists},
    // Of a batch on its way here, its CRC differs; of stored ones, the disk is damaged.
    {StatusCode::corrupt, ErrorCode::corrupt_message, ErrorCode::kafka_storage_error,
     ErrorCode::kafka_storage_error},
    {StatusCode::io, ErrorCode::kafka_storage_error, ErrorCode::kafka_storage_error,
     ErrorCode::kafka_storage_error},
    {StatusCode::out_of_range, ErrorCode::unknown_server_error, ErrorCode::offset_out_of_range,
     ErrorCode::offset_out_of_range},
    // PRODUCER_FENCED is what coordinators say; partitions say this (Kafka's ProducerAppendInfo).
    {StatusCode::fenced, ErrorCode::invalid_producer_epoch, ErrorCode::unknown_server_error,
     ErrorCode::unknown_server_error},
    {StatusCode::out_of_sequence, ErrorCode::out_of_order_sequence_number,
     ErrorCode::unknown_server_error, ErrorCode::unknown_server_error},
    {StatusCode::wrong_state, ErrorCode::invalid_txn_state, ErrorCode::unknown_server_error,
     ErrorCode::invalid_request},
    {StatusCode::overloaded, ErrorCode::request_timed_out, ErrorCode::request_timed_out,
     ErrorCode::request_timed_out},
    {StatusCode::disconnected, ErrorCode::network_exception, ErrorCode::network_exception,
     ErrorCode::network_exception},
    {StatusCode::unsupported, ErrorCode::unsupported_for_message_format,
     ErrorCode::unknown_server_error, ErrorCode::invalid_request},
    // Shutting down.
    {StatusCode::cancelled, ErrorCode::not_leader_or_follower, ErrorCode::not_leader_or_follower,
     ErrorCode::not_controller},
};

}  // namespace

ErrorCode error_code_of(const Status& status, ErrorContext context) {
  for (const Row& row : kTable) {
    if (row.status != status.code()) continue;
    switch (context) {
      case ErrorContext::produce:
        return row.produce;
      case ErrorContext::read:
        return row.read;
      case ErrorContext::topics:
        return row.topics;
    }
  }
  return ErrorCode::unknown_server_error;
}

}  // namespace millrace::broker
