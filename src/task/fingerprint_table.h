#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/status.h"

namespace millrace::task {

// A multiset of 35-bit fingerprints, each with a 5-bit tag: 3 bytes an entry from 6 million on, 4
// below. Never forgets an entry before it is swept; says "perhaps" about one that was not added
// with a probability of entries / 2^35.
//
// A linear hash table (Litwin 1980): one block is split whenever the mean exceeds kMeanEntries, so
// it grows without a pause and always stays as full. A block's number is the fingerprint's low
// bits; what is stored of an entry never changes when its block is split:
//
//   bits 34..19  16-bit plane, scanned by a look-up: one to four cache lines
//   bits 18..16  8-bit plane, together with the tag
//   bits 15..8   another 8-bit plane, only in blocks whose number does not say these bits
//
// One thread at a time.
class FingerprintTable {
 public:
  static constexpr int kFingerprintBits = 35;
  static constexpr int kTagBits = 5;
  static constexpr int kTagCount = 1 << kTagBits;
  static constexpr std::size_t kMeanEntries = 96;

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

  // From now on entries whose tag is not in the mask may go: every insert looks through a few
  // blocks until all were seen once.
  void start_sweep(std::uint32_t live_tags);
  // A sweep that is on its way spares these, too.
  void keep(std::uint32_t live_tags) { live_tags_ |= live_tags; }
  [[nodiscard]] bool is_sweeping() const { return sweep_left_ > 0; }

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t block_count() const { return (std::size_t{1} << level_) + split_; }
  [[nodiscard]] std::size_t byte_count() const;  // allocated

  // Dumps blocks from number `from` on until `bytes_max` is reached or none is left; gives the
  // number to go on with, block_count() at the end. The table may change between two calls: what
  // was in it at the first one is dumped, except what was swept.
  std::size_t dump(std::size_t from, std::size_t bytes_max, std::string& out) const;
  // An empty table takes over the shape of a dumped one. `corrupt` when no table has it.
  Status reserve(std::size_t block_count);
  // Adds what dump() wrote, except other tags.
  Status load(std::string_view dumped, std::uint32_t live_tags);

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
    std::uint16_t head;
    std::uint8_t tagged;  // tag below, 3 bits of the fingerprint above
    std::uint8_t tail;    // of blocks below kTwoPlanesLevel
  };

  static Entry entry_of(std::uint64_t fingerprint, unsigned tag);
  // Of planes for `capacity` entries each.
  static Entry entry_at(const unsigned char* planes, std::size_t capacity, std::size_t i,
                        bool has_tail);
  static Entry entry_at(const Block& block, std::size_t i, bool has_tail) {
    return entry_at(block.planes.get(), block.capacity, i, has_tail);
  }
  static std::size_t entry_bytes(bool has_tail) { return has_tail ? 4 : 3; }
  // The fingerprint without the low bits that only the block's number says.
  static std::uint64_t stored_bits(const Entry& entry);

  [[nodiscard]] std::size_t number_of(std::uint64_t fingerprint) const;
  [[nodiscard]] int level_of(std::size_t number) const {
    return number < split_ || number >= (std::size_t{1} << level_) ? level_ + 1 : level_;
  }
  [[nodiscard]] bool has_tail(std::size_t number) const {
    return level_of(number) < kTwoPlanesLevel;
  }
  [[nodiscard]] Block& block(std::size_t number) const {
    return chunks_[number / kBlocksPerChunk][number % kBlocksPerChunk];
  }
  void add_block();
  void append(Block& to, bool has_tail, const Entry& entry);
  void set_capacity(Block& block, bool has_tail, std::size_t capacity);
  void split_next();
  void load_block(std::size_t number, int level, const unsigned char* planes, std::size_t count,
                  std::uint32_t live_tags);
  void sweep_some();
  void sweep(std::size_t number);

  int level_ = kLevelMin;
  std::size_t split_ = 0;  // blocks below it are split already
  std::vector<std::unique_ptr<Block[]>> chunks_;
  std::size_t size_ = 0;
  std::size_t plane_bytes_ = 0;
  std::size_t allocation_count_ = 0;
  std::uint32_t live_tags_ = 0xffffffff;
  std::size_t sweep_at_ = 0;
  std::size_t sweep_left_ = 0;  // blocks
};

}  // namespace millrace::task
