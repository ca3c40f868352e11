#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

namespace millrace {

// Bump allocation for values that die together (one record, one batch). `reset` keeps the largest
// block, so a steady load allocates nothing. Only trivially destructible types. One thread.
class Arena {
 public:
  explicit Arena(std::size_t block_bytes = 4096) : block_bytes_(block_bytes) {}

  void* allocate(std::size_t size, std::size_t alignment = alignof(std::max_align_t)) {
    auto at = (position_ + alignment - 1) & ~(alignment - 1);
    if (blocks_.empty() || at + size > capacity_) {
      grow(size + alignment);
      at = (position_ + alignment - 1) & ~(alignment - 1);
    }
    position_ = at + size;
    return blocks_.back().get() + at;
  }

  // Uninitialised storage for `count` values.
  template <typename T>
  std::span<T> array(std::size_t count) {
    static_assert(std::is_trivially_destructible_v<T>);
    return {static_cast<T*>(allocate(count * sizeof(T), alignof(T))), count};
  }

  std::string_view copy(std::string_view text) {
    if (text.empty()) return {};
    auto* to = static_cast<char*>(allocate(text.size(), 1));
    std::memcpy(to, text.data(), text.size());
    return {to, text.size()};
  }

  // Frees everything; views into the arena die.
  void reset() {
    if (blocks_.size() > 1) {
      auto last = std::move(blocks_.back());
      blocks_.clear();
      blocks_.push_back(std::move(last));
    }
    position_ = 0;
  }

 private:
  void grow(std::size_t at_least) {
    std::size_t size = blocks_.empty() ? block_bytes_ : capacity_ * 2;
    if (size < at_least) size = at_least;
    blocks_.push_back(std::make_unique_for_overwrite<std::byte[]>(size));
    capacity_ = size;
    position_ = 0;
  }

  std::size_t block_bytes_;
  std::vector<std::unique_ptr<std::byte[]>> blocks_;
  std::size_t capacity_ = 0;  // of the last block
  std::size_t position_ = 0;  // in the last block
};

}  // namespace millrace
