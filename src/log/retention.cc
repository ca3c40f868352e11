#include "log/retention.h"

#include <algorithm>

#include "base/check.h"

namespace millrace::log {

namespace {

std::uint64_t bytes_of(const SegmentList& segments) {
  std::uint64_t bytes = 0;
  for (const auto& segment : segments) bytes += segment.info.valid_bytes;
  return bytes;
}

// `stored_bytes` is what the partition would hold with this segment.
bool is_due(const SegmentInfo& segment, bool is_last, const TopicConfig& config, WallTime now,
            Offset start, std::uint64_t stored_bytes) {
  if (segment.next_offset <= start) return true;
  if (!config.is_retention_on) return false;
  if (config.retention_ms >= 0 && now - segment.last_append_time > config.retention_ms) return true;
  // The newest segment is never too much by size: it would take the newest records with it.
  return config.retention_bytes >= 0 && !is_last &&
         stored_bytes - segment.valid_bytes >= static_cast<std::uint64_t>(config.retention_bytes);
}

}  // namespace

bool is_retention_due(const SegmentList& segments, const TopicConfig& config, WallTime now,
                      Offset start, Offset oldest_pin) {
  if (segments.empty()) return false;
  const SegmentInfo& oldest = segments.front().info;
  return oldest.next_offset <= oldest_pin &&
         is_due(oldest, segments.size() == 1, config, now, start, bytes_of(segments));
}

void apply_retention(PartitionWork& work, WallTime now, Offset oldest_pin) {
  std::uint64_t stored_bytes = bytes_of(work.segments);
  std::size_t count = 0;
  for (; count < work.segments.size(); ++count) {
    const SegmentInfo& segment = work.segments[count].info;
    const bool is_last = count + 1 == work.segments.size();
    if (segment.next_offset > oldest_pin) break;
    if (!is_due(segment, is_last, work.config, now, work.start, stored_bytes)) break;
    MR_CHECK(stored_bytes >= segment.valid_bytes);
    stored_bytes -= segment.valid_bytes;
    work.start = std::max(work.start, segment.next_offset);
    work.dropped.push_back(work.segments[count].file);
  }
  work.segments.erase(work.segments.begin(),
                      work.segments.begin() + static_cast<std::ptrdiff_t>(count));
}

}  // namespace millrace::log
