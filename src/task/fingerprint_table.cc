#include "task/fingerprint_table.h"

#include <algorithm>
#include <bit>
#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "base/bytes.h"
#include "base/check.h"
#include "base/coding.h"

namespace millrace::task {
namespace {

constexpr std::size_t kCapacityMin = 16;
constexpr std::size_t kCapacityStep = 8;
constexpr std::size_t kLineBytes = 64;
// Entries that a swept block may have more room for than it needs.
constexpr std::size_t kSpareEntriesMax = 32;
constexpr std::size_t kSweptPerInsert = 2;
constexpr std::size_t kAllocationOverheadBytes = 8;
constexpr int kPartitionBits = 11;  // as many places to write to at once as the TLB has room for
constexpr std::size_t kPrefetchedEntries = 16;

// Entries compared at once; a block has room for that many behind its last multiple of it.
constexpr std::size_t kScanned = 16;

// Two bits for each of the kScanned 16-bit words that equal `wanted`.
std::uint32_t matches(const unsigned char* words, std::uint16_t wanted) {
#if defined(__AVX2__)
  const auto all = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(words));
  const auto equal = _mm256_cmpeq_epi16(all, _mm256_set1_epi16(static_cast<short>(wanted)));
  return static_cast<std::uint32_t>(_mm256_movemask_epi8(equal));
#else
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < kScanned; ++i) {
    std::uint16_t word = 0;
    std::memcpy(&word, words + 2 * i, sizeof word);
    bits |= (word == wanted ? 3u : 0u) << (2 * i);
  }
  return bits;
#endif
}

std::size_t rounded_capacity(std::size_t count) {
  return std::max(kCapacityMin, (count + kCapacityStep - 1) / kCapacityStep * kCapacityStep);
}

}  // namespace

FingerprintTable::FingerprintTable() {
  while (chunks_.size() * kBlocksPerChunk < block_count()) add_block();
}

void FingerprintTable::add_block() {
  chunks_.push_back(std::make_unique<Block[]>(kBlocksPerChunk));
}

FingerprintTable::Entry FingerprintTable::entry_of(std::uint64_t fingerprint, unsigned tag) {
  MR_CHECK(tag < kTagCount);
  return {static_cast<std::uint16_t>(fingerprint >> 19),
          static_cast<std::uint8_t>((fingerprint >> 16 & 7) << 5 | tag),
          static_cast<std::uint8_t>(fingerprint >> 8)};
}

FingerprintTable::Entry FingerprintTable::entry_at(const unsigned char* planes,
                                                   std::size_t capacity, std::size_t i,
                                                   bool has_tail) {
  Entry entry{};
  std::memcpy(&entry.head, planes + 2 * i, sizeof entry.head);
  entry.tagged = planes[2 * capacity + i];
  entry.tail = has_tail ? planes[3 * capacity + i] : std::uint8_t{0};
  return entry;
}

std::uint64_t FingerprintTable::stored_bits(const Entry& entry) {
  return std::uint64_t{entry.head} << 19 | std::uint64_t{entry.tagged} >> 5 << 16 |
         std::uint64_t{entry.tail} << 8;
}

std::size_t FingerprintTable::number_of(std::uint64_t fingerprint) const {
  const auto number = fingerprint & ((std::uint64_t{1} << level_) - 1);
  return number >= split_ ? number : fingerprint & ((std::uint64_t{2} << level_) - 1);
}

void FingerprintTable::prefetch(std::uint64_t fingerprint) const {
  const Block& at = block(number_of(fingerprint));
  const auto* const planes = at.planes.get();
  for (std::size_t i = 0; i < 2 * std::size_t{at.count}; i += kLineBytes) {
    __builtin_prefetch(planes + i);
  }
}

std::uint32_t FingerprintTable::find(std::uint64_t fingerprint) const {
  const auto number = number_of(fingerprint);
  const Block& at = block(number);
  const auto wanted = entry_of(fingerprint, 0);
  std::uint32_t tags = 0;
  for (std::size_t i = 0; i < at.count; i += kScanned) {
    auto hits = matches(at.planes.get() + 2 * i, wanted.head);
    if (at.count - i < kScanned) hits &= (1u << (2 * (at.count - i))) - 1;
    for (; hits != 0; hits &= hits - 1, hits &= hits - 1) {
      const auto found =
          entry_at(at, i + static_cast<std::size_t>(std::countr_zero(hits)) / 2, has_tail(number));
      const bool is_same = found.tagged >> 5 == wanted.tagged >> 5 &&
                           (!has_tail(number) || found.tail == wanted.tail);
      if (is_same) tags |= 1u << (found.tagged & (kTagCount - 1));
    }
  }
  return tags;
}

void FingerprintTable::insert(std::uint64_t fingerprint, unsigned tag) {
  const auto number = number_of(fingerprint);
  append(block(number), has_tail(number), entry_of(fingerprint, tag));
  ++size_;
  if (size_ > kMeanEntries * block_count()) split_next();
  if (sweep_left_ > 0) sweep_some();
}

void FingerprintTable::insert_if_absent(std::uint64_t fingerprint, unsigned tag) {
  if ((find(fingerprint) >> tag & 1) == 0) insert(fingerprint, tag);
}

// One pass of a radix sort by the highest bits of the block's number: what is inserted together
// then lies within a few hundred kilobytes. Splits meanwhile change where entries go, not whether.
void FingerprintTable::insert_all_if_absent(std::span<const Marked> entries) {
  const int shift = std::max(0, level_ + 1 - kPartitionBits);
  const auto partition_of = [&](const Marked& entry) {
    return (entry.fingerprint & ((std::uint64_t{2} << level_) - 1)) >> shift;
  };
  std::vector<std::size_t> ends((std::size_t{1} << kPartitionBits) + 1);
  for (const auto& entry : entries) ++ends[partition_of(entry) + 1];
  for (std::size_t i = 1; i < ends.size(); ++i) ends[i] += ends[i - 1];
  std::vector<Marked> sorted(entries.size());
  for (const auto& entry : entries) sorted[ends[partition_of(entry)]++] = entry;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    if (i + kPrefetchedEntries < sorted.size())
      prefetch(sorted[i + kPrefetchedEntries].fingerprint);
    insert_if_absent(sorted[i].fingerprint, sorted[i].tag);
  }
}

void FingerprintTable::append(Block& to, bool has_tail, const Entry& entry) {
  if (to.count == to.capacity) set_capacity(to, has_tail, rounded_capacity(to.count + 1));
  auto* const planes = to.planes.get();
  std::memcpy(planes + 2 * std::size_t{to.count}, &entry.head, sizeof entry.head);
  planes[2 * std::size_t{to.capacity} + to.count] = entry.tagged;
  if (has_tail) planes[3 * std::size_t{to.capacity} + to.count] = entry.tail;
  ++to.count;
}

void FingerprintTable::set_capacity(Block& block, bool has_tail, std::size_t capacity) {
  const auto bytes = entry_bytes(has_tail);
  plane_bytes_ += capacity * bytes - block.capacity * bytes;
  allocation_count_ += (capacity > 0 ? 1 : 0);
  allocation_count_ -= (block.capacity > 0 ? 1 : 0);
  std::unique_ptr<unsigned char[]> planes;
  if (capacity > 0) {
    planes = std::make_unique_for_overwrite<unsigned char[]>(capacity * bytes);
    // A look-up compares whole groups; what lies behind the last entry is masked.
    std::memset(planes.get() + 2 * std::size_t{block.count}, 0, 2 * (capacity - block.count));
  }
  if (block.count > 0) {
    const auto* const old = block.planes.get();
    const std::size_t count = block.count;
    const std::size_t room = block.capacity;
    std::memcpy(planes.get(), old, 2 * count);
    std::memcpy(planes.get() + 2 * capacity, old + 2 * room, count);
    if (has_tail) std::memcpy(planes.get() + 3 * capacity, old + 3 * room, count);
  }
  block.planes = std::move(planes);
  block.capacity = static_cast<std::uint32_t>(capacity);
}

void FingerprintTable::split_next() {
  if (level_ == kLevelMax) return;  // beyond 1.6 billion entries blocks grow instead
  const auto number = split_;
  const auto sibling = block_count();
  if (sibling == chunks_.size() * kBlocksPerChunk) add_block();
  const bool had_tail = has_tail(number);
  const int bit = level_;
  Block whole = std::move(block(number));
  block(number) = {};
  plane_bytes_ -= whole.capacity * entry_bytes(had_tail);
  allocation_count_ -= whole.capacity > 0 ? 1 : 0;
  if (sweep_left_ > 0) ++sweep_left_;  // the new one is to be seen, too
  if (++split_ == std::size_t{1} << level_) {
    ++level_;
    split_ = 0;
  }
  const bool keeps_tail = bit + 1 < kTwoPlanesLevel;
  std::size_t moved = 0;
  for (std::size_t i = 0; i < whole.count; ++i) {
    moved += stored_bits(entry_at(whole, i, had_tail)) >> bit & 1;
  }
  if (moved < whole.count) {
    set_capacity(block(number), keeps_tail, rounded_capacity(whole.count - moved));
  }
  if (moved > 0) set_capacity(block(sibling), keeps_tail, rounded_capacity(moved));
  for (std::size_t i = 0; i < whole.count; ++i) {
    const auto entry = entry_at(whole, i, had_tail);
    const bool is_moved = (stored_bits(entry) >> bit & 1) != 0;
    append(block(is_moved ? sibling : number), keeps_tail, entry);
  }
}

void FingerprintTable::start_sweep(std::uint32_t live_tags) {
  live_tags_ = live_tags;
  sweep_left_ = block_count();
}

void FingerprintTable::sweep_some() {
  for (std::size_t i = 0; i < kSweptPerInsert && sweep_left_ > 0; ++i, --sweep_left_) {
    if (sweep_at_ >= block_count()) sweep_at_ = 0;
    sweep(sweep_at_++);
  }
}

void FingerprintTable::sweep(std::size_t number) {
  Block& at = block(number);
  const bool tailed = has_tail(number);
  const auto before = at.count;
  at.count = 0;
  for (std::size_t i = 0; i < before; ++i) {
    const auto entry = entry_at(at, i, tailed);
    if ((live_tags_ >> (entry.tagged & (kTagCount - 1)) & 1) == 0) continue;
    if (at.count != i) {
      append(at, tailed, entry);
    } else {
      ++at.count;
    }
  }
  size_ -= before - at.count;
  const auto needed = at.count == 0 ? 0 : rounded_capacity(at.count);
  if (at.capacity > needed + kSpareEntriesMax || (at.count == 0 && at.capacity > 0)) {
    set_capacity(at, tailed, needed);
  }
}

std::size_t FingerprintTable::byte_count() const {
  return plane_bytes_ + allocation_count_ * kAllocationOverheadBytes +
         chunks_.size() * kBlocksPerChunk * sizeof(Block);
}

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
    if (has_tail(number)) out.append(planes + 3 * capacity, at.count);
  }
  return number;
}

Status FingerprintTable::reserve(std::size_t block_count) {
  MR_CHECK(size_ == 0);
  if (block_count < std::size_t{1} << kLevelMin || block_count > std::size_t{1} << kLevelMax) {
    return corrupt_error("a table of fingerprints has " + std::to_string(block_count) + " blocks");
  }
  level_ = static_cast<int>(std::bit_width(block_count)) - 1;
  split_ = block_count - (std::size_t{1} << level_);
  while (chunks_.size() * kBlocksPerChunk < block_count) add_block();
  return ok_status();
}

Status FingerprintTable::load(std::string_view dumped, std::uint32_t live_tags) {
  while (!dumped.empty()) {
    Decoder from(dumped);
    const std::size_t number = from.u32();
    const int level = from.u8();
    const std::size_t count = from.u32();
    if (from.has_failed() || level < kLevelMin || level > kLevelMax || number >> level != 0 ||
        count > from.remaining_bytes() / entry_bytes(level < kTwoPlanesLevel)) {
      return corrupt_error("fingerprints: no such block");
    }
    dumped = dumped.substr(dumped.size() - from.remaining_bytes());
    load_block(number, level, reinterpret_cast<const unsigned char*>(dumped.data()), count,
               live_tags);
    dumped = dumped.substr(count * entry_bytes(level < kTwoPlanesLevel));
  }
  return ok_status();
}

// Blocks that were split while they were dumped have another shape than the others; their entries
// may have been dumped twice.
void FingerprintTable::load_block(std::size_t number, int level, const unsigned char* planes,
                                  std::size_t count, std::uint32_t live_tags) {
  const bool tailed = level < kTwoPlanesLevel;
  const bool is_alone =
      number < block_count() && level_of(number) == level && block(number).count == 0 && count > 0;
  if (is_alone) set_capacity(block(number), tailed, rounded_capacity(count));
  for (std::size_t i = 0; i < count; ++i) {
    const auto entry = entry_at(planes, count, i, tailed);
    const unsigned tag = entry.tagged & (kTagCount - 1);
    if ((live_tags >> tag & 1) == 0) continue;
    if (is_alone) {
      append(block(number), tailed, entry);
      ++size_;
    } else {
      insert_if_absent(stored_bits(entry) | number, tag);
    }
  }
}

}  // namespace millrace::task
