#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/status.h"

namespace millrace::task {

// A multiset of 35-bit fingerprints, each with a 5-bit tag, in at most 4 bytes an entry all told
// (3.5 from 6 million entries on). Never forgets an entry before it is swept; says "perhaps" about
// one that was not added with a probability of entries / 2^35.
//
// A linear hash table (Litwin 1980): one block is split whenever the mean exceeds kMeanEntries, and
// the last split is undone when it falls below kMeanEntriesMin, so it grows and shrinks without a
// pause and always stays as full. A block's number is the fingerprint's low bits; stored are:
//
//   bits 34..19  16-bit plane, scanned by a look-up: one to four cache lines
//   bits 18..16  8-bit plane, together with the tag
//   bits ..15    a plane of 8, 4, 2 or no bits: those below 16 that the block's number does not say
//
// One thread at a time.
class FingerprintTable {
 public:
  static constexpr int kFingerprintBits = 35;
  static constexpr int kTagBits = 5;
  static constexpr int kTagCount = 1 << kTagBits;
  static constexpr std::size_t kMeanEntries = 96;
  static constexpr std::size_t kMeanEntriesMin = 80;
  static constexpr std::uint32_t kAllTags = 0xffffffff;

  FingerprintTable();

  [[nodiscard]] static std::uint64_t fingerprint_of(const Hash128& id) {
    return id.high & ((std::uint64_t{1} << kFingerprintBits) - 1);
  }
  // Brings the lines that find() reads into the cache. Reads the block's head itself.
  void prefetch(std::uint64_t fingerprint) const;
  // Bit t is set: an entry with this fingerprint has tag t.
  [[nodiscard]] std::uint32_t find(std::uint64_t fingerprint) const;
  void insert(std::uint64_t fingerprint, unsigned tag);
  void insert_if_absent(std::uint64_t fingerprint, unsigned tag);

  // An entry to be, in 40 bits.
  struct Marked {
    std::uint64_t fingerprint : kFingerprintBits;
    std::uint64_t tag : kTagBits;
  };
  // insert_if_absent() of each of them, block by block as they lie in memory: worth its while with
  // about as many entries as there are blocks. Takes as much memory again as they have.
  void insert_all_if_absent(std::span<const Marked> entries);

  // Takes an entry over, or leaves it in the table.
  using Take = std::function<bool(std::uint64_t fingerprint, unsigned tag)>;
  // From here on sweep_some() looks through all blocks once.
  void start_sweep() { sweep_left_ = block_count(); }
  [[nodiscard]] bool is_sweeping() const { return sweep_left_ > 0; }
  // Looks through so many more blocks. Entries whose tag is not in `live_tags` go; those in
  // `taken_tags`, which are live, are offered to `take`.
  void sweep_some(std::size_t blocks, std::uint32_t live_tags, std::uint32_t taken_tags,
                  const Take& take);
  // Whether blocks are too many for what is in them; not while it is swept.
  [[nodiscard]] bool is_sparse() const {
    return size_ < kMeanEntriesMin * block_count() && block_count() > kBlocksMin && !is_sweeping();
  }
  // Undoes the last split. What a dump in progress has not dumped yet may get behind it.
  void join_last();

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t block_count() const { return (std::size_t{1} << level_) + split_; }
  [[nodiscard]] std::size_t count_of(unsigned tag) const { return tag_counts_[tag]; }
  // As the heap gives them out: with what it rounds up to and keeps to itself.
  [[nodiscard]] std::size_t byte_count() const { return entry_bytes() + directory_bytes(); }
  [[nodiscard]] std::size_t entry_bytes() const { return entry_bytes_; }

  // Dumps blocks from number `from` on until `bytes_max` is reached or none is left; gives the
  // number to go on with, block_count() at the end. The table may change between two calls: what
  // was in it at the first one is dumped, except what was swept.
  std::size_t dump(std::size_t from, std::size_t bytes_max, std::string& out) const;
  static constexpr std::size_t kBlocksMin = 256;
  // `corrupt` when no table has so many blocks.
  static Status check_block_count(std::size_t block_count);
  // An empty table takes over the shape of a dumped one.
  Status reserve(std::size_t block_count);
  // Adds what dump() wrote, except other tags and what `take` takes of those in `taken_tags`.
  Status load(std::string_view dumped, std::uint32_t live_tags, std::uint32_t taken_tags,
              const Take& take);

 private:
  static constexpr int kLevelMin = 8;
  static constexpr int kLevelMax = 24;
  static constexpr int kTwoPlanesLevel =
      16;  // from here on the third plane would repeat the number
  static constexpr std::size_t kBlocksPerChunk = 1024;

  struct Block {
    std::unique_ptr<unsigned char[]> planes;  // each of `capacity` entries
    std::uint32_t count = 0;
    std::uint32_t capacity = 0;
  };
  struct Entry {
    std::uint64_t fingerprint;
    unsigned tag;
  };

  // How many of the bits below 16 are stored in blocks of a level; dumps have eight or none.
  static int tail_bits(int level) {
    if (level >= kTwoPlanesLevel) return 0;
    return level >= kTwoPlanesLevel - 2 ? 2 : level >= kTwoPlanesLevel - 4 ? 4 : 8;
  }
  static int dumped_tail_bits(int level) { return level < kTwoPlanesLevel ? 8 : 0; }
  static std::size_t plane_bytes(std::size_t capacity, int tail_bits) {
    return 3 * capacity + capacity * static_cast<std::size_t>(tail_bits) / 8;
  }
  static unsigned tagged_of(std::uint64_t fingerprint, unsigned tag) {
    return static_cast<unsigned>(fingerprint >> 16 & 7) << kTagBits | tag;
  }
  // Of planes for `capacity` entries each; without the low bits that only the block's number says.
  static Entry entry_at(const unsigned char* planes, std::size_t capacity, std::size_t i,
                        int tail_bits);
  [[nodiscard]] Entry entry_in(std::size_t number, std::size_t i) const {
    const Block& at = block(number);
    auto entry = entry_at(at.planes.get(), at.capacity, i, tail_bits(level_of(number)));
    entry.fingerprint |= number;
    return entry;
  }

  [[nodiscard]] std::size_t number_of(std::uint64_t fingerprint) const;
  [[nodiscard]] int level_of(std::size_t number) const {
    return number < split_ || number >= (std::size_t{1} << level_) ? level_ + 1 : level_;
  }
  [[nodiscard]] Block& block(std::size_t number) const {
    return chunks_[number / kBlocksPerChunk][number % kBlocksPerChunk];
  }
  // Entries that a block which needs room for so many has room for.
  static std::size_t rounded_capacity(std::size_t count);
  [[nodiscard]] std::size_t directory_bytes() const;
  void add_chunk();
  void append(Block& to, int tail_bits, const Entry& entry);
  void set_capacity(Block& block, int tail_bits, std::size_t capacity);
  void give_up(Block& block, int tail_bits);
  void split_next();
  void load_block(std::size_t number, int level, const unsigned char* planes, std::size_t count,
                  std::uint32_t live_tags, std::uint32_t taken_tags, const Take& take);
  void sweep(std::size_t number, std::uint32_t live_tags, std::uint32_t taken_tags,
             const Take& take);

  int level_ = kLevelMin;
  std::size_t split_ = 0;  // blocks below it are split already
  std::vector<std::unique_ptr<Block[]>> chunks_;
  std::size_t size_ = 0;
  std::array<std::size_t, kTagCount> tag_counts_{};
  std::size_t entry_bytes_ = 0;
  std::size_t sweep_at_ = 0;
  std::size_t sweep_left_ = 0;  // blocks
};

}  // namespace millrace::task
