#include "kafka_wire/quotas.h"

#include "kafka_wire/message_codec_internal.h"

namespace millrace::kafka_wire {

MR_KAFKA_CODEC(DescribeClientQuotasRequest);
MR_KAFKA_CODEC(DescribeClientQuotasResponse);
MR_KAFKA_CODEC(AlterClientQuotasRequest);
MR_KAFKA_CODEC(AlterClientQuotasResponse);

}  // namespace millrace::kafka_wire
