#include "base/histogram.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace millrace {

void Histogram::merge(const Histogram& other) {
  for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  sum_ns_ += other.sum_ns_;
  min_ns_ = std::min(min_ns_, other.min_ns_);
  max_ns_ = std::max(max_ns_, other.max_ns_);
}

std::int64_t Histogram::percentile_ns(double percent) const {
  MR_CHECK(percent >= 0 && percent <= 100);
  if (count_ == 0) return 0;
  const double share = std::ceil(percent / 100 * static_cast<double>(count_));
  const auto wanted = std::clamp<std::uint64_t>(static_cast<std::uint64_t>(share), 1, count_);
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    seen += counts_[i];
    if (seen >= wanted) return static_cast<std::int64_t>(std::min(bucket_end(i), max_ns_));
  }
  MR_CHECK(false && "the buckets hold as many values as were counted");
  return 0;
}

std::uint64_t Histogram::count_at_most(std::int64_t nanos) const {
  if (nanos < 0) return 0;
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    if (bucket_end(i) > static_cast<std::uint64_t>(nanos)) break;
    seen += counts_[i];
  }
  return seen;
}

}  // namespace millrace
