#include "broker/server.h"

#include <boost/asio/dispatch.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <optional>
#include <vector>

#include "broker/connection.h"
#include "broker/worker.h"

namespace millrace::broker {
namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

// Out of file descriptors: accepting again at once would only spin.
constexpr int kAcceptPauseMs = 100;
constexpr int kThreadsMax = 64;

Status check_options(const ServerOptions& options) {
  if (options.thread_count < 1 || options.thread_count > kThreadsMax) {
    return invalid_error("thread_count must be from 1 to " + std::to_string(kThreadsMax));
  }
  if (options.connections_max < 1 || options.requests_in_flight_max < 1 ||
      options.request_bytes_in_flight_max < 1 || options.unsent_bytes_max < 1) {
    return invalid_error("the bounds of connections and requests must be positive");
  }
  if (options.frame_bytes_max < 1024 || options.frame_bytes_max > INT32_MAX) {
    return invalid_error("frame_bytes_max must be from 1024 to 2147483647");
  }
  if (options.entering_max < 1 || options.entry_ms < 1) {
    return invalid_error("entering_max and entry_ms must be positive");
  }
  if (options.idle_ms < 1 || options.frame_progress_ms < 1 || options.write_progress_ms < 1) {
    return invalid_error("idle_ms, frame_progress_ms and write_progress_ms must be positive");
  }
  return ok_status();
}

bool requires_certificates(const ServerOptions& options) {
  return options.tls && options.tls->client_certificates == ClientCertificates::required;
}

std::string insecure_text(const ServerOptions& options, bool knows_who) {
  std::string out = "kafka.listen " + options.host + ": on a network the Kafka port needs";
  if (!options.tls) {
    out += " encryption (set kafka.tls.certificate_file and kafka.tls.key_file)";
  }
  if (!options.tls && !knows_who) out += " and";
  if (!knows_who) {
    out +=
        " to know who asks (set kafka.sasl.mechanisms, or kafka.tls.client_certificates to "
        "required)";
  }
  return out +
         ". Use kafka.listen 127.0.0.1 for this machine only, or say with "
         "kafka.allow_insecure_network that anyone there may read or write along";
}

Result<boost::asio::ip::address> parse_address(const ServerOptions& options) {
  error_code error;
  const auto address = boost::asio::ip::make_address(options.host, error);
  if (error) {
    return invalid_error("kafka.listen \"" + options.host +
                         "\" is not an IP address; use 127.0.0.1 for this machine only, 0.0.0.0 "
                         "for every network");
  }
  const bool knows_who = options.needs_log_in || requires_certificates(options);
  const bool is_secure = options.tls && knows_who;
  if (!address.is_loopback() && !is_secure && !options.allow_insecure_network) {
    return invalid_error(insecure_text(options, knows_who));
  }
  return address;
}

Status bind_error(const error_code& error, const ServerOptions& options) {
  const std::string where = options.host + ":" + std::to_string(options.port);
  if (error == boost::asio::error::address_in_use) {
    return exists_error(where + " is in use; choose another port with --kafka-port, or 0 for any");
  }
  if (error == boost::asio::error::access_denied) {
    return invalid_error(where +
                         " may not be opened by this user; choose a port from 1024 with "
                         "--kafka-port");
  }
  return io_error("listen on " + where + ": " + error.message());
}

}  // namespace

class Server::Impl {
 public:
  explicit Impl(const ServerOptions& options) : shared_(std::make_shared<ServerShared>()) {
    shared_->options = options;
    for (int i = 0; i < options.thread_count; ++i) {
      workers_.push_back(std::make_shared<Worker>(shared_));
    }
    acceptor_.emplace(workers_.front()->io());
    accept_pause_.emplace(workers_.front()->io());
  }

  Status bind() {
    const ServerOptions& options = shared_->options;
    MR_ASSIGN_OR_RETURN(const auto address, parse_address(options));
    if (options.tls) {
      MR_ASSIGN_OR_RETURN(shared_->tls, make_tls_context(*options.tls));
      shared_->options.tls->key.clear();  // the context has it
    }
    const tcp::endpoint endpoint(address, options.port);
    error_code error;
    acceptor_->open(endpoint.protocol(), error);
    if (!error) acceptor_->set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_->bind(endpoint, error);
    if (!error) port_ = acceptor_->local_endpoint(error).port();
    // Another listener on a port that was bound with the same option shows only here.
    if (!error) acceptor_->listen(boost::asio::socket_base::max_listen_connections, error);
    if (error) return bind_error(error, options);
    return ok_status();
  }

  void start(const DispatchTable& table) {
    shared_->table = &table;
    accept_next();
    for (const auto& worker : workers_) worker->start_thread();
  }

  void stop(int grace_ms) {
    if (is_stopped_) return;
    is_stopped_ = true;
    for (const auto& worker : workers_) MR_CHECK(!worker->runs_here());
    shared_->is_stopping = true;
    workers_.front()->post([this] {
      error_code ignored;
      acceptor_->close(ignored);
      accept_pause_->cancel();
    });
    for (const auto& worker : workers_) worker->post([w = worker.get()] { w->begin_stop(); });
    if (shared_->table != nullptr) {
      std::unique_lock lock(shared_->drained_mutex);
      shared_->drained.wait_for(lock, std::chrono::milliseconds(grace_ms),
                                [&] { return shared_->counters.connections_open == 0; });
    }
    for (const auto& worker : workers_) worker->post([w = worker.get()] { w->close_all(); });
    for (const auto& worker : workers_) worker->join();
  }

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] const ServerCounters& counters() const { return shared_->counters; }

 private:
  // On the first worker's thread, as everything about the acceptor. Connections go round the
  // workers.
  void accept_next() {
    const std::shared_ptr<Worker> worker = workers_[next_worker_++ % workers_.size()];
    acceptor_->async_accept(
        worker->io(), [this, worker](const error_code& error, tcp::socket socket) {
          if (shared_->is_stopping || error == boost::asio::error::operation_aborted) return;
          if (!error) {
            admit(worker, std::move(socket));
            return accept_next();
          }
          accept_pause_->expires_after(std::chrono::milliseconds(kAcceptPauseMs));
          accept_pause_->async_wait([this](const error_code&) {
            if (!shared_->is_stopping) accept_next();
          });
        });
  }

  void admit(const std::shared_ptr<Worker>& worker, tcp::socket socket) {
    auto& counters = shared_->counters;
    // Counted here, not when the other thread starts it, so that a burst cannot pass the bound.
    const std::uint64_t open = counters.connections_open.fetch_add(1);
    if (open >= shared_->options.connections_max) {
      counters.connections_open.fetch_sub(1);
      counters.connections_refused.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    counters.connections_accepted.fetch_add(1, std::memory_order_relaxed);
    boost::asio::dispatch(worker->io(), [worker, s = std::move(socket)]() mutable {
      std::make_shared<Connection>(worker, std::move(s))->start();
    });
  }

  std::shared_ptr<ServerShared> shared_;
  std::vector<std::shared_ptr<Worker>> workers_;
  std::optional<tcp::acceptor> acceptor_;
  std::optional<boost::asio::steady_timer> accept_pause_;
  std::size_t next_worker_ = 0;
  std::uint16_t port_ = 0;
  bool is_stopped_ = false;
};

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Server::~Server() {
  stop(0);
}

Result<std::unique_ptr<Server>> Server::bind(const ServerOptions& options) {
  MR_RETURN_IF_ERROR(check_options(options).with_context("kafka server"));
  try {
    std::unique_ptr<Server> server(new Server(std::make_unique<Impl>(options)));
    MR_RETURN_IF_ERROR(server->impl_->bind());
    return server;
  } catch (const std::exception& exception) {
    return io_error(std::string("the Kafka server cannot start: ") + exception.what());
  }
}

void Server::start(const DispatchTable& table) {
  impl_->start(table);
}

void Server::stop(int grace_ms) {
  impl_->stop(grace_ms);
}

std::uint16_t Server::port() const {
  return impl_->port();
}

const ServerCounters& Server::counters() const {
  return impl_->counters();
}

}  // namespace millrace::broker
