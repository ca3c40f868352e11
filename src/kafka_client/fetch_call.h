#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "kafka_client/connection.h"
#include "kafka_wire/fetch.h"
#include "log/log.h"

namespace millrace::kafka_client {

// What is read of one partition.
struct FetchAsk {
  TopicPartition at;
  Offset from;
  kafka_wire::Uuid topic_id;  // zero: asked for by name
  std::int32_t leader_epoch = -1;
  std::int32_t bytes_max = 0;  // one batch comes in any case
};

struct FetchAnswer {
  // network_exception also when the broker left the partition out, as one does that throttles.
  kafka_wire::ErrorCode error = kafka_wire::ErrorCode::network_exception;
  Status damage;  // of the batches that came
  std::vector<log::FetchedBatch> batches;
  Offset next;  // behind the last batch, or as asked
  Offset start;
  Offset last_stable;
  Offset high_watermark;
  std::int32_t preferred_replica = -1;  // who is to be asked instead (KIP-392); -1: nobody
};

struct FetchLimits {
  int wait_ms_max = 0;  // that the broker waits for something to come
  std::int32_t bytes_max = 0;
  std::string rack;
};

// Reads committed records of several partitions from one broker; an answer per ask. An error: the
// connection failed. The batches of an ask share bytes, at most four times as many as came for it.
Result<std::vector<FetchAnswer>> fetch_batches(Connection& from, std::span<const FetchAsk> asks,
                                               const FetchLimits& limits, MonotonicTime deadline);

// Cuts what a broker sent into its batches: those that end behind `from`, with what `aborted` (in
// any order) says of them. Bytes at the end that are no whole batch are left alone. `corrupt`
// when a checksum is wrong, with the batches before it in `out`.
Status cut_batches(const std::shared_ptr<const std::string>& frame, std::string_view records,
                   std::span<const kafka_wire::FetchResponse::AbortedTransaction> aborted,
                   Offset from, std::vector<log::FetchedBatch>& out);

}  // namespace millrace::kafka_client
