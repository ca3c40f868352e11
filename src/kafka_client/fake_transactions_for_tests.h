#pragma once

// What brokers keep of partitions, transactions and groups, as simply as it can be said. Only for
// tests.

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "codec/record_batch.h"
#include "codec/transaction_marker.h"
#include "kafka_wire/error_codes.h"
#include "log/shared_log.h"

namespace millrace::kafka_client {

using kafka_wire::ErrorCode;

struct FakeBatch {
  std::string bytes;
  codec::BatchHeader header;
  bool is_aborted = false;
  bool is_open = false;
};

struct FakePartition {
  std::int32_t leader = 1;
  std::int32_t leader_epoch = 0;
  Offset start;
  Offset end;
  std::vector<FakeBatch> batches;
  struct Producer {
    std::int16_t epoch = -1;
    std::int32_t next_sequence = 0;
    std::deque<std::pair<std::int32_t, Offset>> recent;  // first sequence and base offset
  };
  std::map<std::int64_t, Producer> producers;

  Offset append(std::string bytes, bool is_open) {
    codec::set_base_offset(bytes, 0, end);
    const auto header = codec::parse_batch_header(bytes).value();
    end = header.next_offset();
    batches.push_back({std::move(bytes), header, false, is_open});
    return header.base_offset;
  }
  // As Kafka's ProducerStateManager: a gap and an older epoch are refused, a repeat is answered
  // with its old offset.
  ErrorCode produce(const std::string& bytes, Offset& base) {
    const auto parsed = codec::parse_batch_header(bytes);
    if (!parsed.is_ok() || !codec::verify_batch_crc(bytes, *parsed).is_ok()) {
      return ErrorCode::corrupt_message;
    }
    auto& known = producers[parsed->producer_id.value];
    const auto epoch = parsed->producer_epoch.value;
    const auto first = parsed->base_sequence;
    if (epoch < known.epoch) return ErrorCode::invalid_producer_epoch;
    if (epoch > known.epoch) known = {epoch, 0, {}};
    for (const auto& [sequence, offset] : known.recent) {
      if (sequence != first) continue;
      base = offset;
      return ErrorCode::none;
    }
    if (first != known.next_sequence) return ErrorCode::out_of_order_sequence_number;
    known.next_sequence = first + parsed->last_offset_delta + 1;
    base = append(bytes, parsed->is_transactional);
    known.recent.emplace_back(first, base);
    if (known.recent.size() > 5) known.recent.pop_front();
    return ErrorCode::none;
  }
  void end_transaction(ProducerId id, ProducerEpoch epoch, bool is_commit) {
    for (auto& batch : batches) {
      if (!batch.is_open || batch.header.producer_id != id) continue;
      batch.is_open = false;
      batch.is_aborted = !is_commit;
    }
    append(codec::encode_transaction_marker(id, epoch, is_commit, WallTime(1)), false);
    auto& known = producers[id.value];
    if (epoch.value > known.epoch) known = {epoch.value, 0, {}};
  }
  [[nodiscard]] Offset last_stable() const {
    for (const auto& batch : batches) {
      if (batch.is_open) return batch.header.base_offset;
    }
    return end;
  }
  // What a reader of committed records sees.
  [[nodiscard]] std::vector<std::string> values() const {
    std::vector<std::string> out;
    codec::BatchReader reader;
    for (const auto& batch : batches) {
      if (batch.header.base_offset >= last_stable()) break;
      if (batch.is_aborted || batch.header.is_control) continue;
      EXPECT_TRUE(reader.open(batch.bytes).is_ok());
      while (const auto* record = reader.next()) out.emplace_back(*record->value);
    }
    return out;
  }
};

// A transactional id at its coordinator.
struct FakeTransaction {
  enum class State : std::uint8_t { empty, ongoing, committed, aborted };
  ProducerId id;
  ProducerEpoch epoch{-1};
  State state = State::empty;
  std::set<TopicPartition> partitions;
  std::map<std::pair<std::string, TopicPartition>, log::GroupOffset> offsets;
};

struct FakeGroup {
  std::string member_id;  // empty: members are not checked
  std::int32_t generation = -1;
  std::map<TopicPartition, log::GroupOffset> offsets;
};

class FakeTransactions {
 public:
  bool is_v2 = true;
  std::map<TopicPartition, FakePartition> partitions;
  std::map<std::string, FakeTransaction> transactions;
  std::map<std::string, FakeGroup> groups;

  log::ProducerIdentity initialize(const std::string& id) {
    auto& one = transactions[id];
    if (one.epoch.value < 0) one.id = ProducerId(static_cast<std::int64_t>(transactions.size()));
    ++one.epoch.value;
    if (one.state == FakeTransaction::State::ongoing) finish(one, false);
    one.state = FakeTransaction::State::empty;
    return {one.id, one.epoch};
  }
  ErrorCode check(const std::string& id, log::ProducerIdentity producer) {
    const auto found = transactions.find(id);
    if (found == transactions.end() || found->second.id != producer.id) {
      return ErrorCode::invalid_producer_id_mapping;
    }
    return found->second.epoch == producer.epoch ? ErrorCode::none
                                                 : ErrorCode::invalid_producer_epoch;
  }
  ErrorCode enrol(const std::string& id, log::ProducerIdentity producer) {
    const auto error = check(id, producer);
    if (error == ErrorCode::none) transactions[id].state = FakeTransaction::State::ongoing;
    return error;
  }
  // KIP-890: a leader asks the coordinator whether the batch is part of the transaction.
  ErrorCode produce(const std::string& id, const TopicPartition& at, const std::string& bytes,
                    Offset& base) {
    const auto header = codec::parse_batch_header(bytes);
    if (!header.is_ok()) return ErrorCode::corrupt_message;
    const log::ProducerIdentity producer{header->producer_id, header->producer_epoch};
    const auto error = is_v2 ? enrol(id, producer) : check(id, producer);
    if (error != ErrorCode::none) return error;
    auto& one = transactions[id];
    if (is_v2) one.partitions.insert(at);
    if (!one.partitions.contains(at)) return ErrorCode::invalid_txn_state;
    return partitions[at].produce(bytes, base);
  }
  ErrorCode commit_offset(const std::string& id, log::ProducerIdentity producer,
                          const std::string& group, std::int32_t generation,
                          const std::string& member, log::GroupOffset offset) {
    const auto error = is_v2 ? enrol(id, producer) : check(id, producer);
    if (error != ErrorCode::none) return error;
    const auto& known = groups[group];
    if (!known.member_id.empty() && member != known.member_id) return ErrorCode::unknown_member_id;
    if (!known.member_id.empty() && generation != known.generation) {
      return ErrorCode::illegal_generation;
    }
    const auto source = offset.source;
    transactions[id].offsets[{group, source}] = std::move(offset);
    return ErrorCode::none;
  }
  // The producer's identity afterwards is in the table.
  ErrorCode end(const std::string& id, log::ProducerIdentity producer, bool is_commit) {
    auto& one = transactions[id];
    const auto done =
        is_commit ? FakeTransaction::State::committed : FakeTransaction::State::aborted;
    const bool is_retry = is_v2 && one.epoch.value == producer.epoch.value + 1;
    if (one.id == producer.id && is_retry && one.state == done) return ErrorCode::none;
    if (one.id != producer.id || one.epoch != producer.epoch) return ErrorCode::producer_fenced;
    if (!is_v2 && one.state == done) return ErrorCode::none;
    if (one.state != FakeTransaction::State::ongoing) return ErrorCode::invalid_txn_state;
    if (is_v2) ++one.epoch.value;
    finish(one, is_commit);
    one.state = done;
    return ErrorCode::none;
  }

 private:
  void finish(FakeTransaction& one, bool is_commit) {
    for (const auto& at : one.partitions) {
      partitions[at].end_transaction(one.id, one.epoch, is_commit);
    }
    if (is_commit) {
      for (auto& [where, offset] : one.offsets) groups[where.first].offsets[where.second] = offset;
    }
    one.partitions.clear();
    one.offsets.clear();
  }
};

}  // namespace millrace::kafka_client
