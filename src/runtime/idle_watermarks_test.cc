#include "runtime/idle_watermarks.h"

#include <gtest/gtest.h>

#include <vector>

#include "task/watermark.h"

namespace millrace::runtime {
namespace {

using Advance = pipeline::IdlePolicy::Advance;
using task::kNoWatermark;

constexpr WallTime kNow(1'700'000'000'000);
constexpr EventTime kRecently((kNow.value - 60'000) * kMicrosPerMilli);

IdleWatermarks with(Advance advance) {
  pipeline::IdlePolicy policy;
  policy.advance = advance;
  return IdleWatermarks(policy);
}

TEST(IdleWatermarks, idle_partitions_follow_the_slowest_busy_one) {
  auto idle = with(Advance::off);
  const std::vector<SourceProgress> sources = {{false, EventTime(50), EventTime(60)},
                                               {true, EventTime(10), EventTime(90)},
                                               {false, EventTime(40), EventTime(70)}};
  EXPECT_EQ(idle.target(sources, true, kNow), EventTime(40));
  EXPECT_EQ(idle.target(sources, false, kNow), std::nullopt) << "no window waits";
}

TEST(IdleWatermarks, a_busy_partition_without_a_watermark_holds_all) {
  auto idle = with(Advance::on);
  const std::vector<SourceProgress> sources = {{false, kNoWatermark, kNoWatermark},
                                               {true, EventTime(10), EventTime(90)},
                                               {false, EventTime(40), EventTime(70)}};
  EXPECT_EQ(idle.target(sources, true, kNow), std::nullopt);
}

TEST(IdleWatermarks, when_all_are_idle_a_live_feeds_clock_goes_on_with_the_wall) {
  auto idle = with(Advance::automatic);
  const std::vector<SourceProgress> sources = {{true, EventTime(10), kRecently},
                                               {true, EventTime(10), kRecently - 5}};
  EXPECT_EQ(idle.target(sources, true, kNow), kRecently);
  const WallTime later(kNow.value + 2'000);
  EXPECT_EQ(idle.target(sources, true, later), kRecently + 2'000'000);
  // One that wakes up begins it anew.
  EXPECT_EQ(idle.target(std::vector<SourceProgress>{{false, kNoWatermark, kRecently}}, true, later),
            std::nullopt);
  EXPECT_EQ(idle.target(sources, true, later), kRecently);
}

TEST(IdleWatermarks, a_replay_of_old_events_stands_still_unless_it_is_told_to_go_on) {
  const std::vector<SourceProgress> sources = {{true, EventTime(10), EventTime(20)}};
  EXPECT_EQ(with(Advance::automatic).target(sources, true, kNow), std::nullopt);
  EXPECT_EQ(with(Advance::off).target(sources, true, kNow), std::nullopt);
  EXPECT_EQ(with(Advance::on).target(sources, true, kNow), EventTime(20));
}

}  // namespace
}  // namespace millrace::runtime
