#include "expr/text.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "base/time_text.h"

namespace millrace::expr {
namespace {

constexpr std::uint64_t kSeed = 42;

TEST(ShortText, writes_decimals_as_decimal_does) {
  Random random(kSeed);
  for (int i = 0; i < 5000; ++i) {
    auto unscaled = static_cast<__int128>((static_cast<unsigned __int128>(random.next()) << 64) |
                                          random.next());
    unscaled %= power_of_ten(static_cast<int>(random.below(38)) + 1);
    const Decimal decimal(unscaled, static_cast<int>(random.below(39)));
    ShortText text;
    text.append_decimal(decimal);
    ASSERT_EQ(text.view(), decimal.to_string()) << "seed " << kSeed << " round " << i;
  }
}

TEST(ShortText, writes_timestamps_as_format_instant_does) {
  constexpr std::int64_t kFirstSecond = -62'135'596'800;
  constexpr std::uint64_t kSecondCount = 315'537'897'600;
  Random random(kSeed);
  for (int i = 0; i < 5000; ++i) {
    const auto seconds = kFirstSecond + static_cast<std::int64_t>(random.below(kSecondCount));
    // Fractions of 0, 3, 6 and 9 digits, the lengths format_instant knows; the last digit of each
    // is not zero, or this text would be shorter.
    static constexpr std::int32_t kNanos[] = {0,          7'000'000,   123'000'000,
                                              17'461'000, 123'456'789, 1};
    const auto nanos = kNanos[random.below(std::size(kNanos))];
    ShortText text;
    text.append_timestamp(seconds, nanos);
    ASSERT_EQ(text.view(), format_instant(seconds, nanos)) << "seed " << kSeed << " round " << i;
  }
}

TEST(ShortText, cuts_zeros_from_fractions) {
  ShortText text;
  text.append_timestamp(0, 500'000'000);
  text.append(' ');
  text.append_duration(-1, -250'000'000);
  text.append(' ');
  text.append_duration(0, -1);
  EXPECT_EQ(text.view(), "1970-01-01T00:00:00.5Z -1.25s -0.000000001s");
}

TEST(CivilDate, counts_days_of_the_year_and_week) {
  // 29 February 2000, a Tuesday, is day 11016; 31 December 2000, a Sunday, is day 11322.
  EXPECT_EQ(civil_date(11'016).day, 29);
  EXPECT_EQ(civil_date(11'016).month, 2);
  EXPECT_EQ(civil_date(11'016).day_of_year, 59);
  EXPECT_EQ(civil_date(11'016).day_of_week, 2);
  EXPECT_EQ(civil_date(11'322).day_of_year, 365);
  EXPECT_EQ(civil_date(11'322).day_of_week, 0);
  EXPECT_EQ(civil_date(-1).day_of_year, 364);  // 31 December 1969, a Wednesday
  EXPECT_EQ(civil_date(-1).day_of_week, 3);
}

TEST(Durations, are_read_as_go_reads_them) {
  const auto nanos_of = [](std::string_view text) -> std::string {
    const auto parts = parse_duration(text);
    return parts ? std::to_string(parts->seconds * 1'000'000'000 + parts->nanos) : "none";
  };
  EXPECT_EQ(nanos_of("1h30m"), "5400000000000");
  EXPECT_EQ(nanos_of("-1.5s"), "-1500000000");
  EXPECT_EQ(nanos_of("1.s"), "1000000000");
  EXPECT_EQ(nanos_of(".5ms"), "500000");
  EXPECT_EQ(nanos_of("0"), "0");
  EXPECT_EQ(nanos_of("3us2ns"), "3002");
  EXPECT_EQ(nanos_of("9223372036854775807ns"), "9223372036854775807");
  for (const char* bad : {"", "-", "1", "s", "1x", ".s", "1.2.3s", "--1s", "1s ",
                          "9223372036854775808ns", "99999999999999999999h"}) {
    EXPECT_EQ(nanos_of(bad), "none") << bad;
  }
}

TEST(Doubles, too_large_is_nothing_and_too_small_is_zero) {
  EXPECT_EQ(parse_double("1e-999"), 0.0);
  EXPECT_EQ(parse_double("1e999"), std::nullopt);
  EXPECT_EQ(parse_double("-1e999"), std::nullopt);
  EXPECT_EQ(parse_double("+1.5"), 1.5);
  EXPECT_EQ(parse_double("++1"), std::nullopt);
  EXPECT_EQ(parse_double("1.5x"), std::nullopt);
  EXPECT_EQ(parse_double(" 1"), std::nullopt);
  EXPECT_EQ(parse_double(""), std::nullopt);
}

}  // namespace
}  // namespace millrace::expr
