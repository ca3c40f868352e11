#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace millrace::sys {

// An open file. Positions are absolute; there is no cursor. Reads and writes of one file may come
// from several threads at once as long as their ranges do not overlap. Closed by the destructor.
class File {
 public:
  virtual ~File() = default;

  // Appends up to `size` bytes at `position` to `out`; fewer only at the end of the file.
  virtual Status read_at(std::uint64_t position, std::size_t size, std::string& out) const = 0;
  // Writes all bytes or fails. After a failure the range holds anything.
  virtual Status write_at(std::uint64_t position, std::string_view bytes) = 0;
  // Several buffers behind each other, in as few system calls as possible.
  virtual Status write_at(std::uint64_t position, const std::vector<std::string_view>& buffers) = 0;
  // When it returns ok, every completed write is durable (and the file's size). After a failure
  // nothing may be assumed about any unsynced write, not even by trying again (rule R17).
  virtual Status sync() = 0;
  virtual Status truncate(std::uint64_t bytes) = 0;
  // Reserves disk space so that later writes within [0, bytes) need no metadata update; new bytes
  // read as zero and the file's size becomes at least `bytes`. `io` with ENOSPC's text on a full
  // disk.
  virtual Status allocate(std::uint64_t bytes) = 0;
  [[nodiscard]] virtual Result<std::uint64_t> size() const = 0;
};

// Holds an exclusive lock on a folder while it lives.
class FolderLock {
 public:
  virtual ~FolderLock() = default;
};

// The one door to the disk. Thread-safe. Paths are plain strings. A created, renamed or removed
// name is durable only after sync_folder on its folder; the content only after File::sync.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  virtual Result<std::unique_ptr<File>> open(const std::string& path) = 0;  // read and write
  virtual Result<std::unique_ptr<File>> open_to_read(const std::string& path) = 0;
  virtual Result<std::unique_ptr<File>> create(const std::string& path) = 0;  // truncates
  virtual Status rename(const std::string& from, const std::string& to) = 0;  // replaces `to`
  // `exists` if `to` is there already; atomic between any number of callers.
  virtual Status link_new(const std::string& from, const std::string& to) = 0;
  virtual Status remove(const std::string& path) = 0;        // ok if absent
  virtual Status make_folders(const std::string& path) = 0;  // like mkdir -p
  virtual Status sync_folder(const std::string& path) = 0;
  // Names (not paths) of the entries, sorted; empty for a folder that does not exist.
  virtual Result<std::vector<std::string>> list(const std::string& path) = 0;
  virtual Result<bool> exists(const std::string& path) = 0;
  // False for a file and for what does not exist. By default: whether "path/." exists.
  virtual Result<bool> is_folder(const std::string& path);
  virtual Status remove_tree(const std::string& path) = 0;
  // `exists` when another process holds the lock; the message names its pid where known.
  virtual Result<std::unique_ptr<FolderLock>> lock_folder(const std::string& path) = 0;

  // Whole small files (up to 2 GiB). write_file_atomically: temporary name (`path`.tmp), sync,
  // rename, sync_folder; after a crash the old or the new content is there, never a mixture. One
  // writer per path at a time.
  Result<std::string> read_file(const std::string& path);
  Status write_file_atomically(const std::string& path, std::string_view bytes);
};

// The operating system's files.
class PosixFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path) override;
  Result<std::unique_ptr<File>> open_to_read(const std::string& path) override;
  Result<std::unique_ptr<File>> create(const std::string& path) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status link_new(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status make_folders(const std::string& path) override;
  Status sync_folder(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& path) override;
  Result<bool> exists(const std::string& path) override;
  Status remove_tree(const std::string& path) override;
  Result<std::unique_ptr<FolderLock>> lock_folder(const std::string& path) override;
};

}  // namespace millrace::sys
