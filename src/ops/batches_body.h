#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"
#include "base/time.h"

namespace millrace::ops {

// The body application/vnd.millrace.batches: per batch a little-endian u32 partition, a
// little-endian i64 append time in ms, one record batch v2 (whose own header says how long it is).
inline constexpr std::string_view kBatchesContentType = "application/vnd.millrace.batches";

struct BodyBatch {
  std::int32_t partition = 0;
  WallTime append_time;
  std::string_view bytes;
};

void append_body_batch(std::string& body, const BodyBatch& batch);
// Views into `body`.
Result<std::vector<BodyBatch>> parse_batches_body(std::string_view body);

}  // namespace millrace::ops
