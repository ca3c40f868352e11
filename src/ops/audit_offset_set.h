#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "model/topic.h"

namespace millrace::ops {

// A set of offsets within [first, next): one bit each, in blocks that are made when first used, so
// that a few offsets of a large range cost little. Bounded by (next - first) / 8 bytes. One thread.
class OffsetSet {
 public:
  OffsetSet(Offset first, Offset next);

  enum class Outcome : std::uint8_t { added, repeated, outside };
  Outcome add(Offset offset);
  [[nodiscard]] bool contains(Offset offset) const;

  [[nodiscard]] Offset first() const { return first_; }
  [[nodiscard]] Offset next() const { return next_; }
  [[nodiscard]] std::uint64_t count() const { return count_; }
  // Length of the range.
  [[nodiscard]] std::uint64_t span() const { return static_cast<std::uint64_t>(next_ - first_); }

 private:
  friend std::optional<Offset> first_common(const OffsetSet& a, const OffsetSet& b);
  friend std::optional<Offset> first_only_in(const OffsetSet& a, const OffsetSet& b);
  friend std::optional<Offset> first_in_neither(const OffsetSet& a, const OffsetSet& b);

  static constexpr std::size_t kWordsPerBlock = 1024;
  static constexpr std::size_t kWordBits = 64;
  using Block = std::array<std::uint64_t, kWordsPerBlock>;

  [[nodiscard]] std::uint64_t word(std::size_t index) const {
    const auto& block = blocks_[index / kWordsPerBlock];
    return block == nullptr ? 0 : (*block)[index % kWordsPerBlock];
  }
  // The lowest offset whose bit `combine(word of a, word of b)` leaves set.
  template <typename Combine>
  static std::optional<Offset> find(const OffsetSet& a, const OffsetSet& b, Combine&& combine);

  Offset first_;
  Offset next_;
  std::uint64_t count_ = 0;
  std::vector<std::unique_ptr<Block>> blocks_;
};

// The lowest offset in both, in `a` but not in `b`, in none of the two. Both sets have one range.
std::optional<Offset> first_common(const OffsetSet& a, const OffsetSet& b);
std::optional<Offset> first_only_in(const OffsetSet& a, const OffsetSet& b);
std::optional<Offset> first_in_neither(const OffsetSet& a, const OffsetSet& b);
// The lowest `count` offsets that are in none of the two.
std::vector<Offset> lowest_in_neither(const OffsetSet& a, const OffsetSet& b, std::size_t count);

}  // namespace millrace::ops
