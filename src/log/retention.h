#pragma once

#include "log/drain.h"

namespace millrace::log {

// Drops whole segments from the front of `work`: those below the start, those whose newest batch
// was appended longer than retention_ms ago, and the oldest ones while the partition holds more
// than retention_bytes. Nothing at or above `oldest_pin` goes. The start moves to the first offset
// kept.
void apply_retention(PartitionWork& work, WallTime now, Offset oldest_pin);

// Whether the partition's front segment is due; cheap enough to ask every second.
bool is_retention_due(const SegmentList& segments, const TopicConfig& config, WallTime now,
                      Offset start, Offset oldest_pin);

}  // namespace millrace::log
