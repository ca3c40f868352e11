#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/hash.h"

namespace millrace::task {

// The ids since the last seal, in the order of their arrival, and an open-addressing index over
// them: a slot is 4 bytes (12 bits of the hash, the id's place), so a look-up of an id that is not
// there stays within the slots. Grows by doubling. One thread at a time.
class OpenIds {
 public:
  static constexpr std::size_t kIdsMax = (std::size_t{1} << 20) - 1;

  OpenIds();

  // Where an id is or would be; valid until the next change.
  struct Place {
    std::size_t slot = 0;
    bool is_found = false;
  };
  [[nodiscard]] Place find(const Hash128& id) const;
  void prefetch(const Hash128& id) const { __builtin_prefetch(&slots_[id.low & mask_]); }
  // At a place where find() did not find it. size() < kIdsMax.
  void add(const Hash128& id, Place place);

  // Expired ids included.
  [[nodiscard]] std::size_t size() const { return ids_.size(); }
  [[nodiscard]] std::size_t expired_count() const { return expired_count_; }
  // In order of arrival, without the expired ones.
  [[nodiscard]] std::span<const Hash128> live() const {
    return std::span(ids_).subspan(expired_count_);
  }
  // The oldest `count` of live() are found no more.
  void expire(std::size_t count);
  void clear();
  [[nodiscard]] std::size_t byte_count() const;

 private:
  static constexpr int kPlaceBits = 20;
  static std::uint32_t check_of(const Hash128& id) {
    return static_cast<std::uint32_t>(id.low >> 52) << kPlaceBits;
  }
  void rebuild(std::size_t slot_count);

  std::vector<std::uint32_t> slots_;  // 0: empty; else check bits and place + 1
  std::size_t mask_ = 0;
  std::vector<Hash128> ids_;
  std::size_t expired_count_ = 0;
};

}  // namespace millrace::task
