#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/check.h"

namespace millrace {

// What the caller can do about an error, not where it came from.
enum class StatusCode : unsigned char {
  ok,
  invalid,          // the request or the input is wrong; repeating it will not help
  not_found,        // the named thing does not exist
  exists,           // the thing to be created exists already
  corrupt,          // stored bytes fail their checksum or their grammar
  io,               // the disk or the operating system refused
  out_of_range,     // an offset below the log start or above its end
  fenced,           // a newer owner exists; this one must stop
  overloaded,       // a bound was reached; back off and retry
  disconnected,     // the peer is gone; reopen
  unsupported,      // valid, but this build or peer cannot do it
  cancelled,        // shutting down
  out_of_sequence,  // something that must come before it is missing
  wrong_state,      // valid at another time, but not in the state the thing is in
};

// The code's name as it appears in messages, e.g. "not_found".
std::string_view to_string(StatusCode code);

// Success, or a code and a message that says what would be right. One word; success allocates
// nothing.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(StatusCode code, std::string message);

  Status(const Status& other);
  Status& operator=(const Status& other);
  Status(Status&&) noexcept = default;
  Status& operator=(Status&&) noexcept = default;

  [[nodiscard]] bool is_ok() const { return error_ == nullptr; }
  [[nodiscard]] StatusCode code() const { return error_ ? error_->code : StatusCode::ok; }
  [[nodiscard]] std::string_view message() const {
    return error_ ? std::string_view(error_->message) : std::string_view();
  }
  // "io: open /data/wal: No space left on device"
  [[nodiscard]] std::string to_string() const;
  // The same error with "what: " before its message. No effect on success.
  [[nodiscard]] Status with_context(std::string_view what) &&;

 private:
  struct Error {
    StatusCode code;
    std::string message;
  };
  std::unique_ptr<Error> error_;
};

inline Status ok_status() {
  return {};
}
Status invalid_error(std::string message);
Status not_found_error(std::string message);
Status exists_error(std::string message);
Status corrupt_error(std::string message);
Status io_error(std::string message);
Status out_of_range_error(std::string message);
Status fenced_error(std::string message);
Status overloaded_error(std::string message);
Status disconnected_error(std::string message);
Status unsupported_error(std::string message);
Status cancelled_error(std::string message);
Status out_of_sequence_error(std::string message);
Status wrong_state_error(std::string message);

// A value or the error that took its place.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}         // NOLINT(google-explicit-constructor)
  Result(Status status) : status_(std::move(status)) {  // NOLINT(google-explicit-constructor)
    MR_CHECK(!status_.is_ok());
  }

  [[nodiscard]] bool is_ok() const { return value_.has_value(); }
  [[nodiscard]] const Status& status() const { return status_; }
  [[nodiscard]] Status take_status() && { return std::move(status_); }

  [[nodiscard]] T& value() & {
    MR_CHECK(value_.has_value());
    return *value_;
  }
  [[nodiscard]] const T& value() const& {
    MR_CHECK(value_.has_value());
    return *value_;
  }
  [[nodiscard]] T&& value() && {
    MR_CHECK(value_.has_value());
    return *std::move(value_);
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::optional<T> value_;
  Status status_;
};

}  // namespace millrace

#define MR_CONCAT_INNER(a, b) a##b
#define MR_CONCAT(a, b) MR_CONCAT_INNER(a, b)

// Returns from the enclosing function when `expression` (a Status) is an error.
#define MR_RETURN_IF_ERROR(expression)                                                     \
  do {                                                                                     \
    if (::millrace::Status mr_status = (expression); !mr_status.is_ok()) return mr_status; \
  } while (false)

#define MR_ASSIGN_OR_RETURN_INNER(result, target, expression)  \
  auto result = (expression);                                  \
  if (!result.is_ok()) return std::move(result).take_status(); \
  target = std::move(result).value()

// `MR_ASSIGN_OR_RETURN(auto file, open_file(path));`
#define MR_ASSIGN_OR_RETURN(target, expression) \
  MR_ASSIGN_OR_RETURN_INNER(MR_CONCAT(mr_result_, __LINE__), target, expression)
