#include "task/watermark.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/time_text.h"

namespace millrace::task {
namespace {

constexpr std::int64_t kSecond = 1'000'000;
constexpr std::int64_t kDay = 86'400 * kSecond;

EventTime at(const std::string& text) {
  const auto instant = parse_instant(text);
  EXPECT_TRUE(instant.has_value()) << text;
  return EventTime(instant->seconds * kSecond + instant->nanos / 1000);
}

WatermarkConfig config_of(std::int64_t bound_s, std::int32_t confirmations = 10) {
  return {bound_s * kSecond, kDay, confirmations};
}

// One that has believed its beginning: as many events of one instant as it takes.
Watermark begun_at(const WatermarkConfig& config, EventTime time) {
  Watermark watermark(config);
  for (int i = 0; i < config.jump_confirmations; ++i) EXPECT_FALSE(watermark.observe(time));
  EXPECT_TRUE(watermark.observe(time));
  return watermark;
}

TEST(Watermark, is_the_largest_event_time_minus_the_bound) {
  auto watermark = begun_at(config_of(30), at("2012-06-21T13:30:30Z"));
  EXPECT_EQ(watermark.current(), at("2012-06-21T13:30:00Z"));
  EXPECT_FALSE(watermark.observe(at("2012-06-21T13:30:29Z")));
  EXPECT_EQ(watermark.current(), at("2012-06-21T13:30:00Z"));
  EXPECT_TRUE(watermark.observe(at("2012-06-21T13:31:00Z")));
  EXPECT_EQ(watermark.current(), at("2012-06-21T13:30:30Z"));
}

TEST(Watermark, one_event_in_the_year_9999_does_not_move_it) {
  auto watermark = begun_at(config_of(0), at("2012-06-21T13:30:00Z"));
  EXPECT_FALSE(watermark.observe(at("9999-12-31T23:59:59Z")));
  EXPECT_EQ(watermark.current(), at("2012-06-21T13:30:00Z"));
  EXPECT_TRUE(watermark.observe(at("2012-06-21T13:30:01Z")));
  EXPECT_EQ(watermark.current(), at("2012-06-21T13:30:01Z"));
}

TEST(Watermark, now_in_a_feed_of_1997_does_not_move_it_even_again_and_again) {
  auto watermark = begun_at(config_of(3600), at("1997-01-01T12:00:00Z"));
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(watermark.observe(at("2026-05-01T00:00:00Z")));
    watermark.observe(at("1997-01-01T12:00:00Z") + i * kSecond);
  }
  EXPECT_EQ(watermark.current(), at("1997-01-01T11:01:39Z"));
}

TEST(Watermark, begins_at_the_smallest_of_the_first_events) {
  Watermark watermark(config_of(10, 3));
  EXPECT_EQ(watermark.if_nothing_more_comes(), kNoWatermark);
  EXPECT_FALSE(watermark.observe(at("1997-01-01T00:00:30Z")));
  EXPECT_EQ(watermark.if_nothing_more_comes(), at("1997-01-01T00:00:20Z"));
  EXPECT_FALSE(watermark.observe(at("1997-01-01T00:00:15Z")));
  EXPECT_FALSE(watermark.observe(at("1997-01-01T00:00:40Z")));
  EXPECT_EQ(watermark.current(), kNoWatermark);
  EXPECT_EQ(watermark.if_nothing_more_comes(), at("1997-01-01T00:00:05Z"));
  EXPECT_TRUE(watermark.observe(at("1997-01-01T00:00:35Z")));
  EXPECT_EQ(watermark.current(), at("1997-01-01T00:00:05Z"));
  EXPECT_EQ(watermark.if_nothing_more_comes(), watermark.current());
  EXPECT_TRUE(watermark.observe(at("1997-01-01T00:00:40Z")));
  EXPECT_EQ(watermark.current(), at("1997-01-01T00:00:30Z"));
}

TEST(Watermark, a_feed_of_1997_that_begins_with_now_stays_in_1997) {
  Watermark watermark(config_of(0));
  EXPECT_FALSE(watermark.observe(at("2026-05-01T00:00:00Z")));
  for (int i = 0; i < 100; ++i) watermark.observe(at("1997-01-01T12:00:00Z") + i * kSecond);
  EXPECT_EQ(watermark.current(), at("1997-01-01T12:01:39Z"));
}

TEST(Watermark, a_live_feed_that_begins_with_1970_follows_its_events) {
  Watermark watermark(config_of(0));
  EXPECT_FALSE(watermark.observe(at("1970-01-01T00:00:00Z")));
  for (int i = 0; i < 100; ++i) watermark.observe(at("2026-05-01T00:00:00Z") + i * kSecond);
  EXPECT_EQ(watermark.current(), at("2026-05-01T00:01:39Z"));
}

TEST(Watermark, an_advance_from_outside_ends_the_beginning) {
  Watermark watermark(config_of(0));
  EXPECT_FALSE(watermark.observe(at("1997-01-01T00:00:00Z")));
  EXPECT_TRUE(watermark.advance_to(at("1997-01-01T00:00:05Z")));
  EXPECT_TRUE(watermark.observe(at("1997-01-01T00:00:09Z")));
  EXPECT_EQ(watermark.current(), at("1997-01-01T00:00:09Z"));
}

TEST(Watermark, a_jump_is_believed_once_enough_events_in_a_row_confirm_it) {
  auto watermark = begun_at(config_of(0, 3), at("1997-01-01T00:00:00Z"));
  EXPECT_FALSE(watermark.observe(at("1997-03-01T00:00:05Z")));  // the jump
  EXPECT_FALSE(watermark.observe(at("1997-03-01T00:00:09Z")));  // three confirmations
  EXPECT_FALSE(watermark.observe(at("1997-03-01T00:00:04Z")));
  EXPECT_TRUE(watermark.observe(at("1997-03-01T00:00:07Z")));
  EXPECT_EQ(watermark.current(), at("1997-03-01T00:00:04Z"));  // the smallest of them
}

TEST(Watermark, exactly_max_jump_ahead_is_no_jump) {
  auto watermark = begun_at(config_of(0), at("1997-01-01T00:00:00Z"));
  EXPECT_TRUE(watermark.observe(at("1997-01-02T00:00:00Z")));
  EXPECT_FALSE(watermark.observe(at("1997-01-03T00:00:00.000001Z")));
  EXPECT_EQ(watermark.current(), at("1997-01-02T00:00:00Z"));
}

TEST(Watermark, an_advance_from_outside_never_goes_back_and_is_where_jumps_count_from) {
  auto watermark = begun_at(config_of(0, 0), at("1997-01-01T00:00:00Z"));
  EXPECT_TRUE(watermark.advance_to(at("1997-01-20T00:00:00Z")));
  EXPECT_FALSE(watermark.advance_to(at("1997-01-19T00:00:00Z")));
  EXPECT_FALSE(watermark.observe(at("1997-01-02T00:00:00Z")));
  EXPECT_EQ(watermark.current(), at("1997-01-20T00:00:00Z"));
  EXPECT_TRUE(watermark.observe(at("1997-01-20T00:00:01Z")));
  EXPECT_EQ(watermark.current(), at("1997-01-20T00:00:01Z"));
}

// The slow twin keeps every event and derives the clock from the list: an event is believed when
// it is at most max_jump ahead of the newest believed one, or when it ends a run of k + 1
// unbelieved ones.
class ListTwin {
 public:
  explicit ListTwin(const WatermarkConfig& config) : config_(config) {}

  EventTime observe(EventTime time) {
    const bool is_near = !believed_.empty() && time.value <= newest() + config_.max_jump_us;
    if (is_near) {
      believed_.push_back(time.value);
      run_.clear();
      return current();
    }
    run_.push_back(time.value);
    if (run_.size() == static_cast<std::size_t>(config_.jump_confirmations) + 1) {
      believed_.push_back(*std::min_element(run_.begin(), run_.end()));
      run_.clear();
    }
    return current();
  }

 private:
  [[nodiscard]] std::int64_t newest() const {
    return *std::max_element(believed_.begin(), believed_.end());
  }
  [[nodiscard]] EventTime current() const {
    if (believed_.empty()) return kNoWatermark;
    return EventTime(newest() - config_.out_of_orderness_us);
  }

  WatermarkConfig config_;
  std::vector<std::int64_t> believed_;
  std::vector<std::int64_t> run_;
};

TEST(Watermark, agrees_with_a_list_of_all_events_across_snapshots) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const WatermarkConfig config{static_cast<std::int64_t>(random.below(50)), 100,
                                 static_cast<std::int32_t>(random.below(4))};
    Watermark watermark(config);
    ListTwin twin(config);
    std::int64_t base = 0;
    for (int i = 0; i < 200; ++i) {
      if (random.one_in(20)) base += 150;
      const EventTime time(base + static_cast<std::int64_t>(random.below(80)) +
                           (random.one_in(5) ? 500 : 0));
      const auto before = watermark.current();
      const bool has_moved = watermark.observe(time);
      ASSERT_EQ(watermark.current(), twin.observe(time)) << "event " << i;
      ASSERT_EQ(has_moved, watermark.current() != before);
      ASSERT_GE(watermark.current(), before);
      if (!random.one_in(10)) continue;
      std::string bytes;
      Encoder to(bytes);
      watermark.snapshot(to);
      Decoder from(bytes);
      watermark = Watermark(config);
      watermark.restore(from);
      ASSERT_TRUE(from.finish("watermark").is_ok());
    }
  }
}

TEST(Watermark, a_time_that_no_event_can_have_is_refused) {
  constexpr std::int64_t kLimit = 1'152'921'504'606'846'976;  // 2^60
  for (const auto [value, is_good] : {std::pair(kLimit, true),
                                      {-kLimit, true},
                                      {kLimit + 1, false},
                                      {-kLimit - 1, false},
                                      {std::numeric_limits<std::int64_t>::max(), false},
                                      {kNoWatermark.value, true}}) {
    std::string bytes;
    Encoder(bytes).zigzag(value);
    Decoder from(bytes);
    EXPECT_EQ(decode_event_time(from), EventTime(value));
    EXPECT_EQ(from.finish("time").is_ok(), is_good) << value;
  }
}

}  // namespace
}  // namespace millrace::task
