#include "kafka_wire/wire_bytes.h"

namespace millrace::kafka_wire {

void WireBytes::clear() {
  own_.clear();
  foreign_.clear();
  foreign_byte_count_ = 0;
}

void WireBytes::append_foreign(std::string_view bytes) {
  if (bytes.size() <= kCopiedBytesMax) return append(bytes);
  foreign_.push_back({own_.size(), bytes});
  foreign_byte_count_ += bytes.size();
}

std::string WireBytes::joined() const {
  std::string bytes;
  bytes.reserve(byte_count());
  for_each_piece([&bytes](std::string_view piece) { bytes += piece; });
  return bytes;
}

void WireBytes::insert(std::size_t position, std::string_view bytes) {
  MR_CHECK(position <= own_.size());
  MR_CHECK(foreign_.empty() || foreign_.back().position <= position);
  const std::size_t moved = own_.size() - position;
  extend(bytes.size());
  char* const at = own_.data() + position;
  std::memmove(at + bytes.size(), at, moved);
  std::memcpy(at, bytes.data(), bytes.size());
}

}  // namespace millrace::kafka_wire
