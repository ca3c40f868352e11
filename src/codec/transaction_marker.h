#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "base/time.h"
#include "model/topic.h"

// The control batch that ends a transaction in a partition, as Kafka writes it
// (https://kafka.apache.org/documentation/#controlbatch): one record whose key is version and type
// (0 abort, 1 commit) and whose value is version and coordinator epoch.

namespace millrace::codec {

// What encode_transaction_marker gives.
inline constexpr std::size_t kTransactionMarkerBytes = 78;

// One batch with base offset 0.
std::string encode_transaction_marker(ProducerId id, ProducerEpoch epoch, bool is_commit,
                                      WallTime timestamp);
// Whether it commits. `corrupt` when `batch` is not a control batch with one such record.
Result<bool> parse_transaction_marker(std::string_view batch);

// Whether a batch, whose header has been checked before, is neither part of a transaction nor its
// marker.
bool is_plain_batch(std::string_view batch);

}  // namespace millrace::codec
