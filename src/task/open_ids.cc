#include "task/open_ids.h"

#include <algorithm>

#include "base/check.h"

namespace millrace::task {
namespace {

constexpr std::size_t kSlotsMin = 256;
constexpr std::uint32_t kPlaceMask = (1u << 20) - 1;

}  // namespace

OpenIds::OpenIds() {
  rebuild(kSlotsMin);
}

// Linear probing; slots of expired ids stay until the next rebuild and are passed over.
OpenIds::Place OpenIds::find(const Hash128& id) const {
  const auto check = check_of(id);
  for (std::size_t slot = id.low & mask_;; slot = (slot + 1) & mask_) {
    const auto value = slots_[slot];
    if (value == 0) return {slot, false};
    if ((value & ~kPlaceMask) != check) continue;
    const auto place = (value & kPlaceMask) - 1;
    if (place >= expired_count_ && ids_[place] == id) return {slot, true};
  }
}

void OpenIds::add(const Hash128& id, Place place) {
  MR_CHECK(ids_.size() < kIdsMax);
  ids_.push_back(id);
  if (ids_.size() * 2 > slots_.size()) return rebuild(slots_.size() * 2);
  slots_[place.slot] = check_of(id) | static_cast<std::uint32_t>(ids_.size());
}

void OpenIds::rebuild(std::size_t slot_count) {
  slots_.assign(slot_count, 0);
  mask_ = slot_count - 1;
  for (std::size_t place = expired_count_; place < ids_.size(); ++place) {
    auto slot = ids_[place].low & mask_;
    while (slots_[slot] != 0) slot = (slot + 1) & mask_;
    slots_[slot] = check_of(ids_[place]) | static_cast<std::uint32_t>(place + 1);
  }
}

void OpenIds::expire(std::size_t count) {
  expired_count_ += count;
  MR_CHECK(expired_count_ <= ids_.size());
  if (expired_count_ == ids_.size()) clear();
}

void OpenIds::clear() {
  if (ids_.empty()) return;
  ids_.clear();
  expired_count_ = 0;
  std::ranges::fill(slots_, 0);
}

std::size_t OpenIds::byte_count() const {
  return slots_.capacity() * sizeof(std::uint32_t) + ids_.capacity() * sizeof(Hash128);
}

}  // namespace millrace::task
