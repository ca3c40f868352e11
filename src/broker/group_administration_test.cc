#include "broker/group_test_support.h"

namespace millrace::broker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

TEST(GroupAdministration, a_stable_group_is_described_with_its_members) {
  GroupWorld world;
  const auto ids = world.stable_group("g", 2);
  const auto shown = world.describe("g");
  EXPECT_EQ(shown.error_code, ErrorCode::none);
  EXPECT_EQ(shown.group_state, "Stable");
  EXPECT_EQ(shown.protocol_type, "consumer");
  EXPECT_EQ(shown.protocol_data, "range");
  ASSERT_THAT(shown.members, SizeIs(2));
  for (const auto& member : shown.members) {
    EXPECT_EQ(member.client_id, "client");
    EXPECT_EQ(member.client_host, "/127.0.0.1");
    EXPECT_EQ(member.member_metadata.bytes, subscription_to({"t"}));
    EXPECT_EQ(member.member_assignment.bytes, member.member_id == ids[0] ? "p0" : "p1");
  }
  EXPECT_EQ(shown.authorized_operations, kafka_wire::kOperationsNotAsked);
  // In between there is nothing to be seen of assignments.
  const auto waiting = world.join("g", {.member_id = ids[0]});
  const auto between = world.describe("g");
  EXPECT_EQ(between.group_state, "PreparingRebalance");
  EXPECT_EQ(between.protocol_data, "");
  EXPECT_EQ(between.members.at(0).member_assignment.bytes, "");
}

TEST(GroupAdministration, a_group_that_does_not_exist_is_dead_or_not_found) {
  GroupWorld world;
  EXPECT_EQ(world.describe("g", 5).group_state, "Dead");
  EXPECT_EQ(world.describe("g", 5).error_code, ErrorCode::none);
  EXPECT_EQ(world.describe("g", 6).group_state, "Dead");
  EXPECT_EQ(world.describe("g", 6).error_code, ErrorCode::group_id_not_found);
}

TEST(GroupAdministration, groups_are_listed_by_state_and_type) {
  GroupWorld world;
  world.create_topic("t");
  world.stable_group("a", 1);
  EXPECT_EQ(world.commit("b", {"t", 0}, 1), ErrorCode::none);
  const auto joined = world.join("c", {.version = 3, .protocol_type = "connect"});
  EXPECT_THAT(world.list(),
              ElementsAre("a:Stable:consumer", "b:Empty:", "c:CompletingRebalance:connect"));
  EXPECT_THAT(world.list({{"stable", "EMPTY"}, {}}), ElementsAre("a:Stable:consumer", "b:Empty:"));
  EXPECT_THAT(world.list({{"Dead"}, {}}), IsEmpty());
  EXPECT_THAT(world.list({{}, {"Classic"}}), SizeIs(3));
  EXPECT_THAT(world.list({{}, {"consumer"}}), IsEmpty());
}

TEST(GroupAdministration, only_groups_without_members_are_deleted) {
  GroupWorld world;
  world.create_topic("t");
  EXPECT_EQ(world.delete_group("g"), ErrorCode::group_id_not_found);
  const auto ids = world.stable_group("g", 1);
  EXPECT_EQ(world.commit("g", {"t", 0}, 5, 1, ids[0]), ErrorCode::none);
  EXPECT_EQ(world.delete_group("g"), ErrorCode::non_empty_group);
  EXPECT_EQ(world.leave("g", ids[0]), ErrorCode::none);
  EXPECT_EQ(world.delete_group("g"), ErrorCode::none);
  EXPECT_EQ(world.fetch("g", {"t", 0}).committed_offset, -1);
  EXPECT_THAT(world.list(), IsEmpty());
  EXPECT_EQ(world.coordinator().counts().groups, 0);
  EXPECT_EQ(world.coordinator().counts().bytes, 0);
  world.restart(true);
  EXPECT_THAT(world.list(), IsEmpty());
  EXPECT_EQ(world.fetch("g", {"t", 0}).committed_offset, -1);
}

TEST(GroupAdministration, a_group_that_only_keeps_offsets_is_deleted_with_them) {
  GroupWorld world;
  world.create_topic("t");
  EXPECT_EQ(world.commit("g", {"t", 0}, 5), ErrorCode::none);
  EXPECT_EQ(world.delete_group("g"), ErrorCode::none);
  world.restart(true);
  EXPECT_EQ(world.fetch("g", {"t", 0}).committed_offset, -1);
  EXPECT_THAT(world.list(), IsEmpty());
}

}  // namespace
}  // namespace millrace::broker
