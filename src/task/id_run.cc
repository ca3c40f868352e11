#include "task/id_run.h"

#include <algorithm>
#include <bit>
#include <tuple>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"

namespace millrace::task {
namespace {

constexpr std::uint32_t kMagic = 0x5244494d;  // "MIDR"
constexpr std::uint32_t kFormatVersion = 1;
constexpr std::uint64_t kContentSeed = 0x6d69647264656475;  // part of the run's name
constexpr std::size_t kBlockBodyBytes = kIdRunBlockBytes - sizeof(std::uint32_t);
constexpr std::size_t kGroupIds = 16;      // a group of the radix pass holds about that many
constexpr std::size_t kInsertionMax = 48;  // above it std::sort is faster

void sort_group(std::span<Hash128> group) {
  if (group.size() > kInsertionMax) {
    std::ranges::sort(group, is_before);
    return;
  }
  for (std::size_t i = 1; i < group.size(); ++i) {
    const Hash128 id = group[i];
    std::size_t at = i;
    for (; at > 0 && is_before(id, group[at - 1]); --at) group[at] = group[at - 1];
    group[at] = id;
  }
}

}  // namespace

// One counting pass by the leading bits, which are uniform, leaves groups of a few ids.
void sort_ids(std::vector<Hash128>& ids) {
  if (ids.size() <= kInsertionMax) return sort_group(ids);
  const int bits = std::min(16, static_cast<int>(std::bit_width(ids.size() / kGroupIds)));
  const int shift = 64 - bits;
  std::vector<std::size_t> ends((std::size_t{1} << bits) + 1);
  for (const auto& id : ids) ++ends[(id.high >> shift) + 1];
  for (std::size_t i = 1; i < ends.size(); ++i) ends[i] += ends[i - 1];
  std::vector<Hash128> sorted(ids.size());
  for (const auto& id : ids) sorted[ends[id.high >> shift]++] = id;
  std::size_t begin = 0;
  for (std::size_t i = 0; i + 1 < ends.size(); ++i) {  // ends[i] is now the end of group i
    sort_group(std::span(sorted).subspan(begin, ends[i] - begin));
    begin = ends[i];
  }
  ids = std::move(sorted);
}

IdRunEncoder::IdRunEncoder(std::int64_t bucket, std::uint64_t id_count_max) : bucket_(bucket) {
  bytes_.reserve(IdRunName{{}, id_count_max}.byte_count());
}

void IdRunEncoder::add(const Hash128& id) {
  if (id_count_ > 0 && id == last_) return;
  MR_CHECK(id_count_ == 0 || is_before(last_, id));
  if (id_count_ % kIdsPerBlock == 0) {
    if (id_count_ > 0) close_block();
    first_high_.push_back(id.high);
  }
  append_little(bytes_, id.low);
  append_little(bytes_, id.high);
  last_ = id;
  ++id_count_;
}

void IdRunEncoder::close_block() {
  const auto begin = (first_high_.size() - 1) * kIdRunBlockBytes;
  bytes_.resize(begin + kBlockBodyBytes);
  append_little(bytes_, crc32c(std::string_view(bytes_).substr(begin)));
}

std::pair<IdRunName, std::string> IdRunEncoder::finish() {
  MR_CHECK(id_count_ > 0);
  close_block();
  const auto index_position = bytes_.size();
  for (const auto high : first_high_) append_little(bytes_, high);
  const auto index_crc = crc32c(std::string_view(bytes_).substr(index_position));
  const auto footer_position = bytes_.size();
  append_little(bytes_, kMagic);
  append_little(bytes_, kFormatVersion);
  append_little(bytes_, static_cast<std::uint64_t>(bucket_));
  append_little(bytes_, id_count_);
  append_little(bytes_, index_crc);
  append_little(bytes_, crc32c(std::string_view(bytes_).substr(footer_position)));
  const IdRunName name{hash128(bytes_, kContentSeed), id_count_};
  MR_CHECK(bytes_.size() == name.byte_count());
  return {name, std::move(bytes_)};
}

Result<IdRunIndex> IdRunIndex::parse(const IdRunName& name, std::string_view tail) {
  if (name.id_count == 0 || tail.size() != name.byte_count() - name.index_position()) {
    return corrupt_error("run of ids: it has another length");
  }
  const auto entries = tail.substr(0, tail.size() - kIdRunFooterBytes);
  const auto footer = tail.substr(entries.size());
  const auto crc_at = kIdRunFooterBytes - sizeof(std::uint32_t);
  if (load_little<std::uint32_t>(footer.data() + crc_at) != crc32c(footer.substr(0, crc_at)) ||
      load_little<std::uint32_t>(footer.data()) != kMagic) {
    return corrupt_error("run of ids: the footer's checksum differs");
  }
  if (load_little<std::uint32_t>(footer.data() + 4) != kFormatVersion) {
    return unsupported_error("run of ids: unknown format version");
  }
  if (load_little<std::uint64_t>(footer.data() + 16) != name.id_count ||
      load_little<std::uint32_t>(footer.data() + 24) != crc32c(entries)) {
    return corrupt_error("run of ids: the index is not that of its ids");
  }
  IdRunIndex index;
  index.bucket_ = static_cast<std::int64_t>(load_little<std::uint64_t>(footer.data() + 8));
  index.first_high_.resize(name.block_count());
  for (std::size_t i = 0; i < index.first_high_.size(); ++i) {
    index.first_high_[i] = load_little<std::uint64_t>(entries.data() + i * sizeof(std::uint64_t));
  }
  return index;
}

// Blocks that begin with the id's own `high` may follow one that ends with it.
std::pair<std::size_t, std::size_t> IdRunIndex::blocks_for(const Hash128& id) const {
  const auto [begin, end] = std::ranges::equal_range(first_high_, id.high);
  auto first = static_cast<std::size_t>(begin - first_high_.begin());
  const auto last = static_cast<std::size_t>(end - first_high_.begin());
  if (first > 0) --first;
  return {first, last};
}

std::size_t ids_in_block(const IdRunName& name, std::size_t block) {
  MR_CHECK(block < name.block_count());
  return static_cast<std::size_t>(
      std::min<std::uint64_t>(kIdsPerBlock, name.id_count - block * kIdsPerBlock));
}

Status check_block(std::string_view block) {
  if (block.size() != kIdRunBlockBytes) return corrupt_error("run of ids: a block is cut");
  if (crc32c(block.substr(0, kBlockBodyBytes)) !=
      load_little<std::uint32_t>(block.data() + kBlockBodyBytes)) {
    return corrupt_error("run of ids: a block's checksum differs");
  }
  return ok_status();
}

Hash128 id_at(std::string_view block, std::size_t index) {
  const char* const at = block.data() + index * sizeof(Hash128);
  return {load_little<std::uint64_t>(at), load_little<std::uint64_t>(at + sizeof(std::uint64_t))};
}

bool is_in_block(std::string_view block, std::size_t id_count, const Hash128& id) {
  std::size_t begin = 0;
  std::size_t end = id_count;
  while (begin < end) {
    const auto middle = begin + (end - begin) / 2;
    const auto found = id_at(block, middle);
    if (found == id) return true;
    if (is_before(found, id)) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  return false;
}

SealedRun::SealedRun(std::int64_t bucket, std::span<const Hash128> ids) {
  IdRunEncoder encoder(bucket, ids.size());
  for (const auto& id : ids) encoder.add(id);
  std::tie(name_, bytes_) = encoder.finish();
  auto index = IdRunIndex::parse(name_, std::string_view(bytes_).substr(name_.index_position()));
  MR_CHECK(index.is_ok());
  index_ = std::move(index).value();
}

Result<bool> SealedRun::contains(const Hash128& id) {
  const auto [first, last] = index_.blocks_for(id);
  for (auto block = first; block < last; ++block) {
    const auto ids = std::string_view(bytes_).substr(block * kIdRunBlockBytes, kIdRunBlockBytes);
    if (is_in_block(ids, ids_in_block(name_, block), id)) return true;
  }
  return false;
}

}  // namespace millrace::task
