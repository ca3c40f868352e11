#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"
#include "log/log.h"
#include "log/wal_format.h"

namespace millrace::log {

// The bytes of segment and index files; docs/formats/segment.md is their specification.

inline constexpr std::size_t kSegmentHeaderBytes = 64;
inline constexpr std::size_t kFrameHeaderBytes = 16;
inline constexpr std::size_t kIndexEntryBytes = 32;
// One index entry per this many bytes of segment (a larger batch has its own).
inline constexpr std::uint64_t kIndexIntervalBytes = 128 << 10;

// The largest timestamp of no record, and of records nobody has looked at (a segment of a
// checkpoint that did not keep it).
inline constexpr WallTime kNoTimestamp{INT64_MIN};
inline constexpr WallTime kUnknownTimestamp{INT64_MAX};

// What the checkpoint keeps of a segment. A file longer than `valid_bytes` has an unfinished tail.
struct SegmentInfo {
  Offset base_offset;
  std::uint32_t generation = 0;  // grows when compaction writes the range anew
  std::uint64_t valid_bytes = kSegmentHeaderBytes;
  Offset next_offset;  // of its last batch as it was first written
  WallTime first_append_time;
  WallTime last_append_time;
  WallTime max_timestamp = kNoTimestamp;  // of its records' own, markers apart

  [[nodiscard]] bool empty() const { return valid_bytes == kSegmentHeaderBytes; }
  bool operator==(const SegmentInfo&) const = default;
};

struct SegmentHeader {
  LogId log_id;
  std::uint64_t topic_id = 0;
  std::int32_t partition = 0;
  Offset base_offset;
  bool operator==(const SegmentHeader&) const = default;
};

std::string encode_segment_header(const SegmentHeader& header);
Result<SegmentHeader> parse_segment_header(std::string_view bytes);

// In front of each batch: append time, the batch's bytes, and a checksum over both and those fields
// of the batch that its own CRC leaves out (base offset, length, epoch, magic, CRC).
struct FrameHeader {
  WallTime append_time;
  std::uint32_t batch_bytes = 0;
};
void append_frame_header(WallTime append_time, std::string_view batch, std::string& out);
// `bytes` must reach to the end of the batch's header at least.
Result<FrameHeader> parse_frame_header(std::string_view bytes);

struct IndexEntry {
  Offset base_offset;  // of the batch whose frame starts at `position`
  std::uint64_t position = 0;
  WallTime append_time;
  bool operator==(const IndexEntry&) const = default;
};
void append_index_entry(const IndexEntry& entry, std::string& out);
Result<IndexEntry> parse_index_entry(std::string_view bytes);

// "00000000000000001234.log", or "00000000000000001234.2.log" for generation 2.
std::string segment_file_name(Offset base_offset, std::uint32_t generation);
std::string index_file_name(Offset base_offset, std::uint32_t generation);
// "ticks-3.17": name (cut to a length every file system takes), partition, topic id. The id makes a
// topic that was deleted and created again start in a new folder.
std::string partition_folder_name(std::string_view topic, std::int32_t partition,
                                  std::uint64_t topic_id);

}  // namespace millrace::log
