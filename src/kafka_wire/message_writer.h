#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/check.h"
#include "kafka_wire/message_reader.h"
#include "kafka_wire/wire_bytes.h"

namespace millrace::kafka_wire {

// Writes the protocol's primitive types. Single-threaded.
class MessageWriter {
 public:
  MessageWriter(WireBytes& out, std::int16_t version, bool is_flexible)
      : out_(out), version_(version), is_flexible_(is_flexible) {}

  [[nodiscard]] std::int16_t version() const { return version_; }
  [[nodiscard]] bool is_flexible() const { return is_flexible_; }
  [[nodiscard]] WireBytes& out() { return out_; }

  template <class Int>
  void fixed(Int value) {
    char* const at = out_.extend(sizeof(Int));
    if constexpr (sizeof(Int) == 1) {
      *at = static_cast<char>(value);
    } else {
      store_big(at, value);
    }
  }
  void unsigned_varint(std::uint32_t value) {
    char bytes[kVarintBytesMax];
    out_.append({bytes, put_varint(bytes, value)});
  }
  // Cut where it is too long for the protocol.
  void string(std::string_view text) {
    // A sentence about the longest name that a client may say is longer than what may be sent.
    text = text.substr(0, kStringBytesMax);
    string_byte_count(static_cast<std::int64_t>(text.size()));
    out_.append(text);
  }
  void null_string() { string_byte_count(-1); }
  // The length of bytes or of an array; -1 for null.
  void count(std::int64_t count) {
    MR_CHECK(count < INT32_MAX);
    if (is_flexible_) return unsigned_varint(static_cast<std::uint32_t>(count + 1));
    fixed(static_cast<std::int32_t>(count));
  }
  // Puts tag and length in front of the bytes written since `begin`.
  void close_tagged(int tag, std::size_t begin) {
    char bytes[2 * kVarintBytesMax];
    std::size_t used = put_varint(bytes, static_cast<std::uint32_t>(tag));
    const std::size_t field_bytes = out_.own_byte_count() - begin;
    used += put_varint(bytes + used, static_cast<std::uint32_t>(field_bytes));
    out_.insert(begin, {bytes, used});
  }

 private:
  void string_byte_count(std::int64_t count) {
    if (is_flexible_) return unsigned_varint(static_cast<std::uint32_t>(count + 1));
    fixed(static_cast<std::int16_t>(count));
  }

  static constexpr std::size_t kVarintBytesMax = 5;

  static std::size_t put_varint(char* to, std::uint32_t value) {
    std::size_t used = 0;
    for (; value >= 0x80; value >>= 7) to[used++] = static_cast<char>(value | 0x80);
    to[used++] = static_cast<char>(value);
    return used;
  }

  WireBytes& out_;
  std::int16_t version_;
  bool is_flexible_;
};

}  // namespace millrace::kafka_wire
