#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/thread.h"
#include "sim/kafka_model/cluster.h"

namespace millrace::kafka_model {

// One operating-system process as the cluster sees it. A frozen one comes to a halt at its next
// request, sent or answered, and goes on as if nothing had happened; a killed one's requests all
// fail, though those on their way still arrive. Thread-safe; outlives the process' clients.
class Process {
 public:
  Process(Cluster& cluster, std::string name) : cluster_(cluster), name_(std::move(name)) {}

  void freeze(std::int64_t for_ns);
  void thaw() { frozen_until_ns_ = 0; }
  [[nodiscard]] bool is_frozen() const { return now_ns() < frozen_until_ns_; }
  void kill() { is_dead_ = true; }
  // From now on no EndTxn of its arrives.
  void lose_commits() { is_losing_commits_ = true; }
  [[nodiscard]] bool is_losing_commits() const { return is_losing_commits_; }
  [[nodiscard]] bool is_dead() const { return is_dead_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] Cluster& cluster() { return cluster_; }

  // Waits, unless dead.
  void sleep_ns(std::int64_t ns);

  enum class Sent : std::uint8_t { answered, timed_out, disconnected };
  // Sends a request that changes something: `apply` runs when it arrives, which may be never, or
  // later than this returns, so it owns all it needs.
  Sent send(int broker, std::function<void()> apply);
  // One that only reads has no effect that could come late; it may fail.
  bool may_read(int broker);
  // In front of a request to anybody else than the cluster.
  bool may_go_on();

 private:
  [[nodiscard]] std::int64_t now_ns() const;
  void pass_gate();

  Cluster& cluster_;
  const std::string name_;
  std::atomic<std::int64_t> frozen_until_ns_{0};
  std::atomic<bool> is_dead_{false};
  std::atomic<bool> is_losing_commits_{false};
};

}  // namespace millrace::kafka_model
