#include "kafka_wire/topics.h"

#include "kafka_wire/message_codec_internal.h"

namespace millrace::kafka_wire {

MR_KAFKA_CODEC(CreateTopicsRequest);
MR_KAFKA_CODEC(CreateTopicsResponse);
MR_KAFKA_CODEC(DeleteTopicsRequest);
MR_KAFKA_CODEC(DeleteTopicsResponse);
MR_KAFKA_CODEC(CreatePartitionsRequest);
MR_KAFKA_CODEC(CreatePartitionsResponse);
MR_KAFKA_CODEC(DeleteRecordsRequest);
MR_KAFKA_CODEC(DeleteRecordsResponse);

}  // namespace millrace::kafka_wire
