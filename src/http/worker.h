#pragma once

#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "http/server.h"
#include "sys/loop_thread.h"

namespace millrace::http {

class Connection;

// What all threads of one server share.
struct ServerShared {
  ServerOptions options;
  Handler handler;
  std::atomic<bool> stopping = false;
  std::atomic<std::size_t> bodies_bytes = 0;
  std::atomic<std::uint64_t> connections_open = 0;  // from accept to close
  std::atomic<std::uint64_t> connections_accepted = 0;
  std::atomic<std::uint64_t> connections_refused = 0;
  std::atomic<std::uint64_t> requests = 0;
  std::atomic<std::uint64_t> requests_rejected = 0;

  // Signalled while stopping, when connections_open reaches 0.
  std::mutex drained_mutex;
  std::condition_variable drained;
};

// One thread with its event loop and the connections it owns. Connections keep their worker alive,
// so that a Responder kept past the server's end touches no freed loop.
class Worker : public std::enable_shared_from_this<Worker> {
 public:
  explicit Worker(std::shared_ptr<ServerShared> shared);
  ~Worker();

  void start_thread() { loop_.start(); }
  // After it returns, post() drops what it is given.
  void join();

  // From any thread: runs `task` on this worker's thread, or never once it has stopped.
  template <typename Task>
  void post(Task task) {
    loop_.post(std::move(task));
  }
  [[nodiscard]] bool runs_here() { return loop_.runs_here(); }
  boost::asio::io_context& io() { return loop_.io(); }
  ServerShared& shared() { return *shared_; }

  // The rest on this worker's thread only.
  void add(Connection& connection);
  void remove(Connection& connection);
  // Time is counted in sweeps over the connections: a deadline costs a request no clock and no
  // timer.
  [[nodiscard]] std::uint64_t deadline_after(int ms) const;
  void close_idle();
  void close_all();

 private:
  void schedule_sweep();
  void sweep();

  std::shared_ptr<ServerShared> shared_;
  sys::LoopThread loop_;
  boost::asio::steady_timer sweep_timer_;
  std::vector<Connection*> connections_;
  int sweep_interval_ms_;
  std::uint64_t sweeps_ = 0;
  bool sweep_scheduled_ = false;
};

}  // namespace millrace::http
