#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/thread.h"
#include "log/checkpoint.h"
#include "log/drain.h"
#include "log/log_state.h"
#include "log/wal_files.h"

namespace millrace::log {

// Moves batches from the WAL to segments, applies retention and compaction, and writes the
// checkpoint that makes all of it count; then it gives WAL files back. A crash at any point leaves
// the old checkpoint with all it needs, or the new one with all it needs:
//
//   segments written and synced -> checkpoint replaced -> readers switched -> old files removed
//
// One run at a time; any thread.
class Maintenance {
 public:
  // The state at one commit, taken under the commit lock.
  struct Snapshot {
    Checkpoint checkpoint;             // without segments and groups
    std::vector<PartitionWork> works;  // in the order of its topics' partitions
  };
  struct Hooks {
    std::function<Snapshot()> take_snapshot;
    std::function<Status(CommitSequence)> wait_durable;
    // A sync failed: nothing may be assumed about what reached the disk, so the log must stop
    // (R17).
    std::function<void(const Status&)> on_failure;
  };

  Maintenance(sys::FileSystem& files, const Clock& clock, LogState& state, WalFiles& wal,
              Hooks hooks)
      : files_(files), clock_(clock), state_(state), wal_(wal), hooks_(std::move(hooks)) {}

  // Everything durable is in segments and the checkpoint when it returns ok. After an error other
  // than through on_failure (a full disk), the next run does it all again; after one through
  // on_failure there is no next run: the checkpoint on disk may name what it would write over.
  Status run();

  // Until begin_retention() nothing is deleted or compacted.
  void hold_retention() { is_retention_held_ = true; }
  void begin_retention() { is_retention_held_ = false; }

  // Whether retention or compaction would find something.
  [[nodiscard]] bool is_retention_due() const;
  [[nodiscard]] std::uint64_t segment_bytes() const { return segment_bytes_.load(); }

 private:
  Status write_segments(Snapshot& snapshot);
  Status sync_segments(const Snapshot& snapshot);
  Status write_checkpoint(Snapshot& snapshot);
  void publish(Snapshot& snapshot);
  Status remove_dropped(const Snapshot& snapshot);
  Status must_succeed(Status status);

  sys::FileSystem& files_;
  const Clock& clock_;
  LogState& state_;
  WalFiles& wal_;
  const Hooks hooks_;
  Mutex mutex_;     // one run at a time; guards the next
  Status failure_;  // what on_failure was told
  std::atomic<std::uint64_t> segment_bytes_{0};
  std::atomic<bool> is_retention_held_{false};
};

[[nodiscard]] std::string checkpoint_path(const std::string& folder);

}  // namespace millrace::log
