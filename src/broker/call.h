#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "broker/client.h"
#include "broker/session.h"
#include "codec/byte_buffer.h"
#include "kafka_wire/wire_bytes.h"

namespace millrace::broker {

// One frame to be sent. Bytes that are not its own point into `owners`.
struct Reply {
  kafka_wire::WireBytes bytes;
  std::vector<SharedBytes> owners;
};

// Ends with its owner: a callback that has not run by then never will.
class Timer {
 public:
  virtual ~Timer() = default;
};

// The thread that a connection belongs to.
class EventLoop {
 public:
  virtual ~EventLoop() = default;
  // From any thread; dropped when the loop has ended.
  virtual void post(std::function<void()> task) = 0;
  // On the loop's thread, as is the destruction of the timer.
  [[nodiscard]] virtual std::unique_ptr<Timer> after_ms(std::int64_t ms,
                                                        std::function<void()> task) = 0;
};

// A request's place in the order of its connection's answers, waiting for its own. Exactly one of
// the first three is called, once; a connection whose request is dropped without is closed, since
// every later answer would wait for it.
class Exchange {
 public:
  virtual ~Exchange() = default;

  // From any thread. Dropped when the connection is gone.
  virtual void send(Reply reply) = 0;
  // There is no answer, as for Produce with acks = 0.
  virtual void send_nothing() = 0;
  // What cannot be answered.
  virtual void close_connection() = 0;

  // The rest on the loop's thread only.
  virtual EventLoop& loop() = 0;
  // No further request of this connection is handed out until the returned thing is gone.
  [[nodiscard]] virtual std::shared_ptr<void> hold_back_the_next() = 0;
  // This request is the connection's last: it is closed once all of them have been answered.
  virtual void close_when_answered() = 0;
  // `end` is called, on the loop's thread, when waiting has lost its sense: the connection is gone
  // or the broker stops. It may answer, at once. Not called once the exchange has been answered.
  virtual void on_end_of_waiting(std::function<void()> end) = 0;
  // How many bytes the answer should have at most, as far as memory is concerned.
  [[nodiscard]] virtual std::size_t reply_bytes_allowed() const = 0;
};

// One request on its way to its handler.
struct Call {
  std::int16_t api_version = 0;
  std::int32_t correlation_id = 0;
  Client client;
  std::shared_ptr<Session> session;
  std::shared_ptr<const codec::ByteBuffer> frame;  // what the request's views point into
  std::string_view body;
  std::shared_ptr<Exchange> exchange;
};

}  // namespace millrace::broker
