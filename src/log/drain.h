#pragma once

#include <memory>
#include <string>
#include <vector>

#include "log/log_state.h"
#include "log/partition_log.h"
#include "sys/file_system.h"

namespace millrace::log {

// One partition on its way through a maintenance run: the drain, then retention and compaction,
// change `segments` and friends; the checkpoint records them; publish makes them what readers see.
// Until then nothing that readers or a recovery use is touched.
struct PartitionWork {
  std::shared_ptr<PartitionLog> partition;
  TopicConfig config;
  CheckpointPartition snapshot;  // as of the checkpoint's commit; segments filled in at the end
  SegmentList segments;
  Offset last_stable;  // as of the checkpoint's commit
  Offset start;
  Offset compacted_to;
  std::vector<std::shared_ptr<SegmentFile>> unsynced;  // files written to in this run
  bool has_new_files = false;
  bool has_sync_failed = false;  // the drain of it ended so; nothing may be synced again (R17)
  std::vector<std::shared_ptr<SegmentFile>> dropped;  // to be removed after the checkpoint

  [[nodiscard]] SegmentHeader segment_header(Offset base_offset) const;
};

// Appends the tail's batches up to `through` to the partition's segments; rolls at segment_bytes,
// and by age so that retention has something to delete. Adds the bytes written to `bytes_written`.
Status drain_partition(sys::FileSystem& files, CommitSequence through, PartitionWork& work,
                       std::uint64_t& bytes_written);

// Starts a new segment file, its folder included.
Result<Segment> start_segment(sys::FileSystem& files, PartitionWork& work, Offset base_offset,
                              std::uint32_t generation);

}  // namespace millrace::log
