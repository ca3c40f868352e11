#include "base/coding.h"

namespace millrace {

bool Decoder::take(std::size_t size, const char*& at) {
  if (has_failed_ || in_.size() < size) {
    has_failed_ = true;
    in_ = {};
    return false;
  }
  at = in_.data();
  in_.remove_prefix(size);
  return true;
}

std::uint8_t Decoder::u8() {
  const char* at = nullptr;
  return take(1, at) ? static_cast<std::uint8_t>(*at) : std::uint8_t{0};
}

std::uint32_t Decoder::u32() {
  const char* at = nullptr;
  return take(4, at) ? load_little<std::uint32_t>(at) : 0;
}

std::uint64_t Decoder::u64() {
  const char* at = nullptr;
  return take(8, at) ? load_little<std::uint64_t>(at) : 0;
}

std::uint64_t Decoder::varint() {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const auto byte = u8();
    if (has_failed_) return 0;
    if (shift == 63 && byte > 1) break;
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  has_failed_ = true;
  in_ = {};
  return 0;
}

std::int64_t Decoder::zigzag() {
  const auto raw = varint();
  return static_cast<std::int64_t>(raw >> 1) ^ -static_cast<std::int64_t>(raw & 1);
}

std::string_view Decoder::bytes() {
  const auto size = varint();
  const char* at = nullptr;
  if (!take(size, at)) return {};
  return {at, size};
}

Status Decoder::finish(std::string_view what) const {
  if (has_failed_) return corrupt_error(std::string(what) + ": truncated or malformed");
  if (!in_.empty()) {
    return corrupt_error(std::string(what) + ": " + std::to_string(in_.size()) +
                         " bytes left over");
  }
  return ok_status();
}

}  // namespace millrace
