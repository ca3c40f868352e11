#include "kafka_client/fetch_call.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/bytes.h"
#include "codec/record_batch.h"

namespace millrace::kafka_client {
namespace {

using kafka_wire::FetchRequest;
using kafka_wire::FetchResponse;

constexpr std::int16_t kVersionWithIds = 16;
constexpr std::int16_t kVersionWithNames = 12;
constexpr std::int8_t kReadCommitted = 1;
// Of a batch: the position of its length, and what that does not count.
constexpr std::size_t kLengthAt = 8;
constexpr std::size_t kLengthCountsFrom = 12;
// Batches that are smaller than this part of an answer do not keep all of it in memory.
constexpr std::size_t kSharedPartMin = 4;

// How much of `bytes` the first batch is; 0: it is not all there.
std::size_t whole_batch_bytes(std::string_view bytes) {
  if (bytes.size() < codec::kBatchHeaderBytes) return 0;
  const auto length = load_big<std::int32_t>(bytes.data() + kLengthAt);
  if (length < 0) return bytes.size();  // parsing says what is wrong
  const auto whole = static_cast<std::size_t>(length) + kLengthCountsFrom;
  return whole <= bytes.size() ? whole : 0;
}

FetchRequest request_of(std::span<const FetchAsk> asks, const FetchLimits& limits) {
  FetchRequest out;
  out.max_wait_ms = limits.wait_ms_max;
  out.min_bytes = 1;
  out.max_bytes = limits.bytes_max;
  out.isolation_level = kReadCommitted;
  out.rack_id = limits.rack;
  for (const auto& ask : asks) {
    if (out.topics.empty() || out.topics.back().topic != ask.at.topic) {
      out.topics.push_back({ask.at.topic, ask.topic_id, {}});
    }
    auto& to = out.topics.back().partitions.emplace_back();
    to.partition = ask.at.partition;
    to.current_leader_epoch = ask.leader_epoch;
    to.fetch_offset = ask.from.value;
    to.partition_max_bytes = ask.bytes_max;
  }
  return out;
}

void take(const FetchResponse::Partition& from, const std::shared_ptr<const std::string>& frame,
          const FetchAsk& ask, FetchAnswer& to) {
  to.error = from.error_code;
  to.start = Offset(std::max<std::int64_t>(from.log_start_offset, 0));
  to.high_watermark = Offset(from.high_watermark);
  to.last_stable = Offset(from.last_stable_offset);
  to.preferred_replica = from.preferred_read_replica;
  if (to.error != kafka_wire::ErrorCode::none) return;
  std::span<const FetchResponse::AbortedTransaction> aborted;
  if (from.aborted_transactions) aborted = *from.aborted_transactions;
  auto holder = frame;
  auto records = from.records.view();
  if (records.size() * kSharedPartMin < frame->size()) {
    holder = std::make_shared<const std::string>(records);
    records = *holder;
  }
  to.damage = cut_batches(holder, records, aborted, ask.from, to.batches);
  if (!to.batches.empty()) to.next = to.batches.back().next_offset;
}

}  // namespace

// As Kafka's own clients do it: an aborted transaction's producer is bad from its first batch to
// its marker. Brokers list the transactions in the order in which they ended.
Status cut_batches(const std::shared_ptr<const std::string>& frame, std::string_view records,
                   std::span<const FetchResponse::AbortedTransaction> aborted, Offset from,
                   std::vector<log::FetchedBatch>& out) {
  std::vector<FetchResponse::AbortedTransaction> by_start(aborted.begin(), aborted.end());
  std::ranges::sort(by_start, {}, &FetchResponse::AbortedTransaction::first_offset);
  std::set<std::int64_t> bad;
  std::size_t next_aborted = 0;
  while (const auto bytes = whole_batch_bytes(records)) {
    const auto batch = records.substr(0, bytes);
    records.remove_prefix(bytes);
    MR_ASSIGN_OR_RETURN(const auto header, codec::parse_batch_header(batch));
    MR_RETURN_IF_ERROR(codec::verify_batch_crc(batch, header));
    for (; next_aborted < by_start.size() &&
           by_start[next_aborted].first_offset <= header.last_offset().value;
         ++next_aborted) {
      bad.insert(by_start[next_aborted].producer_id);
    }
    auto kind = log::BatchKind::records;
    if (header.is_control) {
      bad.erase(header.producer_id.value);
      kind = log::BatchKind::control;
    } else if (header.is_transactional && bad.contains(header.producer_id.value)) {
      kind = log::BatchKind::aborted;
    }
    if (header.next_offset() <= from) continue;
    const WallTime append_time(std::max<std::int64_t>(header.max_timestamp.value, 0));
    out.push_back(
        {SharedBytes(frame, batch), header.base_offset, header.next_offset(), append_time, kind});
  }
  return ok_status();
}

Result<std::vector<FetchAnswer>> fetch_batches(Connection& from, std::span<const FetchAsk> asks,
                                               const FetchLimits& limits, MonotonicTime deadline) {
  const bool has_ids =
      std::ranges::none_of(asks, [](const auto& ask) { return ask.topic_id.is_zero(); });
  MR_ASSIGN_OR_RETURN(
      const auto version,
      from.version(kafka_wire::ApiKey::fetch, has_ids ? kVersionWithIds : kVersionWithNames));
  MR_RETURN_IF_ERROR(from.send(request_of(asks, limits), version, deadline));
  FetchResponse response;
  MR_RETURN_IF_ERROR(from.receive(response, deadline));
  std::vector<FetchAnswer> out(asks.size());
  std::map<std::pair<std::string, std::int32_t>, std::size_t> places;
  const bool is_by_id = version > kVersionWithNames;
  const auto key_of = [&](const std::string& name, const kafka_wire::Uuid& id) {
    return is_by_id ? std::string(reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size())
                    : name;
  };
  for (std::size_t i = 0; i < asks.size(); ++i) {
    places[{key_of(asks[i].at.topic, asks[i].topic_id), asks[i].at.partition}] = i;
    out[i].next = asks[i].from;
    if (response.error_code != kafka_wire::ErrorCode::none) out[i].error = response.error_code;
  }
  for (const auto& topic : response.responses) {
    for (const auto& partition : topic.partitions) {
      const auto place =
          places.find({key_of(topic.topic, topic.topic_id), partition.partition_index});
      if (place == places.end()) continue;
      take(partition, from.frame(), asks[place->second], out[place->second]);
    }
  }
  return out;
}

}  // namespace millrace::kafka_client
