#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "http/message.h"
#include "http/url.h"

namespace millrace::http {

struct ClientOptions {
  Address server;
  int connect_ms = 2'000;
  int answer_ms = 30'000;  // first byte of the request to last byte of the response
  std::size_t header_bytes_max = 64 * 1024;
  std::size_t body_bytes_max = 256 << 20;
};

// Asks one server, one request at a time, and blocks until the answer; the connection is opened
// when needed and kept. For one thread at a time.
class Client {
 public:
  explicit Client(ClientOptions options);
  ~Client();
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;

  // Any answer of the server is a Response, whatever its status; `content_type` is also among its
  // headers. Errors: `disconnected` when there is no answer (nobody listens, connection lost,
  // deadline passed; the message names the address), `overloaded` when the answer is above the
  // bounds, `invalid` for a method, target or header that cannot be sent. After `disconnected` the
  // request may or may not have been applied. A kept connection that turns out to be closed is
  // replaced silently as far as that cannot apply a request twice: always before anything was sent,
  // afterwards for GET, HEAD, PUT, DELETE and OPTIONS only (RFC 9110 9.2.2).
  [[nodiscard]] Result<Response> request(std::string_view method, std::string_view target,
                                         const Headers& headers = {}, std::string_view body = {});
  [[nodiscard]] Result<Response> get(std::string_view target) { return request("GET", target); }

  // From the next request on; for one that waits long (a drain, a long poll).
  void set_answer_ms(int answer_ms);
  // Forgets the kept connection.
  void close();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::http
