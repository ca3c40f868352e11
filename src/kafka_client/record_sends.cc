#include "kafka_client/record_sends.h"

#include <algorithm>

#include "kafka_client/backoff.h"
#include "kafka_client/broker_errors.h"

namespace millrace::kafka_client {
namespace {

using kafka_wire::ErrorCode;
using kafka_wire::ProduceRequest;
using kafka_wire::ProduceResponse;

// With implicit enrolment (KIP-890), and the last one without.
constexpr std::int16_t kVersion2 = 12;
constexpr std::int16_t kVersion1 = 11;
constexpr std::int16_t kVersionMin = 3;
constexpr std::int16_t kAcksAll = -1;
// A broker knows a producer's last five batches of a partition again.
constexpr std::size_t kBatchesInFlightMax = 5;
constexpr std::size_t kRequestBytesMax = 16 << 20;
constexpr std::int64_t kNanosPerMilli = 1'000'000;

// The sequence number so many records further on; they begin again at 0 behind the largest.
std::int32_t advanced(std::int32_t sequence, std::int32_t count) {
  return static_cast<std::int32_t>((std::int64_t{sequence} + count) & INT32_MAX);
}

}  // namespace

Status RecordSends::add(const log::AppendBatch& batch) {
  MR_ASSIGN_OR_RETURN(const auto header, codec::parse_batch_header(batch.bytes));
  if (static_cast<std::size_t>(header.batch_bytes) != batch.bytes.size()) {
    return corrupt_error("bytes behind a record batch");
  }
  MR_RETURN_IF_ERROR(codec::verify_batch_crc(batch.bytes, header));
  if (header.is_control) return invalid_error("control batches are the brokers' own");
  TopicPartition at{batch.topic, batch.partition};
  auto& sequence = sequences_[at];
  Item item;
  item.bytes = codec::stamp_producer(batch.bytes,
                                     {scope_.producer.id, scope_.producer.epoch, sequence, true});
  item.index = batch_count_++;
  item.offset_count = header.last_offset_delta + 1;
  sequence = advanced(sequence, item.offset_count);
  partitions_[std::move(at)].items.push_back(item);
  return ok_status();
}

std::vector<kafka_wire::NamedPartitions> RecordSends::partitions() const {
  std::vector<kafka_wire::NamedPartitions> out;
  for (const auto& [at, partition] : partitions_) {
    if (out.empty() || out.back().name != at.topic) out.push_back({at.topic, {}});
    out.back().partitions.push_back(at.partition);
  }
  return out;
}

std::vector<RecordSends::Place> RecordSends::places() const {
  std::vector<Place> out(batch_count_);
  for (const auto& [at, partition] : partitions_) {
    for (const auto& item : partition.items) {
      out[item.index] = {at, item.base, item.base + item.offset_count};
    }
  }
  return out;
}

// The order within a partition is that of the requests on its leader's connection.
Result<RecordSends::Wave> RecordSends::plan() {
  Wave wave;
  for (std::size_t round = 0; round < kBatchesInFlightMax; ++round) {
    std::map<std::int32_t, std::size_t> open;  // bytes of each leader's request of this round
    for (auto of = partitions_.begin(); of != partitions_.end(); ++of) {
      const auto item = of->second.acknowledged + round;
      if (item >= of->second.items.size()) continue;
      MR_ASSIGN_OR_RETURN(const auto leader, cluster_.leader(of->first, scope_.deadline));
      auto& requests = wave[leader.node].requests;
      const auto bytes = of->second.items[item].bytes.body.size();
      const auto [known, is_new] = open.try_emplace(leader.node, 0);
      if (is_new || known->second + bytes > kRequestBytesMax) {
        requests.emplace_back();
        known->second = 0;
      }
      known->second += bytes;
      requests.back().emplace_back(of, item);
    }
  }
  return wave;
}

ProduceRequest RecordSends::encode(const Request& request) const {
  ProduceRequest out;
  out.transactional_id = scope_.transactional_id;
  out.acks = kAcksAll;
  const auto left_ms = (scope_.deadline - clock_.monotonic_now()) / kNanosPerMilli;
  out.timeout_ms = static_cast<std::int32_t>(std::max<std::int64_t>(left_ms, 1));
  for (const auto& [of, item] : request) {
    const auto& [topic, partition] = of->first;
    if (out.topic_data.empty() || out.topic_data.back().name != topic) {
      out.topic_data.emplace_back().name = topic;
    }
    const auto& bytes = of->second.items[item].bytes;
    auto& to = out.topic_data.back().partition_data.emplace_back();
    to.index = partition;
    to.records.assign({bytes.header.data(), bytes.header.size()});
    to.records.append(bytes.body);
  }
  return out;
}

void RecordSends::note_trouble(Status why, const Request& request) {
  for (const auto& [of, item] : request) cluster_.forget(of->first.topic);
  trouble_ = std::move(why);
}

void RecordSends::send(std::int32_t node, ToLeader& to) {
  auto lease = cluster_.brokers().to(node, scope_.deadline);
  if (!lease.is_ok()) {
    for (const auto& request : to.requests) note_trouble(lease.status(), request);
    return;
  }
  to.lease = std::move(lease).value();
  const auto version =
      to.lease->version(kafka_wire::ApiKey::produce, scope_.is_v2 ? kVersion2 : kVersion1,
                        scope_.is_v2 ? kVersion2 : kVersionMin);
  for (const auto& request : to.requests) {
    auto status = version.is_ok()
                      ? to.lease->send(encode(request), version.value(), scope_.deadline)
                      : version.status();
    if (!status.is_ok()) {
      scope_.had_trouble = true;
      note_trouble(std::move(status), request);
      return;
    }
    ++to.sent_count;
  }
}

Status RecordSends::take_answer(Partitions::iterator of, std::size_t item,
                                const ProduceResponse::Partition& answer) {
  auto& partition = of->second;
  const auto what = "records for " + of->first.to_string();
  if (answer.error_code == ErrorCode::none) {
    // A broker that has forgotten the producer takes any first sequence number.
    if (item != partition.acknowledged) {
      return out_of_sequence_error(what + ": a batch was taken before the one before it");
    }
    partition.items[item].base = Offset(answer.base_offset);
    ++partition.acknowledged;
    return ok_status();
  }
  if (item != partition.acknowledged) return ok_status();  // it follows one that was refused
  auto status = status_of(answer.error_code, what);
  if (!kafka_wire::is_retriable(answer.error_code)) return status;
  if (answer.error_code != ErrorCode::concurrent_transactions) cluster_.forget(of->first.topic);
  trouble_ = std::move(status);
  return ok_status();
}

Status RecordSends::take_answer(const Request& request, const ProduceResponse& response) {
  std::map<TopicPartition, const ProduceResponse::Partition*> answers;
  for (const auto& topic : response.responses) {
    for (const auto& one : topic.partition_responses) answers[{topic.name, one.index}] = &one;
  }
  for (const auto& [of, item] : request) {
    const auto found = answers.find(of->first);
    if (found == answers.end()) {
      return disconnected_error("an answer without " + of->first.to_string());
    }
    MR_RETURN_IF_ERROR(take_answer(of, item, *found->second));
  }
  return ok_status();
}

Status RecordSends::receive(ToLeader& from) {
  for (std::size_t i = 0; i < from.sent_count; ++i) {
    ProduceResponse response;
    auto status = from.lease->receive(response, scope_.deadline);
    if (!status.is_ok()) {
      scope_.had_trouble = true;
      note_trouble(std::move(status), from.requests[i]);
      return ok_status();
    }
    MR_RETURN_IF_ERROR(take_answer(from.requests[i], response));
  }
  return ok_status();
}

Status RecordSends::run() {
  Backoff backoff(clock_, scope_.deadline);
  while (true) {
    MR_ASSIGN_OR_RETURN(auto wave, plan());
    if (wave.empty()) return ok_status();
    trouble_ = ok_status();
    for (auto& [node, to] : wave) send(node, to);
    for (auto& [node, from] : wave) MR_RETURN_IF_ERROR(receive(from));
    if (!trouble_.is_ok() && !backoff.wait()) return trouble_;
  }
}

}  // namespace millrace::kafka_client
