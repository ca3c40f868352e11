#include "kafka_wire/list_offsets.h"

#include "kafka_wire/message_codec_internal.h"

namespace millrace::kafka_wire {

MR_KAFKA_CODEC(ListOffsetsRequest);
MR_KAFKA_CODEC(ListOffsetsResponse);
MR_KAFKA_CODEC(OffsetForLeaderEpochRequest);
MR_KAFKA_CODEC(OffsetForLeaderEpochResponse);

}  // namespace millrace::kafka_wire
