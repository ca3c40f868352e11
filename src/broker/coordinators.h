#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/log_line.h"
#include "base/status.h"
#include "base/time.h"
#include "broker/due_thread.h"
#include "broker/group_coordinator.h"
#include "broker/transaction_coordinator.h"
#include "log/durable_answers.h"
#include "log/log.h"

namespace millrace::broker {

// The two coordinators, each the other's port where groups' offsets are part of transactions, and
// the threads of their timers.
class Coordinators {
 public:
  struct Ports {
    log::Log& log;
    log::DurableAnswers& durable;
    const TopicIds& topic_ids;
    const Clock& clock;
    Logger logger;
  };
  Coordinators(const Ports& ports, GroupCoordinatorOptions groups);
  ~Coordinators();
  Coordinators(const Coordinators&) = delete;
  Coordinators& operator=(const Coordinators&) = delete;

  // Reads what they know. Blocks; once.
  Status start();
  // Answers what waits. What comes later is refused, or just done.
  void stop();

  [[nodiscard]] GroupCoordinator& groups() { return *groups_; }
  [[nodiscard]] TransactionCoordinator& transactions() { return *transactions_; }

 private:
  class Staged;
  void wake(std::optional<DueThread>& thread, MonotonicTime at);

  const Clock& clock_;
  Logger logger_;
  std::unique_ptr<Staged> staged_;
  std::unique_ptr<GroupCoordinator> groups_;
  std::unique_ptr<TransactionCoordinator> transactions_;
  // Before they run, nothing need wake them: their first call takes in everything.
  std::atomic<bool> are_threads_running_{false};
  std::optional<DueThread> groups_due_;
  std::optional<DueThread> transactions_due_;
};

}  // namespace millrace::broker
