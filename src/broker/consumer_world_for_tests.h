#pragma once

// A coordinator as members of consumer groups see it. Only for tests.

#include <string>
#include <utility>

#include "broker/consumer_group_for_tests.h"
#include "broker/group_test_support.h"

namespace millrace::broker {

class ConsumerWorld : public GroupWorld {
 public:
  using GroupWorld::GroupWorld;

  [[nodiscard]] kafka_wire::ConsumerGroupHeartbeatResponse consumer_beat(
      kafka_wire::ConsumerGroupHeartbeatRequest request, std::int16_t version = 1) {
    Asked<kafka_wire::ConsumerGroupHeartbeatResponse> asked(ledger());
    coordinator().consumer_heartbeat(std::move(request), version, {"client", "/127.0.0.1"},
                                     asked.answer());
    settle();
    return asked.get();
  }
  [[nodiscard]] kafka_wire::ConsumerGroupDescribeResponse::Group consumer_describe(
      const std::string& group) {
    Asked<kafka_wire::ConsumerGroupDescribeResponse> asked_groups(ledger());
    coordinator().consumer_describe({{group}, true}, asked_groups.answer());
    settle();
    return asked_groups.get().groups.at(0);
  }
  // By a member of the group, in version 9.
  ErrorCode commit_as(const std::string& member_id, std::int32_t epoch,
                      const TopicPartition& source, std::int64_t offset) {
    kafka_wire::OffsetCommitRequest request;
    request.group_id = "g";
    request.generation_id_or_member_epoch = epoch;
    request.member_id = member_id;
    request.topics = {{source.topic, {{source.partition, offset, -1, ""}}}};
    return commit(std::move(request), 9).get().topics.at(0).partitions.at(0).error_code;
  }
  [[nodiscard]] kafka_wire::Uuid topic_id(const std::string& name) {
    return TopicIds(log(), kClusterForTests).id_of(log().topic(name).value());
  }
};

}  // namespace millrace::broker
