#include "kafka_wire/transaction_admin.h"

#include "kafka_wire/message_codec_internal.h"

namespace millrace::kafka_wire {

MR_KAFKA_CODEC(WriteTxnMarkersRequest);
MR_KAFKA_CODEC(WriteTxnMarkersResponse);
MR_KAFKA_CODEC(DescribeProducersRequest);
MR_KAFKA_CODEC(DescribeProducersResponse);
MR_KAFKA_CODEC(DescribeTransactionsRequest);
MR_KAFKA_CODEC(DescribeTransactionsResponse);
MR_KAFKA_CODEC(ListTransactionsRequest);
MR_KAFKA_CODEC(ListTransactionsResponse);

}  // namespace millrace::kafka_wire
