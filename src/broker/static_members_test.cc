#include "broker/group_test_support.h"

// KIP-345 and KIP-814.

namespace millrace::broker {
namespace {

using testing::SizeIs;
using testing::StartsWith;

struct StaticGroup {
  std::vector<std::string> ids;  // of instances i0 (the leader), i1, ...
  std::int32_t generation = 0;
};

JoinOptions as_instance(const std::string& instance, const std::string& member_id = "",
                        std::int16_t version = 5) {
  return {.member_id = member_id, .instance_id = instance, .version = version};
}

StaticGroup two_static_members(GroupWorld& world) {
  StaticGroup group;
  auto zero = world.join("g", as_instance("i0"));
  group.ids.push_back(zero.get().member_id);
  const auto one = world.join("g", as_instance("i1"));
  zero = world.join("g", as_instance("i0", group.ids[0]));
  group.ids.push_back(one.get().member_id);
  group.generation = zero.get().generation_id;
  EXPECT_EQ(zero.get().leader, group.ids[0]);
  EXPECT_EQ(world
                .sync("g", group.generation, group.ids[0],
                      {{group.ids[0], "p0"}, {group.ids[1], "p1"}}, "i0")
                .error(),
            ErrorCode::none);
  EXPECT_EQ(world.sync("g", group.generation, group.ids[1], {}, "i1").error(), ErrorCode::none);
  return group;
}

TEST(StaticMembers, join_without_asking_for_an_id_first) {
  GroupWorld world;
  const auto joined = world.join("g", as_instance("i0")).get();
  EXPECT_EQ(joined.error_code, ErrorCode::none);
  EXPECT_THAT(joined.member_id, StartsWith("i0-"));
  ASSERT_THAT(joined.members, SizeIs(1));
  EXPECT_EQ(joined.members[0].group_instance_id, "i0");
}

TEST(StaticMembers, a_restarted_one_takes_its_place_without_a_rebalance) {
  GroupWorld world;
  const auto group = two_static_members(world);
  const auto back = world.join("g", as_instance("i1")).get();
  EXPECT_EQ(back.error_code, ErrorCode::none);
  EXPECT_NE(back.member_id, group.ids[1]);
  EXPECT_EQ(back.generation_id, group.generation);
  EXPECT_EQ(back.leader, group.ids[0]);
  EXPECT_THAT(back.members, SizeIs(0));
  EXPECT_EQ(world.sync("g", group.generation, back.member_id, {}, "i1").get().assignment.bytes,
            "p1");
  EXPECT_EQ(world.heartbeat("g", group.generation, group.ids[0], "i0"), ErrorCode::none);
  // Whoever still uses the old id is fenced.
  EXPECT_EQ(world.heartbeat("g", group.generation, group.ids[1], "i1"),
            ErrorCode::fenced_instance_id);
  EXPECT_EQ(world.heartbeat("g", group.generation, group.ids[1]), ErrorCode::unknown_member_id);
  EXPECT_EQ(world.sync("g", group.generation, group.ids[1], {}, "i1").error(),
            ErrorCode::fenced_instance_id);
  EXPECT_EQ(world.join("g", as_instance("i1", group.ids[1])).error(),
            ErrorCode::fenced_instance_id);
  world.create_topic("t");
  EXPECT_EQ(world.commit("g", {"t", 0}, 1, group.generation, group.ids[1], "", "i1"),
            ErrorCode::fenced_instance_id);
  EXPECT_EQ(world.leave({"g", "", {{group.ids[1], "i1", {}}}}, 3).members.at(0).error_code,
            ErrorCode::fenced_instance_id);
}

TEST(StaticMembers, an_instance_nobody_knows_is_an_unknown_member) {
  GroupWorld world;
  const auto group = two_static_members(world);
  EXPECT_EQ(world.heartbeat("g", group.generation, group.ids[1], "i7"),
            ErrorCode::unknown_member_id);
}

TEST(StaticMembers, a_restarted_leader_is_not_told_that_it_leads_before_version_9) {
  GroupWorld world;
  const auto group = two_static_members(world);
  const auto back = world.join("g", as_instance("i0")).get();
  EXPECT_EQ(back.error_code, ErrorCode::none);
  EXPECT_EQ(back.leader, group.ids[0]);  // not itself
  EXPECT_FALSE(back.skip_assignment);
  EXPECT_THAT(back.members, SizeIs(0));
  EXPECT_EQ(world.sync("g", group.generation, back.member_id, {}, "i0").get().assignment.bytes,
            "p0");
}

TEST(StaticMembers, a_restarted_leader_leads_on_without_assigning_from_version_9_on) {
  GroupWorld world;
  const auto group = two_static_members(world);
  const auto back = world.join("g", as_instance("i0", "", 9)).get();
  EXPECT_EQ(back.leader, back.member_id);
  EXPECT_TRUE(back.skip_assignment);
  EXPECT_THAT(back.members, SizeIs(2));
  EXPECT_EQ(world.sync("g", group.generation, back.member_id, {}, "i0").get().assignment.bytes,
            "p0");
  const auto follower = world.join("g", as_instance("i1", "", 9)).get();
  EXPECT_FALSE(follower.skip_assignment);
  EXPECT_EQ(follower.leader, back.member_id);
}

TEST(StaticMembers, another_subscription_or_protocol_rebalances) {
  for (const bool is_protocol : {true, false}) {
    GroupWorld world;
    const auto group = two_static_members(world);
    auto changed = as_instance("i1");
    changed.protocols = {{"range", subscription_to({"u"})}};
    if (is_protocol) {
      changed.protocols = {{"sticky", "s"}};
      EXPECT_EQ(world.join("g", changed).error(), ErrorCode::inconsistent_group_protocol);
      continue;
    }
    const auto back = world.join("g", changed);
    EXPECT_FALSE(back.is_given());
    EXPECT_EQ(world.heartbeat("g", group.generation, group.ids[0], "i0"),
              ErrorCode::rebalance_in_progress);
    const auto leader = world.join("g", as_instance("i0", group.ids[0]));
    EXPECT_EQ(back.get().generation_id, group.generation + 1);
  }
}

TEST(StaticMembers, other_metadata_for_the_same_topics_does_not_rebalance) {
  GroupWorld world;
  const auto group = two_static_members(world);
  kafka_wire::ConsumerProtocolSubscription subscription;
  subscription.topics = {"t"};
  subscription.owned_partitions = {{"t", {1, 2}}};
  auto again = as_instance("i1");
  again.protocols = {{"range", kafka_wire::encode_subscription(subscription, 1)}};
  EXPECT_EQ(world.join("g", again).error(), ErrorCode::none);
  EXPECT_EQ(world.heartbeat("g", group.generation, group.ids[0], "i0"), ErrorCode::none);
}

TEST(StaticMembers, a_restart_during_the_assignment_rebalances) {
  GroupWorld world;
  const auto first = world.join("g", as_instance("i0")).get();
  const auto back = world.join("g", as_instance("i0"));
  EXPECT_EQ(back.get().generation_id, first.generation_id + 1);
  EXPECT_EQ(back.get().leader, back.get().member_id);
  EXPECT_EQ(world.sync("g", first.generation_id, first.member_id, {}, "i0").error(),
            ErrorCode::fenced_instance_id);
}

TEST(StaticMembers, a_waiting_request_of_the_old_id_is_fenced) {
  GroupWorld world;
  const auto group = two_static_members(world);
  const auto waiting = world.join("g", as_instance("i0", group.ids[0]));
  EXPECT_FALSE(waiting.is_given());
  const auto back = world.join("g", as_instance("i0"));
  EXPECT_EQ(waiting.error(), ErrorCode::fenced_instance_id);
  EXPECT_FALSE(back.is_given());
  const auto other = world.join("g", as_instance("i1", group.ids[1]));
  EXPECT_EQ(back.get().generation_id, group.generation + 1);
  EXPECT_EQ(back.get().leader, back.get().member_id);

  const auto waiting_sync = world.sync("g", group.generation + 1, group.ids[1], {}, "i1");
  EXPECT_FALSE(waiting_sync.is_given());
  const auto one_back = world.join("g", as_instance("i1"));
  EXPECT_EQ(waiting_sync.error(), ErrorCode::fenced_instance_id);
}

TEST(StaticMembers, one_that_is_away_keeps_its_place_in_a_rebalance_until_its_session_is_over) {
  GroupWorld world;
  const auto group = two_static_members(world);
  world.advance(1'000);
  auto leader = as_instance("i0", group.ids[0]);
  leader.rebalance_ms = 5'000;
  auto absent = as_instance("i1");
  EXPECT_EQ(world.heartbeat("g", group.generation, group.ids[0], "i0"), ErrorCode::none);
  const auto third = world.join("g", {.version = 3, .session_ms = 60'000, .rebalance_ms = 5'000});
  const auto zero = world.join("g", leader);
  // The absent one's rebalance time-out is a minute; its session ends before.
  world.advance(8'999);
  EXPECT_FALSE(third.is_given());
  world.advance(1);
  EXPECT_THAT(zero.get().members, SizeIs(2));
}

TEST(StaticMembers, one_that_is_away_at_the_end_of_the_rebalance_is_still_assigned_to) {
  GroupWorld world;
  auto options = as_instance("i0");
  options.rebalance_ms = 3'000;
  options.session_ms = 30'000;
  const auto zero = world.join("g", options).get();
  EXPECT_EQ(world.sync("g", 1, zero.member_id, {}, "i0").error(), ErrorCode::none);
  const auto one = world.join("g", {.version = 3, .session_ms = 30'000, .rebalance_ms = 3'000});
  world.advance(3'000);
  ASSERT_TRUE(one.is_given());
  EXPECT_THAT(one.get().members, SizeIs(2));
  EXPECT_EQ(one.get().leader, one.get().member_id);
  EXPECT_EQ(world.sync("g", 2, one.get().member_id, {{zero.member_id, "for i0"}}).error(),
            ErrorCode::none);
  // Back within its session: its place is kept, nobody rebalances.
  world.advance(20'000);
  const auto back = world.join("g", options).get();
  EXPECT_EQ(back.generation_id, 2);
  EXPECT_EQ(world.sync("g", 2, back.member_id, {}, "i0").get().assignment.bytes, "for i0");
  EXPECT_EQ(world.heartbeat("g", 2, one.get().member_id), ErrorCode::none);
}

TEST(StaticMembers, a_rebalance_of_which_nobody_is_back_waits_for_them) {
  GroupWorld world;
  auto options = as_instance("i0");
  options.rebalance_ms = 3'000;
  options.session_ms = 30'000;
  const auto zero = world.join("g", options).get();
  EXPECT_EQ(world.sync("g", 1, zero.member_id, {}, "i0").error(), ErrorCode::none);
  // A dynamic member joins and goes; the static one is away all the time.
  const auto one = world.join("g", {.version = 3, .rebalance_ms = 3'000});
  const auto two = world.describe("g").members;
  for (const auto& member : two) {
    if (!member.group_instance_id) {
      EXPECT_EQ(world.leave("g", member.member_id), ErrorCode::none);
    }
  }
  EXPECT_EQ(one.error(), ErrorCode::unknown_member_id);
  world.advance(10'000);
  EXPECT_EQ(world.describe("g").group_state, "PreparingRebalance");
  const auto back = world.join("g", options);
  EXPECT_EQ(back.get().generation_id, 2);
}

TEST(StaticMembers, a_rebalance_without_a_time_out_does_not_wait_in_a_loop) {
  GroupWorld world;
  auto options = as_instance("i0");
  options.rebalance_ms = 0;
  options.session_ms = 30'000;
  const auto zero = world.join("g", options).get();
  EXPECT_EQ(world.sync("g", 1, zero.member_id, {}, "i0").error(), ErrorCode::none);
  const auto one = world.join("g", {.version = 3, .rebalance_ms = 0});
  for (const auto& member : world.describe("g").members) {
    if (!member.group_instance_id) {
      EXPECT_EQ(world.leave("g", member.member_id), ErrorCode::none);
    }
  }
  EXPECT_EQ(one.error(), ErrorCode::unknown_member_id);
  world.advance(20'000);
  EXPECT_EQ(world.describe("g").group_state, "PreparingRebalance");
}

TEST(StaticMembers, an_administrator_removes_one_by_its_instance) {
  GroupWorld world;
  const auto group = two_static_members(world);
  EXPECT_EQ(world.leave({"g", "", {{"", "i1", {}}}}, 3).members.at(0).error_code, ErrorCode::none);
  EXPECT_EQ(world.heartbeat("g", group.generation, group.ids[1], "i1"),
            ErrorCode::unknown_member_id);
  EXPECT_EQ(world.heartbeat("g", group.generation, group.ids[0], "i0"),
            ErrorCode::rebalance_in_progress);
}

TEST(StaticMembers, places_are_kept_over_restarts_of_the_broker) {
  GroupWorld world;
  const auto group = two_static_members(world);
  const auto back = world.join("g", as_instance("i1")).get();
  world.restart(true);
  EXPECT_EQ(world.heartbeat("g", group.generation, back.member_id, "i1"), ErrorCode::none);
  EXPECT_EQ(world.heartbeat("g", group.generation, group.ids[1], "i1"),
            ErrorCode::fenced_instance_id);
  const auto again = world.join("g", as_instance("i1")).get();
  EXPECT_EQ(again.generation_id, group.generation);
}

}  // namespace
}  // namespace millrace::broker
