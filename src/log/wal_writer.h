#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/thread.h"
#include "base/time.h"
#include "log/wal_files.h"
#include "log/wal_format.h"
#include "log/wal_group.h"

namespace millrace::log {

// Where the next group will stand.
struct WalEnd {
  WalPosition position;
  std::uint64_t next_group = 1;
};

// The one thread that writes the log. It takes everything that has queued up while the previous
// sync ran, writes it as one group with one write and one sync, and reports it. A second thread
// prepares the next file while the current one fills, so that a full disk is noticed before
// anything is placed on it.
//
// Rule R17: after a failed write or sync nothing is retried and nothing more is accepted.
class WalWriter {
 public:
  struct Options {
    std::size_t unsynced_bytes_max = 0;
    bool sync_each_commit = true;
    std::int64_t background_sync_ms = 1000;  // without sync_each_commit
    std::size_t files_max = 0;  // live files; above: back-pressure until the drain caught up
  };
  // All are called on the writer's threads, never with its lock held.
  struct Events {
    // The items are durable (written, without sync_each_commit), in order; they all stand in
    // `file`.
    std::function<void(std::vector<WalItem>& items, const std::shared_ptr<WalFile>& file)>
        on_durable;
    std::function<void(const Status&)> on_failure;  // once
    std::function<void()> on_new_file;              // a file has been filled
  };
  struct Counters {
    std::uint64_t syncs = 0;
    std::uint64_t wal_bytes = 0;
    std::uint64_t sync_ns_total = 0;
  };

  // Goes on at `end` in `current`, which holds a valid file whose bytes behind `end` are not
  // groups.
  WalWriter(const Options& options, WalFiles& files, LogId log_id, const Clock& clock,
            std::shared_ptr<WalFile> current, WalEnd end, Events events);
  // Writes what is queued, then stops.
  ~WalWriter();
  WalWriter(const WalWriter&) = delete;
  WalWriter& operator=(const WalWriter&) = delete;

  // Bytes an item takes at most, its own group header included.
  static std::size_t item_bytes_max(const WalItem& item);
  // A larger item fits in no file.
  [[nodiscard]] std::size_t item_bytes_limit() const;

  // Reserves room for an item. False: the next file is still being prepared; wait_for_room and try
  // again. `overloaded`: too much is unsynced, or the disk is full, or the drain is behind. `io`:
  // failed. Calls of try_reserve and push must not interleave with another item's.
  Result<bool> try_reserve(std::size_t bytes);
  // Gives up after a moment, so that the caller can answer `overloaded`.
  void wait_for_room();
  // After a reservation; never fails.
  void push(WalItem item);
  // Instead of push.
  void cancel_reservation(std::size_t bytes);

  [[nodiscard]] WalEnd durable_end() const;
  [[nodiscard]] Counters counters() const;
  // Has the preparing thread look again, after files were released.
  void retry_preparing();
  void stop();

 private:
  void write_loop();
  void prepare_loop();
  bool take_group(std::vector<WalItem>& group);
  Status write_group(std::vector<WalItem>& group);
  Status sync_current();
  Status sync_in_background();
  void finish_group(const std::vector<WalItem>& group);
  void fail(const Status& status);

  const Options options_;
  WalFiles& files_;
  const LogId log_id_;
  const Clock& clock_;
  const Events events_;

  // Of the writer thread.
  std::shared_ptr<WalFile> current_;
  WalEnd end_;
  std::uint64_t synced_through_ = 0;
  GroupEncoder encoder_;
  MonotonicTime last_sync_{};
  bool is_dirty_ = false;  // written but not synced, without sync_each_commit

  mutable Mutex mutex_;
  Condition has_work_;      // for the writer
  Condition must_prepare_;  // for the preparing thread
  Condition has_room_;      // for wait_for_room
  std::vector<WalItem> queue_;
  std::deque<std::shared_ptr<WalFile>> claimed_;  // reserved in, not yet switched to
  std::shared_ptr<WalFile> ready_;
  std::uint64_t last_file_ = 0;     // newest sequence handed out or being prepared
  std::uint64_t filling_file_ = 0;  // where reservations go
  std::uint64_t room_bytes_ = 0;    // left in it
  bool is_next_first_of_file_ = false;
  std::uint64_t unsynced_bytes_ = 0;
  WalEnd durable_end_;
  Status failure_;
  Status preparing_failure_;  // of the last try; cleared by the next success
  bool is_stopping_ = false;
  bool is_preparing_requested_ = true;

  std::atomic<std::uint64_t> syncs_{0};
  std::atomic<std::uint64_t> wal_bytes_{0};
  std::atomic<std::uint64_t> sync_ns_total_{0};

  Thread prepare_thread_;
  Thread write_thread_;
};

}  // namespace millrace::log
