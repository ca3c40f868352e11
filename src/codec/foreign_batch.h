#pragma once

#include <cstddef>
#include <string_view>

#include "base/status.h"
#include "codec/record_batch.h"

namespace millrace::codec {

// What one batch from outside may ask of everything behind the door. A dead letter holds a whole
// record with each byte escaped and each header as an object, so both bounds keep it small enough
// for the topic of dead letters.
struct ForeignBatchLimits {
  std::size_t record_bytes_max = 1 << 20;  // of one record, uncompressed
  std::size_t headers_max = 1'000;         // of one record
  std::size_t plain_bytes_max = 16 << 20;  // of all records, uncompressed
  bool allows_transactions = false;
  bool needs_keys = false;  // of a compacted topic: a record without one could never be replaced
};

// Whether a batch is one that a producer outside may append: CRC, every record to its last byte,
// offsets without gaps, plain records (no control batch, no transaction unless the limits allow it,
// timestamps from the producer). Afterwards a task can apply it. Returns its uncompressed bytes.
// `invalid` says what is wrong; `unsupported` for old formats and transactions. `reader` is
// scratch, so that its buffers are used again.
Result<std::size_t> check_foreign_batch(std::string_view batch, const ForeignBatchLimits& limits,
                                        BatchReader& reader);

}  // namespace millrace::codec
