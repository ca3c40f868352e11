#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/status.h"

namespace millrace {

// Our own little-endian encoding for snapshots, journals and checkpoints: fixed integers, unsigned
// LEB128 varints, zigzag for signed ones, strings as varint length + bytes.
class Encoder {
 public:
  explicit Encoder(std::string& out) : out_(out) {}

  void u8(std::uint8_t value) { out_.push_back(static_cast<char>(value)); }
  void u32(std::uint32_t value) { append_little(out_, value); }
  void u64(std::uint64_t value) { append_little(out_, value); }
  void varint(std::uint64_t value) {
    while (value >= 0x80) {
      out_.push_back(static_cast<char>(value | 0x80));
      value >>= 7;
    }
    out_.push_back(static_cast<char>(value));
  }
  void zigzag(std::int64_t value) {
    varint((static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63));
  }
  void boolean(bool value) { u8(value ? 1 : 0); }
  void bytes(std::string_view value) {
    varint(value.size());
    out_.append(value);
  }

 private:
  std::string& out_;
};

// Reads what Encoder wrote. After any malformed or truncated read, `status()` is `corrupt`, every
// further read gives zero or an empty view, and the caller checks once at the end.
class Decoder {
 public:
  explicit Decoder(std::string_view in) : in_(in) {}

  std::uint8_t u8();
  std::uint32_t u32();
  std::uint64_t u64();
  std::uint64_t varint();
  std::int64_t zigzag();
  bool boolean() { return u8() != 0; }
  // The view lives as long as the input.
  std::string_view bytes();

  [[nodiscard]] bool is_at_end() const { return in_.empty(); }
  [[nodiscard]] bool has_failed() const { return has_failed_; }
  // What was read cannot be: everything from here on fails.
  void fail() { has_failed_ = true; }
  [[nodiscard]] std::size_t remaining_bytes() const { return in_.size(); }
  // `corrupt` with `what` if any read failed, or if bytes are left over.
  Status finish(std::string_view what) const;

 private:
  bool take(std::size_t size, const char*& at);

  std::string_view in_;
  bool has_failed_ = false;
};

}  // namespace millrace
