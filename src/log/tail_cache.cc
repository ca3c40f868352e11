#include "base/check.h"
#include "log/embedded_log_impl.h"

namespace millrace::log {

namespace {

// What a small batch costs beside its bytes: the string, its control block, the entry here.
constexpr std::size_t kOverheadBytes = 128;

}  // namespace

void TailCache::add(const std::shared_ptr<PartitionLog>& partition, std::uint64_t tail_index,
                    std::size_t batch_bytes) {
  const std::size_t cached_bytes = batch_bytes + kOverheadBytes;
  entries_.push_back({partition, tail_index, cached_bytes});
  bytes_ += cached_bytes;
  while (bytes_ > bytes_max_ && !entries_.empty()) {
    const Entry& oldest = entries_.front();
    if (const auto holder = oldest.partition.lock()) holder->evict(oldest.tail_index);
    MR_CHECK(bytes_ >= oldest.cached_bytes);
    bytes_ -= oldest.cached_bytes;
    entries_.pop_front();
  }
}

}  // namespace millrace::log
