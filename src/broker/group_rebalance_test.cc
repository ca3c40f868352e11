#include "broker/group_test_support.h"

namespace millrace::broker {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

TEST(GroupRebalance, everybody_gets_what_the_leader_decided) {
  GroupWorld world;
  const auto ids = world.stable_group("g", 3);  // checks every assignment
  EXPECT_EQ(world.describe("g").group_state, "Stable");
}

TEST(GroupRebalance, members_wait_for_their_leader) {
  GroupWorld world({.limits = {.initial_rebalance_delay_ms = 100}});
  const auto one = world.join("g", {.version = 3});
  const auto two = world.join("g", {.version = 3});
  world.advance(200);
  const bool one_leads = one.get().leader == one.get().member_id;
  const auto leader = one_leads ? one.get() : two.get();
  const auto other = one_leads ? two.get() : one.get();
  EXPECT_EQ(leader.leader, other.leader);
  EXPECT_THAT(leader.members, SizeIs(2));
  EXPECT_THAT(other.members, SizeIs(0));

  const auto waiting = world.sync("g", 1, other.member_id);
  EXPECT_FALSE(waiting.is_given());
  // Meanwhile it lives on, and so does its session.
  EXPECT_EQ(world.heartbeat("g", 1, other.member_id), ErrorCode::none);
  EXPECT_EQ(world.describe("g").group_state, "CompletingRebalance");
  const auto led = world.sync("g", 1, leader.member_id,
                              {{other.member_id, "what is other's"}, {"somebody else", "ignored"}});
  EXPECT_EQ(led.error(), ErrorCode::none);
  EXPECT_EQ(led.get().assignment.bytes, "");
  EXPECT_EQ(led.get().protocol_name, "range");
  EXPECT_EQ(led.get().protocol_type, "consumer");
  EXPECT_EQ(waiting.get().assignment.bytes, "what is other's");
}

TEST(GroupRebalance, a_sync_again_gets_the_same_assignment) {
  GroupWorld world;
  const auto ids = world.stable_group("g", 2);
  constexpr std::int32_t kGeneration = 2;
  EXPECT_EQ(world.sync("g", kGeneration, ids[1]).get().assignment.bytes, "p1");
  // Even of the leader, and whatever it says now.
  EXPECT_EQ(world.sync("g", kGeneration, ids[0], {{ids[0], "late"}}).get().assignment.bytes, "p0");
}

TEST(GroupRebalance, a_sync_asked_again_while_waiting_answers_the_first) {
  GroupWorld world({.limits = {.initial_rebalance_delay_ms = 100}});
  const auto one = world.join("g", {.version = 3});
  const auto two = world.join("g", {.version = 3});
  world.advance(200);
  const auto leader = one.get().leader;
  const auto other = one.get().member_id == leader ? two.get().member_id : one.get().member_id;
  const auto first = world.sync("g", 1, other);
  const auto second = world.sync("g", 1, other);
  EXPECT_EQ(first.error(), ErrorCode::rebalance_in_progress);
  EXPECT_FALSE(second.is_given());
  EXPECT_EQ(world.sync("g", 1, leader).error(), ErrorCode::none);
  EXPECT_EQ(second.error(), ErrorCode::none);
}

TEST(GroupRebalance, a_sync_is_checked) {
  GroupWorld world;
  EXPECT_EQ(world.sync("g", 1, "m").error(), ErrorCode::unknown_member_id);
  const auto ids = world.stable_group("g", 1);
  EXPECT_EQ(world.sync("g", 1, "m").error(), ErrorCode::unknown_member_id);
  EXPECT_EQ(world.sync("g", 2, ids[0]).error(), ErrorCode::illegal_generation);
  EXPECT_EQ(world.sync("g", 0, ids[0]).error(), ErrorCode::illegal_generation);
  kafka_wire::SyncGroupRequest request;
  request.group_id = "g";
  request.generation_id = 1;
  request.member_id = ids[0];
  request.protocol_type = "connect";
  EXPECT_EQ(world.sync(request).error(), ErrorCode::inconsistent_group_protocol);
  request.protocol_type = "consumer";
  request.protocol_name = "sticky";
  EXPECT_EQ(world.sync(request).error(), ErrorCode::inconsistent_group_protocol);
  request.protocol_name = "range";
  EXPECT_EQ(world.sync(request).error(), ErrorCode::none);
}

TEST(GroupRebalance, heartbeats_tell_members_to_join_again) {
  GroupWorld world;
  const auto ids = world.stable_group("g", 2);
  constexpr std::int32_t kGeneration = 2;
  EXPECT_EQ(world.heartbeat("g", kGeneration, ids[0]), ErrorCode::none);
  EXPECT_EQ(world.heartbeat("g", kGeneration + 1, ids[0]), ErrorCode::illegal_generation);
  EXPECT_EQ(world.heartbeat("g", kGeneration, "m"), ErrorCode::unknown_member_id);
  EXPECT_EQ(world.heartbeat("none", kGeneration, ids[0]), ErrorCode::unknown_member_id);

  const auto third = world.join("g", {.version = 3});
  EXPECT_FALSE(third.is_given());
  EXPECT_EQ(world.heartbeat("g", kGeneration, ids[0]), ErrorCode::rebalance_in_progress);
  EXPECT_EQ(world.sync("g", kGeneration, ids[0]).error(), ErrorCode::rebalance_in_progress);
  EXPECT_EQ(world.describe("g").group_state, "PreparingRebalance");
  const auto zero = world.join("g", {.member_id = ids[0]});
  const auto one = world.join("g", {.member_id = ids[1]});
  EXPECT_EQ(third.get().generation_id, kGeneration + 1);
  // The old generation is over.
  EXPECT_EQ(world.heartbeat("g", kGeneration, ids[0]), ErrorCode::illegal_generation);
  EXPECT_EQ(zero.get().leader, ids[0]);
}

TEST(GroupRebalance, who_does_not_join_in_time_is_no_member_any_more) {
  GroupWorld world;
  const auto ids = world.stable_group("g", 2, {.rebalance_ms = 30'000});
  const auto third = world.join("g", {.version = 3, .rebalance_ms = 5'000});
  const auto zero = world.join("g", {.member_id = ids[0], .rebalance_ms = 5'000});
  for (int i = 0; i < 5; ++i) {
    world.advance(5'000);  // the longest rebalance time-out of all counts
    EXPECT_FALSE(third.is_given());
    EXPECT_EQ(world.heartbeat("g", 3, ids[1]), ErrorCode::illegal_generation);
    EXPECT_EQ(world.heartbeat("g", 2, ids[1]), ErrorCode::rebalance_in_progress);
  }
  world.advance(5'000);
  EXPECT_EQ(third.get().generation_id, 3);
  EXPECT_EQ(zero.get().generation_id, 3);
  EXPECT_EQ(world.heartbeat("g", 2, ids[1]), ErrorCode::unknown_member_id);
  EXPECT_EQ(world.join("g", {.member_id = ids[1]}).error(), ErrorCode::unknown_member_id);
}

TEST(GroupRebalance, the_rebalance_time_out_of_version_0_is_the_session_time_out) {
  GroupWorld world;
  const auto ids =
      world.stable_group("g", 1, {.version = 4, .session_ms = 20'000, .rebalance_ms = -1});
  const auto next = world.join("g", {.version = 0, .session_ms = 6'000, .rebalance_ms = -1});
  for (int i = 0; i < 3; ++i) {
    world.advance(6'000);
    EXPECT_EQ(world.heartbeat("g", 1, ids[0]), ErrorCode::rebalance_in_progress);
  }
  EXPECT_FALSE(next.is_given());
  world.advance(2'000);
  EXPECT_EQ(next.error(), ErrorCode::none);
}

TEST(GroupRebalance, a_silent_member_expires_and_the_others_rebalance) {
  GroupWorld world;
  const auto ids = world.stable_group("g", 2, {.session_ms = 10'000});
  constexpr std::int32_t kGeneration = 2;
  world.advance(9'999);
  EXPECT_EQ(world.heartbeat("g", kGeneration, ids[0]), ErrorCode::none);
  world.advance(1);
  EXPECT_EQ(world.heartbeat("g", kGeneration, ids[0]), ErrorCode::rebalance_in_progress);
  EXPECT_EQ(world.heartbeat("g", kGeneration, ids[1]), ErrorCode::unknown_member_id);
  const auto again = world.join("g", {.member_id = ids[0]});
  EXPECT_EQ(again.get().generation_id, kGeneration + 1);
  EXPECT_THAT(again.get().members, SizeIs(1));
}

TEST(GroupRebalance, the_last_member_gone_leaves_an_empty_group) {
  GroupWorld world;
  const auto ids = world.stable_group("g", 1);
  world.advance(10'000);
  EXPECT_EQ(world.describe("g").group_state, "Empty");
  EXPECT_EQ(world.heartbeat("g", 1, ids[0]), ErrorCode::unknown_member_id);
  const auto next = world.join("g", {.version = 3});
  EXPECT_EQ(next.get().generation_id, 3);  // being empty was one
}

TEST(GroupRebalance, the_last_member_may_go_while_others_are_only_pending) {
  GroupWorld world;
  const auto ids = world.stable_group("g", 1, {.session_ms = 10'000});
  const auto pending = world.join("g", {.session_ms = 30'000}).get().member_id;
  world.advance(10'000);
  EXPECT_EQ(world.coordinator().counts().members, 0);
  EXPECT_EQ(world.join("g", {.member_id = pending}).error(), ErrorCode::none);
}

TEST(GroupRebalance, who_waits_is_not_silent) {
  GroupWorld world;
  const auto ids = world.stable_group("g", 2, {.session_ms = 6'000, .rebalance_ms = 60'000});
  const auto waiting = world.join("g", {.member_id = ids[0], .session_ms = 6'000});
  for (int i = 0; i < 11; ++i) {
    world.advance(5'000);
    EXPECT_EQ(world.heartbeat("g", 2, ids[1]), ErrorCode::rebalance_in_progress);
  }
  EXPECT_FALSE(waiting.is_given());
  world.advance(5'000);
  EXPECT_EQ(waiting.error(), ErrorCode::none);
  // And its session starts with the answer.
  world.advance(5'999);
  EXPECT_EQ(world.heartbeat("g", 3, ids[0]), ErrorCode::none);
}

TEST(GroupRebalance, who_joined_and_never_syncs_is_removed_by_the_rebalance_time_out) {
  GroupWorld world({.limits = {.initial_rebalance_delay_ms = 100}});
  const auto one = world.join("g", {.version = 3, .rebalance_ms = 8'000});
  const auto two = world.join("g", {.version = 3, .rebalance_ms = 8'000});
  world.advance(200);
  const auto leader = one.get().leader;
  const auto silent = one.get().member_id == leader ? two.get().member_id : one.get().member_id;
  EXPECT_EQ(world.sync("g", 1, leader).error(), ErrorCode::none);
  world.advance(4'000);
  EXPECT_EQ(world.heartbeat("g", 1, silent), ErrorCode::none);  // alive all the same
  EXPECT_EQ(world.heartbeat("g", 1, leader), ErrorCode::none);
  world.advance(4'000);
  EXPECT_EQ(world.heartbeat("g", 1, silent), ErrorCode::unknown_member_id);
  EXPECT_EQ(world.heartbeat("g", 1, leader), ErrorCode::rebalance_in_progress);
}

TEST(GroupRebalance, a_leader_that_never_syncs_makes_room_for_another) {
  GroupWorld world({.limits = {.initial_rebalance_delay_ms = 100}});
  const auto one = world.join("g", {.version = 3, .rebalance_ms = 8'000});
  const auto two = world.join("g", {.version = 3, .rebalance_ms = 8'000});
  world.advance(200);
  const auto leader = one.get().leader;
  const auto other = one.get().member_id == leader ? two.get().member_id : one.get().member_id;
  const auto waiting = world.sync("g", 1, other);
  world.advance(8'000);
  EXPECT_EQ(waiting.error(), ErrorCode::rebalance_in_progress);
  const auto again = world.join("g", {.member_id = other, .rebalance_ms = 8'000});
  EXPECT_EQ(again.get().leader, other);
  EXPECT_EQ(again.get().generation_id, 2);
}

TEST(GroupRebalance, a_leader_joining_again_rebalances_others_only_with_new_metadata) {
  GroupWorld world;
  const auto ids = world.stable_group("g", 2);
  // A follower asks without a reason: it is told what it knows.
  const auto same = world.join("g", {.member_id = ids[1]}).get();
  EXPECT_EQ(same.error_code, ErrorCode::none);
  EXPECT_EQ(same.generation_id, 2);
  EXPECT_EQ(same.leader, ids[0]);
  EXPECT_EQ(world.heartbeat("g", 2, ids[0]), ErrorCode::none);
  // With a reason.
  const auto changed =
      world.join("g", {.member_id = ids[1], .protocols = {{"range", subscription_to({"u"})}}});
  EXPECT_FALSE(changed.is_given());
  EXPECT_EQ(world.heartbeat("g", 2, ids[0]), ErrorCode::rebalance_in_progress);
  const auto leader = world.join("g", {.member_id = ids[0]});
  EXPECT_EQ(changed.get().generation_id, 3);
  EXPECT_EQ(world.sync("g", 3, ids[0]).error(), ErrorCode::none);
  EXPECT_EQ(world.sync("g", 3, ids[1]).error(), ErrorCode::none);
  // The leader needs none.
  EXPECT_FALSE(world.join("g", {.member_id = ids[0]}).is_given());
  EXPECT_EQ(world.heartbeat("g", 3, ids[1]), ErrorCode::rebalance_in_progress);
}

TEST(GroupRebalance, a_member_that_missed_its_answer_gets_it_again) {
  GroupWorld world;
  const auto first = world.join_as_new("g").get();
  const auto again = world.join("g", {.member_id = first.member_id}).get();
  EXPECT_EQ(again.error_code, ErrorCode::none);
  EXPECT_EQ(again.generation_id, first.generation_id);
  EXPECT_EQ(again.leader, first.member_id);
  EXPECT_THAT(again.members, SizeIs(1));
}

TEST(GroupRebalance, a_join_during_the_assignment_starts_over) {
  GroupWorld world({.limits = {.initial_rebalance_delay_ms = 100}});
  const auto one = world.join("g", {.version = 3});
  const auto two = world.join("g", {.version = 3});
  world.advance(200);
  const auto leader = one.get().leader;
  const auto other = one.get().member_id == leader ? two.get().member_id : one.get().member_id;
  const auto waiting = world.sync("g", 1, other);
  const auto third = world.join("g", {.version = 3});
  EXPECT_EQ(waiting.error(), ErrorCode::rebalance_in_progress);
  // The leader's assignment comes too late.
  EXPECT_EQ(world.sync("g", 1, leader).error(), ErrorCode::rebalance_in_progress);
  const auto a = world.join("g", {.member_id = leader});
  const auto b = world.join("g", {.member_id = other});
  EXPECT_EQ(third.get().generation_id, 2);
}

TEST(GroupRebalance, leaving_rebalances_at_once) {
  GroupWorld world;
  const auto ids = world.stable_group("g", 3);
  EXPECT_EQ(world.leave("g", ids[2]), ErrorCode::none);
  EXPECT_EQ(world.leave("g", ids[2]), ErrorCode::unknown_member_id);
  EXPECT_EQ(world.leave("none", ids[2]), ErrorCode::unknown_member_id);
  const auto zero = world.join("g", {.member_id = ids[0]});
  EXPECT_FALSE(zero.is_given());
  // The last one that the rebalance waits for leaves, too.
  EXPECT_EQ(world.leave("g", ids[1]), ErrorCode::none);
  EXPECT_THAT(zero.get().members, SizeIs(1));
}

TEST(GroupRebalance, a_member_that_leaves_while_it_waits_is_answered) {
  GroupWorld world;
  const auto ids = world.stable_group("g", 2);
  const auto waiting = world.join("g", {.member_id = ids[0]});
  EXPECT_EQ(world.leave("g", ids[0]), ErrorCode::none);
  EXPECT_EQ(waiting.error(), ErrorCode::unknown_member_id);
}

TEST(GroupRebalance, several_leave_in_one_request_each_with_its_own_error) {
  GroupWorld world;
  const auto ids = world.stable_group("g", 3);
  const auto response =
      world.leave({.group_id = "g",
                   .member_id = "",
                   .members = {{ids[0], {}, {}}, {"m", {}, {}}, {ids[1], {}, {}}, {"", "i", {}}}},
                  3);
  EXPECT_EQ(response.error_code, ErrorCode::none);
  ASSERT_THAT(response.members, SizeIs(4));
  EXPECT_EQ(response.members[0].error_code, ErrorCode::none);
  EXPECT_EQ(response.members[1].error_code, ErrorCode::unknown_member_id);
  EXPECT_EQ(response.members[1].member_id, "m");
  EXPECT_EQ(response.members[2].error_code, ErrorCode::none);
  EXPECT_EQ(response.members[3].error_code, ErrorCode::unknown_member_id);
  EXPECT_EQ(response.members[3].group_instance_id, "i");
  EXPECT_EQ(world.coordinator().counts().members, 1);
}

TEST(GroupRebalance, the_initial_delay_starts_over_with_every_member_up_to_the_time_out) {
  GroupWorld world({.limits = {.initial_rebalance_delay_ms = 1'000}});
  const auto first = world.join("g", {.version = 3, .rebalance_ms = 3'500});
  world.advance(900);
  const auto second = world.join("g", {.version = 3, .rebalance_ms = 3'500});
  world.advance(100);
  EXPECT_FALSE(first.is_given());
  world.advance(900);
  const auto third = world.join("g", {.version = 3, .rebalance_ms = 3'500});
  world.advance(900);
  EXPECT_FALSE(first.is_given());
  world.advance(200);
  EXPECT_EQ(first.error(), ErrorCode::none);
  EXPECT_EQ(third.get().generation_id, 1);

  // Members that keep coming do not keep it waiting for ever.
  const auto one = world.join("h", {.version = 3, .rebalance_ms = 3'500});
  for (int i = 0; i < 6; ++i) {
    EXPECT_FALSE(one.is_given());
    const auto more = world.join("h", {.version = 3, .rebalance_ms = 3'500});
    world.advance(600);
  }
  EXPECT_EQ(one.error(), ErrorCode::none);
}

TEST(GroupRebalance, a_group_without_delay_begins_with_its_first_member) {
  GroupWorld world;
  EXPECT_TRUE(world.join("g", {.version = 3}).is_given());
}

TEST(GroupRebalance, an_assignment_that_does_not_fit_is_refused) {
  GroupWorld world({.limits = {.group_bytes_max = 2'000}});
  const auto id = world.join_as_new("g").get().member_id;
  EXPECT_EQ(world.sync("g", 1, id, {{id, std::string(2'000, 'x')}}).error(),
            ErrorCode::unknown_server_error);
  EXPECT_EQ(world.sync("g", 1, id, {{id, std::string(500, 'x')}}).error(), ErrorCode::none);
}

TEST(GroupRebalance, somebody_is_called_when_a_deadline_is_earlier_than_promised) {
  GroupWorld world;
  const MonotonicTime promised = world.coordinator().run_due();
  EXPECT_EQ(promised, after_ms(world.clock().monotonic_now(), 600'000));  // offsets' retention
  world.woken.clear();
  const auto pending = world.join("g", {.session_ms = 10'000});
  EXPECT_THAT(world.woken, ElementsAre(after_ms(world.clock().monotonic_now(), 10'000)));
  const auto later = world.join("g", {.session_ms = 20'000});
  EXPECT_THAT(world.woken, SizeIs(1));
  const auto sooner = world.join("g", {.session_ms = 9'000});
  EXPECT_THAT(world.woken, SizeIs(2));
  EXPECT_EQ(world.coordinator().run_due(), after_ms(world.clock().monotonic_now(), 9'000));
}

}  // namespace
}  // namespace millrace::broker
