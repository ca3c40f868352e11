#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/thread.h"
#include "kafka_client/connection.h"
#include "kafka_wire/metadata.h"

namespace millrace::kafka_client {

// The brokers of a cluster and the connections to them that nobody uses at the moment. Thread-safe.
class BrokerPool {
 public:
  // A connection for one caller; given back when it goes, if it can be used again.
  class Lease {
   public:
    Lease() = default;
    Lease(Lease&&) noexcept = default;
    Lease& operator=(Lease&& other) noexcept {
      give_back();
      pool_ = other.pool_;
      node_ = other.node_;
      connection_ = std::move(other.connection_);
      return *this;
    }
    ~Lease() { give_back(); }
    [[nodiscard]] explicit operator bool() const { return connection_ != nullptr; }
    Connection* operator->() const { return connection_.get(); }
    Connection& operator*() const { return *connection_; }
    // Closes it.
    void drop() { connection_.reset(); }

   private:
    friend class BrokerPool;
    Lease(BrokerPool& pool, std::int32_t node, std::unique_ptr<Connection> connection)
        : pool_(&pool), node_(node), connection_(std::move(connection)) {}
    void give_back() {
      if (connection_ != nullptr) pool_->keep(node_, std::move(connection_));
    }
    BrokerPool* pool_ = nullptr;
    std::int32_t node_ = -1;
    std::unique_ptr<Connection> connection_;
  };

  // The references, and the pool, outlive the leases.
  BrokerPool(const KafkaLogOptions& options, const Clock& clock, Dial dial);

  // `not_found` for a node that no answer has named.
  Result<Lease> to(std::int32_t node, MonotonicTime deadline);
  // To any broker that can be reached: those that are known, then the bootstrap servers.
  Result<Lease> to_any(MonotonicTime deadline);
  // What brokers say of each other.
  void learn(std::int32_t node, const std::string& host, std::int32_t port);

 private:
  static constexpr std::int32_t kBootstrapNode = -1;
  struct Idle {
    std::unique_ptr<Connection> connection;
    MonotonicTime since;
  };

  void keep(std::int32_t node, std::unique_ptr<Connection> connection);
  std::unique_ptr<Connection> take_idle(std::int32_t node);
  Result<Lease> connect(std::int32_t node, const sys::TcpAddress& address, MonotonicTime deadline);

  const KafkaLogOptions& options_;
  const Clock& clock_;
  const Dial dial_;
  std::vector<sys::TcpAddress> bootstrap_;
  Mutex mutex_;
  std::map<std::int32_t, sys::TcpAddress> addresses_;  // guarded by mutex_
  std::map<std::int32_t, std::vector<Idle>> idle_;     // guarded by mutex_
  std::size_t next_any_ = 0;                           // guarded by mutex_
};

// TCP, and TLS where the options ask for it. `invalid` when the options' files cannot be used.
Result<Dial> make_dial(const KafkaLogOptions& options, const Clock& clock);

// "host:port,[::1]:port": `invalid` says which is none.
Result<std::vector<sys::TcpAddress>> parse_bootstrap_servers(std::string_view text);

}  // namespace millrace::kafka_client
