#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "broker/any_group.h"
#include "broker/client.h"
#include "broker/consumer_group_state.h"
#include "broker/consumer_group_step.h"
#include "broker/group_limits.h"
#include "broker/group_topics.h"
#include "kafka_wire/consumer_group.h"

namespace millrace::broker {

// One group of the consumer protocol (KIP-848): its state, which moves by steps that are stored
// before they count, and the sessions of its members.
//
// Not thread-safe: the coordinator's lock is held.
class ConsumerGroup final : public AnyGroup {
 public:
  using Request = kafka_wire::ConsumerGroupHeartbeatRequest;
  using Response = kafka_wire::ConsumerGroupHeartbeatResponse;

  // A new one, or what an empty classic group becomes, which then is stored already.
  ConsumerGroup(std::string id, const GroupLimits& limits, ConsumerGroupHeader header,
                bool is_stored);
  // As it was stored; its members have a session time-out to come back.
  ConsumerGroup(std::string id, const GroupLimits& limits, ConsumerGroupRecords records,
                std::shared_ptr<const GroupTopics> topics, MonotonicTime now);

  // `request` has passed check_heartbeat(); `member_id` is its own, or one made for it. `known`:
  // the topics as of now, or a little earlier. The answer may go out once saved_in() is durable.
  [[nodiscard]] Response heartbeat(const Request& request, const std::string& member_id,
                                   const Client& client,
                                   const std::shared_ptr<const GroupTopics>& known,
                                   GroupTurn& turn);
  [[nodiscard]] kafka_wire::ConsumerGroupDescribeResponse::Group describe() const;
  [[nodiscard]] const ConsumerGroupState& state() const { return state_; }
  // At the last heartbeat some topics were left out, there being too many partitions.
  [[nodiscard]] bool has_left_topics_out() const { return has_left_topics_out_; }

  // --- AnyGroup ---
  ConsumerGroup* consumer() override { return this; }
  [[nodiscard]] std::string_view type() const override { return "consumer"; }
  [[nodiscard]] std::string_view state_name() const override { return state_.name(); }
  [[nodiscard]] std::optional<std::string> protocol_type() const override { return "consumer"; }
  [[nodiscard]] bool is_empty() const override { return state_.members().empty(); }
  [[nodiscard]] std::optional<std::set<std::string>> subscribed_topics() const override;
  [[nodiscard]] bool may_lose_offsets() const override { return true; }
  [[nodiscard]] kafka_wire::ErrorCode check_commit(const GroupMemberClaim& claim,
                                                   bool is_transactional, std::int16_t version,
                                                   const GroupTurn& turn) override;
  [[nodiscard]] kafka_wire::ErrorCode check_fetch(const GroupMemberClaim& claim) const override;
  [[nodiscard]] MonotonicTime next_deadline() const override { return next_deadline_; }
  void run_due(GroupTurn& turn) override;
  void give_up(kafka_wire::ErrorCode error, GroupTurn& turn) override;
  Result<log::CommitSequence> save(GroupTurn& turn,
                                   std::vector<log::OffsetCommit> offsets) override;
  [[nodiscard]] const std::string& id() const override { return id_; }
  [[nodiscard]] std::size_t member_count() const override { return state_.members().size(); }
  [[nodiscard]] std::size_t byte_count() const override { return state_.byte_count(); }
  [[nodiscard]] std::uint64_t rebalance_count() const override { return rebalance_count_; }
  [[nodiscard]] WallTime since() const override { return state_.header().since; }
  void set_since(WallTime since) override;
  [[nodiscard]] bool is_stored() const override { return is_stored_; }
  [[nodiscard]] log::CommitSequence saved_in() const override { return saved_in_; }

 private:
  // What is known of a member and not stored.
  struct Session {
    MonotonicTime end = kNever;
    MonotonicTime revocation_end = kNever;  // to have given up what it must
    std::optional<Assignment> said;         // that it has, of what it may have
  };

  void heard_of(const std::string& member_id, const Request& request, const GroupTurn& turn);
  // Stores the change and then makes it. When the log does not take it, nothing has happened.
  Status carry_out(const ConsumerGroupChange& change, GroupTurn& turn);
  void set_deadline(MonotonicTime& which, MonotonicTime at);
  void find_next_deadline();

  const std::string id_;
  const GroupLimits& limits_;
  ConsumerGroupState state_;
  std::shared_ptr<const GroupTopics> topics_;  // as of the last heartbeat
  mutable RegexMatches matches_;
  std::map<std::string, Session, std::less<>> sessions_;  // by member
  MonotonicTime try_again_ = kNever;  // the log did not take that members are gone
  MonotonicTime next_deadline_ = kNever;
  std::uint64_t rebalance_count_ = 0;
  bool must_look_at_topics_ = false;  // whatever has happened to them before the start
  bool has_left_topics_out_ = false;
  bool is_stored_ = false;
  log::CommitSequence saved_in_ = kAtOnce;
};

}  // namespace millrace::broker
