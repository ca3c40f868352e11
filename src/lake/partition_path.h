#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "lake/writer_config.h"
#include "model/value.h"

namespace millrace::lake {

inline constexpr std::size_t kFolderNameBytesMax = 255;  // of one level, as file systems have it
inline constexpr std::size_t kFolderBytesMax =
    700;  // of all levels, so that a key stays below 1024

// The Hive-style folder of a row: "year=2012/month=06/day=21/hour=13/ticker=AMZN", or "" without
// partition_by. Times are UTC. Values are escaped as Hive does (%XX for / = % : and their like);
// null, absent and empty values are __HIVE_DEFAULT_PARTITION__. One thread; `config` outlives it.
class PartitionPath {
 public:
  // `config` has passed check_writer.
  explicit PartitionPath(const WriterConfig& config);

  // `invalid` when the event time is missing or the name would be too long. The view lives until
  // the next call.
  Result<std::string_view> folder_of(std::span<const Value> row);

  // Bit i: the folder depends on slot i.
  [[nodiscard]] std::uint64_t slots() const { return slots_; }

 private:
  enum class Source : std::uint8_t { year, month, day, hour, field };
  struct Level {
    Source source = Source::field;
    std::size_t slot = 0;
    std::string prefix;  // "year="
    std::string text;    // of a time: for cached_hour_
  };

  void set_hour(std::int64_t hour);

  std::vector<Level> levels_;
  std::size_t event_time_slot_;
  bool needs_time_ = false;
  bool has_fields_ = false;
  std::uint64_t slots_ = 0;
  std::int64_t cached_hour_;  // since 1970
  std::string folder_;
};

// Appends `value` as the part behind '=' of a folder's name.
void append_partition_value(std::string& out, const Value& value);

}  // namespace millrace::lake
