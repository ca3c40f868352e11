#include "task/dedup.h"

#include <algorithm>
#include <limits>
#include <string>

#include "base/check.h"
#include "task/plan.h"
#include "task/watermark.h"

namespace millrace::task {
namespace {

constexpr std::int64_t kBucketsPerTtl = 24;
// Before the first watermark ids are filed here; it is older than every real bucket.
constexpr std::int64_t kBeforeWatermark = std::numeric_limits<std::int64_t>::min();

}  // namespace

std::uint64_t definition_hash(const DedupPlan& dedup) {
  return hash64("dedup " + std::to_string(dedup.ttl_us) + " " + dedup.id.text());
}

Dedup::Dedup(std::int64_t ttl_us, std::uint64_t hash_secret)
    : ttl_us_(ttl_us),
      bucket_us_(std::max<std::int64_t>(1, ttl_us / kBucketsPerTtl)),
      hash_secret_(hash_secret) {
  MR_CHECK(ttl_us > 0);
}

std::int64_t Dedup::bucket_of(EventTime watermark) const {
  if (watermark == kNoWatermark) return kBeforeWatermark;
  const auto quotient = watermark.value / bucket_us_;
  return quotient - (watermark.value % bucket_us_ < 0 ? 1 : 0);
}

void Dedup::expire(EventTime watermark) {
  if (watermark == kNoWatermark) return;
  while (!buckets_.empty()) {
    auto& oldest = buckets_.front();
    if (oldest.number == kBeforeWatermark) {
      // Filed before there was a clock: counts from the first bucket that has one.
      oldest.number = bucket_of(watermark);
      if (buckets_.size() > 1) oldest.number = std::min(oldest.number, buckets_[1].number);
    }
    const auto end = (oldest.number + 1) * bucket_us_;
    if (watermark.value <= end + ttl_us_) return;
    for (const auto& id : oldest.ids) ids_.erase(id);
    buckets_.pop_front();
  }
}

bool Dedup::insert(const Hash128& id, EventTime watermark) {
  expire(watermark);
  if (!ids_.insert(id).second) return false;
  const auto number = bucket_of(watermark);
  if (buckets_.empty() || buckets_.back().number < number) {
    buckets_.push_back({number, {}});
  }
  MR_CHECK(buckets_.back().number == number);
  buckets_.back().ids.push_back(id);
  return true;
}

Hash128 Dedup::definition_hash() const {
  return hash128("dedup " + std::to_string(ttl_us_), hash_secret_);
}

void Dedup::snapshot(Encoder& to) const {
  const auto definition = definition_hash();
  to.u64(definition.low);
  to.u64(definition.high);
  to.varint(buckets_.size());
  for (const auto& bucket : buckets_) {
    to.zigzag(bucket.number);
    to.varint(bucket.ids.size());
    for (const auto& id : bucket.ids) {
      to.u64(id.low);
      to.u64(id.high);
    }
  }
}

Status Dedup::restore(Decoder& from) {
  ids_.clear();
  buckets_.clear();
  Hash128 definition;
  definition.low = from.u64();
  definition.high = from.u64();
  if (definition != definition_hash()) {
    return invalid_error("the snapshot's ids were kept under another ttl or hash secret");
  }
  const auto bucket_count = from.varint();
  for (std::uint64_t b = 0; b < bucket_count && !from.has_failed(); ++b) {
    Bucket bucket{from.zigzag(), {}};
    const auto id_count = from.varint();
    if (id_count > from.remaining_bytes() / sizeof(Hash128)) {
      return corrupt_error("snapshot: fewer ids than it says");
    }
    bucket.ids.reserve(id_count);
    for (std::uint64_t i = 0; i < id_count; ++i) {
      Hash128 id;
      id.low = from.u64();
      id.high = from.u64();
      bucket.ids.push_back(id);
      ids_.insert(id);
    }
    buckets_.push_back(std::move(bucket));
  }
  return ok_status();
}

}  // namespace millrace::task
