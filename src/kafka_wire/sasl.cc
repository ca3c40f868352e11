#include "kafka_wire/sasl.h"

#include "kafka_wire/message_codec_internal.h"

namespace millrace::kafka_wire {

MR_KAFKA_CODEC(SaslHandshakeRequest);
MR_KAFKA_CODEC(SaslHandshakeResponse);
MR_KAFKA_CODEC(SaslAuthenticateRequest);
MR_KAFKA_CODEC(SaslAuthenticateResponse);
MR_KAFKA_CODEC(DescribeUserScramCredentialsRequest);
MR_KAFKA_CODEC(DescribeUserScramCredentialsResponse);
MR_KAFKA_CODEC(AlterUserScramCredentialsRequest);
MR_KAFKA_CODEC(AlterUserScramCredentialsResponse);

}  // namespace millrace::kafka_wire
