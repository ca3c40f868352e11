#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "broker/group_turn.h"
#include "kafka_wire/error_codes.h"
#include "log/log.h"

namespace millrace::broker {

class Group;
class ConsumerGroup;

// Who claims to commit offsets for a group, or to be allowed to read them.
struct GroupMemberClaim {
  std::string group_id;
  std::int32_t generation_id = -1;  // or the member's epoch
  std::string member_id;
  std::optional<std::string> group_instance_id;
};

// What the coordinator needs of a group of either protocol. Not thread-safe: its lock is held.
class AnyGroup {
 public:
  virtual ~AnyGroup() = default;

  // The one that it is, the other is null.
  virtual Group* classic() { return nullptr; }
  virtual ConsumerGroup* consumer() { return nullptr; }

  // As Kafka's tools show them: "classic"; "Stable".
  [[nodiscard]] virtual std::string_view type() const = 0;
  [[nodiscard]] virtual std::string_view state_name() const = 0;
  // Nullopt: nobody ever joined, the group only keeps offsets.
  [[nodiscard]] virtual std::optional<std::string> protocol_type() const = 0;
  // Nobody is in it, nor about to join; it may then be of the other protocol.
  [[nodiscard]] virtual bool is_empty() const = 0;
  // The topics its members subscribe to; nullopt when that cannot be told.
  [[nodiscard]] virtual std::optional<std::set<std::string>> subscribed_topics() const = 0;
  // Offsets of topics that nobody subscribes to may expire while there are members.
  [[nodiscard]] virtual bool may_lose_offsets() const = 0;

  // Whether these may commit offsets now; may keep the member's session alive. `version` is that of
  // OffsetCommit.
  [[nodiscard]] virtual kafka_wire::ErrorCode check_commit(const GroupMemberClaim& claim,
                                                           bool is_transactional,
                                                           std::int16_t version,
                                                           const GroupTurn& turn) = 0;
  [[nodiscard]] virtual kafka_wire::ErrorCode check_fetch(const GroupMemberClaim& claim) const = 0;

  // Not later than the next thing to do; kNever when there is none.
  [[nodiscard]] virtual MonotonicTime next_deadline() const = 0;
  virtual void run_due(GroupTurn& turn) = 0;
  // Deleted, or the broker stops: who waits is told `error`.
  virtual void give_up(kafka_wire::ErrorCode error, GroupTurn& turn) = 0;
  // Stores the group as it is, with offsets that become durable with it.
  virtual Result<log::CommitSequence> save(GroupTurn& turn,
                                           std::vector<log::OffsetCommit> offsets) = 0;

  [[nodiscard]] virtual const std::string& id() const = 0;
  [[nodiscard]] virtual std::size_t member_count() const = 0;
  [[nodiscard]] virtual std::size_t pending_member_count() const { return 0; }
  [[nodiscard]] virtual std::size_t waiting_answer_count() const { return 0; }
  [[nodiscard]] virtual std::size_t byte_count() const = 0;
  [[nodiscard]] virtual std::uint64_t rebalance_count() const = 0;
  // When it became what it is; of a group nobody joined, its latest commit, roughly.
  [[nodiscard]] virtual WallTime since() const = 0;
  virtual void set_since(WallTime since) = 0;
  // There is a record of it in the topic.
  [[nodiscard]] virtual bool is_stored() const = 0;
  // What is known of the group that nobody may hear of before it is durable.
  [[nodiscard]] virtual log::CommitSequence saved_in() const = 0;
};

}  // namespace millrace::broker
