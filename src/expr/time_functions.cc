#include <array>
#include <optional>

#include "expr/functions.h"
#include "expr/text.h"

// getFullYear() and the other parts of timestamps and durations.

namespace millrace::expr {
namespace {

using Arguments = std::span<const Value>;

constexpr std::int64_t kSecondsPerDay = 86'400;
constexpr std::int32_t kNanosPerMilli = 1'000'000;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Seconds east of UTC: "UTC", "Z", "+02:00", "-09:30", "02:00".
std::optional<std::int64_t> parse_offset(std::string_view zone) {
  if (zone == "UTC" || zone == "Z") return 0;
  const bool is_west = zone.starts_with('-');
  if (is_west || zone.starts_with('+')) zone.remove_prefix(1);
  const bool has_form = zone.size() == 5 && is_digit(zone[0]) && is_digit(zone[1]) &&
                        zone[2] == ':' && is_digit(zone[3]) && is_digit(zone[4]);
  if (!has_form) return std::nullopt;
  const std::int64_t hours = (zone[0] - '0') * 10 + (zone[1] - '0');
  const std::int64_t minutes = (zone[3] - '0') * 10 + (zone[4] - '0');
  if (hours > 23 || minutes > 59) return std::nullopt;
  const std::int64_t seconds = hours * 3600 + minutes * 60;
  return is_west ? -seconds : seconds;
}

struct LocalTime {
  std::int64_t days = 0;  // since 1970-01-01
  std::int64_t second_of_day = 0;
  std::int32_t nanos = 0;
};
using Part = std::int64_t (*)(const LocalTime&);

Value run_part(const Node& node, Frame& frame, Arguments arguments, Part part) {
  if (arguments[0].kind() != ValueKind::timestamp) return no_overload(node, frame, arguments);
  std::int64_t seconds = arguments[0].seconds();
  if (arguments.size() == 2) {
    if (arguments[1].kind() != ValueKind::string) return no_overload(node, frame, arguments);
    const auto offset = parse_offset(arguments[1].as_string());
    if (!offset) {
      return fail(
          node, frame,
          joined_in(*frame.arena, {"the time zone '", arguments[1].as_string(),
                                   "' is not supported; use 'UTC' or an offset such as '+02:00'"}));
    }
    seconds += *offset;
  }
  const std::int64_t days = seconds / kSecondsPerDay - (seconds % kSecondsPerDay < 0 ? 1 : 0);
  const LocalTime time{days, seconds - days * kSecondsPerDay, arguments[0].nanos()};
  return Value::int64(part(time));
}

Value run_full_year(const Node& node, Frame& frame, Arguments arguments) {
  return run_part(node, frame, arguments,
                  [](const LocalTime& t) { return civil_date(t.days).year; });
}
Value run_month(const Node& node, Frame& frame, Arguments arguments) {
  return run_part(node, frame, arguments,
                  [](const LocalTime& t) -> std::int64_t { return civil_date(t.days).month - 1; });
}
Value run_date(const Node& node, Frame& frame, Arguments arguments) {
  return run_part(node, frame, arguments,
                  [](const LocalTime& t) -> std::int64_t { return civil_date(t.days).day; });
}
Value run_day_of_month(const Node& node, Frame& frame, Arguments arguments) {
  return run_part(node, frame, arguments,
                  [](const LocalTime& t) -> std::int64_t { return civil_date(t.days).day - 1; });
}
Value run_day_of_week(const Node& node, Frame& frame, Arguments arguments) {
  return run_part(node, frame, arguments, [](const LocalTime& t) -> std::int64_t {
    return civil_date(t.days).day_of_week;
  });
}
Value run_day_of_year(const Node& node, Frame& frame, Arguments arguments) {
  return run_part(node, frame, arguments, [](const LocalTime& t) -> std::int64_t {
    return civil_date(t.days).day_of_year;
  });
}

// Of a duration these are totals, except for the milliseconds, which are a part in both cases.
bool is_lone_duration(Arguments arguments) {
  return arguments.size() == 1 && arguments[0].kind() == ValueKind::duration;
}

Value run_hours(const Node& node, Frame& frame, Arguments arguments) {
  if (is_lone_duration(arguments)) return Value::int64(arguments[0].seconds() / 3600);
  return run_part(node, frame, arguments,
                  [](const LocalTime& t) { return t.second_of_day / 3600; });
}
Value run_minutes(const Node& node, Frame& frame, Arguments arguments) {
  if (is_lone_duration(arguments)) return Value::int64(arguments[0].seconds() / 60);
  return run_part(node, frame, arguments,
                  [](const LocalTime& t) { return t.second_of_day / 60 % 60; });
}
Value run_seconds(const Node& node, Frame& frame, Arguments arguments) {
  if (is_lone_duration(arguments)) return Value::int64(arguments[0].seconds());
  return run_part(node, frame, arguments, [](const LocalTime& t) { return t.second_of_day % 60; });
}
Value run_milliseconds(const Node& node, Frame& frame, Arguments arguments) {
  if (is_lone_duration(arguments)) return Value::int64(arguments[0].nanos() / kNanosPerMilli);
  return run_part(node, frame, arguments,
                  [](const LocalTime& t) -> std::int64_t { return t.nanos / kNanosPerMilli; });
}

constexpr std::array<Function, 10> kFunctions{{
    {"getFullYear", true, "t?s", Type::int64, run_full_year},
    {"getMonth", true, "t?s", Type::int64, run_month},
    {"getDate", true, "t?s", Type::int64, run_date},
    {"getDayOfMonth", true, "t?s", Type::int64, run_day_of_month},
    {"getDayOfWeek", true, "t?s", Type::int64, run_day_of_week},
    {"getDayOfYear", true, "t?s", Type::int64, run_day_of_year},
    {"getHours", true, "T?s", Type::int64, run_hours},
    {"getMinutes", true, "T?s", Type::int64, run_minutes},
    {"getSeconds", true, "T?s", Type::int64, run_seconds},
    {"getMilliseconds", true, "T?s", Type::int64, run_milliseconds},
}};

}  // namespace

std::span<const Function> time_functions() {
  return kFunctions;
}

}  // namespace millrace::expr
