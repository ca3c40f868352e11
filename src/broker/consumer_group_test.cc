#include <algorithm>

#include "broker/consumer_group.h"
#include "broker/consumer_world_for_tests.h"

// Consumer groups through their coordinator: time, storage, and what lies beside them.

namespace millrace::broker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr std::int64_t kSessionMs = 45'000;

class ConsumerGroups : public testing::Test {
 protected:
  ConsumerGroups() { world.create_topic("t", 4); }
  std::size_t count_of(const kafka_wire::ConsumerGroupHeartbeatResponse& answer) {
    EXPECT_EQ(answer.error_code, ErrorCode::none) << answer.error_message.value_or("");
    return answer.assignment ? partition_count(from_wire(answer.assignment->topic_partitions)) : 0;
  }
  [[nodiscard]] Assignment all_of_t() { return {{world.topic_id("t"), {0, 1, 2, 3}}}; }
  ErrorCode fetch_as(const std::optional<std::string>& member_id, std::int32_t epoch) {
    kafka_wire::OffsetFetchRequest request;
    request.groups.resize(1);
    request.groups[0].group_id = "g";
    request.groups[0].member_id = member_id;
    request.groups[0].member_epoch = epoch;
    return world.fetch(request, 9).groups.at(0).error_code;
  }

  ConsumerWorld world;
};

TEST_F(ConsumerGroups, a_restart_changes_nothing) {
  EXPECT_EQ(count_of(world.consumer_beat(join_request("a", {"t"}, "i"))), 4U);
  (void)world.consumer_beat(join_request("b", {"t"}));
  (void)world.consumer_beat(beat_request("a", 1));
  const auto before = world.consumer_describe("g");
  EXPECT_EQ(before.group_state, "Reconciling");
  world.restart(true);
  EXPECT_THAT(world.coordinator().notes(), IsEmpty());
  const auto after = world.consumer_describe("g");
  EXPECT_EQ(after.group_epoch, before.group_epoch);
  EXPECT_EQ(after.assignment_epoch, before.assignment_epoch);
  ASSERT_EQ(after.members.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    const auto& was = before.members[i];
    const auto& is = after.members[i];
    EXPECT_EQ(is.member_id, was.member_id);
    EXPECT_EQ(is.instance_id, was.instance_id);
    EXPECT_EQ(is.member_epoch, was.member_epoch);
    EXPECT_EQ(is.subscribed_topic_names, was.subscribed_topic_names);
    EXPECT_EQ(is.client_id, was.client_id);
    ASSERT_EQ(is.target_assignment.topic_partitions.size(), 1U);
    EXPECT_EQ(is.target_assignment.topic_partitions[0].partitions,
              was.target_assignment.topic_partitions[0].partitions);
  }
  // And on it goes: "a" gives up, "b" takes.
  const auto kept = before.members[0].assignment.topic_partitions.at(0).partitions;
  EXPECT_EQ(world.consumer_beat(beat_request("a", 1, Assignment{{world.topic_id("t"), kept}}))
                .member_epoch,
            2);
  EXPECT_EQ(count_of(world.consumer_beat(beat_request("b", 2))), 2U);
}

TEST_F(ConsumerGroups, who_is_silent_for_a_session_is_gone) {
  (void)world.consumer_beat(join_request("a", {"t"}));
  (void)world.consumer_beat(join_request("b", {"t"}));
  world.advance(kSessionMs - 1);
  (void)world.consumer_beat(beat_request("b", 2));
  world.advance(1);
  EXPECT_EQ(world.consumer_describe("g").members.size(), 1U);
  EXPECT_EQ(count_of(world.consumer_beat(beat_request("b", 2))), 4U);
  world.advance(kSessionMs);
  EXPECT_EQ(world.consumer_describe("g").group_state, "Empty");
  // It stays so, once that is durable, for which nobody has waited.
  world.flush();
  world.restart();
  EXPECT_EQ(world.consumer_describe("g").group_state, "Empty");
}

TEST_F(ConsumerGroups, who_gives_nothing_up_is_gone_after_its_rebalance_timeout) {
  Heartbeat request = join_request("a", {"t"});
  request.rebalance_timeout_ms = 10'000;
  (void)world.consumer_beat(request);
  (void)world.consumer_beat(beat_request("a", 1, all_of_t()));
  (void)world.consumer_beat(join_request("b", {"t"}));
  (void)world.consumer_beat(beat_request("a", 1));
  for (int i = 0; i < 3; ++i) {
    world.advance(3'000);
    EXPECT_EQ(world.consumer_beat(beat_request("a", 1)).error_code, ErrorCode::none);
  }
  world.advance(1'000);
  EXPECT_EQ(world.consumer_beat(beat_request("a", 1)).error_code, ErrorCode::unknown_member_id);
  EXPECT_EQ(count_of(world.consumer_beat(beat_request("b", 2))), 4U);
}

TEST_F(ConsumerGroups, who_never_took_what_it_is_to_give_up_need_not_say_so_again) {
  (void)world.consumer_beat(join_request("a", {"t"}));  // "I have nothing"
  (void)world.consumer_beat(join_request("b", {"t"}));
  EXPECT_EQ(count_of(world.consumer_beat(beat_request("a", 1))), 2U);
  // It knows by now, and nothing has changed since.
  EXPECT_EQ(world.consumer_beat(beat_request("a", 1)).member_epoch, 2);
  EXPECT_EQ(count_of(world.consumer_beat(beat_request("b", 2))), 2U);
}

TEST_F(ConsumerGroups, who_gives_up_in_time_stays) {
  Heartbeat request = join_request("a", {"t"});
  request.rebalance_timeout_ms = 10'000;
  (void)world.consumer_beat(request);
  (void)world.consumer_beat(join_request("b", {"t"}));
  const auto told = world.consumer_beat(beat_request("a", 1));
  ASSERT_TRUE(told.assignment.has_value());
  Heartbeat confirmed = beat_request("a", 1);
  confirmed.topic_partitions = told.assignment->topic_partitions;
  EXPECT_EQ(world.consumer_beat(confirmed).member_epoch, 2);
  world.advance(20'000);
  EXPECT_EQ(world.consumer_beat(beat_request("a", 2)).error_code, ErrorCode::none);
}

TEST_F(ConsumerGroups, topics_of_the_log_that_come_or_grow_are_assigned) {
  EXPECT_EQ(count_of(world.consumer_beat(join_request("a", {"t", "u"}))), 4U);
  world.create_topic("u", 2);
  world.advance(1'000);
  EXPECT_EQ(count_of(world.consumer_beat(beat_request("a", 1))), 6U);
  auto config = world.log().topic("u")->config;
  config.partition_count = 5;
  ASSERT_TRUE(world.log().alter_topic("u", config).is_ok());
  world.advance(1'000);
  EXPECT_EQ(count_of(world.consumer_beat(beat_request("a", 2))), 9U);
  ASSERT_TRUE(world.log().delete_topic("u").is_ok());
  world.advance(1'000);
  EXPECT_EQ(count_of(world.consumer_beat(beat_request("a", 3))), 4U);
}

// Requests look at the topics before they take the lock, and may take it in another order.
TEST_F(ConsumerGroups, what_topics_were_before_the_last_request_is_not_gone_back_to) {
  const TopicIds ids(world.log(), kClusterForTests);
  const auto before = group_topics(world.log().topics(), ids, 1);
  world.create_topic("u", 2);
  const auto now = group_topics(world.log().topics(), ids, 2);
  GroupStore store(world.log());
  GroupTurn turn(MonotonicTime(0), WallTime(0), store);
  const GroupLimits limits;
  ConsumerGroup group("alone", limits, ConsumerGroupHeader(), false);
  const Client client{"client", "/127.0.0.1"};
  EXPECT_EQ(count_of(group.heartbeat(join_request("a", {"t", "u"}), "a", client, now, turn)), 6U);
  const auto late = group.heartbeat(beat_request("a", 1), "a", client, before, turn);
  EXPECT_EQ(late.member_epoch, 1);
  EXPECT_EQ(group.rebalance_count(), 1U);
}

TEST_F(ConsumerGroups, topics_that_came_just_before_a_restart_are_noticed_after_it) {
  EXPECT_EQ(count_of(world.consumer_beat(join_request("a", {"t", "u"}))), 4U);
  world.create_topic("u", 2);
  world.restart();
  EXPECT_EQ(count_of(world.consumer_beat(beat_request("a", 1))), 6U);
}

TEST_F(ConsumerGroups, offsets_are_committed_and_read_in_the_members_epoch) {
  (void)world.consumer_beat(join_request("a", {"t"}));
  EXPECT_EQ(world.commit_as("a", 1, {"t", 0}, 7), ErrorCode::none);
  EXPECT_EQ(world.commit_as("a", 2, {"t", 0}, 8), ErrorCode::stale_member_epoch);
  EXPECT_EQ(world.commit_as("b", 1, {"t", 0}, 8), ErrorCode::unknown_member_id);
  EXPECT_EQ(world.commit_as("", -1, {"t", 0}, 8), ErrorCode::unknown_member_id);
  EXPECT_EQ(world.commit("g", {"t", 0}, 8, 1, "a"), ErrorCode::unsupported_version);
  EXPECT_EQ(world.fetch("g", {"t", 0}).committed_offset, 7);
  EXPECT_EQ(fetch_as("a", 1), ErrorCode::none);
  EXPECT_EQ(fetch_as("a", 0), ErrorCode::stale_member_epoch);
  EXPECT_EQ(fetch_as("b", 1), ErrorCode::unknown_member_id);
  EXPECT_EQ(fetch_as(std::nullopt, -1), ErrorCode::none);
  // In a transaction.
  const auto staged = [&](std::int32_t epoch) {
    return world.coordinator().stage_offsets({"g", epoch, "a", std::nullopt},
                                             [] { return ErrorCode::none; });
  };
  EXPECT_EQ(staged(1), ErrorCode::none);
  EXPECT_EQ(staged(2), ErrorCode::illegal_generation);
  // Once it is empty, anybody may.
  (void)world.consumer_beat(leave_request("a"));
  EXPECT_EQ(world.commit_as("", -1, {"t", 0}, 8), ErrorCode::none);
  kafka_wire::OffsetCommitRequest request;
  request.group_id = "other";
  request.generation_id_or_member_epoch = 3;
  request.topics = {{"t", {{0, 1, -1, ""}}}};
  EXPECT_EQ(world.commit(request, 9).get().topics.at(0).partitions.at(0).error_code,
            ErrorCode::group_id_not_found);
}

TEST_F(ConsumerGroups, an_empty_classic_group_becomes_one_with_its_offsets_and_back) {
  const auto ids = world.stable_group("g", 1);
  EXPECT_EQ(world.commit("g", {"t", 0}, 5, 1, ids[0]), ErrorCode::none);
  auto answer = world.consumer_beat(join_request("a", {"t"}));
  EXPECT_EQ(answer.error_code, ErrorCode::group_id_not_found) << "it has a member";
  EXPECT_EQ(world.leave("g", ids[0]), ErrorCode::none);
  EXPECT_THAT(world.list(), ElementsAre("g:Empty:consumer"));

  // A join that fails leaves it what it is.
  Heartbeat bad = join_request("a", {"t"}, "i");
  bad.member_epoch = 4;
  EXPECT_EQ(world.consumer_beat(bad).error_code, ErrorCode::group_id_not_found);
  EXPECT_EQ(world.describe("g").group_state, "Empty");

  const auto rebalances = world.coordinator().counts().rebalances;
  EXPECT_EQ(count_of(world.consumer_beat(join_request("a", {"t"}))), 4U);
  EXPECT_EQ(world.coordinator().counts().rebalances, rebalances + 1) << "it only grows";
  EXPECT_EQ(world.fetch("g", {"t", 0}).committed_offset, 5);
  EXPECT_EQ(world.describe("g", 6).error_code, ErrorCode::group_id_not_found);
  EXPECT_EQ(world.describe("g", 5).group_state, "Dead");
  EXPECT_EQ(world.join("g").error(), ErrorCode::inconsistent_group_protocol);
  EXPECT_EQ(world.heartbeat("g", 1, "a"), ErrorCode::unknown_member_id);
  EXPECT_EQ(world.sync("g", 1, "a").error(), ErrorCode::unknown_member_id);
  EXPECT_EQ(world.leave("g", "a"), ErrorCode::unknown_member_id);
  world.restart();
  EXPECT_EQ(world.consumer_describe("g").members.size(), 1U);

  (void)world.consumer_beat(leave_request("a"));
  const auto since_restart = world.coordinator().counts().rebalances;
  EXPECT_EQ(since_restart, 1U);
  EXPECT_EQ(world.stable_group("g", 1).size(), 1U);
  EXPECT_EQ(world.coordinator().counts().rebalances, since_restart + 1);
  EXPECT_EQ(world.consumer_describe("g").error_code, ErrorCode::group_id_not_found);
  EXPECT_EQ(world.fetch("g", {"t", 0}).committed_offset, 5);
  world.restart();
  EXPECT_EQ(world.describe("g").group_state, "Stable");
}

TEST_F(ConsumerGroups, an_empty_one_that_a_classic_member_looked_at_can_be_deleted_for_good) {
  (void)world.consumer_beat(join_request("a", {"t"}));
  (void)world.consumer_beat(leave_request("a"));
  EXPECT_EQ(world.join("g").error(), ErrorCode::member_id_required);
  EXPECT_EQ(world.delete_group("g"), ErrorCode::none);
  world.restart();
  EXPECT_THAT(world.list(), IsEmpty());
}

TEST_F(ConsumerGroups, they_are_listed_and_deleted_like_others) {
  (void)world.consumer_beat(join_request("a", {"t"}));
  world.stable_group("classic", 1);
  EXPECT_THAT(world.list(), UnorderedElementsAre("classic:Stable:consumer", "g:Stable:consumer"));
  kafka_wire::ListGroupsRequest request;
  request.types_filter = {"Consumer"};
  EXPECT_THAT(world.list(request), ElementsAre("g:Stable:consumer"));
  request.types_filter = {"classic"};
  EXPECT_THAT(world.list(request), ElementsAre("classic:Stable:consumer"));
  EXPECT_EQ(world.delete_group("g"), ErrorCode::non_empty_group);
  EXPECT_EQ(world.commit_as("a", 1, {"t", 0}, 7), ErrorCode::none);
  world.create_topic("u", 1);
  EXPECT_EQ(world.commit_as("a", 1, {"u", 0}, 7), ErrorCode::none);
  const auto deleted = world.delete_offsets({"g", {{"t", {{0}}}, {"u", {{0}}}}});
  EXPECT_EQ(deleted.topics.at(0).partitions.at(0).error_code, ErrorCode::group_subscribed_to_topic);
  EXPECT_EQ(deleted.topics.at(1).partitions.at(0).error_code, ErrorCode::none);
  (void)world.consumer_beat(leave_request("a"));
  EXPECT_EQ(world.delete_group("g"), ErrorCode::none);
  EXPECT_EQ(world.consumer_describe("g").error_code, ErrorCode::group_id_not_found);
  world.restart(true);
  EXPECT_THAT(world.list(), ElementsAre("classic:Stable:consumer"));
}

TEST_F(ConsumerGroups, offsets_of_an_empty_one_expire_with_it) {
  (void)world.consumer_beat(join_request("a", {"t"}));
  EXPECT_EQ(world.commit_as("a", 1, {"t", 0}, 7), ErrorCode::none);
  (void)world.consumer_beat(leave_request("a"));
  world.advance(world.options().offsets_retention_ms - 3'600'000);
  EXPECT_EQ(world.fetch("g", {"t", 0}).committed_offset, 7);
  world.advance(2 * 3'600'000);
  world.flush();
  world.advance(3 * world.options().offsets_retention_check_interval_ms);
  EXPECT_THAT(world.list(), IsEmpty());
  EXPECT_EQ(world.fetch("g", {"t", 0}).committed_offset, -1);
}

TEST_F(ConsumerGroups, groups_of_pipelines_and_too_many_are_refused) {
  Heartbeat request = join_request("a", {"t"});
  request.group_id = "millrace.p";
  EXPECT_EQ(world.consumer_beat(request).error_code, ErrorCode::group_authorization_failed);
  request.group_id = std::string(1025, 'g');
  EXPECT_EQ(world.consumer_beat(request).error_code, ErrorCode::invalid_group_id);
  request.group_id = "";
  EXPECT_EQ(world.consumer_beat(request).error_code, ErrorCode::invalid_request);
  world.coordinator().stop();
  EXPECT_EQ(world.consumer_beat(join_request("a", {"t"})).error_code,
            ErrorCode::coordinator_not_available);
}

TEST_F(ConsumerGroups, the_first_version_names_its_members) {
  const auto answer = world.consumer_beat(join_request("", {"t"}), 0);
  EXPECT_EQ(answer.error_code, ErrorCode::none);
  ASSERT_TRUE(answer.member_id.has_value());
  EXPECT_FALSE(answer.member_id->empty());
  EXPECT_EQ(world.consumer_beat(beat_request(*answer.member_id, 1), 0).error_code, ErrorCode::none);
}

}  // namespace
}  // namespace millrace::broker
