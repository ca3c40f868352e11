#include "broker/consumer_group_step.h"

#include <gmock/gmock.h>

#include "broker/consumer_group_for_tests.h"

namespace millrace::broker {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using State = ConsumerMemberState;

class ConsumerGroupSteps : public testing::Test {
 protected:
  ConsumerGroupSteps() {
    world.set_topic("t", 4);
    world.set_topic("u", 2);
  }
  [[nodiscard]] Assignment of_t(const std::vector<std::int32_t>& numbers) const {
    return {{world.topic("t"), numbers}};
  }
  // It must be given.
  static Assignment given(const HeartbeatAnswer& answer) {
    EXPECT_EQ(answer.error_code, ErrorCode::none) << answer.error_message.value_or("");
    EXPECT_TRUE(answer.assignment.has_value());
    return answer.assignment ? from_wire(answer.assignment->topic_partitions) : Assignment();
  }
  // A member joins the other, which has all of "t", and both get their halves.
  void share() {
    EXPECT_EQ(given(world.ask(join_request("a", {"t"}))), of_t({0, 1, 2, 3}));
    EXPECT_THAT(given(world.ask(join_request("b", {"t"}))), IsEmpty());
    const auto told = world.ask(beat_request("a", 1));
    EXPECT_EQ(told.member_epoch, 1) << "nothing is given up yet";
    kept_ = given(told);
    EXPECT_EQ(world.ask(beat_request("a", 1, kept_)).member_epoch, 2);
    others_ = given(world.ask(beat_request("b", 2)));
    EXPECT_EQ(others_, difference_of(of_t({0, 1, 2, 3}), kept_));
  }

  StepWorld world;
  Assignment kept_;    // what "a" has after share()
  Assignment others_;  // what "b" has
};

TEST_F(ConsumerGroupSteps, the_first_member_gets_everything_in_epoch_one) {
  const auto answer = world.ask(join_request("a", {"u", "t", "t"}));
  EXPECT_EQ(answer.member_id, "a");
  EXPECT_EQ(answer.member_epoch, 1);
  EXPECT_EQ(answer.heartbeat_interval_ms, world.limits.consumer_heartbeat_interval_ms);
  EXPECT_EQ(given(answer),
            (Assignment{{world.topic("t"), {0, 1, 2, 3}}, {world.topic("u"), {0, 1}}}));
  EXPECT_EQ(world.state().name(), "Stable");
  // The next one changes nothing, stores nothing and does not repeat the assignment.
  const auto next = world.ask(beat_request("a", 1));
  EXPECT_EQ(next.member_epoch, 1);
  EXPECT_FALSE(next.assignment.has_value());
  EXPECT_TRUE(world.last_change().empty());
}

TEST_F(ConsumerGroupSteps, a_partition_is_given_only_after_its_owner_has_given_it_up) {
  EXPECT_EQ(given(world.ask(join_request("a", {"t"}))), of_t({0, 1, 2, 3}));
  const auto joined = world.ask(join_request("b", {"t"}));
  EXPECT_EQ(joined.member_epoch, 2);
  EXPECT_THAT(given(joined), IsEmpty());
  EXPECT_EQ(world.member("b").state, State::unreleased);
  EXPECT_EQ(world.state().name(), "Reconciling");

  const Assignment kept = given(world.ask(beat_request("a", 1)));
  EXPECT_EQ(partition_count(kept), 2U);
  EXPECT_EQ(world.member("a").state, State::unrevoked);
  // It says nothing, or that it still has them: it stays where it is, and "b" gets nothing.
  EXPECT_EQ(world.ask(beat_request("a", 1)).member_epoch, 1);
  EXPECT_EQ(world.ask(beat_request("a", 1, of_t({0, 1, 2, 3}))).member_epoch, 1);
  EXPECT_FALSE(world.ask(beat_request("b", 2)).assignment.has_value());

  const auto confirmed = world.ask(beat_request("a", 1, kept));
  EXPECT_EQ(confirmed.member_epoch, 2);
  EXPECT_FALSE(confirmed.assignment.has_value()) << "it has been told what it keeps";
  EXPECT_EQ(given(world.ask(beat_request("b", 2))), difference_of(of_t({0, 1, 2, 3}), kept));
  EXPECT_EQ(world.state().name(), "Stable");
}

TEST_F(ConsumerGroupSteps, who_leaves_frees_its_partitions_for_the_next_heartbeats) {
  share();
  const auto left = world.ask(leave_request("a"));
  EXPECT_EQ(left.error_code, ErrorCode::none);
  EXPECT_EQ(left.member_epoch, kEpochLeave);
  EXPECT_EQ(world.state().name(), "Assigning");
  const auto answer = world.ask(beat_request("b", 2));
  EXPECT_EQ(answer.member_epoch, 3);
  EXPECT_EQ(given(answer), of_t({0, 1, 2, 3}));
  EXPECT_EQ(world.ask(leave_request("b")).error_code, ErrorCode::none);
  EXPECT_EQ(world.state().name(), "Empty");
  EXPECT_EQ(world.state().header().epoch, world.state().header().assignment_epoch);
  EXPECT_EQ(world.state().byte_count(), 0U);
  EXPECT_EQ(world.ask(leave_request("b")).error_code, ErrorCode::unknown_member_id);
}

TEST_F(ConsumerGroupSteps, the_silent_are_fenced_and_others_take_over) {
  share();
  world.fence({"a"});
  EXPECT_EQ(given(world.ask(beat_request("b", 2))), of_t({0, 1, 2, 3}));
  EXPECT_EQ(world.ask(beat_request("a", 2)).error_code, ErrorCode::unknown_member_id);
}

TEST_F(ConsumerGroupSteps, other_epochs_than_its_own_fence_a_member) {
  share();
  EXPECT_EQ(world.ask(beat_request("a", 3)).error_code, ErrorCode::fenced_member_epoch);
  // The answer with the new epoch may have been lost: then it has no more than it should.
  EXPECT_EQ(world.ask(beat_request("a", 1)).error_code, ErrorCode::fenced_member_epoch);
  EXPECT_EQ(world.ask(beat_request("a", 1, of_t({0, 1, 2, 3}))).error_code,
            ErrorCode::fenced_member_epoch);
  EXPECT_EQ(world.ask(beat_request("a", 1, kept_)).member_epoch, 2);
  EXPECT_EQ(world.ask(beat_request("c", 1)).error_code, ErrorCode::unknown_member_id);
}

TEST_F(ConsumerGroupSteps, a_fenced_member_joins_again_under_its_id_with_nothing) {
  share();
  const auto again = world.ask(join_request("a", {"t"}));
  EXPECT_EQ(again.member_epoch, 2);
  EXPECT_EQ(given(again), kept_);
  // Also while something is being revoked: who has nothing has given it up.
  EXPECT_EQ(world.ask(join_request("c", {"t"})).error_code, ErrorCode::none);
  const Assignment less = given(world.ask(beat_request("b", 2)));
  EXPECT_EQ(world.member("b").state, State::unrevoked);
  const auto after = world.ask(join_request("b", {"t"}));
  EXPECT_EQ(after.member_epoch, 3);
  EXPECT_EQ(given(after), less);
  EXPECT_EQ(given(world.ask(beat_request("c", 3))), difference_of(others_, less));
}

TEST_F(ConsumerGroupSteps, a_full_heartbeat_is_answered_with_the_whole_assignment) {
  share();
  Heartbeat request = join_request("a", {"t"});
  request.member_epoch = 2;
  request.topic_partitions = to_wire(kept_);
  EXPECT_EQ(given(world.ask(request)), kept_);
}

TEST_F(ConsumerGroupSteps, topics_that_come_grow_and_go_make_a_new_assignment) {
  EXPECT_EQ(given(world.ask(join_request("a", {"t", "w"}))), of_t({0, 1, 2, 3}));
  world.set_topic("w", 1);
  auto answer = world.ask(beat_request("a", 1));
  EXPECT_EQ(answer.member_epoch, 2);
  EXPECT_EQ(partition_count(given(answer)), 5U);
  world.set_topic("w", 3);
  answer = world.ask(beat_request("a", 2));
  EXPECT_EQ(answer.member_epoch, 3);
  EXPECT_EQ(partition_count(given(answer)), 7U);
  // Another topic is none of its business.
  world.set_topic("z", 3);
  EXPECT_EQ(world.ask(beat_request("a", 3)).member_epoch, 3);
  EXPECT_TRUE(world.last_change().empty());
  world.delete_topic("w");
  answer = world.ask(beat_request("a", 3));
  EXPECT_EQ(given(answer), of_t({0, 1, 2, 3}));
  EXPECT_EQ(answer.member_epoch, 3) << "it has to give up the partitions first";
  EXPECT_EQ(world.ask(beat_request("a", 3, of_t({0, 1, 2, 3}))).member_epoch, 4);
}

TEST_F(ConsumerGroupSteps, a_target_that_moves_on_while_a_member_revokes_is_reached_in_the_end) {
  share();
  EXPECT_EQ(world.ask(join_request("c", {"t"})).error_code, ErrorCode::none);
  const Assignment less = given(world.ask(beat_request("b", 2)));
  EXPECT_EQ(partition_count(less), 1U);
  EXPECT_EQ(world.ask(leave_request("c")).error_code, ErrorCode::none);
  EXPECT_EQ(world.ask(beat_request("a", 2)).member_epoch, 4);
  // What it was to give up is to be its own again: first it gives it up all the same.
  const auto confirmed = world.ask(beat_request("b", 2, less));
  EXPECT_EQ(confirmed.member_epoch, 4);
  EXPECT_EQ(given(world.ask(beat_request("b", 4))), others_);
}

TEST_F(ConsumerGroupSteps, regular_expressions_match_whole_names_of_topics_that_are_not_internal) {
  world.set_topic("millrace.x", 2);
  Heartbeat request = join_request("a", {"t"});
  request.subscribed_topic_regex = "[u-w]|millrace.*";
  EXPECT_EQ(given(world.ask(request)),
            (Assignment{{world.topic("t"), {0, 1, 2, 3}}, {world.topic("u"), {0, 1}}}));
  world.set_topic("v", 1);
  EXPECT_EQ(partition_count(given(world.ask(beat_request("a", 1)))), 7U);
  // Without names it will do, too; an empty one is none.
  request = beat_request("a", 2);
  request.subscribed_topic_names.emplace();
  const Assignment kept = given(world.ask(request));
  EXPECT_EQ(partition_count(kept), 3U);
  request.topic_partitions = to_wire(kept);
  request.subscribed_topic_regex = "(";
  EXPECT_EQ(world.ask(request).error_code, ErrorCode::invalid_regular_expression);
  request.subscribed_topic_regex = "";
  EXPECT_THAT(given(world.ask(request)), IsEmpty());
}

TEST_F(ConsumerGroupSteps, the_assignor_with_most_votes_assigns) {
  Heartbeat request = join_request("a", {"t", "u"});
  request.server_assignor = "range";
  (void)world.ask(request);
  request.member_id = "b";
  (void)world.ask(request);
  EXPECT_EQ(world.member("a").target,
            (Assignment{{world.topic("t"), {0, 1}}, {world.topic("u"), {0}}}));
  request.server_assignor = "sticky";
  EXPECT_EQ(world.ask(request).error_code, ErrorCode::unsupported_assignor);
}

TEST_F(ConsumerGroupSteps, a_static_member_that_goes_for_a_while_finds_its_partitions_again) {
  EXPECT_EQ(given(world.ask(join_request("a", {"t"}, "i"))), of_t({0, 1, 2, 3}));
  EXPECT_EQ(world.ask(join_request("b", {"t"}, "i")).error_code, ErrorCode::unreleased_instance_id);
  const auto left = world.ask(leave_request("a", kEpochLeaveForAWhile, "i"));
  EXPECT_EQ(left.member_epoch, kEpochLeaveForAWhile);
  EXPECT_TRUE(world.state().is_taken(world.topic("t"), 0)) << "nobody else gets them meanwhile";
  const auto back = world.ask(join_request("b", {"t"}, "i"));
  EXPECT_EQ(back.member_epoch, 1) << "no new assignment was made";
  EXPECT_EQ(given(back), of_t({0, 1, 2, 3}));
  EXPECT_EQ(world.state().members().size(), 1U);
  // Whoever still uses the old id.
  Heartbeat old = beat_request("a", 1);
  EXPECT_EQ(world.ask(old).error_code, ErrorCode::unknown_member_id);
  old.instance_id = "i";
  EXPECT_EQ(world.ask(old).error_code, ErrorCode::fenced_instance_id);
  EXPECT_EQ(world.ask(leave_request("a", kEpochLeave, "i")).error_code,
            ErrorCode::fenced_instance_id);
  EXPECT_EQ(world.ask(leave_request("b", kEpochLeave, "i")).error_code, ErrorCode::none);
  EXPECT_EQ(world.ask(leave_request("b", kEpochLeave, "i")).error_code,
            ErrorCode::unknown_member_id);
}

TEST_F(ConsumerGroupSteps, what_a_static_member_must_not_keep_is_free_when_it_comes_back) {
  (void)world.ask(join_request("a", {"t"}, "i"));
  EXPECT_EQ(world.ask(join_request("b", {"t"})).error_code, ErrorCode::none);
  (void)world.ask(leave_request("a", kEpochLeaveForAWhile, "i"));
  EXPECT_FALSE(world.ask(beat_request("b", 2)).assignment.has_value());
  const Assignment half = given(world.ask(join_request("c", {"t"}, "i")));
  EXPECT_EQ(partition_count(half), 2U);
  EXPECT_EQ(given(world.ask(beat_request("b", 2))), difference_of(of_t({0, 1, 2, 3}), half));
}

TEST_F(ConsumerGroupSteps, who_takes_a_static_members_place_must_not_have_another_already) {
  (void)world.ask(join_request("a", {"t"}, "i"));
  (void)world.ask(join_request("b", {"t"}));
  (void)world.ask(leave_request("a", kEpochLeaveForAWhile, "i"));
  const ConsumerMember before = world.member("b");
  EXPECT_EQ(world.ask(join_request("b", {"t"}, "i")).error_code, ErrorCode::unknown_member_id);
  EXPECT_EQ(world.member("b"), before);
  EXPECT_EQ(world.ask(join_request("c", {"t"}, "i")).error_code, ErrorCode::none);
}

TEST_F(ConsumerGroupSteps, requests_that_make_no_sense_are_refused) {
  const auto error = [&](const std::function<void(Heartbeat&)>& change) {
    Heartbeat request = join_request("a", {"t"});
    change(request);
    return world.ask(request).error_code;
  };
  const auto invalid = ErrorCode::invalid_request;
  EXPECT_EQ(error([](auto& r) { r.group_id = ""; }), invalid);
  EXPECT_EQ(error([](auto& r) { r.member_id = ""; }), invalid);
  EXPECT_EQ(error([](auto& r) { r.instance_id = ""; }), invalid);
  EXPECT_EQ(error([](auto& r) { r.rack_id = ""; }), invalid);
  EXPECT_EQ(error([](auto& r) { r.member_epoch = -3; }), invalid);
  EXPECT_EQ(error([](auto& r) { r.member_epoch = kEpochLeaveForAWhile; }), invalid);
  EXPECT_EQ(error([](auto& r) { r.rebalance_timeout_ms = -1; }), invalid);
  EXPECT_EQ(error([](auto& r) { r.rebalance_timeout_ms = -2; }), invalid);
  EXPECT_EQ(error([](auto& r) { r.topic_partitions.reset(); }), invalid);
  EXPECT_EQ(error([](auto& r) { r.topic_partitions->push_back({{}, {1}}); }), invalid);
  EXPECT_EQ(error([](auto& r) { r.subscribed_topic_names.reset(); }), invalid);
  EXPECT_EQ(error([](auto&) {}), ErrorCode::none);
  // The first version's members may leave it to the broker what they are called.
  Heartbeat nameless = join_request("", {"t"});
  EXPECT_EQ(check_heartbeat(nameless, 0, world.limits).error_code, ErrorCode::none);
  nameless.member_epoch = 1;
  EXPECT_EQ(check_heartbeat(nameless, 0, world.limits).error_code, invalid);
}

TEST_F(ConsumerGroupSteps, there_is_a_limit_to_everything) {
  world.limits.members_per_group_max = 2;
  (void)world.ask(join_request("a", {"t"}, "i"));
  (void)world.ask(join_request("b", {"t"}));
  EXPECT_EQ(world.ask(join_request("c", {"t"})).error_code, ErrorCode::group_max_size_reached);
  EXPECT_EQ(world.ask(join_request("b", {"t"})).error_code, ErrorCode::none);
  (void)world.ask(leave_request("a", kEpochLeaveForAWhile, "i"));
  EXPECT_EQ(world.ask(join_request("c", {"t"}, "i")).error_code, ErrorCode::none);

  world.limits.member_bytes_max = 100;
  const std::string long_name(100, 'x');
  EXPECT_EQ(world.ask(join_request("b", {long_name})).error_code,
            ErrorCode::group_max_size_reached);
  world.limits.member_bytes_max = 1'000;
  world.limits.group_bytes_max = 100;
  EXPECT_EQ(world.ask(join_request("b", {long_name})).error_code,
            ErrorCode::group_max_size_reached);
  world.limits.group_bytes_max = 1'000;
  world.limits.partitions_per_group_max = 5;
  const auto refused = world.ask(join_request("b", {"t", "u"}));
  EXPECT_EQ(refused.error_code, ErrorCode::group_max_size_reached);
  EXPECT_THAT(refused.error_message.value_or(""), HasSubstr("5 partitions"));
}

// What is said is looked at under the lock of all groups.
TEST_F(ConsumerGroupSteps, there_is_a_limit_to_what_is_said) {
  (void)world.ask(join_request("a", {"t"}));
  world.limits.partitions_per_group_max = 3;
  Heartbeat beat = beat_request("a", 1);
  const auto topic = world.topic("t");
  beat.topic_partitions = {{topic, {0}}, {topic, {1}}, {topic, {2}}};
  EXPECT_EQ(check_heartbeat(beat, 1, world.limits).error_code, ErrorCode::none);
  beat.topic_partitions->push_back({topic, {}});
  EXPECT_EQ(check_heartbeat(beat, 1, world.limits).error_code, ErrorCode::invalid_request);
  world.limits.member_bytes_max = 4;
  EXPECT_EQ(check_heartbeat(join_request("b", {"xyz"}), 1, world.limits).error_code,
            ErrorCode::none);
  EXPECT_EQ(check_heartbeat(join_request("b", {"x", "y", "z"}), 1, world.limits).error_code,
            ErrorCode::group_max_size_reached);
}

}  // namespace
}  // namespace millrace::broker
