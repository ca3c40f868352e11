#include "task/id_filter.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/check.h"

namespace millrace::task {
namespace {

// Odd numbers without a pattern: each picks one of the 32 bits of its word.
constexpr std::uint32_t kSalts[] = {0x9e3779b1, 0x85ebca6b, 0xc2b2ae35, 0x27d4eb2f,
                                    0x165667b1, 0xd3a2646d, 0xfd7046c5, 0xb55a4f09};

std::uint32_t bit_of(std::uint64_t hash, std::size_t word) {
  return 1u << (static_cast<std::uint32_t>(hash) * kSalts[word] >> 27);
}

}  // namespace

IdFilter::IdFilter(std::size_t id_count_max) : words_(bytes_for(id_count_max) / 4) {}

IdFilter IdFilter::of_blocks(std::size_t block_count) {
  MR_CHECK(block_count > 0 && block_count <= kBlocksMax);
  IdFilter filter;
  filter.words_.resize(block_count * kWords);
  return filter;
}

std::size_t IdFilter::bytes_for(std::size_t id_count_max) {
  const auto blocks = (id_count_max + kBlockBytes - 1) / kBlockBytes;
  return std::clamp<std::size_t>(blocks, 1, kBlocksMax) * kBlockBytes;
}

// Fingerprints have 35 bits, which say both the block and the bits within.
std::uint64_t IdFilter::mixed(std::uint64_t fingerprint) {
  auto hash = (fingerprint + 1) * 0x9e3779b97f4a7c15ULL;
  hash ^= hash >> 32;
  hash *= 0xd6e8feb86659fd93ULL;
  return hash ^ hash >> 32;
}

void IdFilter::add(std::uint64_t fingerprint) {
  const auto hash = mixed(fingerprint);
  auto* const block = &words_[block_of(hash) * kWords];
  for (std::size_t i = 0; i < kWords; ++i) block[i] |= bit_of(hash, i);
  ++id_count_;
}

bool IdFilter::may_have(std::uint64_t fingerprint) const {
  const auto hash = mixed(fingerprint);
  const auto* const block = &words_[block_of(hash) * kWords];
  std::uint32_t missing = 0;
  for (std::size_t i = 0; i < kWords; ++i) missing |= ~block[i] & bit_of(hash, i);
  return missing == 0;
}

void IdFilter::dump(std::size_t first, std::size_t count, Encoder& to) const {
  MR_CHECK(first + count <= block_count());
  for (std::size_t i = first * kWords; i < (first + count) * kWords; ++i) to.u32(words_[i]);
}

void IdFilter::load(std::size_t first, std::string_view dumped) {
  MR_CHECK(first * kBlockBytes + dumped.size() <= byte_count());
  for (std::size_t i = 0; i < dumped.size() / 4; ++i) {
    words_[first * kWords + i] = load_little<std::uint32_t>(dumped.data() + 4 * i);
  }
}

}  // namespace millrace::task
