#include "broker/group_test_support.h"

namespace millrace::broker {
namespace {

using kafka_wire::OffsetFetchRequest;
using testing::ElementsAre;
using testing::SizeIs;

class GroupOffsetsTest : public testing::Test {
 protected:
  GroupOffsetsTest() { world_.create_topic("t"); }
  GroupWorld world_;
};

TEST_F(GroupOffsetsTest, who_is_no_member_commits_to_a_group_without_members) {
  EXPECT_EQ(world_.fetch("g", {"t", 0}).committed_offset, -1);
  EXPECT_EQ(world_.commit("g", {"t", 0}, 5, -1, "", "note"), ErrorCode::none);
  const auto fetched = world_.fetch("g", {"t", 0});
  EXPECT_EQ(fetched.error_code, ErrorCode::none);
  EXPECT_EQ(fetched.committed_offset, 5);
  EXPECT_EQ(fetched.metadata, "note");
  EXPECT_EQ(world_.fetch("g", {"t", 1}).committed_offset, -1);
  EXPECT_EQ(world_.fetch("g", {"t", 1}).error_code, ErrorCode::none);
  EXPECT_THAT(world_.list(), ElementsAre("g:Empty:"));
  // A generation of a group that does not exist.
  EXPECT_EQ(world_.commit("h", {"t", 0}, 5, 1, "m"), ErrorCode::illegal_generation);
}

TEST_F(GroupOffsetsTest, the_leader_epoch_of_an_offset_comes_back_and_metadata_with_it) {
  for (const std::int32_t epoch : {0, 3, -1}) {
    kafka_wire::OffsetCommitRequest request;
    request.group_id = "g";
    request.topics = {{"t", {{0, 5, epoch, "note"}}}};
    EXPECT_EQ(world_.commit(request).get().topics.at(0).partitions.at(0).error_code,
              ErrorCode::none);
    EXPECT_EQ(world_.fetch("g", {"t", 0}).committed_leader_epoch, epoch);
    EXPECT_EQ(world_.fetch("g", {"t", 0}).metadata, "note");
  }
  EXPECT_EQ(world_.fetch("g", {"t", 1}).committed_leader_epoch, -1);
}

TEST_F(GroupOffsetsTest, members_commit_in_their_generation_only) {
  const auto ids = world_.stable_group("g", 2);
  EXPECT_EQ(world_.commit("g", {"t", 0}, 5, 2, ids[1]), ErrorCode::none);
  EXPECT_EQ(world_.commit("g", {"t", 0}, 6, 1, ids[1]), ErrorCode::illegal_generation);
  EXPECT_EQ(world_.commit("g", {"t", 0}, 6, 3, ids[1]), ErrorCode::illegal_generation);
  EXPECT_EQ(world_.commit("g", {"t", 0}, 6, 2, "m"), ErrorCode::unknown_member_id);
  EXPECT_EQ(world_.commit("g", {"t", 0}, 6), ErrorCode::unknown_member_id);
  EXPECT_EQ(world_.fetch("g", {"t", 0}).committed_offset, 5);
  // While others are joining, those of the old generation may still commit, before they do.
  const auto third = world_.join("g", {.version = 3});
  EXPECT_EQ(world_.commit("g", {"t", 0}, 7, 2, ids[1]), ErrorCode::none);
  const auto zero = world_.join("g", {.member_id = ids[0]});
  const auto one = world_.join("g", {.member_id = ids[1]});
  EXPECT_EQ(world_.commit("g", {"t", 0}, 8, 2, ids[1]), ErrorCode::illegal_generation);
  EXPECT_EQ(world_.commit("g", {"t", 0}, 8, 3, ids[1]), ErrorCode::rebalance_in_progress);
  EXPECT_EQ(world_.fetch("g", {"t", 0}).committed_offset, 7);
}

TEST_F(GroupOffsetsTest, a_commit_keeps_its_member_alive) {
  const auto ids = world_.stable_group("g", 1, {.session_ms = 10'000});
  for (int i = 0; i < 5; ++i) {
    world_.advance(9'000);
    EXPECT_EQ(world_.commit("g", {"t", 0}, i, 1, ids[0]), ErrorCode::none);
  }
}

TEST_F(GroupOffsetsTest, partitions_that_are_wrong_do_not_hinder_the_others) {
  kafka_wire::OffsetCommitRequest request;
  request.group_id = "g";
  request.topics = {{"t",
                     {{0, 3, -1, "a"},
                      {4, 3, -1, "no such partition"},
                      {-1, 3, -1, ""},
                      {1, 3, -1, std::string(4'097, 'x')},
                      {2, -5, -1, {}},
                      {3, 9, -1, {}}}},
                    {"u", {{0, 1, -1, {}}}}};
  const auto response = world_.commit(request).get();
  std::vector<ErrorCode> errors;
  for (const auto& partition : response.topics.at(0).partitions) {
    errors.push_back(partition.error_code);
  }
  EXPECT_THAT(errors, ElementsAre(ErrorCode::none, ErrorCode::unknown_topic_or_partition,
                                  ErrorCode::unknown_topic_or_partition,
                                  ErrorCode::offset_metadata_too_large,
                                  ErrorCode::offset_out_of_range, ErrorCode::none));
  EXPECT_EQ(response.topics.at(1).partitions.at(0).error_code,
            ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(world_.fetch("g", {"t", 0}).committed_offset, 3);
  EXPECT_EQ(world_.fetch("g", {"t", 3}).committed_offset, 9);
  EXPECT_EQ(world_.fetch("g", {"t", 1}).committed_offset, -1);
  EXPECT_EQ(world_.commit("g", {"t", 1}, 1, -1, "", std::string(4'096, 'x')), ErrorCode::none);
}

TEST_F(GroupOffsetsTest, pipelines_groups_are_read_only) {
  log::Commit commit;
  commit.offsets.push_back({"millrace.p.source", {"t", 0}, Offset(7), "1/2"});
  const auto appended = world_.log().commit(std::move(commit));
  ASSERT_TRUE(world_.log().wait_durable(appended->sequence).is_ok());
  EXPECT_EQ(world_.commit("millrace.p.source", {"t", 0}, 5), ErrorCode::group_authorization_failed);
  EXPECT_EQ(world_.fetch("millrace.p.source", {"t", 0}).committed_offset, 7);
  EXPECT_EQ(world_.delete_group("millrace.p.source"), ErrorCode::group_authorization_failed);
  EXPECT_EQ(world_.delete_offsets({"millrace.p.source", {{"t", {{0}}}}}).error_code,
            ErrorCode::group_authorization_failed);
  EXPECT_EQ(world_.describe("millrace.p.source", 6).group_state, "Empty");
  EXPECT_THAT(world_.list(), ElementsAre("millrace.p.source:Empty:"));
  world_.advance(8 * 86'400'000LL);
  EXPECT_EQ(world_.fetch("millrace.p.source", {"t", 0}).committed_offset, 7);
}

TEST_F(GroupOffsetsTest, several_groups_are_fetched_at_once_and_all_offsets_without_topics) {
  EXPECT_EQ(world_.commit("a", {"t", 0}, 1), ErrorCode::none);
  EXPECT_EQ(world_.commit("a", {"t", 2}, 2), ErrorCode::none);
  EXPECT_EQ(world_.commit("b", {"t", 3}, 3), ErrorCode::none);
  OffsetFetchRequest request;
  request.groups.resize(3);
  request.groups[0].group_id = "a";
  request.groups[1].group_id = "b";
  request.groups[1].topics = {{"t", {0, 3}}};
  request.groups[2].group_id = "c";
  const auto response = world_.fetch(request, 8);
  ASSERT_THAT(response.groups, SizeIs(3));
  ASSERT_THAT(response.groups[0].topics, SizeIs(1));
  ASSERT_THAT(response.groups[0].topics[0].partitions, SizeIs(2));
  EXPECT_EQ(response.groups[0].topics[0].partitions[1].partition_index, 2);
  EXPECT_EQ(response.groups[0].topics[0].partitions[1].committed_offset, 2);
  EXPECT_EQ(response.groups[1].topics[0].partitions[0].committed_offset, -1);
  EXPECT_EQ(response.groups[1].topics[0].partitions[1].committed_offset, 3);
  EXPECT_THAT(response.groups[2].topics, SizeIs(0));
  EXPECT_EQ(response.groups[2].error_code, ErrorCode::none);
  OffsetFetchRequest old;
  old.group_id = "a";
  EXPECT_THAT(world_.fetch(old, 5).topics.at(0).partitions, SizeIs(2));
}

TEST_F(GroupOffsetsTest, what_a_transaction_has_staged_is_unstable_for_those_who_ask) {
  EXPECT_EQ(world_.commit("g", {"t", 0}, 5), ErrorCode::none);
  world_.staged.staged.insert({"g", {"t", 0}});
  EXPECT_EQ(world_.fetch("g", {"t", 0}, true).error_code, ErrorCode::unstable_offset_commit);
  EXPECT_EQ(world_.fetch("g", {"t", 0}, true).committed_offset, -1);
  EXPECT_EQ(world_.fetch("g", {"t", 0}, false).committed_offset, 5);
  EXPECT_EQ(world_.fetch("g", {"t", 1}, true).error_code, ErrorCode::none);
  world_.staged.staged.clear();
  EXPECT_EQ(world_.fetch("g", {"t", 0}, true).committed_offset, 5);
}

TEST_F(GroupOffsetsTest, transactions_stage_offsets_of_members_of_the_generation) {
  const auto ids = world_.stable_group("g", 1);
  int staged = 0;
  const auto stage = [&](std::int32_t generation, const std::string& member,
                         const std::optional<std::string>& instance = {}) {
    return world_.coordinator().stage_offsets({"g", generation, member, instance}, [&] {
      ++staged;
      return ErrorCode::none;
    });
  };
  EXPECT_EQ(stage(1, ids[0]), ErrorCode::none);
  EXPECT_EQ(stage(-1, ""), ErrorCode::none);  // a producer that does not say who it is
  EXPECT_EQ(staged, 2);
  EXPECT_EQ(stage(2, ids[0]), ErrorCode::illegal_generation);
  EXPECT_EQ(stage(1, "m"), ErrorCode::unknown_member_id);
  EXPECT_EQ(stage(1, ids[0], "i"), ErrorCode::unknown_member_id);
  EXPECT_EQ(staged, 2);
  EXPECT_EQ(
      world_.coordinator().stage_offsets({"none", 3, "m", {}}, [] { return ErrorCode::none; }),
      ErrorCode::illegal_generation);
  EXPECT_EQ(world_.coordinator().stage_offsets({"millrace.p", -1, "", {}},
                                               [] { return ErrorCode::none; }),
            ErrorCode::group_authorization_failed);
  EXPECT_EQ(world_.coordinator().stage_offsets({"g", 1, ids[0], {}},
                                               [] { return ErrorCode::invalid_txn_state; }),
            ErrorCode::invalid_txn_state);
  // While the assignment is awaited, too: the transaction may have begun before.
  const auto leader = world_.join("g", {.member_id = ids[0]});
  EXPECT_EQ(world_.describe("g").group_state, "CompletingRebalance");
  EXPECT_EQ(stage(2, ids[0]), ErrorCode::none);
}

TEST_F(GroupOffsetsTest, a_group_keeps_at_most_so_many_offsets) {
  GroupWorld world({.offsets_per_group_max = 2});
  world.create_topic("t");
  EXPECT_EQ(world.commit("g", {"t", 0}, 1), ErrorCode::none);
  EXPECT_EQ(world.commit("g", {"t", 1}, 1), ErrorCode::none);
  EXPECT_EQ(world.commit("g", {"t", 2}, 1), ErrorCode::invalid_commit_offset_size);
  EXPECT_EQ(world.commit("g", {"t", 1}, 2), ErrorCode::none);
}

TEST_F(GroupOffsetsTest, offsets_survive_a_power_loss_once_they_are_answered) {
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(world_.commit("g", {"t", i % 4}, i, -1, "", std::to_string(i)), ErrorCode::none);
    world_.restart(true);
    EXPECT_EQ(world_.fetch("g", {"t", i % 4}).committed_offset, i);
    EXPECT_EQ(world_.fetch("g", {"t", i % 4}).metadata, std::to_string(i));
  }
}

TEST_F(GroupOffsetsTest, offsets_of_topics_that_members_read_are_not_deleted) {
  world_.create_topic("u");
  const auto ids = world_.stable_group("g", 1);  // subscribes to t
  EXPECT_EQ(world_.commit("g", {"t", 0}, 1, 1, ids[0]), ErrorCode::none);
  EXPECT_EQ(world_.commit("g", {"u", 0}, 1, 1, ids[0]), ErrorCode::none);
  const auto response = world_.delete_offsets({"g", {{"t", {{0}}}, {"u", {{0}}}, {"none", {{0}}}}});
  EXPECT_EQ(response.error_code, ErrorCode::none);
  EXPECT_EQ(response.topics.at(0).partitions.at(0).error_code,
            ErrorCode::group_subscribed_to_topic);
  EXPECT_EQ(response.topics.at(1).partitions.at(0).error_code, ErrorCode::none);
  EXPECT_EQ(response.topics.at(2).partitions.at(0).error_code,
            ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(world_.fetch("g", {"t", 0}).committed_offset, 1);
  EXPECT_EQ(world_.fetch("g", {"u", 0}).committed_offset, -1);
  EXPECT_EQ(world_.leave("g", ids[0]), ErrorCode::none);
  EXPECT_EQ(world_.delete_offsets({"g", {{"t", {{0}}}}}).topics.at(0).partitions.at(0).error_code,
            ErrorCode::none);
  EXPECT_EQ(world_.fetch("g", {"t", 0}).committed_offset, -1);
  EXPECT_EQ(world_.delete_offsets({"none", {}}).error_code, ErrorCode::group_id_not_found);
  world_.stable_group("connect", 1, {.protocol_type = "connect"});
  EXPECT_EQ(world_.delete_offsets({"connect", {}}).error_code, ErrorCode::non_empty_group);
}

}  // namespace
}  // namespace millrace::broker
