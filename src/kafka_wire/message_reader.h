#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/status.h"
#include "kafka_wire/message.h"

namespace millrace::kafka_wire {

// A longer string is refused even where its length could be said: Kafka does so, too.
inline constexpr std::size_t kStringBytesMax = 32767;

// Reads the protocol's primitive types. The first fault is kept; from then on every read gives
// nothing, so that a caller may check once. Single-threaded; `in` must outlive it.
class MessageReader {
 public:
  MessageReader(std::string_view in, std::int16_t version, bool is_flexible)
      : begin_(in.data()),
        at_(in.data()),
        end_(in.data() + in.size()),
        version_(version),
        is_flexible_(is_flexible) {}

  [[nodiscard]] std::int16_t version() const { return version_; }
  [[nodiscard]] bool is_flexible() const { return is_flexible_; }
  [[nodiscard]] bool has_failed() const { return has_failed_; }
  [[nodiscard]] std::size_t remaining_bytes() const { return static_cast<std::size_t>(end_ - at_); }
  [[nodiscard]] std::size_t position() const { return static_cast<std::size_t>(at_ - begin_); }

  template <class Int>
  Int fixed() {
    if (remaining_bytes() < sizeof(Int)) [[unlikely]] {
      fail_short(sizeof(Int));
      return Int{};
    }
    Int value;
    if constexpr (sizeof(Int) == 1) {
      value = static_cast<Int>(*at_);
    } else {
      value = load_big<Int>(at_);
    }
    at_ += sizeof(Int);
    return value;
  }
  // At most 5 bytes; `invalid` beyond 32 bits.
  std::uint32_t unsigned_varint() {
    if (at_ < end_ && static_cast<signed char>(*at_) >= 0) [[likely]]
      return static_cast<std::uint32_t>(*at_++);
    return long_varint();
  }
  std::string_view raw(std::size_t byte_count) {
    if (remaining_bytes() < byte_count) [[unlikely]] {
      fail_short(byte_count);
      return {};
    }
    const std::string_view bytes(at_, byte_count);
    at_ += byte_count;
    return bytes;
  }

  // -1 for null, else the bytes that follow; both have been checked.
  std::int32_t string_byte_count(bool is_nullable);
  std::int32_t blob_byte_count(bool is_nullable);
  // -1 for null, else a count of elements that the bytes left can hold at that size each.
  std::int32_t array_count(bool is_nullable, std::size_t element_bytes_min);
  // False for null.
  bool struct_is_present();

  // Reads within a tagged field: `enter` gives what `leave` needs. `leave` refuses left-over bytes.
  const char* enter(std::uint32_t byte_count);
  void leave(const char* outer_end);

  // Checks and forgets them all.
  void skip_tagged_fields();

  void fail(std::string what);
  // The field, or field and element, in which the failed read was; innermost first.
  void add_to_path(std::string_view field);
  void add_to_path(std::size_t element);

  [[nodiscard]] std::string_view rest() const { return {at_, remaining_bytes()}; }
  // Status of everything read, with left-over bytes refused.
  Status finish(const MessageInfo& info);

 private:
  std::uint32_t long_varint();
  std::int32_t fail_null(const char* type);
  void fail_short(std::size_t needed_bytes);

  const char* begin_;
  const char* at_;
  const char* end_;
  std::int16_t version_;
  bool is_flexible_;
  bool has_failed_ = false;
  std::size_t failed_at_ = 0;
  std::string what_;
  std::string path_;
};

}  // namespace millrace::kafka_wire
