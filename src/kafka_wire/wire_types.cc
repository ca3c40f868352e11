#include "kafka_wire/wire_types.h"

namespace millrace::kafka_wire {

void Records::append(std::string_view piece) {
  if (piece.empty()) {
    is_null_ = false;
  } else if (first_.empty()) {
    assign(piece);
  } else {
    more_.push_back(piece);
  }
}

void Records::assign(std::string_view bytes) {
  first_ = bytes;
  more_.clear();
  is_null_ = false;
}

void Records::set_null() {
  assign({});
  is_null_ = true;
}

std::size_t Records::byte_count() const {
  std::size_t bytes = first_.size();
  for (const auto piece : more_) bytes += piece.size();
  return bytes;
}

std::string Records::joined() const {
  std::string bytes(first_);
  for (const auto piece : more_) bytes += piece;
  return bytes;
}

bool Records::operator==(const Records& other) const {
  if (is_null_ != other.is_null_) return false;
  if (more_.empty() && other.more_.empty()) return first_ == other.first_;
  return joined() == other.joined();
}

}  // namespace millrace::kafka_wire
