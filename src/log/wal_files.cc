#include "log/wal_files.h"

#include <algorithm>
#include <atomic>
#include <utility>
#include <vector>

#include "base/check.h"

namespace millrace::log {

WalFiles::WalFiles(sys::FileSystem& files, std::string folder, LogId log_id,
                   std::uint64_t file_bytes)
    : files_(files), folder_(std::move(folder)), log_id_(log_id), file_bytes_(file_bytes) {
  MR_CHECK(file_bytes_ > kWalFileHeaderBytes + kGroupHeaderBytes);
}

std::shared_ptr<WalFile> WalFiles::take_spare() {
  const std::lock_guard lock(mutex_);
  return std::exchange(spare_, nullptr);
}

Result<std::shared_ptr<WalFile>> WalFiles::prepare(std::uint64_t sequence) {
  MR_CHECK(sequence > 0);
  auto file = take_spare();
  const bool is_recycled = file != nullptr;
  const std::string path = path_of(sequence);
  if (is_recycled) {
    if (Status status = files_.rename(file->path, path); !status.is_ok()) {
      static_cast<void>(files_.remove(file->path));
      return status;
    }
  } else {
    file = std::make_shared<WalFile>();
    MR_ASSIGN_OR_RETURN(file->file, files_.create(path));
  }
  file->sequence = sequence;
  file->path = path;
  const auto fill = [&]() -> Status {
    MR_RETURN_IF_ERROR(file->file->allocate(file_bytes_));
    const WalFileHeader header{.log_id = log_id_, .file = sequence, .is_recycled = is_recycled};
    MR_RETURN_IF_ERROR(file->file->write_at(0, encode_file_header(header)));
    MR_RETURN_IF_ERROR(file->file->sync());
    return files_.sync_folder(folder_);
  };
  if (Status status = fill(); !status.is_ok()) {
    // Give the space back; the next try starts anew.
    file->file.reset();
    static_cast<void>(files_.remove(path));
    return std::move(status).with_context("preparing WAL file " + path);
  }
  MR_ASSIGN_OR_RETURN(const std::uint64_t size, file->file->size());
  file->capacity_bytes = std::max(size, file_bytes_);
  const std::lock_guard lock(mutex_);
  MR_CHECK(!live_.contains(sequence));
  live_.emplace(sequence, file);
  return file;
}

Result<std::shared_ptr<WalFile>> WalFiles::open_existing(std::uint64_t sequence) {
  auto file = std::make_shared<WalFile>();
  file->sequence = sequence;
  file->path = path_of(sequence);
  MR_ASSIGN_OR_RETURN(file->file, files_.open(file->path));
  MR_ASSIGN_OR_RETURN(file->capacity_bytes, file->file->size());
  const std::lock_guard lock(mutex_);
  live_[sequence] = file;
  return file;
}

void WalFiles::forget(std::uint64_t sequence) {
  const std::lock_guard lock(mutex_);
  live_.erase(sequence);
}

Status WalFiles::release_below(std::uint64_t sequence) {
  std::vector<std::shared_ptr<WalFile>> released;
  {
    const std::lock_guard lock(mutex_);
    while (!live_.empty() && live_.begin()->first < sequence) {
      released.push_back(std::move(live_.begin()->second));
      live_.erase(live_.begin());
    }
  }
  bool has_removed = false;
  for (auto& file : released) {
    // A reader that found a batch here before the drain moved it may still be reading.
    const bool is_unused = file.use_count() == 1;
    std::atomic_thread_fence(std::memory_order_acquire);
    if (is_unused && file->capacity_bytes == file_bytes_) {
      const std::lock_guard lock(mutex_);
      if (spare_ == nullptr) {
        spare_ = std::move(file);
        continue;
      }
    }
    MR_RETURN_IF_ERROR(files_.remove(file->path));
    has_removed = true;
  }
  return has_removed ? files_.sync_folder(folder_) : ok_status();
}

Status WalFiles::shrink(WalPosition used) {
  const std::lock_guard lock(mutex_);
  if (spare_ != nullptr) MR_RETURN_IF_ERROR(files_.remove(spare_->path));
  spare_.reset();
  for (auto at = live_.upper_bound(used.file); at != live_.end(); at = live_.erase(at)) {
    MR_RETURN_IF_ERROR(files_.remove(at->second->path));
  }
  const auto newest = live_.find(used.file);
  return newest == live_.end() ? ok_status() : newest->second->file->truncate(used.offset);
}

std::size_t WalFiles::live_count() const {
  const std::lock_guard lock(mutex_);
  return live_.size();
}

}  // namespace millrace::log
