#include "kafka_wire/group_offsets.h"

#include "kafka_wire/message_codec_internal.h"

namespace millrace::kafka_wire {

MR_KAFKA_CODEC(OffsetCommitRequest);
MR_KAFKA_CODEC(OffsetCommitResponse);
MR_KAFKA_CODEC(OffsetFetchRequest);
MR_KAFKA_CODEC(OffsetFetchResponse);
MR_KAFKA_CODEC(OffsetDeleteRequest);
MR_KAFKA_CODEC(OffsetDeleteResponse);

}  // namespace millrace::kafka_wire
