#pragma once

#include <string>

#include "sys/file_system.h"

namespace millrace::sys {

// "what path: the operating system's text" as `not_found` (ENOENT), `exists` (EEXIST) or `io`.
Status error_from_errno(std::string_view what, const std::string& path, int error_number);

// A file behind a descriptor it owns. `path` is only for messages.
class PosixFile final : public File {
 public:
  PosixFile(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}
  ~PosixFile() override;
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;

  Status read_at(std::uint64_t position, std::size_t size, std::string& out) const override;
  Status write_at(std::uint64_t position, std::string_view bytes) override;
  Status write_at(std::uint64_t position, const std::vector<std::string_view>& buffers) override;
  Status sync() override;
  Status truncate(std::uint64_t bytes) override;
  // On a file system without fallocate(2), glibc writes into every block instead: no other thread
  // may write to the file meanwhile.
  Status allocate(std::uint64_t bytes) override;
  [[nodiscard]] Result<std::uint64_t> size() const override;

 private:
  int descriptor_;
  std::string path_;
};

}  // namespace millrace::sys
