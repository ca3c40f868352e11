#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>

#include "base/check.h"

namespace millrace::codec {

// A growing byte buffer whose room is not zeroed before it is written, unlike std::string::resize.
// `clear` keeps the memory, so a steady load allocates nothing. Single-threaded.
class ByteBuffer {
 public:
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t capacity() const { return capacity_; }
  [[nodiscard]] std::string_view view() const { return {bytes_.get(), size_}; }
  [[nodiscard]] char* data() { return bytes_.get(); }
  void clear() { size_ = 0; }

  // At least `room` writable bytes behind the current end. Moves the bytes when it has to grow.
  char* reserve(std::size_t room) {
    if (capacity_ - size_ < room) [[unlikely]]
      grow(size_ + room);
    return bytes_.get() + size_;
  }
  // Takes `written` of the reserved bytes into the buffer.
  void commit(std::size_t written) {
    MR_CHECK(written <= capacity_ - size_);
    size_ += written;
  }

 private:
  void grow(std::size_t at_least) {
    const std::size_t doubled = capacity_ * 2;
    const std::size_t capacity = doubled > at_least ? doubled : at_least;
    auto bytes = std::make_unique_for_overwrite<char[]>(capacity);
    if (size_ > 0) std::memcpy(bytes.get(), bytes_.get(), size_);
    bytes_ = std::move(bytes);
    capacity_ = capacity;
  }

  std::unique_ptr<char[]> bytes_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace millrace::codec
