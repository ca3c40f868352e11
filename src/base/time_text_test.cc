#include "base/time_text.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>

#include "base/random.h"

namespace millrace {
namespace {

constexpr std::int64_t kSecondsPerDay = 86'400;

std::string date_text(int year, int month, int day) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02d-%02d", year, month, day);
  return text.data();
}

// Walks the calendar day by day; the count of days says what the conversion must give.
TEST(TimeText, years_1_to_9999_agree_with_a_calendar_walk) {
  std::int64_t day_number = 0;  // from 0001-01-01
  std::int64_t epoch = -1;
  for (int pass = 0; pass < 2; ++pass) {  // the first finds 1970-01-01
    day_number = 0;
    for (int year = 1; year <= 9999; ++year) {
      const bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
      const std::array<int, 12> days{31, is_leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
      for (int month = 1; month <= 12; ++month) {
        for (int day = 1; day <= days[static_cast<std::size_t>(month - 1)]; ++day, ++day_number) {
          if (pass == 0) {
            if (year == 1970 && month == 1 && day == 1) epoch = day_number;
            continue;
          }
          // Every day around the ends of eras and of our time; elsewhere the days about the leap
          // day.
          const bool is_near = year % 400 <= 4 || (year >= 1990 && year <= 2030);
          if (!is_near && day > 1 && (day < 28 || month != 2)) continue;
          const std::string text = date_text(year, month, day) + "T00:00:00Z";
          const std::int64_t seconds = (day_number - epoch) * kSecondsPerDay;
          const auto instant = parse_instant(text);
          ASSERT_TRUE(instant) << text;
          ASSERT_EQ(instant->seconds, seconds) << text;
          ASSERT_EQ(format_instant(seconds, 0), text);
          ASSERT_EQ(format_instant(seconds + kSecondsPerDay - 1, 0),
                    date_text(year, month, day) + "T23:59:59Z");
        }
        if (pass == 1 && month != 12) {
          const int too_late = days[static_cast<std::size_t>(month - 1)] + 1;
          ASSERT_FALSE(parse_instant(date_text(year, month, too_late) + "T00:00:00Z"));
        }
      }
    }
  }
  EXPECT_EQ(epoch, 719'162);
}

TEST(TimeText, every_second_of_a_day_goes_there_and_back) {
  for (int second = 0; second < kSecondsPerDay; ++second) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "1970-01-01T%02d:%02d:%02dZ", second / 3600,
                  second / 60 % 60, second % 60);
    ASSERT_EQ(format_instant(second, 0), text.data());
    ASSERT_EQ(parse_instant(text.data())->seconds, second);
  }
}

TEST(TimeText, fractions_have_one_to_nine_digits) {
  const auto nanos = [](const char* fraction) {
    return parse_instant("2012-06-21T13:30:00" + std::string(fraction) + "Z")->nanos;
  };
  EXPECT_EQ(nanos(""), 0);
  EXPECT_EQ(nanos(".5"), 500'000'000);
  EXPECT_EQ(nanos(".017460"), 17'460'000);
  EXPECT_EQ(nanos(".000000001"), 1);
  EXPECT_EQ(nanos(".999999999"), 999'999'999);
  EXPECT_EQ(parse_instant("2012-06-21T13:30:00.017460Z")->seconds, 1'340'285'400);
}

TEST(TimeText, offsets_are_subtracted) {
  const auto seconds = [](const char* text) { return parse_instant(text)->seconds; };
  const std::int64_t utc = seconds("2012-06-21T11:30:00Z");
  EXPECT_EQ(seconds("2012-06-21T13:30:00+02:00"), utc);
  EXPECT_EQ(seconds("2012-06-21T07:00:00-04:30"), utc);
  EXPECT_EQ(seconds("2012-06-21t11:30:00z"), utc);
  EXPECT_EQ(seconds("2012-06-21 11:30:00-00:00"), utc);
  EXPECT_EQ(seconds("2012-06-22T11:29:00+23:59"), utc);
}

TEST(TimeText, a_leap_second_is_the_next_day_s_first_and_only_before_midnight_utc) {
  EXPECT_EQ(parse_instant("1998-12-31T23:59:60Z")->seconds,
            parse_instant("1999-01-01T00:00:00Z")->seconds);
  EXPECT_EQ(parse_instant("1998-12-31T15:59:60.123-08:00")->nanos, 123'000'000);
  EXPECT_FALSE(parse_instant("1998-12-31T23:58:60Z"));
  EXPECT_FALSE(parse_instant("1998-12-31T22:59:60Z"));
  EXPECT_FALSE(parse_instant("1998-12-31T23:59:61Z"));
  EXPECT_FALSE(parse_instant("1998-12-31T23:59:60-08:00"));
}

TEST(TimeText, what_is_not_a_date_time_is_refused) {
  for (const char* text : {"",
                           "2012",
                           "2012-06-21",
                           "2012-06-21T13:30:00",
                           "2012-06-21T13:30Z",
                           "2012-6-21T13:30:00Z",
                           "2012-06-21T13:30:00.Z",
                           "2012-06-21T13:30:00.1234567890Z",
                           "2012-06-21T13:30:00,5Z",
                           "2012-06-21T24:00:00Z",
                           "2012-06-21T13:60:00Z",
                           "2012-13-21T13:30:00Z",
                           "2012-00-21T13:30:00Z",
                           "2012-06-00T13:30:00Z",
                           "2011-02-29T13:30:00Z",
                           "1900-02-29T00:00:00Z",
                           "0000-01-01T00:00:00Z",
                           "2012-06-21T13:30:00+24:00",
                           "2012-06-21T13:30:00+02:60",
                           "2012-06-21T13:30:00+0200",
                           "2012-06-21T13:30:00+02",
                           "2012-06-21T13:30:00ZZ",
                           " 2012-06-21T13:30:00Z",
                           "2012-06-21T13:30:00Z ",
                           "2012-06-21_13:30:00Z",
                           "+012-06-21T13:30:00Z",
                           "2012-06-21T13:30:00UTC",
                           "0001-01-01T00:00:00+00:01",
                           "9999-12-31T23:59:59-00:01",
                           "9999-12-31T23:59:60Z",
                           "2012-06-21T-1:30:00Z"}) {
    EXPECT_FALSE(parse_instant(text)) << text;
  }
  EXPECT_TRUE(parse_instant("0001-01-01T00:00:00Z"));
  EXPECT_TRUE(parse_instant("9999-12-31T23:59:59.999999999Z"));
}

TEST(TimeText, formats_show_only_the_digits_needed) {
  EXPECT_EQ(format_instant(0, 0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(format_instant(-1, 17'000'000), "1969-12-31T23:59:59.017Z");
  EXPECT_EQ(format_instant(0, 17'460'000), "1970-01-01T00:00:00.017460Z");
  EXPECT_EQ(format_instant(0, 1), "1970-01-01T00:00:00.000000001Z");
  EXPECT_EQ(format_event_time(EventTime(-1)), "1969-12-31T23:59:59.999999Z");
  EXPECT_EQ(format_event_time(EventTime(1'340'285'400'000'000)), "2012-06-21T13:30:00Z");
  EXPECT_EQ(format_wall_time(WallTime(0)), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(format_wall_time(WallTime(-1)), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(format_wall_time(WallTime(1'340'285'400'017)), "2012-06-21T13:30:00.017Z");
}

TEST(TimeText, times_outside_four_digit_years_are_still_written) {
  EXPECT_EQ(format_instant(253'402'300'800, 0), "+10000-01-01T00:00:00Z");
  EXPECT_EQ(format_instant(-62'135'596'801, 0), "0000-12-31T23:59:59Z");
  EXPECT_EQ(format_instant(-62'167'219'201, 0), "-0001-12-31T23:59:59Z");
  // Whatever a foreign batch holds, formatting it neither overflows nor aborts.
  EXPECT_EQ(format_wall_time(WallTime(INT64_MAX)), "+292278994-08-17T07:12:55.807Z");
  EXPECT_EQ(format_event_time(EventTime(INT64_MIN)), "-290308-12-21T19:59:05.224192Z");
  EXPECT_FALSE(format_wall_time(WallTime(INT64_MIN)).empty());
  EXPECT_FALSE(format_instant(INT64_MAX, 0).empty());
  EXPECT_FALSE(format_instant(INT64_MIN, 0).empty());
}

TEST(TimeText, random_instants_go_there_and_back) {
  constexpr std::uint64_t kSeed = 7;
  Random random(kSeed);
  for (int i = 0; i < 20000; ++i) {
    const auto seconds = static_cast<std::int64_t>(random.below(315'537'897'600)) - 62'135'596'800;
    auto nanos = static_cast<std::int32_t>(random.below(1'000'000'000));
    if (random.one_in(2)) nanos -= nanos % 1000;
    const auto instant = parse_instant(format_instant(seconds, nanos));
    ASSERT_TRUE(instant) << "seed " << kSeed << ": " << format_instant(seconds, nanos);
    ASSERT_EQ(instant->seconds, seconds);
    ASSERT_EQ(instant->nanos, nanos);
  }
}

TEST(TimeText, a_parser_that_remembers_the_date_gives_the_same) {
  constexpr std::uint64_t kSeed = 8;
  Random random(kSeed);
  InstantParser parser;
  int good_count = 0;
  for (int i = 0; i < 50'000; ++i) {
    // A few days around a leap second, so that dates repeat.
    const auto seconds = 1'341'100'799 + static_cast<std::int64_t>(random.below(200'000)) - 100'000;
    auto nanos = static_cast<std::int32_t>(random.below(1'000'000'000));
    if (random.one_in(2)) nanos = 0;
    if (random.one_in(2)) nanos -= nanos % 1'000'000;
    auto text = format_instant(seconds, nanos);
    if (random.one_in(20)) text = "2012-06-30T23:59:60Z";
    if (random.one_in(20)) text = "2012-07-01T01:59:60+02:00";
    if (random.one_in(20)) text.replace(text.size() - 1, 1, "+02:00");
    if (random.one_in(3)) text[random.below(text.size())] = "09:.-TZ /z"[random.below(10)];
    if (random.one_in(10)) text.resize(random.below(text.size() + 1));
    if (random.one_in(20)) text += text;
    const auto expected = parse_instant(text);
    const auto parsed = parser.parse(text);
    ASSERT_EQ(parsed.has_value(), expected.has_value()) << "seed " << kSeed << ": " << text;
    if (!expected) continue;
    ++good_count;
    ASSERT_EQ(parsed->seconds, expected->seconds) << "seed " << kSeed << ": " << text;
    ASSERT_EQ(parsed->nanos, expected->nanos) << "seed " << kSeed << ": " << text;
  }
  EXPECT_GT(good_count, 10'000);
}

}  // namespace
}  // namespace millrace
