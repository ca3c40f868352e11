#include "kafka_client/errors.h"

#include "kafka_client/broker_errors.h"

namespace millrace::kafka_client {
namespace {

// The library's own are negative, the brokers' have the protocol's numbers.
StatusCode code_of_library(rd_kafka_resp_err_t error) {
  switch (error) {
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
      return StatusCode::not_found;
    case RD_KAFKA_RESP_ERR__INVALID_ARG:
      return StatusCode::invalid;
    case RD_KAFKA_RESP_ERR__BAD_MSG:
    case RD_KAFKA_RESP_ERR__BAD_COMPRESSION:
      return StatusCode::corrupt;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
      return StatusCode::out_of_range;
    case RD_KAFKA_RESP_ERR__NOENT:
    case RD_KAFKA_RESP_ERR__QUEUE_FULL:
      return StatusCode::overloaded;
    case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE:
    case RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED:
      return StatusCode::unsupported;
    case RD_KAFKA_RESP_ERR__FENCED:
      return StatusCode::fenced;
    default:
      if (static_cast<int>(error) < 0) return StatusCode::disconnected;
      return code_of(static_cast<kafka_wire::ErrorCode>(error));
  }
}

}  // namespace

Status status_of(rd_kafka_resp_err_t error, std::string_view what, std::string_view detail) {
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return ok_status();
  std::string message(what);
  message += ": ";
  message += detail.empty() ? std::string_view(rd_kafka_err2str(error)) : detail;
  message += " (";
  message += rd_kafka_err2name(error);
  message += ")";
  return {code_of_library(error), std::move(message)};
}

Status status_of(const rd_kafka_error_t* error, std::string_view what) {
  if (error == nullptr) return ok_status();
  return status_of(rd_kafka_error_code(error), what, rd_kafka_error_string(error));
}

}  // namespace millrace::kafka_client
