// What of a task's deduplication goes into snapshots and dumps of fingerprints, and comes back.

#include <algorithm>

#include "base/check.h"
#include "task/dedup.h"

namespace millrace::task {
namespace {

// Of fingerprints read from runs, inserted together: 16 MiB, and as much for their order.
constexpr std::size_t kMarkedMax = std::size_t{2} << 20;

void append_hash(Encoder& to, const Hash128& hash) {
  to.u64(hash.low);
  to.u64(hash.high);
}

Hash128 read_hash(Decoder& from) {
  Hash128 hash;
  hash.low = from.u64();
  hash.high = from.u64();
  return hash;
}

Status too_few(std::string_view what) {
  return corrupt_error("snapshot: fewer " + std::string(what) + " than it says");
}

}  // namespace

Hash128 Dedup::definition_hash() const {
  return hash128("dedup " + std::to_string(ttl_us_), hash_secret_);
}

std::uint64_t Dedup::uncovered_ids() const {
  std::uint64_t count = 0;
  for (const auto& bucket : buckets_) {
    if (fingerprints_.is_unlisted(bucket.tag)) continue;
    for (const auto& run : bucket.runs) count += run.is_covered ? 0 : run.name.id_count;
  }
  return count;
}

void Dedup::begin_dump() {
  for (auto& bucket : buckets_) {
    const bool is_dumped = !fingerprints_.is_unlisted(bucket.tag);
    for (auto& run : bucket.runs) run.is_being_covered = is_dumped;
  }
  fingerprints_.begin_dump();
}

Dedup::DumpStep Dedup::continue_dump(std::size_t bytes_max, std::string& out) {
  return fingerprints_.continue_dump(bytes_max, out);
}

void Dedup::finish_dump(std::vector<DumpPart> parts) {
  MR_CHECK(is_dumping());
  for (auto& bucket : buckets_) {
    for (auto& run : bucket.runs) run.is_covered = std::exchange(run.is_being_covered, false);
  }
  dump_parts_ = std::move(parts);
  dump_blocks_ = fingerprints_.block_count();
  fingerprints_.end_dump();
  ++runs_version_;
}

void Dedup::snapshot(Encoder& to) const {
  append_hash(to, definition_hash());
  to.varint(buckets_.size());
  auto ids = open_.live();
  for (const auto& bucket : buckets_) {
    to.zigzag(bucket.number);
    to.u8(bucket.tag);
    to.varint(bucket.runs.size());
    for (const auto& run : bucket.runs) {
      append_hash(to, run.name.content);
      to.varint(run.name.id_count);
      to.boolean(run.is_covered);
    }
    to.varint(bucket.open_count);
    for (const auto& id : ids.first(bucket.open_count)) append_hash(to, id);
    ids = ids.subspan(bucket.open_count);
  }
  to.varint(dump_blocks_);
  to.varint(dump_parts_.size());
  for (const auto& part : dump_parts_) {
    append_hash(to, part.content);
    to.varint(part.bytes);
  }
}

Status Dedup::restore_definition(Decoder& from) {
  MR_CHECK(buckets_.empty());
  if (read_hash(from) == definition_hash()) return ok_status();
  return invalid_error("the snapshot's ids were kept under another ttl or hash secret");
}

Status Dedup::restore(Decoder& from) {
  MR_RETURN_IF_ERROR(restore_definition(from));
  const auto bucket_count = from.varint();
  for (std::uint64_t b = 0; b < bucket_count && !from.has_failed(); ++b) {
    MR_RETURN_IF_ERROR(restore_bucket(from));
  }
  set_live_tags();
  find_next_expiry();
  without_fingerprint_ = open_.size();
  dump_blocks_ = from.varint();
  const auto part_count = from.varint();
  for (std::uint64_t i = 0; i < part_count && !from.has_failed(); ++i) {
    const auto content = read_hash(from);
    dump_parts_.push_back({content, from.varint()});
  }
  if (from.has_failed() || dump_parts_.empty()) return ok_status();  // finish() says what is wrong
  return FingerprintTable::check_block_count(dump_blocks_);
}

Status Dedup::restore_bucket(Decoder& from) {
  const auto number = from.zigzag();
  if (!is_in_range(number)) return corrupt_error("snapshot: no bucket of ids is that far");
  auto& bucket = add_bucket(number);
  if (buckets_.size() > 1 && buckets_[buckets_.size() - 2].number >= bucket.number) {
    return corrupt_error("snapshot: buckets of ids do not ascend");
  }
  bucket.tag = from.u8();
  if (bucket.tag >= FingerprintTable::kTagCount) return corrupt_error("snapshot: no such tag");
  next_tag_ = static_cast<std::uint8_t>((bucket.tag + 1) % FingerprintTable::kTagCount);
  const auto run_count = from.varint();
  for (std::uint64_t i = 0; i < run_count && !from.has_failed(); ++i) {
    Run run;
    run.name.content = read_hash(from);
    run.name.id_count = from.varint();
    run.is_covered = from.boolean();
    if (run.name.id_count == 0 || run.name.id_count > kIdsPerRunMax) {
      return corrupt_error("snapshot: no run has that many ids");
    }
    bucket.id_count += run.name.id_count;
    bucket.runs.push_back(std::move(run));
    ++unattached_count_;
    has_fingerprints_ = true;
  }
  const auto open_count = from.varint();
  if (open_count > from.remaining_bytes() / sizeof(Hash128) ||
      open_count >= OpenIds::kIdsMax - open_.size()) {
    return too_few("ids");
  }
  for (std::uint64_t i = 0; i < open_count; ++i) {
    const auto id = read_hash(from);
    const auto place = open_.find(id);
    if (place.is_found) return corrupt_error("snapshot: an id occurs twice");
    open_.add(id, place);
  }
  bucket.open_count = open_count;
  bucket.id_count += open_count;
  live_count_ += bucket.id_count;
  return ok_status();
}

// Ids are filed in one order, and the owner's are the first ones of every bucket.
Status Dedup::check_follows(const Bucket& bucket, const Bucket& owners) {
  const bool is_later = bucket.id_count >= owners.id_count &&
                        bucket.id_count - owners.id_count + owners.open_count <= bucket.open_count;
  if (is_later) return ok_status();
  return corrupt_error("the owner's snapshot has ids that its follower does not have");
}

void Dedup::take_runs(Bucket& bucket, const Bucket& owners) {
  std::vector<Run> runs;
  for (const auto& theirs : owners.runs) {
    const auto known = std::ranges::find_if(
        bucket.runs, [&](const Run& run) { return run.name == theirs.name && run.is_attached; });
    auto& run = runs.emplace_back(known != bucket.runs.end() ? *known : theirs);
    run.is_covered = theirs.is_covered;
  }
  for (const auto& run : bucket.runs) unattached_count_ -= run.is_attached ? 0 : 1;
  for (const auto& run : runs) unattached_count_ += run.is_attached ? 0 : 1;
  bucket.runs = std::move(runs);
}

Status Dedup::follow_runs(const Dedup& owner) {
  MR_CHECK(!is_dumping());
  auto theirs = owner.buckets_.begin();
  if (theirs != owner.buckets_.end() && theirs->number == kBeforeWatermark) return ok_status();
  // Those have expired here.
  while (theirs != owner.buckets_.end() &&
         (buckets_.empty() || theirs->number < buckets_.front().number)) {
    ++theirs;
  }
  const auto ids = open_.live();
  auto unmarked = has_fingerprints_ ? without_fingerprint_ : open_.size();
  unmarked -= std::min(unmarked, open_.expired_count());
  std::vector<Hash128> kept;
  std::size_t kept_unmarked = 0;
  std::size_t begin = 0;
  bool has_same_tags = true;
  for (auto& bucket : buckets_) {
    auto stays = bucket.open_count;
    if (theirs != owner.buckets_.end() && theirs->number == bucket.number) {
      MR_RETURN_IF_ERROR(check_follows(bucket, *theirs));
      stays = static_cast<std::size_t>(bucket.id_count - theirs->id_count) + theirs->open_count;
      has_same_tags &= theirs->tag == bucket.tag;
      take_runs(bucket, *theirs++);
    } else if (!bucket.runs.empty()) {
      return corrupt_error("the owner's snapshot does not have ids that its follower has");
    }
    const auto own = ids.subspan(begin, bucket.open_count);
    const auto bare = std::min(own.size(), unmarked - std::min(unmarked, begin));
    const auto leaving = own.size() - stays;
    if (leaving > 0) mark(bucket, own.first(std::min(leaving, bare)));
    kept_unmarked += bare - std::min(leaving, bare);
    kept.insert(kept.end(), own.end() - static_cast<std::ptrdiff_t>(stays), own.end());
    has_fingerprints_ |= !bucket.runs.empty();
    begin += own.size();
    bucket.open_count = stays;
  }
  if (theirs != owner.buckets_.end()) {
    return corrupt_error("the owner's snapshot has newer ids than its follower");
  }
  open_.clear();
  for (const auto& id : kept) open_.add(id, open_.find(id));
  without_fingerprint_ = kept_unmarked;
  sealed_.clear();
  ++runs_version_;
  // Entries of a dump bear the owner's tags.
  dump_parts_ = has_same_tags ? owner.dump_parts_ : std::vector<DumpPart>();
  dump_blocks_ = has_same_tags ? owner.dump_blocks_ : 0;
  if (has_same_tags) return ok_status();
  for (auto& bucket : buckets_) {
    for (auto& run : bucket.runs) run.is_covered = false;
  }
  return ok_status();
}

// An entry of a dump of another bucket than covered ones is that of an open id, which is in a run
// that is read, or of a bucket that expired and had this tag before.
void Dedup::begin_fingerprints(bool has_dump) {
  std::vector<FingerprintIndex::TagIds> ids;
  std::uint32_t covered = 0;
  for (const auto& bucket : buckets_) {
    ids.push_back({bucket.tag, bucket.id_count - bucket.open_count});
    const bool is_covered = std::ranges::any_of(bucket.runs, &Run::is_covered);
    if (has_dump && is_covered) covered |= 1u << bucket.tag;
  }
  marked_.clear();
  fingerprints_.begin_load(std::move(ids), covered, has_dump ? dump_blocks_ : 0);
}

void Dedup::add_fingerprints(const Hash128& run, std::span<const Hash128> ids) {
  for (const auto& bucket : buckets_) {
    const bool is_here = std::ranges::any_of(
        bucket.runs, [&](const Run& known) { return known.name.content == run; });
    if (!is_here) continue;
    for (const auto& id : ids) {
      const auto fingerprint = FingerprintTable::fingerprint_of(id);
      if (fingerprints_.take_loaded(fingerprint, bucket.tag)) continue;
      marked_.push_back({fingerprint, bucket.tag});
      if (marked_.size() == kMarkedMax) insert_marked();
    }
    return;
  }
  MR_CHECK(false);
}

void Dedup::insert_marked() {
  fingerprints_.insert_all(marked_);
  marked_.clear();
}

void Dedup::finish_fingerprints() {
  insert_marked();
  marked_.shrink_to_fit();
  fingerprints_.end_load();
}

}  // namespace millrace::task
