#include "kafka_wire/message_reader.h"

#include <utility>

namespace millrace::kafka_wire {

std::uint32_t MessageReader::long_varint() {
  constexpr int kBytesMax = 5;
  std::uint64_t value = 0;
  for (int i = 0; i < kBytesMax; ++i) {
    if (at_ == end_) {
      fail_short(1);
      return 0;
    }
    const auto byte = static_cast<unsigned char>(*at_++);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << (7 * i);
    if (byte < 0x80) {
      if (value > UINT32_MAX) break;
      return static_cast<std::uint32_t>(value);
    }
  }
  fail("a varint beyond 32 bits");
  return 0;
}

std::int32_t MessageReader::fail_null(const char* type) {
  fail("null, but this version wants " + std::string(type));
  return -1;
}

std::int32_t MessageReader::string_byte_count(bool is_nullable) {
  const std::int64_t count =
      is_flexible_ ? std::int64_t{unsigned_varint()} - 1 : std::int64_t{fixed<std::int16_t>()};
  if (has_failed_) return -1;
  if (count == -1) return is_nullable ? -1 : fail_null("a string");
  if (count < 0 || count > static_cast<std::int64_t>(kStringBytesMax)) {
    fail("a string of " + std::to_string(count) + " bytes; 0 to 32767 are allowed");
    return -1;
  }
  if (static_cast<std::size_t>(count) > remaining_bytes()) {
    fail_short(static_cast<std::size_t>(count));
    return -1;
  }
  return static_cast<std::int32_t>(count);
}

std::int32_t MessageReader::blob_byte_count(bool is_nullable) {
  const std::int64_t count =
      is_flexible_ ? std::int64_t{unsigned_varint()} - 1 : std::int64_t{fixed<std::int32_t>()};
  if (has_failed_) return -1;
  if (count == -1) return is_nullable ? -1 : fail_null("bytes");
  if (count < 0 || count > INT32_MAX) {
    fail("bytes with a length of " + std::to_string(count));
    return -1;
  }
  if (static_cast<std::size_t>(count) > remaining_bytes()) {
    fail_short(static_cast<std::size_t>(count));
    return -1;
  }
  return static_cast<std::int32_t>(count);
}

std::int32_t MessageReader::array_count(bool is_nullable, std::size_t element_bytes_min) {
  const std::int64_t count =
      is_flexible_ ? std::int64_t{unsigned_varint()} - 1 : std::int64_t{fixed<std::int32_t>()};
  if (has_failed_) return -1;
  if (count == -1) return is_nullable ? -1 : fail_null("an array");
  if (count < 0) {
    fail("an array of " + std::to_string(count) + " elements");
    return -1;
  }
  if (static_cast<std::uint64_t>(count) > remaining_bytes() / element_bytes_min) {
    fail("an array of " + std::to_string(count) + " elements of at least " +
         std::to_string(element_bytes_min) + " bytes, but " + std::to_string(remaining_bytes()) +
         " bytes are left");
    return -1;
  }
  return static_cast<std::int32_t>(count);
}

bool MessageReader::struct_is_present() {
  const auto mark = fixed<std::int8_t>();
  if (mark >= 0) return !has_failed_;
  if (mark != -1) fail("a struct that is neither there nor null: " + std::to_string(mark));
  return false;
}

const char* MessageReader::enter(std::uint32_t byte_count) {
  const char* const outer_end = end_;
  if (byte_count > remaining_bytes()) {
    fail_short(byte_count);
  } else {
    end_ = at_ + byte_count;
  }
  return outer_end;
}

void MessageReader::leave(const char* outer_end) {
  if (has_failed_) return;
  if (at_ != end_) fail(std::to_string(remaining_bytes()) + " bytes behind a tagged field");
  if (!has_failed_) end_ = outer_end;
}

void MessageReader::skip_tagged_fields() {
  const std::uint32_t count = unsigned_varint();
  for (std::uint32_t i = 0; i < count && !has_failed_; ++i) {
    (void)unsigned_varint();
    (void)raw(unsigned_varint());
  }
}

void MessageReader::fail_short(std::size_t needed_bytes) {
  fail(std::to_string(needed_bytes) + " bytes needed, " + std::to_string(remaining_bytes()) +
       " left");
}

void MessageReader::fail(std::string what) {
  if (has_failed_) return;
  has_failed_ = true;
  failed_at_ = position();
  what_ = std::move(what);
  at_ = end_;
}

void MessageReader::add_to_path(std::string_view field) {
  const bool needs_dot = !path_.empty() && path_.front() != '[';
  path_.insert(0, std::string(field) + (needs_dot ? "." : ""));
}

void MessageReader::add_to_path(std::size_t element) {
  path_.insert(0, "[" + std::to_string(element) + "]" + (path_.empty() ? "" : "."));
}

Status MessageReader::finish(const MessageInfo& info) {
  // Kafka's brokers do not look behind a request's end, and clients have come to need it:
  // librdkafka (2.16, flexible versions) sends three bytes too many when it asks for the Metadata
  // of all topics.
  if (!has_failed_ && at_ != end_ && info.kind != "request") {
    fail(std::to_string(remaining_bytes()) + " bytes behind its end");
  }
  if (!has_failed_) return ok_status();
  std::string message(info.name);
  message += " v" + std::to_string(version_) + " " + std::string(info.kind);
  if (!path_.empty()) message += ", " + path_;
  return invalid_error(message + " at byte " + std::to_string(failed_at_) + ": " + what_);
}

}  // namespace millrace::kafka_wire
