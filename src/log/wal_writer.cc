#include "log/wal_writer.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/check.h"
#include "base/thread.h"

namespace millrace::log {

namespace {

constexpr std::chrono::milliseconds kRoomWait{100};
constexpr std::chrono::milliseconds kPreparingRetry{500};

}  // namespace

WalWriter::WalWriter(const Options& options, WalFiles& files, LogId log_id, const Clock& clock,
                     std::shared_ptr<WalFile> current, WalEnd end, Events events)
    : options_(options),
      files_(files),
      log_id_(log_id),
      clock_(clock),
      events_(std::move(events)),
      current_(std::move(current)),
      end_(end),
      synced_through_(end.next_group - 1),
      last_sync_(clock.monotonic_now()),
      durable_end_(end) {
  MR_CHECK(current_ != nullptr && current_->sequence == end_.position.file);
  MR_CHECK(end_.position.offset >= kWalFileHeaderBytes);
  last_file_ = filling_file_ = current_->sequence;
  room_bytes_ = current_->capacity_bytes - std::min(current_->capacity_bytes, end_.position.offset);
  prepare_thread_ = Thread([this] { prepare_loop(); });
  write_thread_ = Thread([this] { write_loop(); });
}

WalWriter::~WalWriter() {
  stop();
}

void WalWriter::stop() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  has_work_.notify_all();
  must_prepare_.notify_all();
  has_room_.notify_all();
  if (write_thread_.joinable()) write_thread_.join();
  if (prepare_thread_.joinable()) prepare_thread_.join();
}

std::size_t WalWriter::item_bytes_max(const WalItem& item) {
  std::size_t bytes = kGroupHeaderBytes + kEntryHeaderBytes + item.meta.size();
  if (item.kind != EntryKind::commit) return bytes;
  bytes += commit_meta_bytes_max(item.batches.size(), item.offsets);
  for (const auto& batch : item.batches) bytes += batch.bytes->size();
  return bytes;
}

std::size_t WalWriter::item_bytes_limit() const {
  return files_.file_bytes() - kWalFileHeaderBytes;
}

Result<bool> WalWriter::try_reserve(std::size_t bytes) {
  MR_CHECK(bytes <= item_bytes_limit());
  const std::lock_guard lock(mutex_);
  if (!failure_.is_ok()) return Status(failure_);
  if (is_stopping_) return cancelled_error("the log is closing");
  if (unsynced_bytes_ > 0 && unsynced_bytes_ + bytes > options_.unsynced_bytes_max) {
    return overloaded_error(std::to_string(unsynced_bytes_) +
                            " bytes wait for the disk; wait until earlier commits are durable");
  }
  if (bytes > room_bytes_) {
    if (ready_ == nullptr) {
      if (preparing_failure_.is_ok()) return false;
      return overloaded_error(std::string(preparing_failure_.message()));
    }
    filling_file_ = ready_->sequence;
    room_bytes_ = ready_->capacity_bytes - kWalFileHeaderBytes;
    claimed_.push_back(std::exchange(ready_, nullptr));
    is_next_first_of_file_ = true;
    is_preparing_requested_ = true;
    must_prepare_.notify_one();
  }
  MR_CHECK(bytes <= room_bytes_);
  room_bytes_ -= bytes;
  unsynced_bytes_ += bytes;
  return true;
}

void WalWriter::wait_for_room() {
  std::unique_lock lock(mutex_);
  has_room_.wait_for(lock, kRoomWait, [&] {
    return ready_ != nullptr || !preparing_failure_.is_ok() || !failure_.is_ok() || is_stopping_;
  });
}

void WalWriter::push(WalItem item) {
  {
    const std::lock_guard lock(mutex_);
    item.is_first_of_file = std::exchange(is_next_first_of_file_, false);
    MR_CHECK(queue_.empty() || queue_.back().sequence.value + 1 == item.sequence.value);
    queue_.push_back(std::move(item));
    if (queue_.size() > 1) return;  // whoever made it non-empty has woken the writer
  }
  has_work_.notify_one();
}

void WalWriter::cancel_reservation(std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  MR_CHECK(unsynced_bytes_ >= bytes);
  unsynced_bytes_ -= bytes;
  room_bytes_ += bytes;
}

WalEnd WalWriter::durable_end() const {
  const std::lock_guard lock(mutex_);
  return durable_end_;
}

WalWriter::Counters WalWriter::counters() const {
  return {.syncs = syncs_.load(std::memory_order_relaxed),
          .wal_bytes = wal_bytes_.load(std::memory_order_relaxed),
          .sync_ns_total = sync_ns_total_.load(std::memory_order_relaxed)};
}

void WalWriter::retry_preparing() {
  const std::lock_guard lock(mutex_);
  // Who needs room waits for the new attempt instead of being told what hindered the last one.
  preparing_failure_ = ok_status();
  is_preparing_requested_ = true;
  must_prepare_.notify_one();
}

// Keeps one file ready. After a failure it tries again now and then, so that freeing disk space is
// all the user has to do.
void WalWriter::prepare_loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto is_due = [&] {
      return is_stopping_ || (is_preparing_requested_ && ready_ == nullptr);
    };
    if (preparing_failure_.is_ok()) {
      must_prepare_.wait(lock, is_due);
    } else {
      must_prepare_.wait_for(lock, kPreparingRetry, is_due);
    }
    if (is_stopping_) return;
    if (ready_ != nullptr) continue;
    is_preparing_requested_ = false;
    const std::uint64_t sequence = last_file_ + 1;
    const bool is_drain_behind = files_.live_count() >= options_.files_max;
    lock.unlock();
    auto prepared = is_drain_behind
                        ? Result<std::shared_ptr<WalFile>>(overloaded_error(
                              std::to_string(options_.files_max) +
                              " WAL files wait to be moved to segments; the disk is too slow for "
                              "this rate, or full"))
                        : files_.prepare(sequence);
    lock.lock();
    if (prepared.is_ok()) {
      ready_ = std::move(prepared).value();
      last_file_ = sequence;
      preparing_failure_ = ok_status();
    } else {
      preparing_failure_ = std::move(prepared).take_status().with_context(
          "no room for the next WAL file, commits resume when "
          "there is");
    }
    has_room_.notify_all();
  }
}

void WalWriter::write_loop() {
  std::vector<WalItem> group;
  while (take_group(group)) {
    if (group.empty()) {
      if (Status status = sync_in_background(); !status.is_ok()) return fail(status);
      continue;
    }
    if (Status status = write_group(group); !status.is_ok()) return fail(status);
    finish_group(group);
    events_.on_durable(group, current_);
    group.clear();
  }
}

// Waits for items and moves those that go into one file to `group`; leaves it empty when it is time
// for a background sync. False when stopping and all is written.
bool WalWriter::take_group(std::vector<WalItem>& group) {
  MR_CHECK(group.empty());
  std::unique_lock lock(mutex_);
  const auto has_work = [&] { return is_stopping_ || !queue_.empty(); };
  if (is_dirty_) {
    has_work_.wait_for(lock, std::chrono::milliseconds(options_.background_sync_ms), has_work);
  } else {
    has_work_.wait(lock, has_work);
  }
  if (queue_.empty()) return !is_stopping_ || is_dirty_;
  const auto next_file = std::find_if(queue_.begin() + 1, queue_.end(),
                                      [](const WalItem& item) { return item.is_first_of_file; });
  if (next_file == queue_.end()) {
    group.swap(queue_);
  } else {
    group.assign(std::make_move_iterator(queue_.begin()), std::make_move_iterator(next_file));
    queue_.erase(queue_.begin(), next_file);
  }
  return true;
}

Status WalWriter::write_group(std::vector<WalItem>& group) {
  const WalPosition previous_end = end_.position;
  if (group.front().is_first_of_file) {
    // A file is left only when all of it is on disk: recovery relies on it to tell a torn tail.
    if (is_dirty_) MR_RETURN_IF_ERROR(sync_current());
    {
      const std::lock_guard lock(mutex_);
      MR_CHECK(!claimed_.empty());
      current_ = std::move(claimed_.front());
      claimed_.pop_front();
    }
    end_.position = {.file = current_->sequence, .offset = kWalFileHeaderBytes};
    events_.on_new_file();
  }
  const GroupHeader header{.log_id = log_id_,
                           .group = end_.next_group,
                           .position = end_.position,
                           .previous_end = previous_end,
                           .first_commit = {},
                           .synced_through = synced_through_,
                           .entry_count = 0,
                           .payload_bytes = 0,
                           .payload_crc = 0};
  const auto& buffers = encoder_.encode(header, group);
  const std::uint64_t group_bytes = encoder_.group_bytes();
  MR_CHECK(end_.position.offset + group_bytes <= current_->capacity_bytes);
  MR_RETURN_IF_ERROR(current_->file->write_at(end_.position.offset, buffers));
  wal_bytes_.fetch_add(group_bytes, std::memory_order_relaxed);
  end_.position.offset += group_bytes;
  ++end_.next_group;
  is_dirty_ = true;
  return options_.sync_each_commit ? sync_current() : sync_in_background();
}

Status WalWriter::sync_current() {
  const MonotonicTime before = clock_.monotonic_now();
  MR_RETURN_IF_ERROR(current_->file->sync());
  last_sync_ = clock_.monotonic_now();
  is_dirty_ = false;
  synced_through_ = end_.next_group - 1;
  syncs_.fetch_add(1, std::memory_order_relaxed);
  sync_ns_total_.fetch_add(static_cast<std::uint64_t>(last_sync_ - before),
                           std::memory_order_relaxed);
  return ok_status();
}

Status WalWriter::sync_in_background() {
  constexpr std::int64_t kNanosPerMilli = 1'000'000;
  const std::int64_t age_ms = (clock_.monotonic_now() - last_sync_) / kNanosPerMilli;
  bool is_stopping = false;
  {
    const std::lock_guard lock(mutex_);
    is_stopping = is_stopping_;
  }
  if (!is_stopping && age_ms < options_.background_sync_ms) return ok_status();
  return sync_current();
}

void WalWriter::finish_group(const std::vector<WalItem>& group) {
  std::uint64_t reserved = 0;
  for (const auto& item : group) reserved += item.reserved_bytes;
  const std::lock_guard lock(mutex_);
  MR_CHECK(unsynced_bytes_ >= reserved);
  unsynced_bytes_ -= reserved;
  durable_end_ = end_;
  // Reservations count a group header per item and the longest form of every number: what was too
  // much comes back. All that is unsynced then stands in this same file.
  if (filling_file_ == current_->sequence) {
    MR_CHECK(end_.position.offset + unsynced_bytes_ <= current_->capacity_bytes);
    room_bytes_ = current_->capacity_bytes - end_.position.offset - unsynced_bytes_;
  }
}

void WalWriter::fail(const Status& status) {
  const Status failure =
      io_error("the write-ahead log failed and takes no more commits: " + status.to_string());
  {
    const std::lock_guard lock(mutex_);
    failure_ = failure;
    queue_.clear();
  }
  has_room_.notify_all();
  events_.on_failure(failure);
}

}  // namespace millrace::log
