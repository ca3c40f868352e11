#include "http/server.h"

#include <boost/asio/dispatch.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <optional>
#include <vector>

#include "http/connection.h"
#include "http/url.h"
#include "http/worker.h"

namespace millrace::http {
namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

// Connections above connections_max that are told so instead of being closed without a word.
constexpr std::size_t kRefusalsMax = 64;
// Out of file descriptors: accepting again at once would only spin.
constexpr int kAcceptPauseMs = 100;
constexpr int kThreadsMax = 256;
constexpr std::size_t kHeaderBytesMax = 1 << 20;

Status check_options(const ServerOptions& options) {
  if (options.thread_count < 1 || options.thread_count > kThreadsMax) {
    return invalid_error("thread_count must be from 1 to " + std::to_string(kThreadsMax));
  }
  if (options.idle_ms < 1 || options.request_read_ms < 1 || options.response_write_ms < 1) {
    return invalid_error("idle_ms, request_read_ms and response_write_ms must be positive");
  }
  if (options.header_bytes_max < 256 || options.header_bytes_max > kHeaderBytesMax) {
    return invalid_error("header_bytes_max must be from 256 to " + std::to_string(kHeaderBytesMax));
  }
  if (options.connections_max < 1 || options.headers_max < 1 || options.body_bytes_max < 1 ||
      options.bodies_bytes_max < options.body_bytes_max) {
    return invalid_error(
        "connections_max, headers_max and body_bytes_max must be positive, and bodies_bytes_max at "
        "least body_bytes_max");
  }
  return ok_status();
}

Result<boost::asio::ip::address> resolve(boost::asio::io_context& io, const std::string& host) {
  error_code error;
  const auto literal = boost::asio::ip::make_address(host, error);
  if (!error) return literal;
  const auto found = tcp::resolver(io).resolve(host, "", error);
  if (error || found.empty()) {
    return invalid_error("\"" + host + "\" is neither an IP address nor a known host name; use " +
                         "127.0.0.1 for this machine only, 0.0.0.0 for every network");
  }
  return found.begin()->endpoint().address();
}

Status bind_error(const error_code& error, const ServerOptions& options) {
  const std::string where = to_string(Address{options.host, options.port});
  if (error == boost::asio::error::address_in_use) {
    return exists_error(where + " is in use; choose another with " + options.port_option +
                        ", or 0 for any");
  }
  if (error == boost::asio::error::access_denied) {
    return invalid_error(where + " may not be opened by this user; choose a port from 1024 with " +
                         options.port_option);
  }
  if (error == boost::system::errc::address_not_available) {
    return invalid_error(where + " is not an address of this machine; use 127.0.0.1 or 0.0.0.0");
  }
  return io_error("listen on " + where + ": " + error.message());
}

}  // namespace

class Server::Impl {
 public:
  Impl(const ServerOptions& options, Handler handler) : shared_(std::make_shared<ServerShared>()) {
    shared_->options = options;
    shared_->handler = std::move(handler);
    for (int i = 0; i < options.thread_count; ++i) {
      workers_.push_back(std::make_shared<Worker>(shared_));
    }
    acceptor_.emplace(workers_.front()->io());
    accept_pause_.emplace(workers_.front()->io());
  }

  Status start() {
    MR_RETURN_IF_ERROR(listen());
    accept_next();
    for (const auto& worker : workers_) worker->start_thread();
    return ok_status();
  }

  void stop(int grace_ms) {
    if (stopped_) return;
    stopped_ = true;
    for (const auto& worker : workers_) MR_CHECK(!worker->runs_here());
    shared_->stopping = true;
    workers_.front()->post([this] {
      error_code ignored;
      acceptor_->close(ignored);
      accept_pause_->cancel();
    });
    for (const auto& worker : workers_) worker->post([w = worker.get()] { w->close_idle(); });
    {
      std::unique_lock lock(shared_->drained_mutex);
      shared_->drained.wait_for(lock, std::chrono::milliseconds(grace_ms),
                                [&] { return shared_->connections_open == 0; });
    }
    for (const auto& worker : workers_) worker->post([w = worker.get()] { w->close_all(); });
    for (const auto& worker : workers_) worker->join();
  }

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] const ServerShared& shared() const { return *shared_; }

 private:
  Status listen() {
    const ServerOptions& options = shared_->options;
    MR_ASSIGN_OR_RETURN(const auto address, resolve(workers_.front()->io(), options.host));
    const tcp::endpoint endpoint(address, options.port);
    error_code error;
    acceptor_->open(endpoint.protocol(), error);
    if (!error) acceptor_->set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_->bind(endpoint, error);
    if (!error) acceptor_->listen(boost::asio::socket_base::max_listen_connections, error);
    if (error) return bind_error(error, options);
    port_ = acceptor_->local_endpoint(error).port();
    if (error) return bind_error(error, options);
    MR_CHECK(port_ != 0);
    return ok_status();
  }

  // On the first worker's thread, as everything about the acceptor. Connections go round the
  // workers.
  void accept_next() {
    const std::shared_ptr<Worker> worker = workers_[next_worker_++ % workers_.size()];
    acceptor_->async_accept(
        worker->io(), [this, worker](const error_code& error, tcp::socket socket) {
          if (shared_->stopping || error == boost::asio::error::operation_aborted) return;
          if (!error) {
            admit(worker, std::move(socket));
            return accept_next();
          }
          accept_pause_->expires_after(std::chrono::milliseconds(kAcceptPauseMs));
          accept_pause_->async_wait([this](const error_code&) {
            if (!shared_->stopping) accept_next();
          });
        });
  }

  void admit(const std::shared_ptr<Worker>& worker, tcp::socket socket) {
    const std::size_t connections_max = shared_->options.connections_max;
    // Counted here, not when the other thread starts it, so that a burst cannot pass the bound.
    const std::uint64_t open = shared_->connections_open.fetch_add(1);
    shared_->connections_accepted.fetch_add(1, std::memory_order_relaxed);
    const bool is_refused = open >= connections_max;
    if (is_refused) shared_->connections_refused.fetch_add(1, std::memory_order_relaxed);
    if (open >= connections_max + kRefusalsMax) {
      shared_->connections_open.fetch_sub(1);
      return;
    }
    const auto admission =
        is_refused ? Connection::Admission::refused : Connection::Admission::admitted;
    // On this worker's thread at once, on another's through its queue.
    boost::asio::dispatch(worker->io(), [worker, admission, s = std::move(socket)]() mutable {
      std::make_shared<Connection>(worker, std::move(s), admission)->start();
    });
  }

  std::shared_ptr<ServerShared> shared_;
  std::vector<std::shared_ptr<Worker>> workers_;
  std::optional<tcp::acceptor> acceptor_;
  std::optional<boost::asio::steady_timer> accept_pause_;
  std::size_t next_worker_ = 0;
  std::uint16_t port_ = 0;
  bool stopped_ = false;
};

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Server::~Server() {
  stop();
}

Result<std::unique_ptr<Server>> Server::start(const ServerOptions& options, Handler handler) {
  MR_CHECK(handler != nullptr);
  MR_RETURN_IF_ERROR(check_options(options).with_context("http server"));
  try {
    // From here on ~Server ends whatever has been started.
    std::unique_ptr<Server> server(new Server(std::make_unique<Impl>(options, std::move(handler))));
    MR_RETURN_IF_ERROR(server->impl_->start());
    return server;
  } catch (const std::exception& exception) {
    return io_error("start the server on " + to_string(Address{options.host, options.port}) + ": " +
                    exception.what());
  }
}

void Server::stop(int grace_ms) {
  impl_->stop(grace_ms);
}

std::uint16_t Server::port() const {
  return impl_->port();
}

ServerCounters Server::counters() const {
  const ServerShared& shared = impl_->shared();
  ServerCounters counters;
  counters.connections_open = shared.connections_open;
  counters.connections_accepted = shared.connections_accepted;
  counters.connections_refused = shared.connections_refused;
  counters.requests = shared.requests;
  counters.requests_rejected = shared.requests_rejected;
  return counters;
}

}  // namespace millrace::http
