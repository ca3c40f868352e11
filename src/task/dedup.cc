#include "task/dedup.h"

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "task/plan.h"
#include "task/watermark.h"

namespace millrace::task {
namespace {

constexpr std::int64_t kBucketsPerTtl = 24;
constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
constexpr std::size_t kPrefetchedIds = 16;  // ahead of the one that is inserted

}  // namespace

std::uint64_t definition_hash(const DedupPlan& dedup) {
  return hash64("dedup " + std::to_string(dedup.ttl_us) + " " + dedup.id.text());
}

Dedup::Dedup(std::int64_t ttl_us, std::uint64_t hash_secret)
    : ttl_us_(ttl_us),
      bucket_us_(std::max<std::int64_t>(1, ttl_us / kBucketsPerTtl)),
      hash_secret_(hash_secret),
      next_expiry_(kNever) {
  MR_CHECK(ttl_us > 0);
}

void Dedup::set_open_ids_max(std::size_t count) {
  MR_CHECK(count > 0 && count <= OpenIds::kIdsMax);
  open_ids_max_ = count;
}

std::int64_t Dedup::bucket_of(EventTime watermark) const {
  if (watermark == kNoWatermark) return kBeforeWatermark;
  const auto quotient = watermark.value / bucket_us_;
  return quotient - (watermark.value % bucket_us_ < 0 ? 1 : 0);
}

// Whether its end, and when its ids expire, are numbers.
bool Dedup::is_in_range(std::int64_t bucket_number) const {
  const auto farthest = kNever / 2 / bucket_us_;
  return bucket_number == kBeforeWatermark ||
         (-farthest <= bucket_number && bucket_number <= farthest);
}

std::int64_t Dedup::end_of(const Bucket& bucket) const {
  return (bucket.number + 1) * bucket_us_;
}

void Dedup::find_next_expiry() {
  next_expiry_ = kNever;
  if (buckets_.empty()) return;
  const auto& oldest = buckets_.front();
  next_expiry_ = oldest.number == kBeforeWatermark ? kBeforeWatermark : end_of(oldest) + ttl_us_;
}

void Dedup::expire(EventTime watermark) {
  if (watermark.value <= next_expiry_) return;
  while (!buckets_.empty()) {
    auto& oldest = buckets_.front();
    if (oldest.number == kBeforeWatermark) {
      // Filed before there was a clock: counts from the first bucket that has one.
      oldest.number = bucket_of(watermark);
      if (buckets_.size() > 1) oldest.number = std::min(oldest.number, buckets_[1].number);
    }
    if (watermark.value <= end_of(oldest) + ttl_us_) break;
    open_.expire(oldest.open_count);
    live_count_ -= oldest.id_count;
    for (const auto& run : oldest.runs) unattached_count_ -= run.is_attached ? 0 : 1;
    buckets_.pop_front();
  }
  if (open_.size() == 0) without_fingerprint_ = 0;
  filing_from_ = filing_until_ = 0;
  ++runs_version_;
  find_next_expiry();
  set_live_tags();
}

void Dedup::set_live_tags() {
  std::vector<unsigned> tags;
  for (const auto& bucket : buckets_) tags.push_back(bucket.tag);
  fingerprints_.set_live(tags);
}

// A tag comes back after 32 buckets, when those that had it are gone. Should one not be (a TTL of a
// few microseconds has buckets of one), or the table hold left-overs of it, a look-up asks runs for
// nothing, no more.
Dedup::Bucket& Dedup::add_bucket(std::int64_t number) {
  Bucket bucket;
  bucket.number = number;
  bucket.tag = next_tag_;
  next_tag_ = static_cast<std::uint8_t>((next_tag_ + 1) % FingerprintTable::kTagCount);
  buckets_.push_back(std::move(bucket));
  ++runs_version_;
  set_live_tags();
  find_next_expiry();
  return buckets_.back();
}

Dedup::Bucket& Dedup::bucket_for(EventTime watermark) {
  if (watermark.value >= filing_from_ && watermark.value < filing_until_) return buckets_.back();
  const auto number = bucket_of(watermark);
  if (buckets_.empty() || buckets_.back().number < number) add_bucket(number);
  MR_CHECK(buckets_.back().number == number);
  if (number != kBeforeWatermark) {
    filing_from_ = number * bucket_us_;
    filing_until_ = filing_from_ + bucket_us_;
  }
  return buckets_.back();
}

Result<bool> Dedup::insert(const Hash128& id, EventTime watermark) {
  expire(watermark);
  const auto place = open_.find(id);
  if (place.is_found) return false;
  const auto fingerprint = FingerprintTable::fingerprint_of(id);
  FingerprintIndex::Found found;
  if (has_fingerprints_) {
    found = fingerprints_.find(fingerprint);
    if ((found.listed | found.perhaps) != 0) {
      MR_ASSIGN_OR_RETURN(const bool is_known, is_in_runs(id, found));
      if (is_known) return false;
    }
  }
  auto& bucket = bucket_for(watermark);
  open_.add(id, place);
  ++bucket.id_count;
  ++bucket.open_count;
  ++live_count_;
  if (has_fingerprints_ && (found.listed >> bucket.tag & 1) == 0) {
    fingerprints_.insert(fingerprint, bucket.tag);
    if (fingerprints_.is_too_large()) fit_fingerprints();
  }
  if (open_.size() >= open_ids_max_) seal();
  return true;
}

Result<bool> Dedup::is_in_runs(const Hash128& id, FingerprintIndex::Found found) {
  const auto tags = found.listed | found.perhaps;
  for (auto bucket = buckets_.rbegin(); bucket != buckets_.rend(); ++bucket) {
    if ((tags >> bucket->tag & 1) == 0) continue;
    for (auto run = bucket->runs.rbegin(); run != bucket->runs.rend(); ++run) {
      MR_CHECK(run->reader != nullptr);
      ++run_lookups_;
      direct_lookups_ += found.perhaps >> bucket->tag & 1;
      auto is_known = run->reader->contains(id);
      if (!is_known.is_ok() || *is_known) return is_known;
    }
  }
  return false;
}

// What is unlisted now is in no dump that is still being made.
void Dedup::fit_fingerprints() {
  fingerprints_.fit();
  ++runs_version_;
  if (!is_dumping()) return;
  for (auto& bucket : buckets_) {
    if (!fingerprints_.is_unlisted(bucket.tag)) continue;
    for (auto& run : bucket.runs) run.is_being_covered = false;
  }
}

bool Dedup::tidy(std::size_t steps) {
  if (fingerprints_.is_too_large()) fit_fingerprints();
  return fingerprints_.tidy(steps);
}

void Dedup::seal() {
  const auto ids = open_.live();
  auto unmarked = has_fingerprints_ ? without_fingerprint_ : open_.size();
  unmarked -= std::min(unmarked, open_.expired_count());
  std::size_t begin = 0;
  for (auto& bucket : buckets_) {
    if (bucket.open_count == 0) continue;
    const auto own = ids.subspan(begin, bucket.open_count);
    if (begin < unmarked) mark(bucket, own.first(std::min(own.size(), unmarked - begin)));
    begin += own.size();
    std::vector<Hash128> sorted(own.begin(), own.end());
    sort_ids(sorted);
    auto run = std::make_shared<SealedRun>(bucket.number, sorted);
    bucket.runs.push_back({run->name(), run});
    sealed_.push_back(std::move(run));
    ++unattached_count_;
    bucket.open_count = 0;
    has_fingerprints_ = true;
  }
  MR_CHECK(begin == ids.size());
  open_.clear();
  without_fingerprint_ = 0;
  ++runs_version_;
}

void Dedup::mark(const Bucket& bucket, std::span<const Hash128> ids) {
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (i + kPrefetchedIds < ids.size()) {
      fingerprints_.prefetch(FingerprintTable::fingerprint_of(ids[i + kPrefetchedIds]));
    }
    fingerprints_.insert_if_absent(FingerprintTable::fingerprint_of(ids[i]), bucket.tag);
    if (fingerprints_.is_too_large()) fit_fingerprints();
  }
}

std::vector<std::shared_ptr<const SealedRun>> Dedup::take_sealed_runs() {
  return std::exchange(sealed_, {});
}

Dedup::Run* Dedup::find_run(const Hash128& content) {
  for (auto& bucket : buckets_) {
    for (auto& run : bucket.runs) {
      if (run.name.content == content) return &run;
    }
  }
  return nullptr;
}

bool Dedup::attach_run(const Hash128& content, std::shared_ptr<IdRunReader> reader) {
  MR_CHECK(reader != nullptr);
  auto* const run = find_run(content);
  if (run == nullptr) return false;
  ++runs_version_;
  run->reader = std::move(reader);
  unattached_count_ -= run->is_attached ? 0 : 1;
  run->is_attached = true;
  return true;
}

bool Dedup::replace_runs(std::span<const IdRunName> inputs, const IdRunName& merged,
                         std::shared_ptr<IdRunReader> reader) {
  MR_CHECK(reader != nullptr);
  const auto is_input = [&](const Run& run) {
    return std::ranges::find(inputs, run.name) != inputs.end();
  };
  for (auto& bucket : buckets_) {
    const auto found = static_cast<std::size_t>(std::ranges::count_if(bucket.runs, is_input));
    if (found != inputs.size()) continue;
    Run run{merged, std::move(reader), true, true, true};
    std::uint64_t id_count = 0;
    for (const auto& input : bucket.runs) {
      if (!is_input(input)) continue;
      MR_CHECK(input.is_attached);
      run.is_covered &= input.is_covered;
      run.is_being_covered &= input.is_being_covered;
      id_count += input.name.id_count;
    }
    MR_CHECK(id_count == merged.id_count);
    const auto first = std::ranges::find_if(bucket.runs, is_input);
    *first = std::move(run);
    std::erase_if(bucket.runs, is_input);
    ++runs_version_;
    return true;
  }
  return false;
}

std::vector<Dedup::RunState> Dedup::runs() const {
  std::vector<RunState> all;
  for (const auto& bucket : buckets_) {
    for (const auto& run : bucket.runs) {
      all.push_back({run.name, bucket.number, &bucket == &buckets_.back(), run.reader != nullptr,
                     run.is_attached, run.is_covered, fingerprints_.is_unlisted(bucket.tag)});
    }
  }
  return all;
}

std::size_t Dedup::fingerprint_bytes_wanted() const {
  const bool has_none = !has_fingerprints_ && unattached_count_ == 0;
  return FingerprintIndex::bytes_wanted(has_none ? 0 : live_count_);
}

Dedup::Counts Dedup::counts() const {
  Counts counts;
  counts.live_ids = live_count_;
  counts.open_ids = open_.live().size();
  counts.unattached_runs = unattached_count_;
  counts.fingerprints = fingerprints_.listed_count();
  counts.fingerprint_bytes = has_fingerprints_ ? fingerprints_.byte_count() : 0;
  counts.fingerprint_bytes_max = fingerprints_.bytes_max();
  counts.compact_ids = fingerprints_.compact_count();
  counts.run_lookups = run_lookups_;
  counts.direct_lookups = direct_lookups_;
  for (const auto& bucket : buckets_) {
    counts.runs += bucket.runs.size();
    if (fingerprints_.is_unlisted(bucket.tag)) counts.unlisted_ids += bucket.id_count;
  }
  return counts;
}

}  // namespace millrace::task
