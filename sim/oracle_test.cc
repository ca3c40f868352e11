#include "sim/oracle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::sim {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class OracleTest : public testing::Test {
 protected:
  OracleTest() {
    journal_.push_back({1, Offset(0), WallTime(0), task::PipelineEntry{"ticks", 1, {}, 1}});
  }

  // `ms` of event time after the start.
  void add(const std::string& id, std::int64_t ms, std::int64_t cents = 100) {
    const Event event{Event::Kind::good, id, "KA", (kStartMs + ms) * 1000, cents, 1};
    SeenRecord record;
    record.key = "KA";
    record.value = events_.add(event);
    record.append_time = WallTime(kStartMs + 10'000);
    records_.push_back(std::move(record));
  }
  void journal(task::JournalEvent event) {
    journal_.push_back({journal_.size() + 1, Offset(static_cast<std::int64_t>(records_.size())),
                        WallTime(0), std::move(event)});
  }
  // As if three events at the start had been believed.
  void begin() { journal(task::WatermarkEntry{EventTime((kStartMs - 50) * 1000)}); }
  Expectation expected() { return expect({&profile_, &events_, true, &records_, journal_}); }

  static constexpr std::int64_t kStartMs = 1'000'000'000'000;
  Profile profile_;
  EventBook events_;
  std::vector<SeenRecord> records_;
  std::vector<task::JournalEntry> journal_;
};

TEST(Oracle, means_are_rounded_half_to_even_at_the_fourth_digit) {
  EXPECT_EQ(mean_text(100, 1), "1.0000");
  EXPECT_EQ(mean_text(1, 3), "0.0033");
  EXPECT_EQ(mean_text(2, 3), "0.0067");
  EXPECT_EQ(mean_text(1, 8), "0.0012");  // 0.00125
  EXPECT_EQ(mean_text(3, 8), "0.0038");  // 0.00375
  EXPECT_EQ(mean_text(1235, 2), "6.1750");
}

// Windows of 200 ms, 50 ms out of order, 300 ms late.
TEST_F(OracleTest, a_window_fires_past_its_end_and_is_revised_until_it_closes) {
  begin();
  add("1", 0, 100);
  add("2", 100, 300);
  EXPECT_TRUE(expected().results.empty());
  add("3", 250);  // the watermark is at 200
  ASSERT_EQ(expected().results.size(), 1u);
  EXPECT_THAT(expected().results[0],
              HasSubstr(R"("revision":0,"is_final":false,"n":2,"low":"1.00","high":"3.00")"));
  add("4", 10, 500);  // late, but counted
  ASSERT_EQ(expected().results.size(), 2u);
  EXPECT_THAT(expected().results[1], HasSubstr(R"("revision":1,"is_final":false,"n":3)"));
  add("5", 550);  // 500: the first window closes, the second (with 3) fires
  ASSERT_EQ(expected().results.size(), 4u);
  EXPECT_THAT(expected().results[2], HasSubstr(R"("revision":2,"is_final":true,"n":3)"));
  add("6", 20);
  EXPECT_TRUE(expected().fates.back().is_late);
  EXPECT_EQ(expected().results.size(), 4u);
}

TEST_F(OracleTest, there_is_no_watermark_before_three_events) {
  add("1", 20'000);
  add("2", 100);
  EXPECT_FALSE(expected().has_watermark);
  add("3", 200);
  EXPECT_EQ(expected().watermark_us, (kStartMs + 100 - 50) * 1000);
}

TEST_F(OracleTest, one_event_far_ahead_moves_nothing_and_three_do) {
  begin();
  add("1", 0);
  add("2", 20'000);
  EXPECT_EQ(expected().watermark_us, (kStartMs - 50) * 1000);
  add("3", 21'000);
  EXPECT_EQ(expected().watermark_us, (kStartMs - 50) * 1000);
  add("4", 22'000);
  EXPECT_EQ(expected().watermark_us, (kStartMs + 20'000 - 50) * 1000);
}

TEST_F(OracleTest, an_id_counts_as_seen_until_the_watermark_passes_its_buckets_end_and_ttl) {
  add("1", 0);
  add("2", 100);  // files 1 under the watermark -50
  add("1", 200);
  EXPECT_EQ(expected().fates[2].error, "DUPLICATE");
  // The bucket of -50 is [-100, 0) and its end + ttl 2400.
  add("3", 2'450);  // watermark 2400
  add("1", 2'451);
  EXPECT_EQ(expected().fates[4].error, "DUPLICATE");
  add("4", 2'452);  // 2402
  add("1", 2'453);
  EXPECT_EQ(expected().fates[6].kind, Fate::Kind::passed);
}

TEST_F(OracleTest, a_journalled_watermark_stands_before_the_record_at_its_offset) {
  add("1", 0);
  journal(task::WatermarkEntry{EventTime((kStartMs + 1'000) * 1000)});
  add("2", 100);
  const auto out = expected();
  EXPECT_FALSE(out.fates[0].is_late);
  EXPECT_TRUE(out.fates[1].is_late);
  EXPECT_EQ(out.results.size(), 2u);  // fired and closed at once
}

}  // namespace
}  // namespace millrace::sim
