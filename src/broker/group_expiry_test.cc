#include "broker/group_test_support.h"

namespace millrace::broker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::int64_t kDayMs = 86'400'000;
constexpr std::int64_t kCheckMs = 600'000;

class GroupExpiryTest : public testing::Test {
 protected:
  GroupExpiryTest() {
    world_.create_topic("t");
    world_.create_topic("u");
  }
  [[nodiscard]] std::int64_t offset(const std::string& topic) {
    world_.flush();
    return world_.fetch("g", {topic, 0}).committed_offset;
  }
  // With heartbeats, unless the member is gone.
  void live(std::int64_t ms, const std::string& member_id) {
    for (; ms > 0; ms -= kCheckMs) {
      world_.advance(kCheckMs);
      EXPECT_EQ(world_.heartbeat("g", 1, member_id), ErrorCode::none);
    }
  }
  GroupWorld world_;
};

TEST_F(GroupExpiryTest, a_week_after_its_last_member_left_a_group_is_gone) {
  const auto ids = world_.stable_group("g", 1, {.session_ms = 1'200'000});
  EXPECT_EQ(world_.commit("g", {"t", 0}, 5, 1, ids[0]), ErrorCode::none);
  live(8 * kDayMs, ids[0]);
  EXPECT_EQ(offset("t"), 5);  // however old, as long as somebody reads
  EXPECT_EQ(world_.leave("g", ids[0]), ErrorCode::none);
  world_.advance(7 * kDayMs - kCheckMs);
  EXPECT_EQ(offset("t"), 5);
  world_.advance(3 * kCheckMs);
  EXPECT_EQ(offset("t"), -1);
  world_.flush();
  world_.advance(kCheckMs);
  EXPECT_THAT(world_.list(), IsEmpty());
  world_.flush();
  world_.restart();
  EXPECT_THAT(world_.list(), IsEmpty());
}

TEST_F(GroupExpiryTest, that_week_goes_on_over_restarts) {
  const auto ids = world_.stable_group("g", 1);
  EXPECT_EQ(world_.commit("g", {"t", 0}, 5, 1, ids[0]), ErrorCode::none);
  EXPECT_EQ(world_.leave("g", ids[0]), ErrorCode::none);
  for (int day = 0; day < 6; ++day) {
    world_.advance(kDayMs);
    world_.restart();
  }
  EXPECT_EQ(offset("t"), 5);
  world_.advance(kDayMs + 2 * kCheckMs);
  EXPECT_EQ(offset("t"), -1);
}

TEST_F(GroupExpiryTest, offsets_without_members_expire_by_their_own_age) {
  EXPECT_EQ(world_.commit("g", {"t", 0}, 5), ErrorCode::none);
  world_.advance(4 * kDayMs);
  EXPECT_EQ(world_.commit("g", {"u", 0}, 6), ErrorCode::none);
  world_.advance(3 * kDayMs + 2 * kCheckMs);
  EXPECT_EQ(offset("t"), -1);
  EXPECT_EQ(offset("u"), 6);
  world_.advance(4 * kDayMs);
  EXPECT_EQ(offset("u"), -1);
  world_.advance(kCheckMs);
  EXPECT_THAT(world_.list(), IsEmpty());
}

TEST_F(GroupExpiryTest, so_they_do_when_the_broker_restarts_every_day) {
  EXPECT_EQ(world_.commit("g", {"t", 0}, 5), ErrorCode::none);
  for (int day = 0; day < 6; ++day) {
    world_.restart();
    world_.advance(kDayMs);
  }
  EXPECT_EQ(offset("t"), 5);
  world_.restart();
  world_.advance(kDayMs + 3 * kCheckMs);
  EXPECT_EQ(offset("t"), -1);
}

TEST_F(GroupExpiryTest, offsets_of_topics_not_subscribed_to_any_more_expire) {
  const auto ids = world_.stable_group("g", 1, {.session_ms = 1'200'000});  // t
  EXPECT_EQ(world_.commit("g", {"t", 0}, 5, 1, ids[0]), ErrorCode::none);
  EXPECT_EQ(world_.commit("g", {"u", 0}, 6, 1, ids[0]), ErrorCode::none);
  live(7 * kDayMs - kCheckMs, ids[0]);
  EXPECT_EQ(offset("u"), 6);
  live(3 * kCheckMs, ids[0]);
  EXPECT_EQ(offset("u"), -1);
  EXPECT_EQ(offset("t"), 5);
}

TEST_F(GroupExpiryTest, what_a_transaction_has_staged_does_not_expire) {
  EXPECT_EQ(world_.commit("g", {"t", 0}, 5), ErrorCode::none);
  world_.staged.staged.insert({"g", {"t", 0}});
  world_.advance(8 * kDayMs);
  EXPECT_EQ(offset("t"), 5);
  world_.staged.staged.clear();
  world_.advance(2 * kCheckMs);
  EXPECT_EQ(offset("t"), -1);
}

TEST_F(GroupExpiryTest, a_group_that_commits_in_transactions_only_is_in_use) {
  for (int day = 0; day < 20; ++day) {
    EXPECT_EQ(world_.coordinator().stage_offsets({"g", -1, "", {}}, [] { return ErrorCode::none; }),
              ErrorCode::none);
    log::Commit commit;  // as the transaction's end does
    commit.offsets.push_back({"g", {"t", 0}, Offset(day), ""});
    const auto appended = world_.log().commit(std::move(commit));
    ASSERT_TRUE(world_.log().wait_durable(appended->sequence).is_ok());
    world_.advance(kDayMs);
    if (day % 4 == 3) world_.restart();
    EXPECT_EQ(offset("t"), day);
  }
  world_.advance(7 * kDayMs);
  EXPECT_EQ(offset("t"), -1);
}

TEST_F(GroupExpiryTest, nothing_expires_when_told_so) {
  GroupWorld world({.offsets_retention_ms = -1});
  world.create_topic("t");
  EXPECT_EQ(world.commit("g", {"t", 0}, 5), ErrorCode::none);
  world.advance(100 * kDayMs);
  EXPECT_EQ(world.fetch("g", {"t", 0}).committed_offset, 5);
}

TEST_F(GroupExpiryTest, a_group_that_never_had_offsets_goes_once_it_is_empty) {
  const auto ids = world_.stable_group("g", 1);
  EXPECT_EQ(world_.leave("g", ids[0]), ErrorCode::none);
  EXPECT_THAT(world_.list(), ElementsAre("g:Empty:consumer"));
  world_.advance(2 * kCheckMs);
  EXPECT_THAT(world_.list(), IsEmpty());
}

TEST_F(GroupExpiryTest, a_deleted_topic_takes_the_offsets_with_it) {
  EXPECT_EQ(world_.commit("g", {"t", 0}, 5), ErrorCode::none);
  ASSERT_TRUE(world_.log().delete_topic("t").is_ok());
  world_.advance(3 * kCheckMs);
  EXPECT_THAT(world_.list(), IsEmpty());
}

}  // namespace
}  // namespace millrace::broker
