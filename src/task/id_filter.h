#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/coding.h"

namespace millrace::task {

// A set of fingerprints that answers "no" or "perhaps": a split block Bloom filter (Putze, Sanders
// and Singler 2007, with the blocks of 256 bits that Apache Parquet uses). A byte for each of
// `id_count_max` ids; then about one in forty of the others is "perhaps", and more of them when it
// holds more. One thread at a time.
class IdFilter {
 public:
  static constexpr std::size_t kBlockBytes = 32;
  static constexpr std::size_t kBlocksMax = std::size_t{1} << 26;

  explicit IdFilter(std::size_t id_count_max);
  // An empty one of so many blocks, for load().
  static IdFilter of_blocks(std::size_t block_count);

  void add(std::uint64_t fingerprint);
  [[nodiscard]] bool may_have(std::uint64_t fingerprint) const;
  void prefetch(std::uint64_t fingerprint) const {
    __builtin_prefetch(&words_[block_of(mixed(fingerprint)) * kWords]);
  }

  [[nodiscard]] std::size_t id_count() const { return id_count_; }  // added
  [[nodiscard]] bool is_full() const { return id_count_ >= block_count() * kBlockBytes; }
  [[nodiscard]] std::size_t block_count() const { return words_.size() / kWords; }
  [[nodiscard]] std::size_t byte_count() const { return words_.size() * sizeof(std::uint32_t); }
  static std::size_t bytes_for(std::size_t id_count_max);

  // Blocks [first, first + count) as they are in memory, little-endian.
  void dump(std::size_t first, std::size_t count, Encoder& to) const;
  // What dump() wrote of the blocks from `first` on.
  void load(std::size_t first, std::string_view dumped);
  void set_id_count(std::size_t count) { id_count_ = count; }

 private:
  static constexpr std::size_t kWords = kBlockBytes / sizeof(std::uint32_t);

  IdFilter() = default;
  static std::uint64_t mixed(std::uint64_t fingerprint);
  [[nodiscard]] std::size_t block_of(std::uint64_t hash) const {
    return static_cast<std::size_t>((hash >> 32) * block_count() >> 32);
  }

  std::vector<std::uint32_t> words_;
  std::size_t id_count_ = 0;
};

}  // namespace millrace::task
