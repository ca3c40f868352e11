#include "kafka_wire/cluster.h"

#include "kafka_wire/message_codec_internal.h"

namespace millrace::kafka_wire {

MR_KAFKA_CODEC(DescribeClusterRequest);
MR_KAFKA_CODEC(DescribeClusterResponse);
MR_KAFKA_CODEC(DescribeLogDirsRequest);
MR_KAFKA_CODEC(DescribeLogDirsResponse);

}  // namespace millrace::kafka_wire
