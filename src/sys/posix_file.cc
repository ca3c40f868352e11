#include "sys/posix_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <system_error>

namespace millrace::sys {
namespace {

// A read grows its buffer by this much at a time: asking for too much costs no memory.
constexpr std::size_t kReadStepBytes = std::size_t{1} << 20;

// Buffers handed to one pwritev; at most IOV_MAX (1024 on Linux).
constexpr std::size_t kBuffersPerCallMax = 256;

// off_t is signed: a larger position is refused before the kernel would misread it.
constexpr std::uint64_t kPositionMax = std::numeric_limits<off_t>::max();

bool is_range(std::uint64_t position, std::uint64_t size) {
  return position <= kPositionMax && size <= kPositionMax - position;
}

}  // namespace

Status error_from_errno(std::string_view what, const std::string& path, int error_number) {
  MR_CHECK(error_number != 0);
  std::string message(what);
  message += ' ';
  message += path;
  message += ": ";
  message += std::generic_category().message(error_number);
  if (error_number == ENOENT) return not_found_error(std::move(message));
  if (error_number == EEXIST) return exists_error(std::move(message));
  return io_error(std::move(message));
}

PosixFile::~PosixFile() {
  ::close(descriptor_);
}

Status PosixFile::read_at(std::uint64_t position, std::size_t size, std::string& out) const {
  if (!is_range(position, size)) return error_from_errno("read", path_, EFBIG);
  const std::size_t before = out.size();
  std::size_t done = 0;
  while (done < size) {
    const std::size_t step = std::min(size - done, kReadStepBytes);
    out.resize(before + done + step);
    const auto count =
        ::pread(descriptor_, out.data() + before + done, step, static_cast<off_t>(position + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      const int error_number = errno;
      out.resize(before);
      return error_from_errno("read", path_, error_number);
    }
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  out.resize(before + done);
  return ok_status();
}

Status PosixFile::write_at(std::uint64_t position, std::string_view bytes) {
  if (!is_range(position, bytes.size())) return error_from_errno("write", path_, EFBIG);
  while (!bytes.empty()) {
    const auto count =
        ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(position));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return error_from_errno("write", path_, errno);
    // A regular file takes at least one byte or fails; anything else would loop for ever.
    if (count == 0) return error_from_errno("write", path_, EIO);
    position += static_cast<std::uint64_t>(count);
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return ok_status();
}

Status PosixFile::write_at(std::uint64_t position, const std::vector<std::string_view>& buffers) {
  std::uint64_t total = 0;
  for (const auto buffer : buffers) total += buffer.size();
  if (!is_range(position, total)) return error_from_errno("write", path_, EFBIG);

  std::array<iovec, kBuffersPerCallMax> pieces;
  std::size_t next = 0;    // first buffer that is not written whole
  std::size_t within = 0;  // bytes of it that are
  while (total > 0) {
    std::size_t used = 0;
    for (std::size_t i = next; i < buffers.size() && used < pieces.size(); ++i) {
      const auto rest = buffers[i].substr(i == next ? within : 0);
      if (rest.empty()) continue;
      pieces[used++] = {const_cast<char*>(rest.data()), rest.size()};
    }
    MR_CHECK(used > 0);
    const auto count =
        ::pwritev(descriptor_, pieces.data(), static_cast<int>(used), static_cast<off_t>(position));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return error_from_errno("write", path_, errno);
    if (count == 0) return error_from_errno("write", path_, EIO);
    auto left = static_cast<std::size_t>(count);
    MR_CHECK(left <= total);
    position += left;
    total -= left;
    while (left > 0) {
      const std::size_t rest = buffers[next].size() - within;
      const std::size_t taken = std::min(left, rest);
      left -= taken;
      within += taken;
      if (taken == rest) {
        ++next;
        within = 0;
      }
    }
  }
  return ok_status();
}

Status PosixFile::sync() {
  while (::fdatasync(descriptor_) != 0) {
    if (errno != EINTR) return error_from_errno("sync", path_, errno);
  }
  return ok_status();
}

Status PosixFile::truncate(std::uint64_t bytes) {
  if (bytes > kPositionMax) return error_from_errno("truncate", path_, EFBIG);
  while (::ftruncate(descriptor_, static_cast<off_t>(bytes)) != 0) {
    if (errno != EINTR) return error_from_errno("truncate", path_, errno);
  }
  return ok_status();
}

Status PosixFile::allocate(std::uint64_t bytes) {
  if (bytes == 0) return ok_status();
  if (bytes > kPositionMax) return error_from_errno("allocate", path_, EFBIG);
  int error_number = 0;
  do {
    error_number = ::posix_fallocate(descriptor_, 0, static_cast<off_t>(bytes));
  } while (error_number == EINTR);
  return error_number == 0 ? ok_status() : error_from_errno("allocate", path_, error_number);
}

Result<std::uint64_t> PosixFile::size() const {
  struct stat info{};
  if (::fstat(descriptor_, &info) != 0) return error_from_errno("stat", path_, errno);
  return static_cast<std::uint64_t>(info.st_size);
}

}  // namespace millrace::sys
