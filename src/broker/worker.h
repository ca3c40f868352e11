#pragma once

#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/thread.h"
#include "broker/server.h"
#include "sys/loop_thread.h"

namespace millrace::broker {

class Connection;

// What all threads of one server share.
struct ServerShared {
  ServerOptions options;
  std::shared_ptr<boost::asio::ssl::context> tls;  // null: plain
  const DispatchTable* table = nullptr;
  ServerCounters counters;
  std::atomic<bool> is_stopping{false};
  std::atomic<std::size_t> request_bytes{0};  // of ServerOptions::request_bytes_max
  std::atomic<std::size_t> reply_bytes{0};

  // Signalled while stopping, when the last connection closes.
  Mutex drained_mutex;
  Condition drained;
};

// One thread with its event loop and the connections it owns. Connections keep their worker alive,
// so that an answer that comes after the server's end touches no freed loop.
class Worker final : public EventLoop, public std::enable_shared_from_this<Worker> {
 public:
  explicit Worker(std::shared_ptr<ServerShared> shared);
  ~Worker() override;

  void start_thread() { loop_.start(); }
  // After it returns, what is posted is dropped.
  void join();

  void post(std::function<void()> task) override { post_task(std::move(task)); }
  [[nodiscard]] std::unique_ptr<Timer> after_ms(std::int64_t ms,
                                                std::function<void()> task) override;
  // As post(), for tasks that cannot be copied.
  template <typename Task>
  void post_task(Task task) {
    loop_.post(std::move(task));
  }
  [[nodiscard]] bool runs_here() { return loop_.runs_here(); }
  boost::asio::io_context& io() { return loop_.io(); }
  ServerShared& shared() { return *shared_; }

  // The rest on this worker's thread only.
  void add(const std::shared_ptr<Connection>& connection);
  void remove(Connection& connection);
  // Time is counted in sweeps over the connections: a deadline costs no clock and no timer.
  [[nodiscard]] std::uint64_t deadline_after(int ms) const;
  void begin_stop();
  void close_all();

 private:
  void schedule_sweep();
  void sweep();
  void displace_one_entering();

  std::shared_ptr<ServerShared> shared_;
  sys::LoopThread loop_;
  boost::asio::steady_timer sweep_timer_;
  std::vector<std::shared_ptr<Connection>> connections_;
  std::uint64_t next_number_ = 0;
  std::uint64_t sweeps_ = 0;
  bool is_sweep_scheduled_ = false;
};

}  // namespace millrace::broker
