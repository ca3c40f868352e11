#include "kafka_wire/group_membership.h"

#include "kafka_wire/message_codec_internal.h"

namespace millrace::kafka_wire {

MR_KAFKA_CODEC(JoinGroupRequest);
MR_KAFKA_CODEC(JoinGroupResponse);
MR_KAFKA_CODEC(SyncGroupRequest);
MR_KAFKA_CODEC(SyncGroupResponse);
MR_KAFKA_CODEC(HeartbeatRequest);
MR_KAFKA_CODEC(HeartbeatResponse);
MR_KAFKA_CODEC(LeaveGroupRequest);
MR_KAFKA_CODEC(LeaveGroupResponse);

}  // namespace millrace::kafka_wire
