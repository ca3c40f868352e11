#include "ops/audit_offset_set.h"

#include <bit>

#include "base/check.h"

namespace millrace::ops {

OffsetSet::OffsetSet(Offset first, Offset next) : first_(first), next_(next) {
  MR_CHECK(first <= next);
  constexpr std::size_t kBlockBits = kWordsPerBlock * kWordBits;
  blocks_.resize((span() + kBlockBits - 1) / kBlockBits);
}

OffsetSet::Outcome OffsetSet::add(Offset offset) {
  if (offset < first_ || offset >= next_) return Outcome::outside;
  const auto bit = static_cast<std::size_t>(offset - first_);
  auto& block = blocks_[bit / kWordBits / kWordsPerBlock];
  if (block == nullptr) block = std::make_unique<Block>();
  auto& bits = (*block)[bit / kWordBits % kWordsPerBlock];
  const auto mask = std::uint64_t{1} << bit % kWordBits;
  if ((bits & mask) != 0) return Outcome::repeated;
  bits |= mask;
  ++count_;
  return Outcome::added;
}

bool OffsetSet::contains(Offset offset) const {
  if (offset < first_ || offset >= next_) return false;
  const auto bit = static_cast<std::size_t>(offset - first_);
  return (word(bit / kWordBits) >> bit % kWordBits & 1) != 0;
}

template <typename Combine>
std::optional<Offset> OffsetSet::find(const OffsetSet& a, const OffsetSet& b, Combine&& combine) {
  MR_CHECK(a.first_ == b.first_ && a.next_ == b.next_);
  const auto word_count = (a.span() + kWordBits - 1) / kWordBits;
  for (std::size_t i = 0; i < word_count; ++i) {
    const std::uint64_t bits = combine(a.word(i), b.word(i));
    if (bits == 0) continue;
    const auto found =
        a.first_ +
        static_cast<std::int64_t>(i * kWordBits + static_cast<std::size_t>(std::countr_zero(bits)));
    // Bits behind the range's end are not of the set.
    if (found < a.next_) return found;
  }
  return std::nullopt;
}

std::optional<Offset> first_common(const OffsetSet& a, const OffsetSet& b) {
  return OffsetSet::find(a, b, [](std::uint64_t x, std::uint64_t y) { return x & y; });
}

std::optional<Offset> first_only_in(const OffsetSet& a, const OffsetSet& b) {
  return OffsetSet::find(a, b, [](std::uint64_t x, std::uint64_t y) { return x & ~y; });
}

std::optional<Offset> first_in_neither(const OffsetSet& a, const OffsetSet& b) {
  return OffsetSet::find(a, b, [](std::uint64_t x, std::uint64_t y) { return ~(x | y); });
}

std::vector<Offset> lowest_in_neither(const OffsetSet& a, const OffsetSet& b, std::size_t count) {
  std::vector<Offset> found;
  auto next = count == 0 ? std::nullopt : first_in_neither(a, b);
  if (!next) return found;
  for (auto offset = *next; offset < a.next() && found.size() < count; ++offset) {
    if (!a.contains(offset) && !b.contains(offset)) found.push_back(offset);
  }
  return found;
}

}  // namespace millrace::ops
