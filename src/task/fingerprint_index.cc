#include "task/fingerprint_index.h"

#include <algorithm>

#include "base/check.h"
#include "base/coding.h"

namespace millrace::task {
namespace {

constexpr std::size_t kTidiedPerInsert = 2;  // blocks
// Of the bound: one filter takes at most a part of it, and those of one fit() two.
constexpr std::size_t kFilterShare = 16;
// A fit goes on until this part of the bound is free, so that it is not due again at once.
constexpr std::size_t kFreeShare = 16;
constexpr std::size_t kFilterIdsMin = 16;  // fewer are as cheap listed
constexpr std::uint64_t kBaseBytes = 20 << 10;
constexpr std::uint64_t kFirstEntryBytes = 80;       // of a block: room for 16, from the heap
constexpr std::uint64_t kIdsOfSmallTable = 400'000;  // of which each takes a byte more

std::uint32_t bit(unsigned tag) {
  return std::uint32_t{1} << tag;
}

}  // namespace

std::size_t FingerprintIndex::bytes_of_listed(std::uint64_t ids) {
  // Few ids are spread over blocks that each have room for more.
  constexpr std::uint64_t kBlocksMin = FingerprintTable::kBlocksMin;
  const auto few = std::min(ids, kBlocksMin) * kFirstEntryBytes + ids * 3;
  const auto many = ids * 15 / 4 + std::min(ids, kIdsOfSmallTable);
  return static_cast<std::size_t>(kBaseBytes + std::max(few, many));
}

void FingerprintIndex::prefetch(std::uint64_t fingerprint) const {
  table_.prefetch(fingerprint);
  for (const auto& filter : filters_) filter.ids.prefetch(fingerprint);
}

FingerprintIndex::Found FingerprintIndex::find(std::uint64_t fingerprint) const {
  Found found{table_.find(fingerprint) & live_, unlisted_};
  for (const auto& filter : filters_) {
    if (filter.ids.may_have(fingerprint)) found.perhaps |= bit(filter.tag);
  }
  found.perhaps &= ~found.listed;
  return found;
}

void FingerprintIndex::insert(std::uint64_t fingerprint, unsigned tag) {
  if (!is_unlisted(tag)) table_.insert(fingerprint, tag);
  tidy(kTidiedPerInsert);
}

void FingerprintIndex::insert_if_absent(std::uint64_t fingerprint, unsigned tag) {
  if (!is_unlisted(tag)) table_.insert_if_absent(fingerprint, tag);
  tidy(kTidiedPerInsert);
}

void FingerprintIndex::set_live(std::span<const unsigned> tags) {
  const auto before = live_;
  tags_.assign(tags.begin(), tags.end());
  live_ = 0;
  for (const auto tag : tags) live_ |= bit(tag);
  unlisted_ &= live_;
  taken_ &= live_;
  erase_filters(~live_);
  if ((before & ~live_) != 0 && table_.size() > 0) table_.start_sweep();
}

void FingerprintIndex::erase_filters(std::uint32_t tags) {
  std::erase_if(filters_, [&](const Filter& filter) {
    if ((tags & bit(filter.tag)) == 0) return false;
    filter_bytes_ -= filter.ids.byte_count();
    return true;
  });
}

bool FingerprintIndex::tidy(std::size_t blocks) {
  if (table_.is_sweeping()) {
    table_.sweep_some(
        blocks, live_ & ~unlisted_, taken_,
        [this](std::uint64_t fingerprint, unsigned tag) { return take(fingerprint, tag); });
    if (!table_.is_sweeping()) taken_ = 0;
    return true;
  }
  if (dump_ || !table_.is_sparse()) return false;
  for (; blocks > 0 && table_.is_sparse(); --blocks) table_.join_last();
  return true;
}

FingerprintIndex::Filter* FingerprintIndex::filter_of(unsigned tag) {
  const auto found = std::find_if(filters_.rbegin(), filters_.rend(),
                                  [&](const Filter& filter) { return filter.tag == tag; });
  return found == filters_.rend() ? nullptr : &*found;
}

bool FingerprintIndex::take(std::uint64_t fingerprint, unsigned tag) {
  auto* const filter = filter_of(tag);
  MR_CHECK(filter != nullptr);
  if (filter->ids.is_full()) return false;
  filter->ids.add(fingerprint);
  return true;
}

void FingerprintIndex::add_filter(unsigned tag, IdFilter ids) {
  filter_bytes_ += ids.byte_count();
  filters_.push_back({tag, next_number_++, std::move(ids)});
}

std::size_t FingerprintIndex::compact_count() const {
  std::size_t count = 0;
  for (const auto& filter : filters_) count += filter.ids.id_count();
  return count;
}

std::size_t FingerprintIndex::listed_bytes(unsigned tag) const {
  if (table_.size() == 0) return 0;
  const auto share = static_cast<double>(table_.count_of(tag)) / static_cast<double>(table_.size());
  return static_cast<std::size_t>(static_cast<double>(table_.entry_bytes()) * share);
}

void FingerprintIndex::fit() {
  if (!is_too_large()) return;
  const auto excess = byte_count() - (limit() - bytes_max_ / kFreeShare);
  // Where filters alone would take too long, or have no room, more must go.
  const auto freed = compact_some(excess);
  if (freed < excess / 4) unlist_some(excess - freed);
  if (table_.size() > 0) table_.start_sweep();
}

// Makes filters for what the sweep then takes out of the table. Gives the bytes freed in the end.
std::size_t FingerprintIndex::compact_some(std::size_t excess) {
  std::size_t freed = 0;
  const auto filter_ids_max = bytes_max_ / kFilterShare;  // a byte each
  auto room = 2 * filter_ids_max;
  for (const auto tag : tags_) {
    if (freed >= excess || filters_.size() >= kFiltersMax) break;
    const auto count = table_.count_of(tag);
    if (is_unlisted(tag) || (taken_ & bit(tag)) != 0 || count == 0) continue;
    const auto taken = std::min({count, filter_ids_max, room});
    const auto gain = listed_bytes(tag) * taken / count;
    if (taken < kFilterIdsMin || gain < 2 * IdFilter::bytes_for(taken)) continue;
    add_filter(tag, IdFilter(taken));
    taken_ |= bit(tag);
    room -= taken;
    freed += gain - IdFilter::bytes_for(taken);
  }
  return freed;
}

void FingerprintIndex::unlist_some(std::size_t excess) {
  std::size_t freed = 0;
  for (const auto tag : tags_) {
    if (freed >= excess) break;
    if (is_unlisted(tag)) continue;
    freed += listed_bytes(tag);
    for (const auto& filter : filters_) freed += filter.tag == tag ? filter.ids.byte_count() : 0;
    unlisted_ |= bit(tag);
  }
  taken_ &= ~unlisted_;
  erase_filters(unlisted_);
}

}  // namespace millrace::task
