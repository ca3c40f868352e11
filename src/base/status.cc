#include "base/status.h"

namespace millrace {

std::string_view to_string(StatusCode code) {
  switch (code) {
    case StatusCode::ok:
      return "ok";
    case StatusCode::invalid:
      return "invalid";
    case StatusCode::not_found:
      return "not_found";
    case StatusCode::exists:
      return "exists";
    case StatusCode::corrupt:
      return "corrupt";
    case StatusCode::io:
      return "io";
    case StatusCode::out_of_range:
      return "out_of_range";
    case StatusCode::fenced:
      return "fenced";
    case StatusCode::overloaded:
      return "overloaded";
    case StatusCode::disconnected:
      return "disconnected";
    case StatusCode::unsupported:
      return "unsupported";
    case StatusCode::cancelled:
      return "cancelled";
    case StatusCode::out_of_sequence:
      return "out_of_sequence";
    case StatusCode::wrong_state:
      return "wrong_state";
  }
  return "unknown";
}

Status::Status(StatusCode code, std::string message)
    : error_(std::make_unique<Error>(Error{code, std::move(message)})) {
  MR_CHECK(code != StatusCode::ok);
}

Status::Status(const Status& other)
    : error_(other.error_ ? std::make_unique<Error>(*other.error_) : nullptr) {}

Status& Status::operator=(const Status& other) {
  if (this != &other) error_ = other.error_ ? std::make_unique<Error>(*other.error_) : nullptr;
  return *this;
}

std::string Status::to_string() const {
  if (is_ok()) return "ok";
  return std::string(millrace::to_string(error_->code)) + ": " + error_->message;
}

Status Status::with_context(std::string_view what) && {
  if (error_) error_->message = std::string(what) + ": " + error_->message;
  return std::move(*this);
}

Status invalid_error(std::string message) {
  return {StatusCode::invalid, std::move(message)};
}
Status not_found_error(std::string message) {
  return {StatusCode::not_found, std::move(message)};
}
Status exists_error(std::string message) {
  return {StatusCode::exists, std::move(message)};
}
Status corrupt_error(std::string message) {
  return {StatusCode::corrupt, std::move(message)};
}
Status io_error(std::string message) {
  return {StatusCode::io, std::move(message)};
}
Status out_of_range_error(std::string message) {
  return {StatusCode::out_of_range, std::move(message)};
}
Status fenced_error(std::string message) {
  return {StatusCode::fenced, std::move(message)};
}
Status overloaded_error(std::string message) {
  return {StatusCode::overloaded, std::move(message)};
}
Status disconnected_error(std::string message) {
  return {StatusCode::disconnected, std::move(message)};
}
Status unsupported_error(std::string message) {
  return {StatusCode::unsupported, std::move(message)};
}
Status cancelled_error(std::string message) {
  return {StatusCode::cancelled, std::move(message)};
}
Status out_of_sequence_error(std::string message) {
  return {StatusCode::out_of_sequence, std::move(message)};
}
Status wrong_state_error(std::string message) {
  return {StatusCode::wrong_state, std::move(message)};
}

}  // namespace millrace
