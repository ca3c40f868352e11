#include "bench/group_commit.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/check.h"
#include "base/crc32c.h"

namespace millrace::bench {

namespace {

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "bench: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

std::int64_t read_clock(clockid_t clock) {
  timespec now{};
  if (clock_gettime(clock, &now) != 0) fail("clock_gettime");
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

void put_little(std::string& out, std::uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>(value >> shift);
}

}  // namespace

std::int64_t thread_cpu_ns() {
  return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

std::int64_t wall_ns() {
  return read_clock(CLOCK_MONOTONIC);
}

GroupCommitLog::GroupCommitLog(const std::string& path, bool is_synced)
    : file_(::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644)),
      is_synced_(is_synced) {
  if (file_ < 0) fail(path.c_str());
  writer_ = std::thread([this] { run(); });
}

GroupCommitLog::~GroupCommitLog() {
  close();
  ::close(file_);
}

void GroupCommitLog::append(std::string_view payload) {
  const auto crc = crc32c(payload);
  {
    std::unique_lock lock(mutex_);
    MR_CHECK(!is_closing_);
    queue_shrank_.wait(lock, [this] { return queue_.size() < kQueueBytesMax; });
    put_little(queue_, static_cast<std::uint32_t>(payload.size()));
    put_little(queue_, crc);
    queue_.append(payload);
  }
  queue_grew_.notify_one();
}

void GroupCommitLog::close() {
  if (!writer_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    is_closing_ = true;
  }
  queue_grew_.notify_one();
  writer_.join();
}

void GroupCommitLog::run() {
  std::string group;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      queue_grew_.wait(lock, [this] { return is_closing_ || !queue_.empty(); });
      if (queue_.empty()) break;
      group.swap(queue_);
    }
    queue_shrank_.notify_one();
    for (std::size_t done = 0; done < group.size();) {
      const auto written = ::write(file_, group.data() + done, group.size() - done);
      if (written < 0 && errno != EINTR) fail("write");
      if (written > 0) done += static_cast<std::size_t>(written);
    }
    if (is_synced_ && ::fdatasync(file_) != 0) fail("fdatasync");
    written_bytes_ += static_cast<std::int64_t>(group.size());
    sync_count_ += is_synced_ ? 1 : 0;
    group.clear();
  }
  writer_cpu_ns_ = thread_cpu_ns();
}

}  // namespace millrace::bench
