#pragma once

#include "log/drain.h"

namespace millrace::log {

struct CompactionLimits {
  // Distinct keys one pass looks at; some 60 bytes of memory each. A partition with more is
  // compacted in several passes.
  std::size_t keys_max = 1'000'000;
};

// Keeps the newest record of each key in the closed segments of a compacted topic (all but the
// newest segment), once at least half of their bytes have come since the last pass. A record
// without a value (tombstone) goes too when it was appended longer than delete_retention_ms ago.
// Offsets and append times stay; so do records without a key. Records of aborted transactions hide
// nothing and go, and so do all markers. Segments above `oldest_pin` or the last stable offset are
// left alone.
//
// New files are written beside the old ones; the checkpoint swaps them.
Status compact_partition(sys::FileSystem& files, PartitionWork& work, WallTime now,
                         Offset oldest_pin, const CompactionLimits& limits);

}  // namespace millrace::log
