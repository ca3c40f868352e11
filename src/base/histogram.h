#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace millrace {

// A latency distribution in fixed memory (10 KiB): every power of two is cut into 32 equal buckets
// (log-linear, the scheme of HdrHistogram), so an answer is at most 1/32 (3.2 %) above a recorded
// value. Values from 0 to 2^42 ns (73 minutes); what lies outside counts as the nearest bound.
// One thread at a time; several threads keep one each and merge.
class Histogram {
 public:
  static constexpr std::int64_t kNanosMax = (std::int64_t{1} << 42) - 1;

  void record(std::int64_t nanos) {
    const std::uint64_t value = clamped(nanos);
    ++counts_[bucket_of(value)];
    ++count_;
    sum_ns_ += value;
    if (value < min_ns_) min_ns_ = value;
    if (value > max_ns_) max_ns_ = value;
  }

  // Adds everything `other` recorded, as if it had been recorded here.
  void merge(const Histogram& other);
  void reset() { *this = Histogram(); }

  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] std::uint64_t sum_ns() const { return sum_ns_; }
  // 0 when nothing was recorded; exact otherwise.
  [[nodiscard]] std::int64_t min_ns() const {
    return count_ == 0 ? 0 : static_cast<std::int64_t>(min_ns_);
  }
  [[nodiscard]] std::int64_t max_ns() const { return static_cast<std::int64_t>(max_ns_); }

  // The smallest bucket's end (or the maximum, if that is smaller) such that at least `percent` %
  // of the values are not above it. 0 <= percent <= 100; 0 when nothing was recorded.
  [[nodiscard]] std::int64_t percentile_ns(double percent) const;

  // How many values lie in buckets that end at or below `nanos`: for cumulative exposition. Exact
  // at 0 and where nanos + 1 is a power of two; elsewhere up to one bucket too few.
  [[nodiscard]] std::uint64_t count_at_most(std::int64_t nanos) const;

 private:
  static constexpr int kSubBucketBits = 5;
  static constexpr std::uint64_t kSubBuckets = std::uint64_t{1} << kSubBucketBits;
  static constexpr std::size_t kBuckets = (42 - kSubBucketBits + 1) * kSubBuckets;

  static std::uint64_t clamped(std::int64_t nanos) {
    if (nanos < 0) return 0;
    return static_cast<std::uint64_t>(nanos > kNanosMax ? kNanosMax : nanos);
  }
  static std::size_t bucket_of(std::uint64_t value) {
    if (value < kSubBuckets) return value;
    const int shift = static_cast<int>(std::bit_width(value)) - 1 - kSubBucketBits;
    return static_cast<std::size_t>(shift) * kSubBuckets + (value >> shift);
  }
  // The largest value of the bucket.
  static std::uint64_t bucket_end(std::size_t bucket) {
    if (bucket < 2 * kSubBuckets) return bucket;
    const std::size_t shift = bucket / kSubBuckets - 1;
    return ((bucket - shift * kSubBuckets + 1) << shift) - 1;
  }

  std::array<std::uint64_t, kBuckets> counts_{};
  std::uint64_t count_ = 0;
  std::uint64_t sum_ns_ = 0;
  std::uint64_t min_ns_ = ~std::uint64_t{0};
  std::uint64_t max_ns_ = 0;
};

}  // namespace millrace
