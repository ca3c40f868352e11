#pragma once

// Consumer groups without a coordinator, and what members say. Only for tests.

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "broker/asked_for_tests.h"
#include "broker/consumer_group_step.h"

namespace millrace::broker {

using Heartbeat = kafka_wire::ConsumerGroupHeartbeatRequest;
using HeartbeatAnswer = kafka_wire::ConsumerGroupHeartbeatResponse;

inline std::vector<Heartbeat::OwnedPartitions> to_wire(const Assignment& partitions) {
  std::vector<Heartbeat::OwnedPartitions> out;
  for (const auto& [topic, numbers] : partitions) out.push_back({topic, numbers});
  return out;
}

inline Assignment from_wire(const std::vector<Heartbeat::OwnedPartitions>& topics) {
  Assignment out;
  for (const auto& topic : topics) out[topic.topic_id] = topic.partitions;
  return out;
}

inline Heartbeat join_request(const std::string& member_id, const std::vector<std::string>& names,
                              const std::optional<std::string>& instance_id = {}) {
  Heartbeat request;
  request.group_id = "g";
  request.member_id = member_id;
  request.instance_id = instance_id;
  request.rebalance_timeout_ms = 60'000;
  request.subscribed_topic_names = names;
  request.topic_partitions.emplace();
  return request;
}

// A heartbeat; `owned` null: as last time.
inline Heartbeat beat_request(const std::string& member_id, std::int32_t epoch,
                              const std::optional<Assignment>& owned = {}) {
  Heartbeat request;
  request.group_id = "g";
  request.member_id = member_id;
  request.member_epoch = epoch;
  if (owned) request.topic_partitions = to_wire(*owned);
  return request;
}

inline Heartbeat leave_request(const std::string& member_id, std::int32_t epoch = kEpochLeave,
                               const std::optional<std::string>& instance_id = {}) {
  Heartbeat request = beat_request(member_id, epoch);
  request.instance_id = instance_id;
  return request;
}

// A state that steps are taken from. What it is after each is what its records say.
class StepWorld {
 public:
  StepWorld() : state_(new_header()) {}

  void set_topic(const std::string& name, std::int32_t partition_count) {
    auto topics = std::make_shared<GroupTopics>(*topics_);
    kafka_wire::Uuid id;
    id.bytes[0] = 't';
    id.bytes[1] = static_cast<unsigned char>(name[0]);
    topics->add(name, {id, partition_count, name.starts_with("millrace.")});
    topics_ = topics;
  }
  void delete_topic(const std::string& name) {
    auto topics = std::make_shared<GroupTopics>(*topics_);
    topics->names.erase(topics->by_name.at(name).id);
    topics->by_name.erase(name);
    topics_ = topics;
  }
  [[nodiscard]] kafka_wire::Uuid topic(const std::string& name) const {
    return topics_->by_name.at(name).id;
  }

  HeartbeatAnswer ask(const Heartbeat& request) {
    HeartbeatAnswer answer = check_heartbeat(request, 1, limits);
    if (answer.error_code != ErrorCode::none) return answer;
    ConsumerGroupStep step(state_, around());
    answer = request.member_epoch < 0 ? step.leave(request)
                                      : step.heartbeat(request, request.member_id, {"client", "/h"},
                                                       topics_ != seen_, nullptr);
    if (answer.error_code != ErrorCode::none) return answer;
    seen_ = topics_;
    take(step.change());
    return answer;
  }
  void fence(const std::vector<std::string>& ids) {
    ConsumerGroupStep step(state_, around());
    step.fence(ids);
    take(step.change());
  }

  [[nodiscard]] const ConsumerGroupState& state() const { return state_; }
  [[nodiscard]] const ConsumerMember& member(const std::string& id) const {
    return state_.members().at(id);
  }
  [[nodiscard]] const ConsumerGroupChange& last_change() const { return last_change_; }
  GroupLimits limits;

 private:
  static ConsumerGroupHeader new_header() {
    ConsumerGroupHeader header;
    header.incarnation = 7;
    return header;
  }
  ConsumerGroupStep::Surroundings around() { return {limits, topics_, matches_, WallTime(1'000)}; }

  void take(ConsumerGroupChange change) {
    last_change_ = std::move(change);
    state_.apply(last_change_);
    if (last_change_.header) {
      const auto back = decode_consumer_group(encode_consumer_group(*last_change_.header));
      ASSERT_TRUE(back.is_ok()) << back.status().to_string();
      records_.header = *back;
    }
    for (const auto& [id, member] : last_change_.members) {
      records_.members.erase(id);
      if (!member) continue;
      auto back = decode_consumer_member(encode_consumer_member(*member, 7));
      ASSERT_TRUE(back.is_ok()) << back.status().to_string();
      EXPECT_EQ(back->incarnation, 7U);
      records_.members.emplace(id, std::move(back->member));
    }
    // A restart now would find this.
    EXPECT_EQ(records_.header, state_.header());
    EXPECT_EQ(records_.members, state_.members());
    const ConsumerGroupState restarted(records_);
    EXPECT_EQ(restarted.byte_count(), state_.byte_count());
    for (const auto& [name, each] : topics_->by_name) {
      for (std::int32_t number = 0; number < each.partition_count; ++number) {
        EXPECT_EQ(restarted.is_taken(each.id, number), state_.is_taken(each.id, number));
      }
    }
  }

  ConsumerGroupState state_;
  ConsumerGroupRecords records_;
  ConsumerGroupChange last_change_;
  std::shared_ptr<const GroupTopics> topics_ = std::make_shared<GroupTopics>();
  std::shared_ptr<const GroupTopics> seen_;
  RegexMatches matches_;
};

}  // namespace millrace::broker
