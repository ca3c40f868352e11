#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/status.h"
#include "http/message.h"

namespace millrace::http {

// Where a handler puts its answer: at once or later, from any thread, exactly once over all copies
// (a second answer is a bug and stops the program). While a copy lives, the Request it came with
// stays valid; if the last copy goes without an answer, the client gets a 500. Answering after the
// client or the server is gone does nothing.
class Responder {
 public:
  // One request waiting for its answer. The server's is a connection; tests may bring their own.
  class Exchange {
   public:
    virtual ~Exchange() = default;
    virtual void respond(Response response) = 0;
  };
  explicit Responder(std::shared_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {}

  void operator()(Response response) const { exchange_->respond(std::move(response)); }

 private:
  std::shared_ptr<Exchange> exchange_;
};

// Runs on one of the server's threads and must not block: what waits keeps the Responder and
// returns. `request` may be taken as const&. An exception that escapes is answered with a 500.
using Handler = std::function<void(Request& request, Responder respond)>;

struct ServerOptions {
  std::string host = "127.0.0.1";           // an IP literal or a name
  std::uint16_t port = 0;                   // 0 = any free one
  std::string port_option = "--http-port";  // named in the message when the port is taken
  int thread_count = 1;                     // each with its own event loop and connections

  // A connection above the bound gets a 429 for its first request and is closed.
  std::size_t connections_max = 4096;
  std::size_t header_bytes_max = 16 * 1024;  // request line and fields: 431
  std::size_t headers_max = 128;             // 431
  std::size_t body_bytes_max = 16 << 20;     // 413
  // The bodies of all requests that are being read or handled: 429.
  std::size_t bodies_bytes_max = 256 << 20;

  // Kept by a coarse timer: a deadline may be noticed up to a tenth of a second late.
  int idle_ms = 60'000;            // between requests: closed silently
  int request_read_ms = 30'000;    // first to last byte of a request: 408
  int response_write_ms = 60'000;  // first to last byte of a response: closed
};

struct ServerCounters {
  std::uint64_t connections_open = 0;
  std::uint64_t connections_accepted = 0;
  std::uint64_t connections_refused = 0;  // above connections_max
  std::uint64_t requests = 0;             // handed to the handler
  std::uint64_t requests_rejected = 0;    // malformed, too large or too slow
};

// HTTP/1.1 (and 1.0) with keep-alive, pipelining, chunked requests and 100-continue. No TLS.
class Server {
 public:
  // Binds, starts the threads and returns once connections are accepted. `exists` when the port is
  // taken, `invalid` for a wrong address or option, `io` for the rest; the message names the
  // address.
  [[nodiscard]] static Result<std::unique_ptr<Server>> start(const ServerOptions& options,
                                                             Handler handler);
  // stop() with kDefaultGraceMs.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  static constexpr int kDefaultGraceMs = 5'000;
  // Accepts nothing more, closes idle connections, waits up to `grace_ms` for requests in flight to
  // be answered, closes what is left and ends the threads. Afterwards no handler runs and late
  // answers are dropped. Not from a handler. Later calls do nothing.
  void stop(int grace_ms = kDefaultGraceMs);

  [[nodiscard]] std::uint16_t port() const;  // the real one
  [[nodiscard]] ServerCounters counters() const;

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::http
