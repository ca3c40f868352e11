#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "app/api_client.h"
#include "app/record_source.h"
#include "app/verbs.h"
#include "base/status.h"
#include "base/time.h"
#include "codec/record_batch.h"
#include "model/topic.h"

namespace millrace::app {

struct ProduceTotals {
  std::uint64_t sent = 0;
  std::uint64_t bytes = 0;
  std::uint64_t null_keys = 0;
  std::uint64_t duplicates_refused = 0;  // batches the server had already
  std::uint64_t retries = 0;
};

// Sends records with a producer id and sequence numbers: a request whose answer got lost is
// repeated, and the server stores it once.
class Producer {
 public:
  Producer(const ProduceOptions& options, const Clock& clock)
      : options_(options), clock_(clock), client_(options.server), keys_(options.key) {}

  Status start();
  Status add(const std::string& value);
  Status flush();
  [[nodiscard]] const ProduceTotals& totals() const { return totals_; }
  [[nodiscard]] std::uint64_t pending_records() const { return pending_records_; }

 private:
  struct Partition {
    codec::RecordBatchBuilder builder{codec::Compression::lz4};
    std::int32_t next_sequence = 0;
  };
  // Runs `call` until it works, fails for good, or --retry-for is over.
  template <typename Call>
  auto with_retries(Call&& call) -> decltype(call());

  const ProduceOptions& options_;
  const Clock& clock_;
  ApiClient client_;
  KeyReader keys_;
  ProducerId producer_id_ = kNoProducerId;
  ProducerEpoch producer_epoch_ = kNoProducerEpoch;
  std::vector<Partition> partitions_;
  std::size_t next_without_key_ = 0;
  std::uint64_t pending_records_ = 0;
  std::size_t pending_bytes_ = 0;
  ProduceTotals totals_;
};

}  // namespace millrace::app
