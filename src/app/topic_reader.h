#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "app/api_client.h"
#include "base/status.h"
#include "codec/record_batch.h"
#include "model/record.h"

// Topics as the command line reads them, over the HTTP API.

namespace millrace::app {

struct PartitionRange {
  std::int32_t partition = 0;
  std::int64_t start = 0;
  std::int64_t high_watermark = 0;
};
// `not_found` when there is no such topic.
Result<std::vector<PartitionRange>> find_partitions(ApiClient& client, const std::string& topic);

// Reads one partition forward. The client outlives it.
class PartitionReader {
 public:
  PartitionReader(ApiClient& client, std::string topic, std::int32_t partition,
                  std::int64_t offset);

  // Fetches once, waiting up to `wait_ms` for something to come, and visits the records until
  // `visit` gives false. False when nothing came or `visit` wants no more.
  Result<bool> read(int wait_ms, const std::function<bool(const RecordView&)>& visit);
  [[nodiscard]] std::int64_t position() const { return offset_; }
  [[nodiscard]] std::int32_t partition() const { return partition_; }

 private:
  ApiClient* client_;
  std::string topic_;
  std::int32_t partition_;
  std::int64_t offset_;
  codec::BatchReader reader_;
};

}  // namespace millrace::app
