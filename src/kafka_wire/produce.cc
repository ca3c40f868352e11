#include "kafka_wire/produce.h"

#include "kafka_wire/message_codec_internal.h"

namespace millrace::kafka_wire {

MR_KAFKA_CODEC(ProduceRequest);
MR_KAFKA_CODEC(ProduceResponse);

}  // namespace millrace::kafka_wire
