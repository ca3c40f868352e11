#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/status.h"
#include "base/thread.h"
#include "base/time.h"
#include "log/shared_log.h"

namespace millrace::runtime {

struct SlotCommitterOptions {
  std::string transactional_id;  // stable per worker slot, unique in the cluster (R5)
  std::string group;
};

// What happened so far; sums since the start.
struct SlotCounters {
  std::uint64_t transactions = 0;  // committed
  std::uint64_t aborted = 0;       // known aborts: sent again
  std::uint64_t unknown_committed = 0;
  std::uint64_t unknown_aborted = 0;       // sent again
  std::uint64_t unknown_lost = 0;          // tasks whose offset was somebody else's
  std::uint64_t fenced = 0;                // every task of the slot dropped
  std::uint64_t outlived_generations = 0;  // refused for a rebalance that left us the partitions
};

struct SlotReport {
  enum class State : std::uint8_t {
    starting,  // the transactional id is not ours yet
    ready,
    resolving,    // asks what became of a transaction, or sends one again
    unreachable,  // the same, in vain for many attempts; nothing is lost, nothing is applied beyond
                  // what may be in flight
  };
  State state = State::starting;
  std::uint64_t attempts = 0;  // in a row that failed
  std::string last_error;
  std::size_t waiting_commits = 0;
  SlotCounters counters;
};

// The commits of one worker slot's tasks, gathered into transactions of a shared log (rules R2, R4
// and R5). Every task commits through a port of its own; what the tasks have ready goes into the
// next transaction, one at a time: at once when the slot was idle, else 10 to 25 ms after the one
// before began.
//
// An unknown outcome is never a discard: the producer is made anew under the same id, which ends
// what was open, and the group's stable offset says what became of every task's part. This goes on,
// with growing pauses, for as long as the brokers stay away.
class SlotCommitter {
 private:
  struct PortState;

 public:
  // `log`, `member` and `clock` outlive it.
  SlotCommitter(log::SharedLog& log, log::GroupMember& member, const Clock& clock,
                SlotCommitterOptions options);
  ~SlotCommitter();  // stop()
  SlotCommitter(const SlotCommitter&) = delete;
  SlotCommitter& operator=(const SlotCommitter&) = delete;

  // Drops all ports; what is being sent is waited for.
  void stop();

  // One task's way into the transactions. Thread-safe. Once dropped, by drop() or because ownership
  // was lost, it takes nothing any more and every call is `fenced`; what waits is thrown away. It
  // may outlive the committer.
  class Port final : public log::CommitPort {
   public:
    explicit Port(std::shared_ptr<PortState> state) : state_(std::move(state)) {}
    // Every commit must hold the task's offset, with metadata that no other commit has.
    Result<log::Appended> commit(log::Commit&& commit) override;
    Status wait_durable(log::CommitSequence sequence) override;
    [[nodiscard]] log::CommitSequence durable_sequence() const override;
    [[nodiscard]] bool is_dropped() const;
    // Whether one that has begun holds commits of the task. A task that starts over within one
    // assignment waits for it: the generation does not tell the two lives apart.
    [[nodiscard]] bool is_in_transaction() const;
    // After it returned nothing of the task is in a transaction that is begun later. One that has
    // begun may still end either way; the group's stable offset tells (R3).
    void drop();

   private:
    friend class SlotCommitter;
    std::shared_ptr<PortState> state_;
  };
  // `committed`: what the group had for the task when it was restored, as R4 compares with it.
  [[nodiscard]] std::shared_ptr<Port> open_port(const TopicPartition& source,
                                                const std::optional<log::GroupOffset>& committed);

  // Whether the id is ours: whatever an earlier life of this slot left open has ended (R5).
  [[nodiscard]] bool is_ready() const;
  [[nodiscard]] SlotReport report() const;
  [[nodiscard]] const std::string& transactional_id() const { return options_.transactional_id; }

 private:
  struct Shared;
  // What one task has in the transaction that is being sent, kept until its outcome is known.
  struct Part {
    std::shared_ptr<PortState> port;
    std::size_t append_count = 0;  // in transaction_, behind those of the parts before
    std::string metadata;          // of its offset there
    std::uint64_t last_sequence = 0;
  };

  void run();
  bool initialize();
  bool wait_for_work();
  bool gather();
  std::optional<log::GroupMembership> begin();
  void erase_part(std::size_t index);
  void erase_parts();
  void send();
  enum class Fate : std::uint8_t { committed, aborted, lost, not_known_yet };
  void resolve(log::TransactionOutcome outcome);
  Fate ask(Part& part, log::TransactionOutcome outcome);
  bool back_off(std::int64_t& pause);
  void finish_part(Part& part);
  void drop_all();
  void fail(std::string error);
  bool pause_ms(std::int64_t ms);

  log::SharedLog& log_;
  log::GroupMember& member_;
  const Clock& clock_;
  const SlotCommitterOptions options_;
  std::shared_ptr<Shared> shared_;
  // Of the committer's thread.
  std::unique_ptr<log::TransactionalProducer> producer_;
  std::vector<Part> parts_;
  log::Commit transaction_;  // of parts_, with an offset for each
  MonotonicTime last_begin_;
  std::int64_t last_duration_ns_ = 0;
  Random random_;
  Thread thread_;
};

}  // namespace millrace::runtime
