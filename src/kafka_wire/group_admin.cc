#include "kafka_wire/group_admin.h"

#include "kafka_wire/message_codec_internal.h"

namespace millrace::kafka_wire {

MR_KAFKA_CODEC(FindCoordinatorRequest);
MR_KAFKA_CODEC(FindCoordinatorResponse);
MR_KAFKA_CODEC(DescribeGroupsRequest);
MR_KAFKA_CODEC(DescribeGroupsResponse);
MR_KAFKA_CODEC(ListGroupsRequest);
MR_KAFKA_CODEC(ListGroupsResponse);
MR_KAFKA_CODEC(DeleteGroupsRequest);
MR_KAFKA_CODEC(DeleteGroupsResponse);

}  // namespace millrace::kafka_wire
