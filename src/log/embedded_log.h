#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/time.h"
#include "log/log.h"
#include "sys/file_system.h"

namespace millrace::log {

// The log in this process: one write-ahead log with group commit, a background drain to
// per-partition segments, recovery. docs/formats/write_ahead_log.md, segment.md and
// log_checkpoint.md have the bytes.
//
//   DIR/wal/<sequence>.wal      groups, appended by one thread; one fdatasync per group
//   DIR/topics/<name>-<p>.<id>/ segments and their sparse indexes, written by the drain
//   DIR/checkpoint              topics, offsets, producers, and the WAL position they stand at
struct EmbeddedLogOptions {
  std::string folder;
  std::uint64_t wal_file_bytes = 64 << 20;
  std::size_t unsynced_bytes_max = 32 << 20;  // appended but not durable; above: `overloaded`
  std::size_t tail_cache_bytes = 32 << 20;    // newest batches kept in memory for readers
  bool sync_each_commit = true;  // false risks the last commits at a power loss, not at a kill
  std::int64_t maintenance_interval_ms = 1000;  // drain, retention, compaction
  // How long close() tries to move what the WAL holds to segments while the disk is full. If that
  // fails, the WAL keeps it and the next start replays.
  std::int64_t close_wait_ms = 0;
  // Nothing is deleted or compacted before begin_retention(): pins are not durable, and those who
  // need something pinned come only after the log is open (R7).
  bool waits_with_retention = false;
  // Called once, on a log thread, when a write or sync failed: nothing acknowledged is lost, but
  // the log takes no more commits and the process must end (R17).
  std::function<void(const Status&)> on_failure;
};

// What recovery found; shown to the user, never dropped.
struct RecoveryReport {
  std::uint64_t groups_replayed = 0;
  std::uint64_t batches_replayed = 0;
  std::uint64_t torn_tail_bytes = 0;  // cut from the end: never acknowledged
  std::vector<std::string> notes;     // sentences for the log file and `status`
};

struct EmbeddedLogCounters {
  std::uint64_t syncs = 0;
  std::uint64_t commits = 0;
  std::uint64_t wal_bytes = 0;
  std::uint64_t segment_bytes = 0;
  std::uint64_t sync_ns_total = 0;
  std::uint64_t maintenance_failures = 0;  // drains that will be tried again; a full disk, mostly
};

class EmbeddedLog : public Log {
 public:
  // Recovers and starts the writer and maintenance threads. `corrupt` with file and position when a
  // group in the middle of the WAL or the checkpoint is damaged (data after it is intact, so
  // cutting would lose acknowledged records); the message says how to go on. The caller holds the
  // folder's lock. `files` and `clock` outlive the log.
  static Result<std::unique_ptr<EmbeddedLog>> open(const EmbeddedLogOptions& options,
                                                   sys::FileSystem& files, const Clock& clock);

  [[nodiscard]] virtual const RecoveryReport& recovery() const = 0;
  [[nodiscard]] virtual EmbeddedLogCounters counters() const = 0;
  // Drains and checkpoints everything, so that the next open replays nothing; then stops. Further
  // calls give `cancelled`. The destructor alone only stops.
  virtual Status close() = 0;
  // Everybody has pinned what they need. Idempotent.
  virtual void begin_retention() = 0;
  // Drain, retention and compaction now, in the caller's thread; for tests and `drain`.
  virtual Status run_maintenance() = 0;
};

}  // namespace millrace::log
