#include "expr/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "base/check.h"

namespace millrace::expr {
namespace {

constexpr std::int64_t kNanosPerSecond = 1'000'000'000;
constexpr std::int64_t kSecondsPerDay = 86'400;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

}  // namespace

std::string joined(std::initializer_list<std::string_view> pieces) {
  std::string out;
  for (const auto piece : pieces) out += piece;
  return out;
}

std::string_view joined_in(Arena& arena, std::initializer_list<std::string_view> pieces) {
  std::size_t size = 0;
  for (const auto piece : pieces) size += piece.size();
  if (size == 0) return {};
  auto* to = static_cast<char*>(arena.allocate(size, 1));
  char* at = to;
  for (const auto piece : pieces) {
    if (!piece.empty()) std::memcpy(at, piece.data(), piece.size());
    at += piece.size();
  }
  return {to, size};
}

void ShortText::append(std::string_view text) {
  MR_CHECK(size_bytes_ + text.size() <= kBytesMax);
  std::memcpy(buffer_ + size_bytes_, text.data(), text.size());
  size_bytes_ += text.size();
}

void ShortText::append_int(std::int64_t value) {
  const auto [end, error] = std::to_chars(buffer_ + size_bytes_, buffer_ + kBytesMax, value);
  MR_CHECK(error == std::errc{});
  size_bytes_ = static_cast<std::size_t>(end - buffer_);
}

void ShortText::append_uint(std::uint64_t value, int base) {
  const auto [end, error] = std::to_chars(buffer_ + size_bytes_, buffer_ + kBytesMax, value, base);
  MR_CHECK(error == std::errc{});
  size_bytes_ = static_cast<std::size_t>(end - buffer_);
}

void ShortText::append_padded(std::int64_t value, int width) {
  MR_CHECK(value >= 0);
  std::int64_t bound = 10;
  for (int digits = 1; digits < width; ++digits, bound *= 10) {
    if (value < bound) append('0');
  }
  append_int(value);
}

void ShortText::append_double(double value) {
  if (std::isnan(value)) return append("NaN");
  if (std::isinf(value)) return append(value > 0 ? "Infinity" : "-Infinity");
  const auto [end, error] = std::to_chars(buffer_ + size_bytes_, buffer_ + kBytesMax, value);
  MR_CHECK(error == std::errc{});
  size_bytes_ = static_cast<std::size_t>(end - buffer_);
}

void ShortText::append_decimal(const Decimal& value) {
  constexpr std::size_t kDigitsMax = 40;
  std::array<char, kDigitsMax> digits;
  std::size_t first = digits.size();
  auto rest = static_cast<unsigned __int128>(value.unscaled());
  if (value.is_negative()) rest = -rest;
  const auto least = digits.size() - static_cast<std::size_t>(value.scale()) - 1;
  do {
    digits[--first] = static_cast<char>('0' + static_cast<int>(rest % 10));
    rest /= 10;
  } while (rest != 0);
  while (first > least) digits[--first] = '0';
  if (value.is_negative()) append('-');
  append(std::string_view(digits.data() + first, least + 1 - first));
  if (value.scale() == 0) return;
  append('.');
  append(std::string_view(digits.data() + least + 1, digits.size() - least - 1));
}

// ".5", ".000001": the digits that are needed.
void ShortText::append_fraction(std::int32_t nanos) {
  if (nanos == 0) return;
  int width = 9;
  for (; nanos % 10 == 0; nanos /= 10) --width;
  append('.');
  append_padded(nanos, width);
}

void ShortText::append_timestamp(std::int64_t seconds, std::int32_t nanos) {
  const std::int64_t days = seconds / kSecondsPerDay - (seconds % kSecondsPerDay < 0 ? 1 : 0);
  const std::int64_t of_day = seconds - days * kSecondsPerDay;
  const CivilDate date = civil_date(days);
  append_padded(date.year, 4);
  append('-');
  append_padded(date.month, 2);
  append('-');
  append_padded(date.day, 2);
  append('T');
  append_padded(of_day / 3600, 2);
  append(':');
  append_padded(of_day / 60 % 60, 2);
  append(':');
  append_padded(of_day % 60, 2);
  append_fraction(nanos);
  append('Z');
}

void ShortText::append_duration(std::int64_t seconds, std::int32_t nanos) {
  if (seconds < 0 || nanos < 0) append('-');
  append_uint(seconds < 0 ? 0 - static_cast<std::uint64_t>(seconds)
                          : static_cast<std::uint64_t>(seconds));
  append_fraction(std::abs(nanos));
  append('s');
}

std::optional<double> parse_double(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  if (text.starts_with('+') || text.empty()) return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size()) return std::nullopt;
  if (error == std::errc{}) return value;
  if (error != std::errc::result_out_of_range) return std::nullopt;
  // from_chars does not say in which direction; strtod rounds towards zero or infinity.
  constexpr std::size_t kTextMax = 512;
  if (text.size() > kTextMax) return std::nullopt;
  std::array<char, kTextMax + 1> terminated{};
  std::ranges::copy(text, terminated.begin());
  value = std::strtod(terminated.data(), nullptr);
  if (std::isinf(value)) return std::nullopt;
  return value;
}

std::optional<DurationParts> duration_from_nanos(__int128 nanos) {
  if (nanos > INT64_MAX || nanos < INT64_MIN) return std::nullopt;
  const auto value = static_cast<std::int64_t>(nanos);
  return DurationParts{value / kNanosPerSecond, static_cast<std::int32_t>(value % kNanosPerSecond)};
}

std::optional<DurationParts> parse_duration(std::string_view text) {
  const bool is_negative = text.starts_with('-');
  if (is_negative || text.starts_with('+')) text.remove_prefix(1);
  if (text == "0") return DurationParts{};
  if (text.empty()) return std::nullopt;
  struct Unit {
    std::string_view name;
    std::int64_t nanos;
  };
  static constexpr std::array<Unit, 6> kUnits{{{"ns", 1},
                                               {"us", 1000},
                                               {"ms", 1'000'000},
                                               {"s", kNanosPerSecond},
                                               {"m", 60 * kNanosPerSecond},
                                               {"h", 3600 * kNanosPerSecond}}};
  constexpr __int128 kTotalMax = __int128{1} << 64;  // beyond the range, far from overflow
  __int128 total = 0;
  while (!text.empty()) {
    std::size_t size = 0;
    while (size < text.size() && (is_digit(text[size]) || text[size] == '.')) ++size;
    constexpr std::size_t kNumberMax = 32;
    if (size == 0 || size > kNumberMax) return std::nullopt;
    std::string_view number = text.substr(0, size);
    text.remove_prefix(size);
    const Unit* unit = nullptr;
    for (const auto& candidate : kUnits) {
      if (text.starts_with(candidate.name)) {
        unit = &candidate;
        break;
      }
    }
    if (unit == nullptr) return std::nullopt;
    text.remove_prefix(unit->name.size());
    // "1." and ".5" are durations of Go's grammar, which CEL's is, and not numbers of Decimal's.
    std::array<char, kNumberMax + 2> padded{};
    std::size_t padded_size = 0;
    if (number.starts_with('.')) padded[padded_size++] = '0';
    std::ranges::copy(number, padded.begin() + static_cast<std::ptrdiff_t>(padded_size));
    padded_size += number.size();
    if (number == ".") return std::nullopt;
    if (number.ends_with('.')) --padded_size;
    const auto amount = Decimal::parse({padded.data(), padded_size});
    if (!amount) return std::nullopt;
    const auto nanos = amount->multiply(Decimal::from_int(unit->nanos));
    if (!nanos) return std::nullopt;
    total += nanos->unscaled() / power_of_ten(nanos->scale());
    if (total > kTotalMax) return std::nullopt;
  }
  return duration_from_nanos(is_negative ? -total : total);
}

// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
CivilDate civil_date(std::int64_t days) {
  CivilDate date;
  const std::int64_t week_day = (days + 4) % 7;
  date.day_of_week = static_cast<int>(week_day < 0 ? week_day + 7 : week_day);
  const std::int64_t from_march = days + 719'468;
  const std::int64_t era = (from_march >= 0 ? from_march : from_march - 146'096) / 146'097;
  const std::int64_t day_of_era = from_march - era * 146'097;
  const std::int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const auto day =
      static_cast<int>(day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100));
  const int month_from_march = (5 * day + 2) / 153;
  date.day = day - (153 * month_from_march + 2) / 5 + 1;
  date.month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
  date.year = era * 400 + year_of_era + (date.month <= 2 ? 1 : 0);
  const bool is_leap = date.year % 4 == 0 && (date.year % 100 != 0 || date.year % 400 == 0);
  constexpr int kDaysBeforeMarch = 59;
  date.day_of_year = date.month > 2 ? day + kDaysBeforeMarch + (is_leap ? 1 : 0) : day - 306;
  return date;
}

}  // namespace millrace::expr
