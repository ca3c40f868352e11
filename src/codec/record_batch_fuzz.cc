// The input is one batch, whatever its CRC says: the fuzzer cannot guess a CRC, so it is made
// right.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "codec/record_batch.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  if (const auto header = millrace::codec::parse_batch_header(bytes); header.is_ok()) {
    constexpr std::size_t kCrcAt = 17;
    constexpr std::size_t kCrcCoversFrom = 21;
    const auto batch =
        std::string_view(bytes).substr(0, static_cast<std::size_t>(header->batch_bytes));
    millrace::store_big(bytes.data() + kCrcAt, millrace::crc32c(batch.substr(kCrcCoversFrom)));
  }
  millrace::codec::BatchReader reader;
  if (!reader.open(bytes).is_ok()) return 0;
  std::size_t bytes_seen = 0;
  while (const millrace::RecordView* record = reader.next()) {
    bytes_seen += record->key.value_or("").size() + record->value.value_or("").size();
    for (const auto& header : record->headers) bytes_seen += header.key.size();
    if (record->value) (void)reader.readable_bytes_from(record->value->data());
  }
  if (bytes_seen > millrace::codec::kBatchPlainBytesMax) std::abort();
  return 0;
}
