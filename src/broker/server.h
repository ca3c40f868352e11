#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/status.h"
#include "broker/dispatch_table.h"
#include "broker/tls.h"

namespace millrace::broker {

struct ServerOptions {
  std::string host = "127.0.0.1";  // an IP literal
  std::uint16_t port = 0;          // 0: any free one
  std::optional<TlsOptions> tls = std::nullopt;
  bool needs_log_in = false;  // by SASL
  // Without TLS everybody on the way reads along, and without authentication whoever reaches the
  // port may read and write everything: anything but a loopback address needs both, unless this is
  // set.
  bool allow_insecure_network = false;
  int thread_count = 2;

  std::size_t connections_max = 2048;  // above: closed at once
  // Connections of one thread in their TLS handshake or before their log-in; when there are more,
  // the oldest of them is closed.
  std::size_t entering_max = 256;
  int entry_ms = 10'000;  // for both together
  std::size_t frame_bytes_max = kafka_wire::kFrameBytesMax;
  // Requests of one connection that are not answered yet, and answers it has not taken. At any of
  // these bounds its next request stays unread.
  std::size_t requests_in_flight_max = 64;
  std::size_t request_bytes_in_flight_max = 16 << 20;
  std::size_t unsent_bytes_max = 64 << 20;
  // Of all connections: requests not answered, and answers not sent. At the first bound large
  // requests wait to be read; at the second, answers carry no more records than they must.
  std::size_t request_bytes_max = 256 << 20;
  std::size_t reply_bytes_max = 256 << 20;

  // Kept by a coarse timer, up to a tenth of a second late.
  int idle_ms = 600'000;           // nothing asked, nothing to answer (connections.max.idle.ms)
  int frame_progress_ms = 30'000;  // no byte more of a frame that has begun
  int write_progress_ms = 60'000;  // no byte more taken of an answer
};

// Thread-safe.
struct ServerCounters {
  std::atomic<std::uint64_t> connections_open{0};  // from accept to close
  std::atomic<std::uint64_t> connections_accepted{0};
  std::atomic<std::uint64_t> connections_refused{0};    // above connections_max
  std::atomic<std::uint64_t> connections_expired{0};    // idle, or no progress
  std::atomic<std::uint64_t> connections_displaced{0};  // above entering_max
  std::atomic<std::uint64_t> tls_handshakes_failed{0};
  std::atomic<std::uint64_t> frames_refused{0};  // with an impossible byte count
  std::atomic<std::uint64_t> bytes_received{0};
  std::atomic<std::uint64_t> bytes_sent{0};
};

// Connections of Kafka clients: takes frames, hands them in their order to the table, sends the
// answers in the same order.
class Server {
 public:
  // Binds, so that the port is known and taken, without accepting. `exists` when the port is taken,
  // `invalid` for a wrong option, `io` for the rest; the message names the address.
  static Result<std::unique_ptr<Server>> bind(const ServerOptions& options);
  // stop() without grace.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // From now on connections are accepted. The table outlives the server.
  void start(const DispatchTable& table);
  // Accepts and reads nothing more, ends long polls, waits up to `grace_ms` for what is not
  // answered, closes what is left and ends the threads. Late answers are dropped. Later calls do
  // nothing.
  void stop(int grace_ms);

  [[nodiscard]] std::uint16_t port() const;  // the real one
  [[nodiscard]] const ServerCounters& counters() const;

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::broker
