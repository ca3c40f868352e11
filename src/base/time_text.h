#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace millrace {

// RFC 3339 / ISO 8601 date-times: "2012-06-21T13:30:00.017460Z", "2012-06-21T13:30:00+02:00",
// 0 to 9 fraction digits, 'T' or 't' or a space between, 'Z', 'z' or +hh:mm. Years 0001 to 9999.
// A leap second :60 counts as :59.999999999's next instant. nullopt when it is not a date-time.
struct Instant {
  std::int64_t seconds = 0;
  std::int32_t nanos = 0;
};
std::optional<Instant> parse_instant(std::string_view text);

// parse_instant for many date-times of which most are in UTC and on the day of the one before: the
// date is then compared instead of computed. The same results. One thread.
class InstantParser {
 public:
  std::optional<Instant> parse(std::string_view text);

 private:
  std::optional<Instant> parse_other_date(std::string_view text);

  std::array<char, 11> date_{};  // "2012-06-21T" as last parsed
  std::int64_t midnight_ = 0;    // of that day, in seconds
};

// "2012-06-21T13:30:00Z", with .mmm, .uuuuuu or .nnnnnnnnn only where needed.
std::string format_instant(std::int64_t seconds, std::int32_t nanos);
std::string format_event_time(EventTime time);
// Always three digits: "2012-06-21T13:30:00.017Z".
std::string format_wall_time(WallTime time);
void append_wall_time(std::string& out, WallTime time);

}  // namespace millrace
