#include "codec/batch_stamp.h"

#include <cstring>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"

namespace millrace::codec {
namespace {

// As in docs/formats/record_batch.md.
constexpr std::size_t kCrcAt = 17;
constexpr std::size_t kAttributesAt = 21;
constexpr std::size_t kProducerIdAt = 43;
constexpr std::size_t kProducerEpochAt = 51;
constexpr std::size_t kBaseSequenceAt = 53;
constexpr int kTransactionalBit = 1 << 4;

}  // namespace

StampedBatch stamp_producer(std::string_view batch, const ProducerStamp& producer) {
  MR_CHECK(batch.size() >= kBatchHeaderBytes);
  StampedBatch out;
  std::memcpy(out.header.data(), batch.data(), kBatchHeaderBytes);
  out.body = batch.substr(kBatchHeaderBytes);
  auto* const at = out.header.data();
  const int attributes = load_big<std::int16_t>(at + kAttributesAt) & ~kTransactionalBit;
  store_big(
      at + kAttributesAt,
      static_cast<std::int16_t>(attributes | (producer.is_transactional ? kTransactionalBit : 0)));
  store_big(at + kProducerIdAt, producer.id.value);
  store_big(at + kProducerEpochAt, producer.epoch.value);
  store_big(at + kBaseSequenceAt, producer.base_sequence);
  const auto covered = std::string_view(at, kBatchHeaderBytes).substr(kAttributesAt);
  store_big(at + kCrcAt, crc32c(out.body, crc32c(covered)));
  return out;
}

}  // namespace millrace::codec
