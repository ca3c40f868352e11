// What of the fingerprints goes into dumps, and comes back within the bound of memory.

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/coding.h"
#include "task/fingerprint_index.h"

namespace millrace::task {
namespace {

constexpr std::uint32_t kTablePart = 0x5046494d;   // "MIFP"
constexpr std::uint32_t kFilterPart = 0x4646494d;  // "MIFF"
constexpr std::uint8_t kPartVersion = 1;
constexpr std::size_t kPartHeadBytes = 5;
constexpr std::uint64_t kFilterIdsMin = 16;  // fewer are as cheap listed
// A filter may have been made for ids that are in no run yet: open ones.
constexpr std::uint64_t kFilterIdsBesideRunsMax = std::uint64_t{1} << 20;

std::uint32_t bit(unsigned tag) {
  return std::uint32_t{1} << tag;
}

}  // namespace

void FingerprintIndex::begin_dump() {
  dump_ = Dump{};
}

FingerprintIndex::DumpStep FingerprintIndex::continue_dump(std::size_t bytes_max,
                                                           std::string& out) {
  MR_CHECK(dump_.has_value());
  if (out.empty()) {
    Encoder to(out);
    to.u32(dump_->is_in_filters ? kFilterPart : kTablePart);
    to.u8(kPartVersion);
  }
  if (!dump_->is_in_filters) {
    dump_->block = table_.dump(dump_->block, bytes_max, out);
    if (dump_->block < table_.block_count()) return DumpStep::more;
    if (filters_.empty()) return DumpStep::done;
    dump_->is_in_filters = true;
    return DumpStep::part_ends;
  }
  return dump_filters(bytes_max, out) ? DumpStep::more : DumpStep::done;
}

// Filters come and go between two calls; their numbers ascend.
bool FingerprintIndex::dump_filters(std::size_t bytes_max, std::string& out) {
  const auto filter =
      std::ranges::find_if(filters_, [&](const Filter& f) { return f.number >= dump_->filter; });
  if (filter == filters_.end()) return false;
  if (filter->number > dump_->filter) {
    dump_->filter = filter->number;
    dump_->filter_block = 0;
  }
  const auto first = dump_->filter_block;
  const auto blocks = filter->ids.block_count();
  const auto count =
      std::min(blocks - first, std::max<std::size_t>(1, bytes_max / IdFilter::kBlockBytes));
  Encoder to(out);
  to.u8(static_cast<std::uint8_t>(filter->tag));
  to.u32(filter->number);
  to.u64(filter->ids.id_count());
  to.u32(static_cast<std::uint32_t>(blocks));
  to.u32(static_cast<std::uint32_t>(first));
  to.u32(static_cast<std::uint32_t>(count));
  filter->ids.dump(first, count, to);
  dump_->filter_block += count;
  if (dump_->filter_block == blocks) {
    ++dump_->filter;
    dump_->filter_block = 0;
  }
  return filter + 1 != filters_.end() || dump_->filter == filter->number;
}

void FingerprintIndex::begin_load(std::vector<TagIds> ids, std::uint32_t covered,
                                  std::size_t dumped_blocks) {
  table_ = FingerprintTable();
  filters_.clear();
  filter_bytes_ = 0;
  unlisted_ = taken_ = 0;
  load_ = Load{std::move(ids), covered, dumped_blocks, false};
}

Status FingerprintIndex::load(std::string_view part) {
  MR_CHECK(load_.has_value());
  Decoder head(part);
  const auto magic = head.u32();
  if (magic != kTablePart && magic != kFilterPart) {
    return corrupt_error("not a part of a dump of fingerprints");
  }
  if (head.u8() != kPartVersion) {
    return unsupported_error("dump of fingerprints: unknown format version");
  }
  part.remove_prefix(kPartHeadBytes);
  if (magic == kFilterPart) return load_filters(part);
  MR_RETURN_IF_ERROR(plan_load());
  return table_.load(
      part, load_->covered & ~unlisted_, taken_,
      [this](std::uint64_t fingerprint, unsigned tag) { return take(fingerprint, tag); });
}

Status FingerprintIndex::load_filters(std::string_view pieces) {
  if (load_->is_planned) return corrupt_error("fingerprints: filters are not the last parts");
  while (!pieces.empty()) {
    Decoder from(pieces);
    FilterPiece piece;
    piece.tag = from.u8();
    piece.number = from.u32();
    piece.ids = from.u64();
    piece.blocks = from.u32();
    piece.first = from.u32();
    const std::size_t count = from.u32();
    const auto bytes = count * IdFilter::kBlockBytes;
    if (from.has_failed() || piece.tag >= FingerprintTable::kTagCount || piece.blocks == 0 ||
        piece.blocks > filter_blocks_max(piece.tag) || count == 0 ||
        piece.first + count > piece.blocks || bytes > from.remaining_bytes()) {
      return corrupt_error("fingerprints: no such filter");
    }
    pieces.remove_prefix(pieces.size() - from.remaining_bytes());
    piece.bytes = pieces.substr(0, bytes);
    pieces.remove_prefix(bytes);
    MR_RETURN_IF_ERROR(load_piece(piece));
  }
  return ok_status();
}

std::uint64_t FingerprintIndex::filter_blocks_max(unsigned tag) const {
  auto ids_max = kFilterIdsBesideRunsMax;
  for (const auto& [known, ids] : load_->ids) ids_max += known == tag ? ids : 0;
  return std::min<std::uint64_t>(IdFilter::kBlocksMax, ids_max / IdFilter::kBlockBytes + 1);
}

Status FingerprintIndex::load_piece(const FilterPiece& piece) {
  if ((load_->covered & ~unlisted_ & bit(piece.tag)) == 0) return ok_status();
  auto filter = std::ranges::find(filters_, piece.number, &Filter::number);
  if (filter == filters_.end()) {
    const auto bytes = piece.blocks * IdFilter::kBlockBytes;
    if (filters_.size() == kFiltersMax || bytes > limit() || filter_bytes_ > limit() - bytes) {
      // It was made under a higher bound.
      unlisted_ |= bit(piece.tag);
      erase_filters(unlisted_);
      return ok_status();
    }
    filters_.push_back({piece.tag, piece.number, IdFilter::of_blocks(piece.blocks)});
    filter_bytes_ += bytes;
    filter = filters_.end() - 1;
  }
  if (filter->tag != piece.tag || filter->ids.block_count() != piece.blocks) {
    return corrupt_error("fingerprints: pieces of a filter do not fit");
  }
  filter->ids.load(piece.first, piece.bytes);
  filter->ids.set_id_count(piece.ids);
  filter->loaded_blocks += piece.bytes.size() / IdFilter::kBlockBytes;
  return ok_status();
}

// Decides as fit() would, before anything of it takes memory.
Status FingerprintIndex::plan_load() {
  MR_CHECK(load_.has_value());
  if (std::exchange(load_->is_planned, true)) return ok_status();
  std::ranges::sort(filters_, {}, &Filter::number);
  std::uint64_t listed = 0;
  for (const auto& filter : filters_) {
    next_number_ = std::max(next_number_, filter.number + 1);
    if (filter.loaded_blocks == filter.ids.block_count()) continue;
    return corrupt_error("fingerprints: a piece of a filter is missing or there twice");
  }
  for (auto& [tag, ids] : load_->ids) {
    for (const auto& filter : filters_) {
      if (filter.tag == tag) ids -= std::min<std::uint64_t>(ids, filter.ids.id_count());
    }
    if (!is_unlisted(tag)) listed += ids;
  }
  auto filter_bytes = filter_bytes_;
  const auto is_over = [&] { return bytes_of_listed(listed) + filter_bytes > limit(); };
  for (const auto& [tag, ids] : load_->ids) {
    if (!is_over()) break;
    if (ids < kFilterIdsMin || is_unlisted(tag)) continue;
    taken_ |= bit(tag);
    listed -= ids;
    filter_bytes += IdFilter::bytes_for(ids);
  }
  for (const auto& [tag, ids] : load_->ids) {
    if (!is_over()) break;
    if (is_unlisted(tag)) continue;
    const bool is_taken = (taken_ & bit(tag)) != 0;
    (is_taken ? filter_bytes : listed) -= is_taken ? IdFilter::bytes_for(ids) : ids;
    for (const auto& filter : filters_) {
      filter_bytes -= filter.tag == tag ? filter.ids.byte_count() : 0;
    }
    unlisted_ |= bit(tag);
    taken_ &= ~unlisted_;
    erase_filters(unlisted_);
  }
  for (const auto& [tag, ids] : load_->ids) {
    if ((taken_ & bit(tag)) != 0) add_filter(tag, IdFilter(ids));
  }
  if (load_->dumped_blocks == 0) return ok_status();
  if (!is_bounded()) return table_.reserve(load_->dumped_blocks);
  const auto needed = std::max<std::uint64_t>(FingerprintTable::kBlocksMin,
                                              listed / FingerprintTable::kMeanEntries);
  return table_.reserve(std::min<std::uint64_t>(load_->dumped_blocks, needed));
}

bool FingerprintIndex::take_loaded(std::uint64_t fingerprint, unsigned tag) {
  return is_unlisted(tag) || ((taken_ >> tag & 1) != 0 && take(fingerprint, tag));
}

void FingerprintIndex::end_load() {
  taken_ = 0;
  load_.reset();
}

}  // namespace millrace::task
