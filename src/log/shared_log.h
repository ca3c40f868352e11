#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "log/log.h"
#include "model/topic.h"

namespace millrace::log {

// A log that several processes share (Apache Kafka): partitions are dealt out by a consumer group,
// commits are transactions that an earlier owner cannot finish any more. The embedded log needs
// none of this.
//
// What such a log does not promise, and the rules of the core are made for: a transaction becomes
// visible partition by partition, at different times; the outcome of one may be unknown; a process
// that was stopped goes on later as if nothing had happened.

// Who asks: the group's coordinator refuses offsets of another generation or an unknown member. It
// does not check who owns a partition (R2).
struct GroupMembership {
  std::string group;
  std::string member_id;
  std::int32_t generation = -1;
};

enum class TransactionOutcome : std::uint8_t {
  committed,  // every batch and offset becomes visible, sooner or later, partition by partition
  aborted,    // nothing will become visible; the same records may be sent again
  fenced,     // nothing will become visible; the id or the membership is somebody else's now
  unknown,    // only initialize() and then the group's offsets tell (R4)
};

// The transactions of one worker slot: one stable transactional id, one transaction at a time, one
// thread. Calls block, no longer than the transaction time-out.
class TransactionalProducer {
 public:
  virtual ~TransactionalProducer() = default;

  // Takes the id over: whoever had it is fenced, and what it left open is ended (Kafka's
  // InitProducerId). Before the first commit, and after `unknown` or `aborted`. `fenced` never;
  // other errors: try again.
  virtual Status initialize() = 0;
  // One transaction: the appends, then the offsets under this membership, then its end (Kafka's
  // AddPartitionsToTxn, Produce, TxnOffsetCommit, EndTxn). Without offsets no group is asked, and
  // the membership may be empty.
  virtual TransactionOutcome commit(const Commit& commit, const GroupMembership& membership) = 0;
  // The group's offset as GroupMember::committed_offset gives it, and never from before what was
  // decided when this call began, to be asked after `unknown` and initialize(): a broker that stood
  // still may go on taking itself for the coordinator and answer reads with what it knew, but it
  // cannot write any more. Takes the id over again.
  virtual Result<std::optional<GroupOffset>> decided_offset(const std::string& group,
                                                            const TopicPartition& source) = 0;
  [[nodiscard]] virtual const std::string& transactional_id() const = 0;
};

// What happens to a member's partitions. Called inside GroupMember::poll, on its thread.
class AssignmentHandler {
 public:
  virtual ~AssignmentHandler() = default;

  virtual void assigned(const std::vector<TopicPartition>& partitions) = 0;
  // They are still this member's until the call returns: commit or abort what is open (R2).
  virtual void revoked(const std::vector<TopicPartition>& partitions) = 0;
  // They are somebody else's already: abort, and drop their tasks (R2).
  virtual void lost(const std::vector<TopicPartition>& partitions) = 0;
};

// A member of one consumer group, with cooperative rebalances. poll() belongs to one thread, the
// other methods to any.
class GroupMember {
 public:
  virtual ~GroupMember() = default;  // leaves the group, unless it has an instance id

  // Answers the coordinator; to be called often within the session time-out. Never waits for long,
  // apart from the handler.
  virtual Status poll(AssignmentHandler& handler) = 0;
  // A generation is seen here only once the handler has been told what the one before it lost; what
  // is revoked with a generation is still this member's under it until `revoked` returns.
  // Generation -1: not in the group.
  [[nodiscard]] virtual GroupMembership membership() const = 0;
  // The offset the group has committed, with its metadata; nullopt when there is none.
  // `overloaded` while a transaction that carries an offset of the partition is open: ask again
  // (Kafka's require_stable, R3).
  virtual Result<std::optional<GroupOffset>> committed_offset(const TopicPartition& source) = 0;
};

class SharedLog : public Log {
 public:
  [[nodiscard]] virtual std::unique_ptr<TransactionalProducer> make_producer(
      const std::string& transactional_id) = 0;
  // `instance_id`: stable per process (static membership), so that a quick restart gets its
  // partitions back without a rebalance; empty: none.
  [[nodiscard]] virtual std::unique_ptr<GroupMember> join(const std::string& group,
                                                          const std::vector<std::string>& topics,
                                                          const std::string& instance_id) = 0;
};

}  // namespace millrace::log
