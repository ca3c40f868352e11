#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "base/status.h"
#include "base/time.h"
#include "log/log.h"

namespace millrace::broker {

// Kafka's states of a transaction. The prepared ones do not exist here: markers, offsets and the
// outcome are one commit of the log.
enum class TransactionState : std::uint8_t {
  empty = 0,  // the producer id is known, it has had no transaction yet
  ongoing = 1,
  complete_commit = 2,
  complete_abort = 3,
};
// As Kafka's tools show it: "CompleteCommit".
std::string_view to_string(TransactionState state);

// A partition of a topic that may be deleted and created again meanwhile.
struct EnlistedTopic {
  std::uint64_t incarnation = 0;
  std::set<std::int32_t> partitions;
  bool operator==(const EnlistedTopic&) const = default;
};

struct StagedOffset {
  Offset next_offset;
  std::string metadata;
  bool operator==(const StagedOffset&) const = default;
};

// What is kept of a transactional id, keyed by it; docs/formats/transaction_record.md has the
// bytes.
struct TransactionRecord {
  log::ProducerIdentity producer{kNoProducerId, kNoProducerEpoch};
  // What a producer that asked for its next epoch had before: its repeated request, when the answer
  // was lost, gets that epoch again (KIP-360). None after the epoch moved for another reason.
  log::ProducerIdentity previous{kNoProducerId, kNoProducerEpoch};
  std::int32_t timeout_ms = 0;
  TransactionState state = TransactionState::empty;
  WallTime started;  // of the ongoing one
  WallTime changed;  // by anything
  // Of the ongoing one.
  std::map<std::string, EnlistedTopic> topics;
  std::map<std::string, std::map<TopicPartition, StagedOffset>> groups;

  [[nodiscard]] std::size_t partition_count() const;
  [[nodiscard]] std::size_t offset_count() const;
};

std::string encode_transaction_key(std::string_view transactional_id);
std::string encode_transaction_record(const TransactionRecord& record);

// `corrupt` when the bytes are no key or record of ours or contradict themselves, `unsupported` for
// a version this program does not know.
Result<std::string> decode_transaction_key(std::string_view bytes);
Result<TransactionRecord> decode_transaction_record(std::string_view bytes);

}  // namespace millrace::broker
