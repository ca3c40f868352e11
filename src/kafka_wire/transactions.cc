#include "kafka_wire/transactions.h"

#include "kafka_wire/message_codec_internal.h"

namespace millrace::kafka_wire {

MR_KAFKA_CODEC(InitProducerIdRequest);
MR_KAFKA_CODEC(InitProducerIdResponse);
MR_KAFKA_CODEC(AddPartitionsToTxnRequest);
MR_KAFKA_CODEC(AddPartitionsToTxnResponse);
MR_KAFKA_CODEC(AddOffsetsToTxnRequest);
MR_KAFKA_CODEC(AddOffsetsToTxnResponse);
MR_KAFKA_CODEC(EndTxnRequest);
MR_KAFKA_CODEC(EndTxnResponse);
MR_KAFKA_CODEC(TxnOffsetCommitRequest);
MR_KAFKA_CODEC(TxnOffsetCommitResponse);

}  // namespace millrace::kafka_wire
