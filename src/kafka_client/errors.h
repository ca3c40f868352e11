#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "kafka_client/librdkafka.h"
#include "log/shared_log.h"

namespace millrace::kafka_client {

// The error as what a caller can do about it, "what: " before librdkafka's words for it. What is
// not known is `disconnected`: asked again, it may be different.
Status status_of(rd_kafka_resp_err_t error, std::string_view what, std::string_view detail = {});
// Of what librdkafka's newer calls return; null is success. Takes nothing.
Status status_of(const rd_kafka_error_t* error, std::string_view what);

// Where a transaction was when an error stopped it.
enum class TransactionStep : std::uint8_t {
  records,  // begun, records produced, offsets not sent: nothing can have been committed
  offsets,  // offsets were sent to the transaction, its end was not
  end,      // EndTxn(commit) was, or may have been, sent
};

// What is known about a transaction that `error` stopped; EndTxn(commit) is never sent afterwards.
//
// An error of the last step is `unknown`, whatever it says: librdkafka repeats EndTxn on its own,
// so that the answer to a repeat says nothing about the first one, which may have been carried out.
log::TransactionOutcome outcome_of(TransactionStep step, rd_kafka_resp_err_t error);

// Whether the error says that the transactional id is somebody else's.
bool is_producer_fenced(rd_kafka_resp_err_t error);

}  // namespace millrace::kafka_client
