#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"
#include "broker/client.h"
#include "broker/consumer_group_state.h"
#include "broker/group_limits.h"
#include "broker/group_topics.h"
#include "kafka_wire/consumer_group.h"

namespace millrace::broker {

// What is wrong with a heartbeat, whatever group it is for; `error_code` none when nothing is.
// Looks at sizes, too, so that what comes after it, under the coordinator's lock, is short.
[[nodiscard]] kafka_wire::ConsumerGroupHeartbeatResponse check_heartbeat(
    const kafka_wire::ConsumerGroupHeartbeatRequest& request, std::int16_t version,
    const GroupLimits& limits);

// As it came over the wire, in order.
[[nodiscard]] Assignment partitions_of(
    const std::vector<kafka_wire::ConsumerGroupHeartbeatRequest::OwnedPartitions>& topics);

// What the members prefer: most votes, of equally many the first by name.
[[nodiscard]] std::string_view preferred_assignor(
    const std::vector<const ConsumerMember*>& members);

// One step of a consumer group's state machine (KIP-848): from a state and something that happens
// to an answer and a change, which counts once it is stored. Does nothing by itself; one thing
// happens per step. When the answer is an error, its change is nothing to be stored.
class ConsumerGroupStep {
 public:
  using Request = kafka_wire::ConsumerGroupHeartbeatRequest;
  using Response = kafka_wire::ConsumerGroupHeartbeatResponse;

  // What the group stands in. `matches` may remember things.
  struct Surroundings {
    const GroupLimits& limits;
    std::shared_ptr<const GroupTopics> topics;
    RegexMatches& matches;
    WallTime now;
  };

  // The state outlives the step.
  ConsumerGroupStep(const ConsumerGroupState& state, Surroundings around)
      : state_(state), around_(std::move(around)), header_(state.header()) {}

  // A member joins or goes on; `member_id` is the request's, or one made for it.
  // `have_topics_changed`: since the last heartbeat of any member. `said`: what this one said last
  // that it has; null when that is not known.
  [[nodiscard]] Response heartbeat(const Request& request, const std::string& member_id,
                                   const Client& client, bool have_topics_changed,
                                   const Assignment* said);
  // Epochs -1 and -2.
  [[nodiscard]] Response leave(const Request& request);
  // They have been silent for too long; all are members.
  void fence(const std::vector<std::string>& member_ids);

  [[nodiscard]] ConsumerGroupChange change() const;
  // The group subscribes to more partitions than it may; topics late in the alphabet got nobody.
  [[nodiscard]] bool has_left_topics_out() const { return has_left_topics_out_; }

 private:
  [[nodiscard]] Response find_member(const Request& request, const std::string& member_id,
                                     ConsumerMember& member);
  [[nodiscard]] Response find_static_member(const Request& request, const std::string& member_id,
                                            ConsumerMember& member);
  [[nodiscard]] Response check_room(const ConsumerMember& member) const;
  void bump_epoch();

  // --- consumer_group_targets.cc ---
  // As they would be after this step, by id.
  [[nodiscard]] std::vector<const ConsumerMember*> all_members() const;
  [[nodiscard]] std::vector<std::string> topics_of(const ConsumerMember& member) const;
  void look_at_topics();
  void make_targets();

  const ConsumerGroupState& state_;
  const Surroundings around_;
  ConsumerGroupHeader header_;
  std::map<std::string, std::optional<ConsumerMember>, std::less<>> changed_;
  // The topics that anybody subscribes to and that exist, by name; once looked at.
  std::map<std::string, GroupTopics::Topic> subscribed_;
  std::uint64_t topics_hash_ = 0;
  bool has_left_topics_out_ = false;
};

}  // namespace millrace::broker
