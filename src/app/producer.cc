#include "app/producer.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "base/hash.h"
#include "ops/batches_body.h"

namespace millrace::app {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kRecordsPerRequest = 5'000;
constexpr std::size_t kBytesPerRequest = 1 << 20;
// Below log::kInputBatchBytesMax even where nothing can be compressed.
constexpr std::size_t kBytesPerBatch = 768 << 10;
constexpr std::int64_t kNanosPerMilli = 1'000'000;
constexpr std::int64_t kRetryDelayMsMax = 500;

// A restarting instance is first gone, then busy restoring.
bool is_worth_repeating(StatusCode code) {
  return code == StatusCode::disconnected || code == StatusCode::overloaded ||
         code == StatusCode::cancelled;
}

}  // namespace

template <typename Call>
auto Producer::with_retries(Call&& call) -> decltype(call()) {
  const auto give_up = clock_.monotonic_now() + options_.retry_for_ms * kNanosPerMilli;
  std::int64_t delay_ms = 10;
  while (true) {
    auto result = call();
    if (result.is_ok() || !is_worth_repeating(result.status().code())) return result;
    if (clock_.monotonic_now() >= give_up) return result;
    ++totals_.retries;
    std::this_thread::sleep_for(std::chrono::milliseconds(delay_ms));
    delay_ms = std::min(delay_ms * 2, kRetryDelayMsMax);
  }
}

Status Producer::start() {
  MR_ASSIGN_OR_RETURN(const auto topics,
                      with_retries([&] { return client_.get("/api/v1/topics"); }));
  std::size_t count = 0;
  std::string known;
  for (const auto& topic : topics.value("topics", Json::array())) {
    const auto name = topic.value("topic", "");
    if (name == options_.topic) count = topic.value("partitions", std::size_t{0});
    if (!topic.value("internal", false)) known += (known.empty() ? "" : ", ") + name;
  }
  if (count == 0) {
    return not_found_error("topic " + options_.topic + " does not exist; there are: " + known);
  }
  partitions_.resize(count);
  MR_ASSIGN_OR_RETURN(const auto producer,
                      with_retries([&] { return client_.post("/api/v1/producers"); }));
  producer_id_ = ProducerId(producer.value("producer_id", std::int64_t{-1}));
  producer_epoch_ = ProducerEpoch(producer.value("producer_epoch", std::int16_t{-1}));
  return ok_status();
}

Status Producer::add(const std::string& value) {
  std::optional<std::string> key;
  if (!options_.key.empty()) key = keys_.read(value);
  std::size_t partition = 0;
  if (key) {
    partition = static_cast<std::size_t>(
        partition_for_key(*key, static_cast<std::int32_t>(partitions_.size())));
  } else {
    ++totals_.null_keys;
    partition = next_without_key_++ % partitions_.size();
  }
  auto& builder = partitions_[partition].builder;
  if (!builder.empty() && builder.plain_bytes() + value.size() > kBytesPerBatch) {
    MR_RETURN_IF_ERROR(flush());
  }
  builder.append(clock_.wall_now(), key, value, {});
  ++pending_records_;
  pending_bytes_ += value.size();
  if (pending_records_ < kRecordsPerRequest && pending_bytes_ < kBytesPerRequest) {
    return ok_status();
  }
  return flush();
}

Status Producer::flush() {
  if (pending_records_ == 0) return ok_status();
  std::string body;
  for (std::size_t p = 0; p < partitions_.size(); ++p) {
    auto& [builder, next_sequence] = partitions_[p];
    if (builder.empty()) continue;
    builder.set_producer(producer_id_, producer_epoch_, next_sequence);
    next_sequence += builder.record_count();
    std::string batch;
    builder.finish(batch);
    ops::append_body_batch(body, {static_cast<std::int32_t>(p), WallTime(0), batch});
  }
  const auto target = "/api/v1/topics/" + options_.topic + "/batches";
  MR_ASSIGN_OR_RETURN(const auto answer, with_retries([&] {
                        return client_.post(target, body, ops::kBatchesContentType);
                      }));
  for (const auto& offset : answer.value("offsets", Json::array())) {
    if (offset.value("duplicate", false)) ++totals_.duplicates_refused;
  }
  totals_.sent += pending_records_;
  totals_.bytes += pending_bytes_;
  pending_records_ = 0;
  pending_bytes_ = 0;
  return ok_status();
}

}  // namespace millrace::app
