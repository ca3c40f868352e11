#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"
#include "log/log.h"
#include "sim/kafka_model/protocol.h"

namespace millrace::kafka_model {

// The log of one partition on its leader; replicas are left out, as acknowledged writes survive
// anything here. Batches are kept as bytes, with the transactional bit, producer id, epoch and
// sequence as clients write them. The cluster's lock guards it.
class Partition {
 public:
  struct Batch {
    SharedBytes bytes;
    std::int64_t base_offset = 0;
    std::int64_t next_offset = 0;
    WallTime append_time;
    std::int64_t producer_id = -1;
    bool is_control = false;
    bool is_aborted = false;
  };

  // Idempotence (KIP-98): an exact repeat of one of the producer's last five batches is answered
  // with its old offset, another sequence than the next one is refused, as is an older epoch. An
  // unknown producer may begin with any sequence (KIP-360).
  struct Appended {
    ErrorCode error = ErrorCode::none;
    std::int64_t base_offset = -1;
    bool is_duplicate = false;
    std::int32_t expected_sequence = 0;
  };
  // `check_only`: says what an append would, and changes nothing.
  Appended append(std::string bytes, WallTime now, bool check_only);

  // The marker of a transaction's end (KIP-98), an entry of its own in the log. Markers come with
  // the coordinator's epoch, which fences the producer's older ones here, too.
  void append_marker(ProducerEpochOf producer, bool is_commit, WallTime now);

  // First offset of the earliest transaction without a marker, else the end: a read_committed
  // reader sees what is below.
  [[nodiscard]] std::int64_t last_stable_offset() const;
  [[nodiscard]] std::int64_t start() const { return start_; }
  [[nodiscard]] std::int64_t end() const { return end_; }
  [[nodiscard]] std::int64_t bytes() const;
  // DeleteRecords. The batches stay, for checks; who fetches begins at the start or above.
  void delete_before(std::int64_t offset);
  [[nodiscard]] bool has_open_transaction(std::int64_t producer_id) const {
    return open_.contains(producer_id);
  }

  // Data batches from the one holding `from`, below the last stable offset and without those of
  // aborted transactions if `is_committed_only`.
  [[nodiscard]] std::vector<log::FetchedBatch> fetch(std::int64_t from, std::size_t bytes_max,
                                                     bool is_committed_only) const;
  [[nodiscard]] std::int64_t offset_for_time(WallTime time) const;
  [[nodiscard]] const std::deque<Batch>& batches() const { return batches_; }

 private:
  struct Recent {
    std::int32_t first_sequence = 0;
    std::int32_t last_sequence = 0;
    std::int64_t base_offset = 0;
  };
  struct Producer {
    std::int16_t epoch = -1;
    std::int32_t next_sequence = 0;
    std::deque<Recent> recent;
  };

  std::int64_t start_ = 0;
  std::int64_t end_ = 0;
  std::deque<Batch> batches_;
  std::map<std::int64_t, Producer> producers_;
  std::map<std::int64_t, std::int64_t> open_;  // first offset of a producer's open transaction
};

// Rewrites what a client, or a broker with LogAppendTime, writes into a finished batch's header,
// and its checksum. docs/formats/record_batch.md has the positions.
void set_batch_producer(std::string& batch, ProducerEpochOf producer, std::int32_t base_sequence,
                        bool is_transactional);
void set_log_append_time(std::string& batch, WallTime time);

}  // namespace millrace::kafka_model
