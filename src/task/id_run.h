#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/status.h"

// Immutable sorted runs of ids: what deduplication keeps of the ids it has no room for in memory.
// docs/formats/id_run.md has the bytes.

namespace millrace::task {

inline constexpr std::size_t kIdRunBlockBytes = 4096;
inline constexpr std::size_t kIdsPerBlock = 255;  // of 16 bytes; the rest is padding and a CRC
inline constexpr std::size_t kIdRunFooterBytes = 32;
// Of one run; bounds what a merge holds in memory to 64 MiB.
inline constexpr std::uint64_t kIdsPerRunMax = std::uint64_t{4} << 20;

// The order of ids in a run.
inline bool is_before(const Hash128& a, const Hash128& b) {
  return a.high != b.high ? a.high < b.high : a.low < b.low;
}
void sort_ids(std::vector<Hash128>& ids);

// Names a run: the 128-bit hash of its bytes, and how many ids it has, from which its size follows.
struct IdRunName {
  Hash128 content;
  std::uint64_t id_count = 0;

  bool operator==(const IdRunName&) const = default;
  [[nodiscard]] std::uint64_t block_count() const {
    return (id_count + kIdsPerBlock - 1) / kIdsPerBlock;
  }
  [[nodiscard]] std::uint64_t byte_count() const {
    return block_count() * (kIdRunBlockBytes + sizeof(std::uint64_t)) + kIdRunFooterBytes;
  }
  // Where the index begins: it and the footer are the rest.
  [[nodiscard]] std::uint64_t index_position() const { return block_count() * kIdRunBlockBytes; }
};

// Writes a run from ids in ascending order.
class IdRunEncoder {
 public:
  // `id_count_max`: to get the memory at once.
  IdRunEncoder(std::int64_t bucket, std::uint64_t id_count_max);

  // Ignores an id equal to the last one.
  void add(const Hash128& id);
  // At least one id. The bytes and their name; the encoder is then of no more use.
  std::pair<IdRunName, std::string> finish();

 private:
  void close_block();

  std::int64_t bucket_;
  std::uint64_t id_count_ = 0;
  Hash128 last_;
  std::string bytes_;
  std::vector<std::uint64_t> first_high_;
};

// Which block of a run an id can be in.
class IdRunIndex {
 public:
  // `tail` is everything from index_position(). `corrupt` when it is not that of a run of `name`.
  static Result<IdRunIndex> parse(const IdRunName& name, std::string_view tail);

  // Block numbers [first, second).
  [[nodiscard]] std::pair<std::size_t, std::size_t> blocks_for(const Hash128& id) const;
  [[nodiscard]] std::int64_t bucket() const { return bucket_; }

 private:
  std::int64_t bucket_ = 0;
  std::vector<std::uint64_t> first_high_;  // `high` of each block's first id
};

// How many ids a block of the run has.
std::size_t ids_in_block(const IdRunName& name, std::size_t block);
// `corrupt` when its length or CRC is wrong.
Status check_block(std::string_view block);
Hash128 id_at(std::string_view block, std::size_t index);
// `block` may be longer; only its first `id_count` ids count.
bool is_in_block(std::string_view block, std::size_t id_count, const Hash128& id);

// Answers whether an id is in one run, wherever that is kept. One thread at a time.
class IdRunReader {
 public:
  virtual ~IdRunReader() = default;
  [[nodiscard]] virtual Result<bool> contains(const Hash128& id) = 0;
};

// A run in memory, as it is until it is stored elsewhere. Immutable: may be read by any thread.
class SealedRun final : public IdRunReader {
 public:
  // `ids` ascending, at least one.
  SealedRun(std::int64_t bucket, std::span<const Hash128> ids);

  [[nodiscard]] const IdRunName& name() const { return name_; }
  [[nodiscard]] std::string_view bytes() const { return bytes_; }
  [[nodiscard]] Result<bool> contains(const Hash128& id) override;

 private:
  IdRunName name_;
  std::string bytes_;
  IdRunIndex index_;
};

}  // namespace millrace::task
