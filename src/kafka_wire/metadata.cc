#include "kafka_wire/metadata.h"

#include "kafka_wire/message_codec_internal.h"

namespace millrace::kafka_wire {

MR_KAFKA_CODEC(MetadataRequest);
MR_KAFKA_CODEC(MetadataResponse);
MR_KAFKA_CODEC(DescribeTopicPartitionsRequest);
MR_KAFKA_CODEC(DescribeTopicPartitionsResponse);

}  // namespace millrace::kafka_wire
