#include "bench/tick_event.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace millrace::bench {

namespace {

constexpr std::int64_t kMsPerDay = 86'400'000;
constexpr std::size_t kTickerCharsMax = 10;

// Days since 1970-01-01 and back: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
std::int64_t days_from_civil(std::int64_t year, std::int64_t month, std::int64_t day) {
  year -= month <= 2 ? 1 : 0;
  const auto era = year / 400;
  const auto year_of_era = year - era * 400;
  const auto day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const auto day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146'097 + day_of_era - 719'468;
}

struct Civil {
  std::int64_t year;
  std::int64_t month;
  std::int64_t day;
};

Civil civil_from_days(std::int64_t days) {
  days += 719'468;
  const auto era = days / 146'097;
  const auto day_of_era = days - era * 146'097;
  const auto year_of_era =
      (day_of_era - day_of_era / 1'460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const auto day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const auto shifted = (5 * day_of_year + 2) / 153;
  const auto month = shifted + (shifted < 10 ? 3 : -9);
  return {year_of_era + era * 400 + (month <= 2 ? 1 : 0), month,
          day_of_year - (153 * shifted + 2) / 5 + 1};
}

void put_digits(char* at, std::int64_t value, std::size_t count) {
  for (auto i = count; i-- > 0; value /= 10) at[i] = static_cast<char>('0' + value % 10);
}

}  // namespace

bool parse_price(std::string_view text, std::int64_t& price) {
  constexpr std::size_t kCharsMax = 15;  // stays far below 2^63
  if (text.empty() || text.size() > kCharsMax) return false;
  const bool is_negative = text.front() == '-';
  if (is_negative) text.remove_prefix(1);
  price = 0;
  int fraction_digits = -1;  // until the point is seen
  for (const char c : text) {
    if (c == '.') {
      if (fraction_digits >= 0) return false;
      fraction_digits = 0;
      continue;
    }
    if (c < '0' || c > '9' || fraction_digits == 4) return false;
    price = price * 10 + (c - '0');
    if (fraction_digits >= 0) ++fraction_digits;
  }
  for (int i = std::max(fraction_digits, 0); i < 4; ++i) price *= 10;
  if (is_negative) price = -price;
  return true;
}

bool parse_time_ms(std::string_view text, std::int64_t& time_ms) {
  constexpr std::string_view kShape = "dddd-dd-ddTdd:dd:dd.dddZ";
  if (text.size() != kShape.size()) return false;
  for (std::size_t i = 0; i < kShape.size(); ++i) {
    const bool is_digit = text[i] >= '0' && text[i] <= '9';
    if (kShape[i] == 'd' ? !is_digit : text[i] != kShape[i]) return false;
  }
  const auto number = [text](std::size_t begin, std::size_t end) {
    std::int64_t value = 0;
    for (auto i = begin; i < end; ++i) value = value * 10 + (text[i] - '0');
    return value;
  };
  const auto days = days_from_civil(number(0, 4), number(5, 7), number(8, 10));
  const auto minutes = number(11, 13) * 60 + number(14, 16);
  time_ms = days * kMsPerDay + minutes * 60'000 + number(17, 19) * 1'000 + number(20, 23);
  return true;
}

void append_decimal(std::string& out, std::int64_t ten_thousandths) {
  if (ten_thousandths < 0) {
    out += '-';
    ten_thousandths = -ten_thousandths;
  }
  std::array<char, 32> text{};
  char* end = std::to_chars(text.data(), text.data() + 24, ten_thousandths / 10'000).ptr;
  *end++ = '.';
  put_digits(end, ten_thousandths % 10'000, 4);
  out.append(text.data(), end + 4);
}

void append_time(std::string& out, std::int64_t time_ms) {
  const auto date = civil_from_days(time_ms / kMsPerDay);
  const auto second = time_ms % kMsPerDay / 1'000;
  std::string text = "0000-00-00T00:00:00Z";
  put_digits(text.data(), date.year, 4);
  put_digits(text.data() + 5, date.month, 2);
  put_digits(text.data() + 8, date.day, 2);
  put_digits(text.data() + 11, second / 3'600, 2);
  put_digits(text.data() + 14, second / 60 % 60, 2);
  put_digits(text.data() + 17, second % 60, 2);
  out += text;
}

TickVerdict TickParser::parse(std::string_view json, std::size_t readable_bytes, TickEvent& event) {
  simdjson::ondemand::document document;
  const simdjson::padded_string_view padded(json.data(), json.size(), readable_bytes);
  if (parser_.iterate(padded).get(document)) return TickVerdict::schema_invalid;
  simdjson::ondemand::object object;
  if (document.get_object().get(object)) return TickVerdict::schema_invalid;
  std::string_view time;
  std::string_view price;
  std::string_view source;
  int seen = 0;
  for (auto field : object) {
    std::string_view name;
    if (field.unescaped_key().get(name)) return TickVerdict::schema_invalid;
    bool is_ok = true;
    int bit = 0;
    if (name == "event_id") {
      is_ok = !field.value().get_string().get(event.event_id);
      bit = 1;
    } else if (name == "timestamp") {
      is_ok = !field.value().get_string().get(time);
      bit = 2;
    } else if (name == "ticker") {
      is_ok = !field.value().get_string().get(event.ticker);
      bit = 4;
    } else if (name == "price") {
      is_ok = !field.value().get_string().get(price);
      bit = 8;
    } else if (name == "volume") {
      is_ok = !field.value().get_int64().get(event.volume);
      bit = 16;
    } else if (name == "source") {
      is_ok = !field.value().get_string().get(source);
      bit = 32;
    }
    if (!is_ok) return TickVerdict::schema_invalid;
    seen |= bit;
  }
  if (seen != 63 || event.event_id.empty() || event.ticker.empty() ||
      event.ticker.size() > kTickerCharsMax || !parse_price(price, event.price) ||
      !parse_time_ms(time, event.time_ms)) {
    return TickVerdict::schema_invalid;
  }
  if (event.price <= 0 || event.volume < 0) return TickVerdict::rule_violation;
  return TickVerdict::good;
}

}  // namespace millrace::bench
