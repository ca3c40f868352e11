#include "kafka_wire/configs.h"

#include "kafka_wire/message_codec_internal.h"

namespace millrace::kafka_wire {

MR_KAFKA_CODEC(DescribeConfigsRequest);
MR_KAFKA_CODEC(DescribeConfigsResponse);
MR_KAFKA_CODEC(AlterConfigsRequest);
MR_KAFKA_CODEC(AlterConfigsResponse);
MR_KAFKA_CODEC(IncrementalAlterConfigsRequest);
MR_KAFKA_CODEC(IncrementalAlterConfigsResponse);

}  // namespace millrace::kafka_wire
