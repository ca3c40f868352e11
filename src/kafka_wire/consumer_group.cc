#include "kafka_wire/consumer_group.h"

#include "kafka_wire/message_codec_internal.h"

namespace millrace::kafka_wire {

MR_KAFKA_CODEC(ConsumerGroupHeartbeatRequest);
MR_KAFKA_CODEC(ConsumerGroupHeartbeatResponse);
MR_KAFKA_CODEC(ConsumerGroupDescribeRequest);
MR_KAFKA_CODEC(ConsumerGroupDescribeResponse);

}  // namespace millrace::kafka_wire
