#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/thread.h"
#include "log/wal_format.h"
#include "sys/file_system.h"

namespace millrace::log {

// One open file of the write-ahead log. Whoever may still read from it holds a reference: only a
// file that nobody else holds is overwritten.
struct WalFile {
  std::uint64_t sequence = 0;
  std::uint64_t capacity_bytes = 0;
  std::string path;
  std::unique_ptr<sys::File> file;
};

// The files of DIR/wal: made ahead of their use, kept while needed, then used again under a new
// name. Overwriting blocks that are on disk already spares the file system its own journal at every
// sync. Thread-safe.
class WalFiles {
 public:
  WalFiles(sys::FileSystem& files, std::string folder, LogId log_id, std::uint64_t file_bytes);

  // A file ready to be written: allocated, header written, file and name durable. `io` on a full
  // disk.
  Result<std::shared_ptr<WalFile>> prepare(std::uint64_t sequence);
  // Opens a file that recovery found.
  Result<std::shared_ptr<WalFile>> open_existing(std::uint64_t sequence);
  // Undoes open_existing; the file stays.
  void forget(std::uint64_t sequence);
  // At an orderly end: gives back what was only kept for speed. `used` is what of the newest file
  // with groups is to stay.
  Status shrink(WalPosition used);
  // Nothing below `sequence` is needed any more; one file is kept for prepare, the rest is removed.
  Status release_below(std::uint64_t sequence);

  [[nodiscard]] std::size_t live_count() const;  // not counting the one kept for prepare
  [[nodiscard]] std::uint64_t file_bytes() const { return file_bytes_; }
  [[nodiscard]] const std::string& folder() const { return folder_; }

 private:
  [[nodiscard]] std::string path_of(std::uint64_t sequence) const {
    return folder_ + "/" + wal_file_name(sequence);
  }
  std::shared_ptr<WalFile> take_spare();

  sys::FileSystem& files_;
  const std::string folder_;
  const LogId log_id_;
  const std::uint64_t file_bytes_;

  mutable Mutex mutex_;
  std::map<std::uint64_t, std::shared_ptr<WalFile>> live_;
  std::shared_ptr<WalFile> spare_;
};

}  // namespace millrace::log
