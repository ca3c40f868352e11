#include "task/fingerprint_table.h"

#include <algorithm>
#include <bit>
#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "base/check.h"

namespace millrace::task {
namespace {

constexpr std::size_t kCapacityMin = 16;
constexpr std::size_t kCapacityStep = 8;
constexpr std::size_t kLineBytes = 64;
// Entries that a swept block may have more room for than it needs, rounded up.
constexpr std::size_t kSpareEntriesMax = 8;
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

// What a request takes of the heap: in steps of 16 bytes, 8 of them for the heap's own use.
constexpr std::size_t heap_bytes(std::size_t requested) {
  return requested == 0 ? 0 : std::max<std::size_t>(32, (requested + 8 + 15) / 16 * 16);
}

}  // namespace

FingerprintTable::FingerprintTable() {
  while (chunks_.size() * kBlocksPerChunk < block_count()) add_chunk();
}

std::size_t FingerprintTable::rounded_capacity(std::size_t count) {
  return std::max(kCapacityMin, (count + kCapacityStep - 1) / kCapacityStep * kCapacityStep);
}

void FingerprintTable::add_chunk() {
  chunks_.push_back(std::make_unique<Block[]>(kBlocksPerChunk));
}

std::size_t FingerprintTable::directory_bytes() const {
  return chunks_.size() * heap_bytes(kBlocksPerChunk * sizeof(Block) + sizeof(std::size_t)) +
         heap_bytes(chunks_.capacity() * sizeof(chunks_[0]));
}

FingerprintTable::Entry FingerprintTable::entry_at(const unsigned char* planes,
                                                   std::size_t capacity, std::size_t i,
                                                   int tail_bits) {
  std::uint16_t head = 0;
  std::memcpy(&head, planes + 2 * i, sizeof head);
  const unsigned tagged = planes[2 * capacity + i];
  auto fingerprint = std::uint64_t{head} << 19 | std::uint64_t{tagged >> kTagBits} << 16;
  if (tail_bits > 0) {
    const auto at = i * static_cast<std::size_t>(tail_bits);
    const unsigned tail = planes[3 * capacity + at / 8] >> at % 8 & ((1u << tail_bits) - 1);
    fingerprint |= std::uint64_t{tail} << (16 - tail_bits);
  }
  return {fingerprint, tagged & (kTagCount - 1)};
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
  const auto wanted = static_cast<std::uint16_t>(fingerprint >> 19);
  std::uint32_t tags = 0;
  for (std::size_t i = 0; i < at.count; i += kScanned) {
    auto hits = matches(at.planes.get() + 2 * i, wanted);
    if (at.count - i < kScanned) hits &= (1u << (2 * (at.count - i))) - 1;
    for (; hits != 0; hits &= hits - 1, hits &= hits - 1) {
      const auto found = entry_in(number, i + static_cast<std::size_t>(std::countr_zero(hits)) / 2);
      if (found.fingerprint == fingerprint) tags |= 1u << found.tag;
    }
  }
  return tags;
}

void FingerprintTable::insert(std::uint64_t fingerprint, unsigned tag) {
  MR_CHECK(tag < kTagCount);
  const auto number = number_of(fingerprint);
  append(block(number), tail_bits(level_of(number)), {fingerprint, tag});
  ++size_;
  ++tag_counts_[tag];
  if (size_ > kMeanEntries * block_count()) split_next();
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

void FingerprintTable::append(Block& to, int tail_bits, const Entry& entry) {
  if (to.count == to.capacity) set_capacity(to, tail_bits, rounded_capacity(to.count + 1));
  auto* const planes = to.planes.get();
  const std::size_t i = to.count++;
  const std::size_t capacity = to.capacity;
  const auto head = static_cast<std::uint16_t>(entry.fingerprint >> 19);
  std::memcpy(planes + 2 * i, &head, sizeof head);
  planes[2 * capacity + i] = static_cast<unsigned char>(tagged_of(entry.fingerprint, entry.tag));
  if (tail_bits == 0) return;
  const auto at = i * static_cast<std::size_t>(tail_bits);
  const unsigned mask = (1u << tail_bits) - 1;
  const auto tail = static_cast<unsigned>(entry.fingerprint >> (16 - tail_bits)) & mask;
  auto& byte = planes[3 * capacity + at / 8];
  byte = static_cast<unsigned char>((byte & ~(mask << at % 8)) | tail << at % 8);
}

void FingerprintTable::set_capacity(Block& block, int tail_bits, std::size_t capacity) {
  entry_bytes_ += heap_bytes(plane_bytes(capacity, tail_bits));
  entry_bytes_ -= heap_bytes(plane_bytes(block.capacity, tail_bits));
  std::unique_ptr<unsigned char[]> planes;
  if (capacity > 0) {
    // A look-up compares whole groups; what lies behind the last entry is masked.
    planes = std::make_unique<unsigned char[]>(plane_bytes(capacity, tail_bits));
  }
  if (block.count > 0) {
    const auto* const old = block.planes.get();
    const std::size_t count = block.count;
    const std::size_t room = block.capacity;
    const auto tail_bytes = (count * static_cast<std::size_t>(tail_bits) + 7) / 8;
    std::memcpy(planes.get(), old, 2 * count);
    std::memcpy(planes.get() + 2 * capacity, old + 2 * room, count);
    std::memcpy(planes.get() + 3 * capacity, old + 3 * room, tail_bytes);
  }
  block.planes = std::move(planes);
  block.capacity = static_cast<std::uint32_t>(capacity);
}

void FingerprintTable::give_up(Block& block, int tail_bits) {
  block.count = 0;
  set_capacity(block, tail_bits, 0);
}

void FingerprintTable::split_next() {
  if (level_ == kLevelMax) return;  // beyond 1.6 billion entries blocks grow instead
  const auto number = split_;
  const auto sibling = block_count();
  if (sibling == chunks_.size() * kBlocksPerChunk) add_chunk();
  const int bit = level_;
  std::vector<Entry> entries(block(number).count);
  std::size_t moved = 0;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    entries[i] = entry_in(number, i);
    moved += entries[i].fingerprint >> bit & 1;
  }
  give_up(block(number), tail_bits(bit));
  if (sweep_left_ > 0) ++sweep_left_;  // the new one is to be seen, too
  if (++split_ == std::size_t{1} << level_) {
    ++level_;
    split_ = 0;
  }
  const int tail = tail_bits(bit + 1);
  if (moved < entries.size()) {
    set_capacity(block(number), tail, rounded_capacity(entries.size() - moved));
  }
  if (moved > 0) set_capacity(block(sibling), tail, rounded_capacity(moved));
  for (const auto& entry : entries) {
    append(block((entry.fingerprint >> bit & 1) != 0 ? sibling : number), tail, entry);
  }
}

void FingerprintTable::join_last() {
  MR_CHECK(block_count() > kBlocksMin && !is_sweeping());
  const auto sibling = block_count() - 1;
  const auto number = split_ > 0 ? split_ - 1 : (std::size_t{1} << (level_ - 1)) - 1;
  std::vector<Entry> entries;
  entries.reserve(block(number).count + block(sibling).count);
  for (const auto from : {number, sibling}) {
    for (std::size_t i = 0; i < block(from).count; ++i) entries.push_back(entry_in(from, i));
    give_up(block(from), tail_bits(level_of(from)));
  }
  if (split_ == 0) {
    --level_;
    split_ = std::size_t{1} << level_;
  }
  --split_;
  const int tail = tail_bits(level_);
  if (!entries.empty()) set_capacity(block(number), tail, rounded_capacity(entries.size()));
  for (const auto& entry : entries) append(block(number), tail, entry);
  if (block_count() <= (chunks_.size() - 1) * kBlocksPerChunk) chunks_.pop_back();
  if (chunks_.size() * 4 < chunks_.capacity()) chunks_.shrink_to_fit();
}

void FingerprintTable::sweep_some(std::size_t blocks, std::uint32_t live_tags,
                                  std::uint32_t taken_tags, const Take& take) {
  for (; blocks > 0 && sweep_left_ > 0; --blocks, --sweep_left_) {
    if (sweep_at_ >= block_count()) sweep_at_ = 0;
    sweep(sweep_at_++, live_tags, taken_tags, take);
  }
}

void FingerprintTable::sweep(std::size_t number, std::uint32_t live_tags, std::uint32_t taken_tags,
                             const Take& take) {
  Block& at = block(number);
  const int tail = tail_bits(level_of(number));
  const auto before = at.count;
  at.count = 0;
  for (std::size_t i = 0; i < before; ++i) {
    const auto entry = entry_in(number, i);
    const bool is_taken = (taken_tags >> entry.tag & 1) != 0 && take(entry.fingerprint, entry.tag);
    if (is_taken || (live_tags >> entry.tag & 1) == 0) {
      --tag_counts_[entry.tag];
    } else if (at.count != i) {
      append(at, tail, entry);
    } else {
      ++at.count;
    }
  }
  size_ -= before - at.count;
  const auto needed = at.count == 0 ? 0 : rounded_capacity(at.count);
  if (at.capacity > needed + kSpareEntriesMax || (at.count == 0 && at.capacity > 0)) {
    set_capacity(at, tail, needed);
  }
}

}  // namespace millrace::task
