#include "task/outputs.h"

#include "base/check.h"
#include "base/hash.h"

namespace millrace::task {

Outputs::Outputs(std::vector<OutputTopic> topics) : topics_(std::move(topics)) {
  for (std::size_t output = 0; output < topics_.size(); ++output) {
    MR_CHECK(topics_[output].partition_count > 0);
    first_slot_.push_back(slots_.size());
    for (std::int32_t p = 0; p < topics_[output].partition_count; ++p) {
      slots_.push_back({output, p, codec::RecordBatchBuilder(topics_[output].compression), {}});
    }
  }
}

void Outputs::append(std::size_t output, std::int32_t partition, const OutputRecord& record) {
  MR_CHECK(output < topics_.size());
  MR_CHECK(partition >= 0 && partition < topics_[output].partition_count);
  if (is_suppressed_) return;
  const auto slot = first_slot_[output] + static_cast<std::size_t>(partition);
  auto& [of, at, builder, full] = slots_[slot];
  if (builder.empty() && full.empty()) touched_.push_back(slot);
  const auto before = builder.plain_bytes();
  if (record.encoded_headers.empty()) {
    MR_CHECK(record.value_tail.empty());
    builder.append(record.timestamp, record.key, record.value, record.headers);
  } else {
    builder.append(
        {record.timestamp, record.key, record.value, record.value_tail, record.encoded_headers});
  }
  pending_bytes_ += builder.plain_bytes() - before;
  if (builder.plain_bytes() >= kBatchPlainBytes) builder.finish(full.emplace_back());
}

std::int32_t Outputs::partition_for(std::size_t output, std::optional<std::string_view> key,
                                    std::int32_t fallback) const {
  const auto count = topics_[output].partition_count;
  return key ? partition_for_key(*key, count) : fallback % count;
}

std::vector<Outputs::FinishedBatch> Outputs::take() {
  std::vector<FinishedBatch> batches;
  batches.reserve(touched_.size());
  for (const auto slot : touched_) {
    auto& [output, partition, builder, full] = slots_[slot];
    for (auto& bytes : full) batches.push_back({output, partition, std::move(bytes)});
    full.clear();
    if (builder.empty()) continue;
    batches.push_back({output, partition, {}});
    builder.finish(batches.back().bytes);
  }
  touched_.clear();
  pending_bytes_ = 0;
  return batches;
}

}  // namespace millrace::task
