#include "kafka_wire/fetch.h"

#include "kafka_wire/message_codec_internal.h"

namespace millrace::kafka_wire {

MR_KAFKA_CODEC(FetchRequest);
MR_KAFKA_CODEC(FetchResponse);

}  // namespace millrace::kafka_wire
