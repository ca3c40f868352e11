#include <algorithm>

#include "base/check.h"
#include "log/embedded_log_impl.h"

namespace millrace::log {

// Follows a commit's batches and markers through the states of their producers without changing
// them. Under the commit lock.
class EmbeddedLogImpl::Planner {
 public:
  Planner(Placement& out, WallTime append_time) : out_(out), append_time_(append_time) {}

  // Where the batch already is, if it is a repeat.
  Result<std::optional<Offset>> add(const PreparedCommit::Batch& batch) {
    const codec::BatchHeader& header = batch.header;
    Offset& end = end_of(batch.partition.get());
    if (header.producer_id != kNoProducerId) {
      StagedProducer& producer = staged(batch.partition.get(), header.producer_id);
      MR_ASSIGN_OR_RETURN(const auto repeat, producer.entry.check(header));
      if (repeat) return repeat;
      if (producer.is_in_transaction && !header.is_transactional) {
        return wrong_state_error(
            "producer " + std::to_string(header.producer_id.value) + " has a transaction open in " +
            batch.partition->identity().source.to_string() + ": end it before a batch without one");
      }
      producer.entry.appended(header, end, append_time_);
      producer.is_in_transaction = header.is_transactional;
    }
    end = end + (std::int64_t{header.last_offset_delta} + 1);
    return std::optional<Offset>();
  }

  Status add(const TransactionMarker& marker, PartitionLog* partition) {
    StagedProducer& producer = staged(partition, marker.producer.id);
    MR_RETURN_IF_ERROR(producer.entry.check_marker(marker.producer.id, marker.producer.epoch));
    producer.entry.ended(marker.producer.epoch, append_time_);
    producer.is_in_transaction = false;
    return ok_status();
  }

 private:
  Offset& end_of(PartitionLog* partition) {
    for (auto& [known, end] : ends_) {
      if (known == partition) return end;
    }
    return ends_.emplace_back(partition, partition->end()).second;
  }

  StagedProducer& staged(PartitionLog* partition, ProducerId id) {
    for (auto& producer : out_.producers) {
      if (producer.partition == partition && producer.id == id) return producer;
    }
    const ProducerEntry* known = partition->producers().find(id);
    out_.producers.push_back({.partition = partition,
                              .id = id,
                              .entry = known != nullptr ? *known : ProducerEntry(),
                              .is_in_transaction = partition->transaction_start(id).has_value()});
    return out_.producers.back();
  }

  Placement& out_;
  const WallTime append_time_;
  std::vector<std::pair<PartitionLog*, Offset>> ends_;  // as this commit moves them
};

namespace {

Status check_not_deleted(const PartitionLog& partition) {
  if (!partition.is_deleted()) return ok_status();
  return not_found_error("topic '" + partition.identity().source.topic + "' was deleted");
}

}  // namespace

Result<EmbeddedLogImpl::Placement> EmbeddedLogImpl::plan(const Commit& commit,
                                                         const PreparedCommit& prepared,
                                                         WallTime append_time) {
  MR_CHECK(commit.markers.size() == prepared.markers.size());
  Placement out;
  out.repeats.resize(prepared.batches.size());
  Planner planner(out, append_time);
  const bool has_producers =
      std::any_of(prepared.batches.begin(), prepared.batches.end(),
                  [](const auto& batch) { return batch.header.producer_id != kNoProducerId; });
  for (std::size_t i = 0; i < prepared.batches.size(); ++i) {
    const auto& batch = prepared.batches[i];
    MR_RETURN_IF_ERROR(check_not_deleted(*batch.partition));
    if (has_producers) {
      MR_ASSIGN_OR_RETURN(out.repeats[i], planner.add(batch));
    }
    if (!out.repeats[i]) ++out.new_count;
  }
  for (std::size_t i = 0; i < commit.markers.size(); ++i) {
    MR_RETURN_IF_ERROR(check_not_deleted(*prepared.markers[i]));
    MR_RETURN_IF_ERROR(planner.add(commit.markers[i], prepared.markers[i].get()));
    ++out.new_count;
  }
  return out;
}

}  // namespace millrace::log
