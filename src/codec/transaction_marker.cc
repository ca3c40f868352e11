#include "codec/transaction_marker.h"

#include "base/bytes.h"
#include "base/check.h"
#include "codec/record_batch.h"

namespace millrace::codec {

namespace {

constexpr std::int16_t kVersion = 0;
constexpr std::int16_t kAbort = 0;
constexpr std::int16_t kCommit = 1;
constexpr std::int32_t kCoordinatorEpoch = 0;
constexpr std::size_t kKeyBytes = 4;

// Big-endian attributes in a batch's header; the low byte has the two bits.
constexpr std::size_t kAttributesLowAt = 22;
constexpr unsigned kTransactionBits = 0x30;

template <typename Int>
void append_big(std::string& to, Int value) {
  const std::size_t at = to.size();
  to.resize(at + sizeof(value));
  store_big(to.data() + at, value);
}

}  // namespace

std::string encode_transaction_marker(ProducerId id, ProducerEpoch epoch, bool is_commit,
                                      WallTime timestamp) {
  std::string key;
  append_big(key, kVersion);
  append_big(key, is_commit ? kCommit : kAbort);
  std::string value;
  append_big(value, kVersion);
  append_big(value, kCoordinatorEpoch);
  RecordBatchBuilder builder;
  builder.append(timestamp, key, value, {});
  builder.set_producer(id, epoch, -1);
  builder.set_transactional(true);
  builder.set_control(true);
  std::string batch;
  builder.finish(batch);
  MR_CHECK(batch.size() == kTransactionMarkerBytes);
  return batch;
}

Result<bool> parse_transaction_marker(std::string_view batch) {
  BatchReader reader;
  MR_RETURN_IF_ERROR(reader.open(batch));
  const RecordView* record = reader.next();
  const bool is_marker = reader.header().is_control && reader.header().is_transactional &&
                         reader.header().record_count == 1 && record != nullptr &&
                         record->key.has_value() && record->key->size() >= kKeyBytes;
  if (!is_marker) return corrupt_error("a control batch is not a transaction's marker");
  const auto type = load_big<std::int16_t>(record->key->data() + sizeof(kVersion));
  if (type != kAbort && type != kCommit) {
    return corrupt_error("a control batch has type " + std::to_string(type) +
                         "; 0 (abort) and 1 (commit) are known");
  }
  return type == kCommit;
}

bool is_plain_batch(std::string_view batch) {
  MR_CHECK(batch.size() >= kBatchHeaderBytes);
  return (static_cast<unsigned char>(batch[kAttributesLowAt]) & kTransactionBits) == 0;
}

}  // namespace millrace::codec
