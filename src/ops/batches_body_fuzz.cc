// The body of POST .../batches: whatever passes the check at the door can be read to its end by a
// task. CRCs are made right, since the fuzzer cannot guess them.

#include "ops/batches_body.h"

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "codec/foreign_batch.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace codec = millrace::codec;
  constexpr std::size_t kCrcAt = 17;
  constexpr std::size_t kCrcCoversFrom = 21;
  const std::string body(reinterpret_cast<const char*>(data), size);
  const auto batches = millrace::ops::parse_batches_body(body);
  if (!batches.is_ok()) {
    const auto code = batches.status().code();
    MR_CHECK(code == millrace::StatusCode::invalid || code == millrace::StatusCode::unsupported);
    return 0;
  }
  constexpr codec::ForeignBatchLimits kLimits{
      .record_bytes_max = 4096, .headers_max = 8, .plain_bytes_max = 65'536};
  codec::BatchReader reader;
  for (const auto& given : *batches) {
    std::string batch(given.bytes);
    millrace::store_big(batch.data() + kCrcAt,
                        millrace::crc32c(std::string_view(batch).substr(kCrcCoversFrom)));
    if (!codec::check_foreign_batch(batch, kLimits, reader).is_ok()) continue;
    MR_CHECK(reader.open(batch).is_ok());
    std::int32_t count = 0;
    while (const auto* record = reader.next()) {
      MR_CHECK(record->headers.size() <= kLimits.headers_max);
      ++count;
    }
    MR_CHECK(reader.status().is_ok());
    MR_CHECK(count == reader.header().last_offset_delta + 1);
  }
  return 0;
}
