#include "broker/group_test_support.h"

namespace millrace::broker {
namespace {

using testing::ElementsAre;
using testing::SizeIs;
using testing::StartsWith;

using Protocols = std::vector<std::pair<std::string, std::string>>;

TEST(GroupJoin, a_new_member_is_told_its_id_before_it_is_a_member) {
  GroupWorld world;
  const auto first = world.join("g").get();
  EXPECT_EQ(first.error_code, ErrorCode::member_id_required);
  EXPECT_THAT(first.member_id, StartsWith("client-"));
  EXPECT_EQ(world.coordinator().counts().members, 0);
  EXPECT_EQ(world.coordinator().counts().pending_members, 1);

  const auto second = world.join("g", {.member_id = first.member_id}).get();
  EXPECT_EQ(second.error_code, ErrorCode::none);
  EXPECT_EQ(second.member_id, first.member_id);
  EXPECT_EQ(second.leader, first.member_id);
  EXPECT_EQ(second.generation_id, 1);
  EXPECT_EQ(second.protocol_type, "consumer");
  EXPECT_EQ(second.protocol_name, "range");
  ASSERT_THAT(second.members, SizeIs(1));
  EXPECT_EQ(second.members[0].member_id, first.member_id);
  EXPECT_EQ(second.members[0].metadata.bytes, subscription_to({"t"}));
  EXPECT_EQ(world.coordinator().counts().pending_members, 0);
}

TEST(GroupJoin, before_version_4_a_new_member_joins_at_once) {
  GroupWorld world;
  const auto joined = world.join("g", {.version = 3}).get();
  EXPECT_EQ(joined.error_code, ErrorCode::none);
  EXPECT_EQ(joined.leader, joined.member_id);
}

TEST(GroupJoin, a_member_id_nobody_was_given_is_unknown) {
  GroupWorld world;
  EXPECT_EQ(world.join("g", {.member_id = "made-up"}).error(), ErrorCode::unknown_member_id);
  EXPECT_EQ(world.coordinator().counts().groups, 0);
  world.stable_group("g", 1);
  EXPECT_EQ(world.join("g", {.member_id = "made-up"}).error(), ErrorCode::unknown_member_id);
}

TEST(GroupJoin, who_does_not_come_back_with_its_id_is_forgotten_and_so_is_its_group) {
  GroupWorld world;
  const auto id = world.join("g", {.session_ms = 10'000}).get().member_id;
  world.advance(9'999);
  EXPECT_EQ(world.coordinator().counts().pending_members, 1);
  world.advance(1);
  EXPECT_EQ(world.coordinator().counts().pending_members, 0);
  EXPECT_EQ(world.coordinator().counts().groups, 0);
  EXPECT_EQ(world.join("g", {.member_id = id}).error(), ErrorCode::unknown_member_id);
}

TEST(GroupJoin, a_rebalance_waits_for_those_who_were_told_their_id) {
  GroupWorld world;
  const auto ids = world.stable_group("g", 1);
  const auto pending = world.join("g").get().member_id;
  // The leader asks for a rebalance; alone it is not complete.
  const auto leader = world.join("g", {.member_id = ids[0]});
  EXPECT_FALSE(leader.is_given());
  const auto other = world.join("g", {.member_id = pending});
  EXPECT_EQ(other.error(), ErrorCode::none);
  EXPECT_THAT(leader.get().members, SizeIs(2));
  EXPECT_THAT(other.get().members, SizeIs(0));
  EXPECT_EQ(other.get().generation_id, leader.get().generation_id);
}

TEST(GroupJoin, a_rebalance_goes_on_when_the_last_pending_member_is_forgotten_or_leaves) {
  for (const bool leaves : {true, false}) {
    GroupWorld world;
    const auto ids = world.stable_group("g", 1);
    const auto pending = world.join("g").get().member_id;
    const auto leader = world.join("g", {.member_id = ids[0]});
    EXPECT_FALSE(leader.is_given());
    if (leaves) {
      EXPECT_EQ(world.leave("g", pending), ErrorCode::none);
    } else {
      world.advance(10'000);
    }
    EXPECT_EQ(leader.error(), ErrorCode::none);
  }
}

TEST(GroupJoin, session_time_outs_have_bounds) {
  GroupWorld world;
  EXPECT_EQ(world.join("g", {.session_ms = 5'999}).error(), ErrorCode::invalid_session_timeout);
  EXPECT_EQ(world.join("g", {.session_ms = 1'800'001}).error(), ErrorCode::invalid_session_timeout);
  EXPECT_EQ(world.join("g", {.session_ms = 6'000}).error(), ErrorCode::member_id_required);
  EXPECT_EQ(world.join("g", {.session_ms = 1'800'000}).error(), ErrorCode::member_id_required);
}

TEST(GroupJoin, a_group_has_a_name) {
  GroupWorld world;
  EXPECT_EQ(world.join("").error(), ErrorCode::invalid_group_id);
  EXPECT_EQ(world.join(std::string(1025, 'x')).error(), ErrorCode::invalid_group_id);
}

TEST(GroupJoin, groups_of_pipelines_are_not_for_clients) {
  GroupWorld world;
  EXPECT_EQ(world.join("millrace.p.source").error(), ErrorCode::group_authorization_failed);
  EXPECT_EQ(world.heartbeat("millrace.p.source", 1, "m"), ErrorCode::group_authorization_failed);
  EXPECT_EQ(world.leave("millrace.p.source", "m"), ErrorCode::group_authorization_failed);
  EXPECT_EQ(world.sync("millrace.p.source", 1, "m").error(), ErrorCode::group_authorization_failed);
}

TEST(GroupJoin, protocols_must_have_something_in_common) {
  GroupWorld world;
  EXPECT_EQ(world.join("g", {.protocols = {}}).error(), ErrorCode::inconsistent_group_protocol);
  EXPECT_EQ(world.join("g", {.protocol_type = ""}).error(), ErrorCode::inconsistent_group_protocol);
  world.stable_group("g", 1, {.protocols = {{"range", "a"}, {"roundrobin", "b"}}});
  EXPECT_EQ(world.join("g", {.protocols = {{"sticky", "a"}}}).error(),
            ErrorCode::inconsistent_group_protocol);
  EXPECT_EQ(world.join("g", {.protocols = {{"range", "a"}}, .protocol_type = "connect"}).error(),
            ErrorCode::inconsistent_group_protocol);
  EXPECT_EQ(world.join("g", {.protocols = {{"sticky", "a"}, {"roundrobin", "c"}}}).error(),
            ErrorCode::member_id_required);
}

TEST(GroupJoin, an_empty_group_takes_another_protocol_type) {
  GroupWorld world;
  const auto ids = world.stable_group("g", 1);
  EXPECT_EQ(world.leave("g", ids[0]), ErrorCode::none);
  const auto joined =
      world.join("g", {.version = 3, .protocols = {{"v1", "x"}}, .protocol_type = "connect"});
  EXPECT_EQ(joined.error(), ErrorCode::none);
  EXPECT_EQ(joined.get().protocol_type, "connect");
}

TEST(GroupJoin, most_votes_among_what_everybody_has_decide_the_protocol) {
  GroupWorld world({.limits = {.initial_rebalance_delay_ms = 1000}});
  // All have b, c and d; a is liked best by the first but not known to all.
  const auto one = world.join(
      "g", {.version = 3, .protocols = {{"a", "1a"}, {"b", "1b"}, {"c", "1c"}, {"d", "1d"}}});
  const auto two =
      world.join("g", {.version = 3, .protocols = {{"c", "2c"}, {"b", "2b"}, {"d", "2d"}}});
  const auto three =
      world.join("g", {.version = 3, .protocols = {{"c", "3c"}, {"d", "3d"}, {"b", "3b"}}});
  world.advance(2000);
  EXPECT_EQ(one.get().protocol_name, "c");
  EXPECT_EQ(two.get().protocol_name, "c");
  const auto& leader =
      one.get().members.empty() ? (two.get().members.empty() ? three.get() : two.get()) : one.get();
  std::set<std::string> metadata;
  for (const auto& member : leader.members) metadata.insert(member.metadata.bytes);
  EXPECT_THAT(metadata, ElementsAre("1c", "2c", "3c"));
}

TEST(GroupJoin, a_group_has_at_most_so_many_members) {
  GroupWorld world({.limits = {.members_per_group_max = 2}});
  world.stable_group("g", 2);
  EXPECT_EQ(world.join("g", {.version = 3}).error(), ErrorCode::group_max_size_reached);
  // Neither are more told an id than there may be members.
  EXPECT_EQ(world.join("g").error(), ErrorCode::group_max_size_reached);
}

TEST(GroupJoin, ids_are_given_to_at_most_as_many_as_may_be_members) {
  GroupWorld world({.limits = {.members_per_group_max = 2}});
  EXPECT_EQ(world.join("g").error(), ErrorCode::member_id_required);
  EXPECT_EQ(world.join("g").error(), ErrorCode::member_id_required);
  EXPECT_EQ(world.join("g").error(), ErrorCode::group_max_size_reached);
}

TEST(GroupJoin, there_are_at_most_so_many_groups_and_bytes) {
  GroupWorld world({.limits = {.member_bytes_max = 1000, .group_bytes_max = 1500},
                    .groups_max = 2,
                    .all_groups_bytes_max = 2000});
  const Protocols big{{"range", std::string(900, 'x')}};
  const Protocols too_big{{"range", std::string(1001, 'x')}};
  EXPECT_EQ(world.join("a", {.version = 3, .protocols = too_big}).error(),
            ErrorCode::group_max_size_reached);
  EXPECT_EQ(world.join("a", {.version = 3, .protocols = big}).error(), ErrorCode::none);
  EXPECT_EQ(world.join("a", {.version = 3, .protocols = big}).error(),
            ErrorCode::group_max_size_reached);
  EXPECT_EQ(world.join("b", {.version = 3, .protocols = big}).error(), ErrorCode::none);
  EXPECT_EQ(world.join("c", {.version = 3}).error(), ErrorCode::group_max_size_reached);
  EXPECT_EQ(
      world.join("b", {.version = 3, .protocols = {{"range", std::string(300, 'x')}}}).error(),
      ErrorCode::group_max_size_reached);
}

TEST(GroupJoin, a_join_asked_again_answers_the_first_and_waits) {
  GroupWorld world;
  const auto ids = world.stable_group("g", 2);
  const auto first = world.join("g", {.member_id = ids[0]});
  EXPECT_FALSE(first.is_given());
  const auto second = world.join("g", {.member_id = ids[0]});
  EXPECT_EQ(first.error(), ErrorCode::rebalance_in_progress);
  EXPECT_FALSE(second.is_given());
  const auto other = world.join("g", {.member_id = ids[1]});
  EXPECT_EQ(second.error(), ErrorCode::none);
  EXPECT_EQ(other.error(), ErrorCode::none);
}

TEST(GroupJoin, a_new_member_that_nobody_collects_is_given_up) {
  GroupWorld world;
  const auto ids = world.stable_group("g", 1, {.rebalance_ms = 3'600'000});
  const auto lost = world.join("g", {.version = 3});
  for (int minute = 0; minute < 4; ++minute) {
    for (int beat = 0; beat < 12; ++beat) {
      world.advance(5'000);
      EXPECT_EQ(world.heartbeat("g", 1, ids[0]), ErrorCode::rebalance_in_progress);
    }
  }
  EXPECT_FALSE(lost.is_given());
  for (int beat = 0; beat < 12; ++beat) {
    world.advance(5'000);
    EXPECT_EQ(world.heartbeat("g", 1, ids[0]), ErrorCode::rebalance_in_progress);
  }
  EXPECT_EQ(lost.error(), ErrorCode::unknown_member_id);
}

TEST(GroupJoin, nothing_is_answered_before_the_start_and_after_the_end) {
  GroupWorld world;
  world.stable_group("g", 1);
  const auto waiting = world.join("g", {.version = 3});
  EXPECT_FALSE(waiting.is_given());
  world.coordinator().stop();
  EXPECT_EQ(waiting.error(), ErrorCode::coordinator_not_available);
  EXPECT_EQ(world.join("g").error(), ErrorCode::coordinator_not_available);
  EXPECT_EQ(world.heartbeat("g", 1, "m"), ErrorCode::coordinator_not_available);
  EXPECT_EQ(world.sync("g", 1, "m").error(), ErrorCode::coordinator_not_available);
  EXPECT_EQ(world.leave("g", "m"), ErrorCode::coordinator_not_available);
  EXPECT_EQ(world.commit("g", {"t", 0}, 1), ErrorCode::unknown_topic_or_partition);
  world.create_topic("t");
  EXPECT_EQ(world.commit("g", {"t", 0}, 1), ErrorCode::coordinator_not_available);
  EXPECT_EQ(world.fetch("g", {"t", 0}).error_code, ErrorCode::coordinator_not_available);
  EXPECT_EQ(world.delete_group("g"), ErrorCode::coordinator_not_available);
  EXPECT_EQ(world.describe("g").error_code, ErrorCode::coordinator_not_available);

  world.make_coordinator();
  EXPECT_EQ(world.join("g").error(), ErrorCode::coordinator_not_available);
  ASSERT_TRUE(world.coordinator().start().is_ok());
  EXPECT_EQ(world.join("g").error(), ErrorCode::member_id_required);
}

}  // namespace
}  // namespace millrace::broker
