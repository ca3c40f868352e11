#include "base/time_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "base/check.h"

namespace millrace {
namespace {

constexpr std::int64_t kSecondsPerDay = 86'400;
constexpr std::int64_t kNanosPerSecond = 1'000'000'000;
constexpr std::int64_t kFirstSecond = -62'135'596'800;  // 0001-01-01T00:00:00Z
constexpr std::int64_t kLastSecond = 253'402'300'799;   // 9999-12-31T23:59:59Z

struct Date {
  std::int64_t year;
  int month;
  int day;
};

constexpr std::int64_t floor_divide(std::int64_t value, std::int64_t by) {
  return value / by - (value % by < 0 ? 1 : 0);
}
// value - floor_divide(value, by) * by, without the product that overflows near INT64_MIN.
constexpr std::int64_t floor_rest(std::int64_t value, std::int64_t by) {
  const std::int64_t rest = value % by;
  return rest < 0 ? rest + by : rest;
}

// Both conversions count in eras of 400 years that start on 1 March, so that the leap day is a
// year's last (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
constexpr std::int64_t kDaysPerEra = 146'097;
constexpr std::int64_t kEpochDay = 719'468;  // 1970-01-01 counted from 0000-03-01

std::int64_t days_from_date(const Date& date) {
  const std::int64_t year = date.year - (date.month <= 2 ? 1 : 0);
  const std::int64_t era = floor_divide(year, 400);
  const std::int64_t year_of_era = year - era * 400;
  const std::int64_t month_from_march = (date.month + 9) % 12;
  const std::int64_t day_of_year = (153 * month_from_march + 2) / 5 + date.day - 1;
  const std::int64_t day_of_era =
      year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * kDaysPerEra + day_of_era - kEpochDay;
}

Date date_from_days(std::int64_t days) {
  const std::int64_t from_march = days + kEpochDay;
  const std::int64_t era = floor_divide(from_march, kDaysPerEra);
  const std::int64_t day_of_era = from_march - era * kDaysPerEra;
  const std::int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const std::int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const auto month_from_march = static_cast<int>((5 * day_of_year + 2) / 153);
  const int day = static_cast<int>(day_of_year) - (153 * month_from_march + 2) / 5 + 1;
  const int month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
  return {era * 400 + year_of_era + (month <= 2 ? 1 : 0), month, day};
}

int days_in_month(std::int64_t year, int month) {
  constexpr std::array<int, 12> kDays{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return kDays[static_cast<std::size_t>(month - 1)] + (month == 2 && is_leap ? 1 : 0);
}

// Reads digits and single characters; the first mismatch makes every later answer worthless, which
// `is_good` tells at the end.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : at_(text.data()), end_(at_ + text.size()) {}

  int two_digits() {
    if (end_ - at_ < 2) return fail();
    const auto tens = static_cast<unsigned>(at_[0]) - '0';
    const auto ones = static_cast<unsigned>(at_[1]) - '0';
    if (tens > 9 || ones > 9) return fail();
    at_ += 2;
    return static_cast<int>(tens * 10 + ones);
  }
  void expect(char wanted) {
    if (!take(wanted)) fail();
  }
  bool take(char wanted) {
    if (at_ == end_ || *at_ != wanted) return false;
    ++at_;
    return true;
  }
  // 1 to 9 digits as nanoseconds.
  std::int32_t fraction() {
    std::int32_t nanos = 0;
    int digits = 0;
    unsigned digit = 0;
    for (; at_ != end_ && (digit = static_cast<unsigned>(*at_) - '0') <= 9; ++at_) {
      if (++digits > 9) return fail();
      nanos = nanos * 10 + static_cast<std::int32_t>(digit);
    }
    if (digits == 0) return fail();
    for (; digits < 9; ++digits) nanos *= 10;
    return nanos;
  }
  // 'Z', 'z' or +hh:mm, in seconds.
  int offset_seconds() {
    if (take('Z') || take('z')) return 0;
    const bool is_behind = take('-');
    if (!is_behind) expect('+');
    const int hours = two_digits();
    expect(':');
    const int minutes = two_digits();
    if (hours > 23 || minutes > 59) return fail();
    const int seconds = (hours * 60 + minutes) * 60;
    return is_behind ? -seconds : seconds;
  }
  [[nodiscard]] bool is_good_and_at_end() const { return is_good_ && at_ == end_; }

 private:
  int fail() {
    is_good_ = false;
    at_ = end_;
    return 0;
  }

  const char* at_;
  const char* end_;
  bool is_good_ = true;
};

void append_padded(std::string& out, std::int64_t value, int digits) {
  std::array<char, 20> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
  const auto written = end - buffer.data();
  for (auto i = written; i < digits; ++i) out.push_back('0');
  out.append(buffer.data(), static_cast<std::size_t>(written));
}

// "2012-06-21T13:30:00", without fraction and zone. Years beyond four digits carry a sign, as in
// ISO 8601's expanded form: timestamps of foreign batches may be any integer.
void append_seconds(std::string& out, std::int64_t seconds) {
  const std::int64_t days = floor_divide(seconds, kSecondsPerDay);
  const auto second_of_day = static_cast<int>(floor_rest(seconds, kSecondsPerDay));
  const Date date = date_from_days(days);
  if (date.year < 0) out.push_back('-');
  if (date.year > 9999) out.push_back('+');
  append_padded(out, date.year < 0 ? -date.year : date.year, 4);
  const auto append_two = [&out](char before, int value) {
    out.push_back(before);
    out.push_back(static_cast<char>('0' + value / 10));
    out.push_back(static_cast<char>('0' + value % 10));
  };
  append_two('-', date.month);
  append_two('-', date.day);
  append_two('T', second_of_day / 3600);
  append_two(':', second_of_day / 60 % 60);
  append_two(':', second_of_day % 60);
}

}  // namespace

std::optional<Instant> parse_instant(std::string_view text) {
  Scanner in(text);
  Date date{};
  date.year = in.two_digits() * 100;
  date.year += in.two_digits();
  in.expect('-');
  date.month = in.two_digits();
  in.expect('-');
  date.day = in.two_digits();
  if (!in.take('T') && !in.take('t')) in.expect(' ');
  const int hour = in.two_digits();
  in.expect(':');
  const int minute = in.two_digits();
  in.expect(':');
  const int second = in.two_digits();
  const std::int32_t nanos = in.take('.') ? in.fraction() : 0;
  const int offset = in.offset_seconds();
  if (!in.is_good_and_at_end()) return std::nullopt;
  if (date.year < 1 || date.month < 1 || date.month > 12 || date.day < 1) return std::nullopt;
  if (date.day > days_in_month(date.year, date.month)) return std::nullopt;
  if (hour > 23 || minute > 59 || second > 60) return std::nullopt;

  const std::int64_t seconds =
      days_from_date(date) * kSecondsPerDay + (hour * 60 + minute) * 60 + second - offset;
  // RFC 3339 knows a second 60 only as 23:59:60 UTC: the instant before is a day's last second.
  if (second == 60 && floor_rest(seconds, kSecondsPerDay) != 0) {
    return std::nullopt;
  }
  if (seconds < kFirstSecond || seconds > kLastSecond) return std::nullopt;
  return Instant{seconds, nanos};
}

std::optional<Instant> InstantParser::parse(std::string_view text) {
  constexpr std::array<std::int32_t, 10> kNanosPerUnit{
      0, 100'000'000, 10'000'000, 1'000'000, 100'000, 10'000, 1'000, 100, 10, 1};
  constexpr std::size_t kWholeBytes = std::string_view("2012-06-21T13:30:00Z").size();
  const char* const at = text.data();
  const std::size_t date_bytes = date_.size();
  if (text.size() < kWholeBytes || std::memcmp(at, date_.data(), date_bytes) != 0) {
    return parse_other_date(text);
  }
  bool is_good = at[13] == ':' && at[16] == ':' && text.back() == 'Z';
  const auto two_digits = [&](std::size_t i) {
    const auto tens = static_cast<unsigned>(at[i]) - '0';
    const auto ones = static_cast<unsigned>(at[i + 1]) - '0';
    is_good &= tens <= 9 && ones <= 9;
    return tens * 10 + ones;
  };
  const auto hour = two_digits(11);
  const auto minute = two_digits(14);
  const auto second = two_digits(17);
  std::int32_t nanos = 0;
  if (text.size() > kWholeBytes) {
    const std::size_t digits = text.size() - kWholeBytes - 1;
    if (digits < 1 || digits > 9 || at[19] != '.') return parse_other_date(text);
    for (std::size_t i = 0; i < digits; ++i) {
      const auto digit = static_cast<unsigned>(at[20 + i]) - '0';
      is_good &= digit <= 9;
      nanos = nanos * 10 + static_cast<std::int32_t>(digit & 15);  // at most 15 times 111,111,111
    }
    nanos *= kNanosPerUnit[digits];
  }
  // Whatever is unusual, a leap second included, is left to the long way.
  if (!is_good || hour > 23 || minute > 59 || second > 59) return parse_other_date(text);
  return Instant{midnight_ + (hour * 60 + minute) * 60 + second, nanos};
}

std::optional<Instant> InstantParser::parse_other_date(std::string_view text) {
  const auto instant = parse_instant(text);
  if (instant && text[10] == 'T' && text.back() == 'Z') {
    std::copy_n(text.begin(), date_.size(), date_.begin());
    // Second 60 is the next day's midnight, of whichever day that is.
    const bool is_leap = text.substr(17, 2) == "60";
    midnight_ = floor_divide(instant->seconds - (is_leap ? 1 : 0), kSecondsPerDay) * kSecondsPerDay;
  }
  return instant;
}

std::string format_instant(std::int64_t seconds, std::int32_t nanos) {
  MR_CHECK(nanos >= 0 && nanos < kNanosPerSecond);
  std::string out;
  out.reserve(32);
  append_seconds(out, seconds);
  if (nanos != 0) {
    out.push_back('.');
    if (nanos % 1'000'000 == 0) {
      append_padded(out, nanos / 1'000'000, 3);
    } else if (nanos % 1'000 == 0) {
      append_padded(out, nanos / 1'000, 6);
    } else {
      append_padded(out, nanos, 9);
    }
  }
  out.push_back('Z');
  return out;
}

std::string format_event_time(EventTime time) {
  const std::int64_t seconds = floor_divide(time.value, kMicrosPerSecond);
  const std::int64_t micros = floor_rest(time.value, kMicrosPerSecond);
  return format_instant(seconds, static_cast<std::int32_t>(micros * 1000));
}

void append_wall_time(std::string& out, WallTime time) {
  const std::int64_t seconds = floor_divide(time.value, 1000);
  append_seconds(out, seconds);
  out.push_back('.');
  append_padded(out, floor_rest(time.value, 1000), 3);
  out.push_back('Z');
}

std::string format_wall_time(WallTime time) {
  std::string out;
  append_wall_time(out, time);
  return out;
}

}  // namespace millrace
