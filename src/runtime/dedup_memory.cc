#include "runtime/dedup_memory.h"

#include <algorithm>
#include <mutex>
#include <utility>

namespace millrace::runtime {
namespace {

constexpr std::size_t kGrainShare = 1024;  // of the bound: smaller changes are not dealt anew

}  // namespace

DedupMemory::DedupMemory(std::size_t bytes_max, std::function<void(const std::string&)> on_short)
    : bytes_max_(bytes_max), on_short_(std::move(on_short)), level_(bytes_max), left_(bytes_max) {}

void DedupMemory::expect(std::size_t tasks) {
  const std::lock_guard lock(mutex_);
  expected_ += tasks;
  deal();
}

DedupMemory::Claim::Claim(DedupMemory& memory, Kind kind) : memory_(memory), kind_(kind) {
  const std::lock_guard lock(memory_.mutex_);
  memory_.claims_.push_back(this);
}

DedupMemory::Claim::~Claim() {
  const std::lock_guard lock(memory_.mutex_);
  std::erase(memory_.claims_, this);
  memory_.deal();
}

void DedupMemory::Claim::apply_to(task::Dedup& dedup) {
  dedup.set_fingerprint_bytes_max(memory_.share_of(*this, dedup.fingerprint_bytes_wanted()));
  if (dedup.is_bounded() && kind_ == Kind::task) memory_.note_short();
}

std::size_t DedupMemory::share_of(Claim& claim, std::size_t wanted) {
  const auto grain = bytes_max_ / kGrainShare + 1;
  wanted = std::min(bytes_max_, (wanted + grain - 1) / grain * grain);
  const std::lock_guard lock(mutex_);
  if (claim.kind_ == Kind::guest) {
    return left_ / static_cast<std::size_t>(std::ranges::count(
                       claims_, Kind::guest, [](const Claim* known) { return known->kind_; }));
  }
  const bool is_first = !std::exchange(claim.has_said_, true);
  if (is_first && expected_ > 0) --expected_;
  if (is_first || wanted != claim.wanted_) {
    claim.wanted_ = wanted;
    deal();
  }
  return std::min(level_, wanted + left_ / claims_.size());
}

// Max-min fairness: the smallest wishes are met as long as they are below an equal share of what is
// left.
void DedupMemory::deal() {
  std::vector<std::size_t> wishes(expected_, bytes_max_);
  for (const auto* claim : claims_) {
    if (claim->has_said_) wishes.push_back(claim->wanted_);
  }
  std::ranges::sort(wishes);
  left_ = bytes_max_;
  level_ = bytes_max_;
  auto count = wishes.size();
  for (const auto wish : wishes) {
    if (wish > left_ / count) {
      level_ = left_ / count;
      left_ = 0;
      return;
    }
    left_ -= wish;
    --count;
  }
}

void DedupMemory::note_short() {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(has_told_, true)) return;
  }
  if (!on_short_) return;
  on_short_("deduplication has more live ids than fit into " + std::to_string(bytes_max_ >> 20) +
            " MiB of fingerprints: the oldest are kept in less memory or looked up in runs, which "
            "is slower and changes no result; processor.dedup_memory_mb is the bound, `status` "
            "shows direct_lookups");
}

}  // namespace millrace::runtime
