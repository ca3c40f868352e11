#include "broker/fetch_round.h"

#include <algorithm>

#include "broker/errors.h"
#include "broker/security_store.h"

namespace millrace::broker {

using kafka_wire::ErrorCode;
using kafka_wire::FetchRequest;
using kafka_wire::FetchResponse;
using kafka_wire::Records;

namespace {

constexpr std::int8_t kReadCommitted = 1;

class RoundReader {
 public:
  RoundReader(const Services& services, const FetchRequest& request, std::size_t record_bytes_max)
      : services_(services),
        is_read_committed_(is_read_committed(request)),
        record_bytes_max_(record_bytes_max) {}

  void read(const std::string& name, const FetchRequest::Partition& asked,
            FetchResponse::Partition& out) {
    out.partition_index = asked.partition;
    out.high_watermark = -1;
    out.records = Records::none();
    if (is_read_committed_) out.aborted_transactions.emplace();
    if (name == kSecurityTopic) {
      out.error_code = ErrorCode::topic_authorization_failed;
    } else if (asked.current_leader_epoch > 0) {
      out.error_code = ErrorCode::unknown_leader_epoch;
    } else if (const auto status = read_records({name, asked.partition}, asked, out);
               !status.is_ok()) {
      out.error_code = error_code_of(status, ErrorContext::read);
    }
    if (out.error_code != ErrorCode::none) round.is_complete = true;
  }

  FetchRound round;

 private:
  Status read_records(const TopicPartition& source, const FetchRequest::Partition& asked,
                      FetchResponse::Partition& out) {
    const std::size_t left = record_bytes_max_ - std::min(record_bytes_max_, round.record_bytes);
    const std::size_t bytes_max =
        std::min(left, static_cast<std::size_t>(std::max(0, asked.partition_max_bytes)));
    const bool is_first = round.record_bytes == 0;
    const Offset from(asked.fetch_offset);
    if (bytes_max == 0 && !is_first) {
      MR_ASSIGN_OR_RETURN(const auto offsets, services_.log->offsets(source));
      set_offsets(offsets, out);
      if (readable_end(offsets, is_read_committed_) > from) round.is_complete = true;
      return ok_status();
    }
    const auto visibility =
        is_read_committed_ ? log::Visibility::durable : log::Visibility::uncommitted;
    MR_ASSIGN_OR_RETURN(auto fetched, services_.log->fetch(source, from, bytes_max, visibility));
    set_offsets(fetched.offsets, out);
    const Offset next = take_batches(fetched, bytes_max, is_first, from, out.records);
    if (readable_end(fetched.offsets, is_read_committed_) > next) round.is_complete = true;
    if (!is_read_committed_) return ok_status();
    // Those of the very bytes that were read: maintenance may forget some at any time.
    for (const auto& transaction : fetched.aborted) {
      out.aborted_transactions->push_back({transaction.producer.value, transaction.first.value});
    }
    return ok_status();
  }

  static void set_offsets(const log::PartitionOffsets& offsets, FetchResponse::Partition& out) {
    out.high_watermark = offsets.high_watermark.value;
    out.last_stable_offset = offsets.last_stable.value;
    out.log_start_offset = offsets.start.value;
  }

  // Returns the offset behind what was taken.
  Offset take_batches(log::FetchResult& fetched, std::size_t bytes_max, bool is_first, Offset from,
                      Records& records) {
    std::size_t taken = 0;
    std::string_view piece;
    Offset next = from;
    const auto flush = [&] {
      if (piece.empty()) return;
      records.is_null() || records.byte_count() == 0 ? records.assign(piece)
                                                     : records.append(piece);
    };
    for (auto& batch : fetched.batches) {
      const std::string_view bytes = batch.bytes.view();
      if (taken + bytes.size() > bytes_max && !(is_first && taken == 0)) break;
      taken += bytes.size();
      next = batch.next_offset;
      // Batches read from a segment in one go lie side by side.
      if (!piece.empty() && piece.data() + piece.size() == bytes.data()) {
        piece = {piece.data(), piece.size() + bytes.size()};
      } else {
        flush();
        piece = bytes;
      }
      round.owners.push_back(std::move(batch.bytes));
    }
    flush();
    round.record_bytes += taken;
    return next;
  }

  const Services& services_;
  bool is_read_committed_;
  std::size_t record_bytes_max_;
};

}  // namespace

bool is_read_committed(const FetchRequest& request) {
  return request.isolation_level == kReadCommitted;
}

Offset readable_end(const log::PartitionOffsets& offsets, bool read_committed) {
  return read_committed ? offsets.last_stable : offsets.high_watermark;
}

FetchRound read_fetch_round(const Services& services, const FetchRequest& request,
                            const std::vector<std::string>& names, std::size_t record_bytes_max) {
  RoundReader reader(services, request, record_bytes_max);
  auto& responses = reader.round.response.responses;
  responses.resize(request.topics.size());
  for (std::size_t t = 0; t < request.topics.size(); ++t) {
    const auto& topic = request.topics[t];
    auto& out = responses[t];
    out.topic = topic.topic;
    out.topic_id = topic.topic_id;
    out.partitions.resize(topic.partitions.size());
    for (std::size_t p = 0; p < topic.partitions.size(); ++p) {
      if (!names[t].empty()) {
        reader.read(names[t], topic.partitions[p], out.partitions[p]);
        continue;
      }
      out.partitions[p].partition_index = topic.partitions[p].partition;
      out.partitions[p].high_watermark = -1;
      out.partitions[p].records = Records::none();
      out.partitions[p].error_code = ErrorCode::unknown_topic_id;
      reader.round.is_complete = true;
    }
  }
  return std::move(reader.round);
}

}  // namespace millrace::broker
