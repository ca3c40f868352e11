#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "codec/record_batch.h"

namespace millrace::codec {

struct ProducerStamp {
  ProducerId id;
  ProducerEpoch epoch;
  std::int32_t base_sequence = 0;
  bool is_transactional = false;
};

// A batch with another producer in its header, without a copy of its records: its bytes are
// `header` and then `body`, a view into the batch it was made of. What else the header says stays.
struct StampedBatch {
  std::array<char, kBatchHeaderBytes> header;
  std::string_view body;
};

// `batch` is exactly one batch, whose header has been parsed before; the checksum is made anew, so
// that damage to it would be covered up: it must have been verified or made here.
StampedBatch stamp_producer(std::string_view batch, const ProducerStamp& producer);

}  // namespace millrace::codec
