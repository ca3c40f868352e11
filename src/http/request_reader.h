#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "base/status.h"
#include "http/message.h"

namespace millrace::http {

// Bytes of one connection -> requests, without any I/O. The grammar is Beast's; the bounds, the
// decoding of the target and the choice of status codes are ours. Not thread-safe.
class RequestReader {
 public:
  struct Limits {
    std::size_t header_bytes_max, headers_max, body_bytes_max;
  };
  enum class State : unsigned char {
    need_more,    // feed() again with the unused bytes and more behind them
    header_done,  // given once per request that has a body: look at it, then feed() on
    complete,     // take() the request
    failed,       // answer with `error()` and close
  };
  struct Progress {
    State state;
    std::size_t bytes_used;
  };
  struct Error {
    int http_status;
    Status status;
  };

  explicit RequestReader(const Limits& limits);
  ~RequestReader();
  RequestReader(const RequestReader&) = delete;
  RequestReader& operator=(const RequestReader&) = delete;

  // Takes bytes from the front of `bytes`. An incomplete header is left unused, so the caller's
  // buffer must be able to hold header_bytes_max.
  Progress feed(std::string_view bytes);

  // After header_done: the body's size if the client gave one.
  [[nodiscard]] std::optional<std::uint64_t> announced_body_bytes() const;
  [[nodiscard]] std::size_t body_bytes() const;  // read so far
  [[nodiscard]] bool expects_continue() const;   // the client waits for "100 Continue"
  [[nodiscard]] const Error& error() const { return *error_; }

  // Valid after `complete`, until reset().
  [[nodiscard]] bool keep_alive() const { return keep_alive_; }
  [[nodiscard]] bool is_http_1_0() const { return is_http_1_0_; }
  [[nodiscard]] Request take() { return std::move(request_); }
  // Gets ready for the next request.
  void reset();

 private:
  struct Parser;
  Progress fail(int http_status, Status status, std::size_t bytes_used);
  [[nodiscard]] Status take_header();

  Limits limits_;
  std::unique_ptr<Parser> parser_;
  bool header_taken_ = false;
  bool keep_alive_ = false;
  bool is_http_1_0_ = false;
  Request request_;
  std::optional<Error> error_;
};

}  // namespace millrace::http
