#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "log/wal_format.h"
#include "sys/file_system.h"

namespace millrace::log {

// Reads a WAL file through a window, so that recovery needs little memory. One thread; the file
// must not change meanwhile.
class WalReader {
 public:
  static Result<WalReader> open(const sys::File& file);

  // The bytes from `offset` on, fewer only at the end of the file. The view dies at the next call.
  Result<std::string_view> view(std::uint64_t offset, std::size_t bytes);
  [[nodiscard]] std::uint64_t file_bytes() const { return file_bytes_; }

 private:
  WalReader(const sys::File& file, std::uint64_t file_bytes)
      : file_(&file), file_bytes_(file_bytes) {}

  const sys::File* file_;
  std::uint64_t file_bytes_;
  std::string window_;
  std::uint64_t window_offset_ = 0;
};

// What stands in a file behind some offset.
struct WalRemains {
  // The first group header that says it belongs to this log and stands where it stands, and is
  // newer than the group asked for. Its payload does not matter: that it was begun proves that
  // those before it were finished.
  std::optional<GroupHeader> later_group;
  std::uint64_t nonzero_end = 0;  // one past the last byte that is not zero; 0 if there is none
};
Result<WalRemains> scan_remains(WalReader& reader, LogId log_id, WalPosition from,
                                std::uint64_t newer_than_group);

}  // namespace millrace::log
