#include "lake/partition_path.h"

#include <array>
#include <chrono>
#include <cstdio>
#include <limits>

#include "base/check.h"
#include "base/time_text.h"
#include "codec/json.h"

namespace millrace::lake {
namespace {

constexpr std::string_view kDefaultPartition = "__HIVE_DEFAULT_PARTITION__";
constexpr std::int64_t kSecondsPerHour = 3600;

// What org.apache.hadoop.hive.common.FileUtils.escapePathName escapes.
bool is_escaped(char c) {
  constexpr std::string_view kSpecial = "\"#%'*/:=?\\\x7f{[]^";
  return static_cast<unsigned char>(c) < 0x20 || kSpecial.find(c) != std::string_view::npos;
}

void append_escaped(std::string& out, std::string_view text) {
  constexpr std::string_view kHexDigits = "0123456789ABCDEF";
  for (const char c : text) {
    if (!is_escaped(c)) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += kHexDigits[byte >> 4];
    out += kHexDigits[byte & 15];
  }
}

std::string digits(int number, int width) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "%0*d", width, number);
  return text.data();
}

std::int64_t floor_divide(std::int64_t a, std::int64_t b) {
  return a / b - (a % b < 0 ? 1 : 0);
}

}  // namespace

void append_partition_value(std::string& out, const Value& value) {
  std::string text;
  switch (value.kind()) {
    case ValueKind::absent:
    case ValueKind::null:
      break;
    case ValueKind::string:
      text = value.as_string();
      break;
    case ValueKind::boolean:
      text = value.as_boolean() ? "true" : "false";
      break;
    case ValueKind::int64:
      text = std::to_string(value.as_int64());
      break;
    case ValueKind::decimal:
      text = value.as_decimal().normalized().to_string();
      break;
    case ValueKind::timestamp:
      text = format_instant(value.seconds(), value.nanos());
      break;
    default:
      codec::append_json(text, value);
  }
  append_escaped(out, text.empty() ? kDefaultPartition : std::string_view(text));
}

PartitionPath::PartitionPath(const WriterConfig& config)
    : event_time_slot_(config.event_time_slot),
      cached_hour_(std::numeric_limits<std::int64_t>::min()) {
  constexpr std::array<std::string_view, 4> kTimes = {"year", "month", "day", "hour"};
  for (const auto& by : config.partition_by) {
    Level level;
    level.prefix = by + "=";
    bool is_time = false;
    for (std::size_t i = 0; i < kTimes.size(); ++i) {
      if (by != kTimes[i]) continue;
      level.source = static_cast<Source>(i);
      is_time = true;
    }
    const auto field = config.layout.find(by);
    MR_CHECK(is_time || field.has_value());
    level.slot = is_time ? event_time_slot_ : *field;
    MR_CHECK(level.slot < config.layout.fields.size());
    needs_time_ |= is_time;
    has_fields_ |= !is_time;
    slots_ |= std::uint64_t{1} << level.slot;
    levels_.push_back(std::move(level));
  }
}

void PartitionPath::set_hour(std::int64_t hour) {
  const std::chrono::sys_time<std::chrono::hours> time{std::chrono::hours(hour)};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  for (auto& level : levels_) {
    switch (level.source) {
      case Source::year:
        level.text = digits(static_cast<int>(date.year()), 4);
        break;
      case Source::month:
        level.text = digits(static_cast<int>(static_cast<unsigned>(date.month())), 2);
        break;
      case Source::day:
        level.text = digits(static_cast<int>(static_cast<unsigned>(date.day())), 2);
        break;
      case Source::hour:
        level.text = digits(static_cast<int>((time - day).count()), 2);
        break;
      case Source::field:
        break;
    }
  }
  cached_hour_ = hour;
}

Result<std::string_view> PartitionPath::folder_of(std::span<const Value> row) {
  if (levels_.empty()) return std::string_view();
  if (needs_time_) {
    const Value& time = row[event_time_slot_];
    if (time.kind() != ValueKind::timestamp) {
      return invalid_error("the event time is missing, which the file's folder is made of");
    }
    const auto hour = floor_divide(time.seconds(), kSecondsPerHour);
    if (hour == cached_hour_ && !has_fields_) return std::string_view(folder_);
    if (hour != cached_hour_) set_hour(hour);
  }
  folder_.clear();
  for (const auto& level : levels_) {
    if (!folder_.empty()) folder_ += '/';
    const auto start = folder_.size();
    folder_ += level.prefix;
    if (level.source == Source::field) {
      append_partition_value(folder_, row[level.slot]);
    } else {
      folder_ += level.text;
    }
    if (folder_.size() - start > kFolderNameBytesMax || folder_.size() > kFolderBytesMax) {
      return invalid_error("the folder " + level.prefix +
                           "... would be too long: a level has at most " +
                           std::to_string(kFolderNameBytesMax) + " bytes, all have at most " +
                           std::to_string(kFolderBytesMax));
    }
  }
  return std::string_view(folder_);
}

}  // namespace millrace::lake
