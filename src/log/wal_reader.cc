#include "log/wal_reader.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace millrace::log {

namespace {

constexpr std::size_t kWindowBytes = 1 << 20;

bool is_zero(std::string_view bytes) {
  return bytes.empty() ||
         (bytes[0] == '\0' && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

}  // namespace

Result<WalReader> WalReader::open(const sys::File& file) {
  MR_ASSIGN_OR_RETURN(const std::uint64_t file_bytes, file.size());
  return WalReader(file, file_bytes);
}

Result<std::string_view> WalReader::view(std::uint64_t offset, std::size_t bytes) {
  if (offset >= file_bytes_) return std::string_view();
  const auto wanted =
      static_cast<std::size_t>(std::min<std::uint64_t>(bytes, file_bytes_ - offset));
  const bool is_inside =
      offset >= window_offset_ && offset + wanted <= window_offset_ + window_.size();
  if (!is_inside) {
    const auto window_bytes = static_cast<std::size_t>(
        std::min<std::uint64_t>(std::max(wanted, kWindowBytes), file_bytes_ - offset));
    window_.clear();
    window_offset_ = offset;
    MR_RETURN_IF_ERROR(file_->read_at(offset, window_bytes, window_));
    if (window_.size() != window_bytes) return io_error("a WAL file shrank while it was read");
  }
  return std::string_view(window_).substr(offset - window_offset_, wanted);
}

Result<WalRemains> scan_remains(WalReader& reader, LogId log_id, WalPosition from,
                                std::uint64_t newer_than_group) {
  MR_CHECK(from.offset >= kWalFileHeaderBytes);
  WalRemains out;
  for (std::uint64_t start = from.offset; start < reader.file_bytes(); start += kWindowBytes) {
    // A header that begins in this window may end in the next.
    MR_ASSIGN_OR_RETURN(const std::string_view bytes,
                        reader.view(start, kWindowBytes + kGroupHeaderBytes));
    if (is_zero(bytes)) continue;
    out.nonzero_end = start + bytes.find_last_not_of('\0') + 1;
    for (std::size_t at = bytes.find(kGroupMagic); at != std::string_view::npos && !out.later_group;
         at = bytes.find(kGroupMagic, at + 1)) {
      const auto header = parse_group_header(bytes.substr(at));
      if (header.is_ok() && header.value().log_id == log_id &&
          header.value().position == WalPosition{from.file, start + at} &&
          header.value().group > newer_than_group) {
        out.later_group = header.value();
      }
    }
  }
  return out;
}

}  // namespace millrace::log
