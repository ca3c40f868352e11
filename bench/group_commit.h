#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

// A write-ahead log reduced to what it costs: one file, one writer thread, one fdatasync for all
// that came while the one before ran. An entry on disk is a little-endian u32 length, a u32 CRC-32C
// over the payload, and the payload.

namespace millrace::bench {

class GroupCommitLog {
 public:
  // Waiting bytes beyond which `append` waits for the disk.
  static constexpr std::size_t kQueueBytesMax = 8u << 20;

  // Replaces the file. Any error of the operating system ends the process with a message: a
  // benchmark has nothing to fall back to.
  GroupCommitLog(const std::string& path, bool is_synced);
  ~GroupCommitLog();
  GroupCommitLog(const GroupCommitLog&) = delete;
  GroupCommitLog& operator=(const GroupCommitLog&) = delete;

  // Queues one entry; durable only after `close`.
  void append(std::string_view payload);
  // Returns once everything appended is written and synced. No `append` afterwards.
  void close();

  // After `close`.
  [[nodiscard]] std::int64_t written_bytes() const { return written_bytes_; }
  [[nodiscard]] std::int64_t sync_count() const { return sync_count_; }
  [[nodiscard]] std::int64_t writer_cpu_ns() const { return writer_cpu_ns_; }

 private:
  void run();

  int file_ = -1;
  bool is_synced_;
  std::mutex mutex_;
  std::condition_variable queue_grew_;
  std::condition_variable queue_shrank_;
  std::string queue_;               // mutex_
  bool is_closing_ = false;         // mutex_
  std::int64_t written_bytes_ = 0;  // of the writer until it is joined
  std::int64_t sync_count_ = 0;
  std::int64_t writer_cpu_ns_ = 0;
  std::thread writer_;
};

// CPU time of the calling thread and wall time, for measuring.
[[nodiscard]] std::int64_t thread_cpu_ns();
[[nodiscard]] std::int64_t wall_ns();

}  // namespace millrace::bench
