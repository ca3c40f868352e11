// What of a table goes into dumps, and comes back.

#include <bit>

#include "base/check.h"
#include "base/coding.h"
#include "task/fingerprint_table.h"

namespace millrace::task {

std::size_t FingerprintTable::dump(std::size_t from, std::size_t bytes_max,
                                   std::string& out) const {
  Encoder to(out);
  const auto end = out.size() + bytes_max;
  auto number = from;
  for (; number < block_count() && out.size() < end; ++number) {
    const Block& at = block(number);
    if (at.count == 0) continue;
    to.u32(static_cast<std::uint32_t>(number));
    to.u8(static_cast<std::uint8_t>(level_of(number)));
    to.u32(at.count);
    const auto* const planes = reinterpret_cast<const char*>(at.planes.get());
    const std::size_t capacity = at.capacity;
    out.append(planes, 2 * std::size_t{at.count});
    out.append(planes + 2 * capacity, at.count);
    if (level_of(number) >= kTwoPlanesLevel) continue;
    for (std::size_t i = 0; i < at.count; ++i) {
      to.u8(static_cast<std::uint8_t>(entry_in(number, i).fingerprint >> 8));
    }
  }
  return number;
}

Status FingerprintTable::check_block_count(std::size_t block_count) {
  static_assert(kBlocksMin == std::size_t{1} << kLevelMin);
  if (block_count >= kBlocksMin && block_count <= std::size_t{1} << kLevelMax) return ok_status();
  return corrupt_error("a table of fingerprints has " + std::to_string(block_count) + " blocks");
}

Status FingerprintTable::reserve(std::size_t block_count) {
  MR_CHECK(size_ == 0);
  MR_RETURN_IF_ERROR(check_block_count(block_count));
  level_ = static_cast<int>(std::bit_width(block_count)) - 1;
  split_ = block_count - (std::size_t{1} << level_);
  while (chunks_.size() * kBlocksPerChunk < block_count) add_chunk();
  return ok_status();
}

Status FingerprintTable::load(std::string_view dumped, std::uint32_t live_tags,
                              std::uint32_t taken_tags, const Take& take) {
  while (!dumped.empty()) {
    Decoder from(dumped);
    const std::size_t number = from.u32();
    const int level = from.u8();
    const std::size_t count = from.u32();
    const bool is_possible = !from.has_failed() && level >= kLevelMin && level <= kLevelMax &&
                             number >> level == 0 && count <= from.remaining_bytes();
    const auto bytes = is_possible ? plane_bytes(count, dumped_tail_bits(level)) : 0;
    if (!is_possible || bytes > from.remaining_bytes()) {
      return corrupt_error("fingerprints: no such block");
    }
    dumped = dumped.substr(dumped.size() - from.remaining_bytes());
    load_block(number, level, reinterpret_cast<const unsigned char*>(dumped.data()), count,
               live_tags, taken_tags, take);
    dumped = dumped.substr(bytes);
  }
  return ok_status();
}

// Blocks that were split while they were dumped have another shape than the others; their entries
// may have been dumped twice.
void FingerprintTable::load_block(std::size_t number, int level, const unsigned char* planes,
                                  std::size_t count, std::uint32_t live_tags,
                                  std::uint32_t taken_tags, const Take& take) {
  const bool is_alone =
      number < block_count() && level_of(number) == level && block(number).count == 0;
  std::size_t live = 0;
  for (std::size_t i = 0; i < count; ++i) {
    live += (live_tags & ~taken_tags) >> entry_at(planes, count, i, 0).tag & 1;
  }
  if (is_alone && live > 0) set_capacity(block(number), tail_bits(level), rounded_capacity(live));
  for (std::size_t i = 0; i < count; ++i) {
    auto entry = entry_at(planes, count, i, dumped_tail_bits(level));
    entry.fingerprint |= number;
    if ((live_tags >> entry.tag & 1) == 0) continue;
    if ((taken_tags >> entry.tag & 1) != 0 && take(entry.fingerprint, entry.tag)) continue;
    if (is_alone) {
      append(block(number), tail_bits(level), entry);
      ++size_;
      ++tag_counts_[entry.tag];
    } else {
      insert_if_absent(entry.fingerprint, entry.tag);
    }
  }
}

}  // namespace millrace::task
