#include "kafka_wire/acls.h"

#include "kafka_wire/message_codec_internal.h"

namespace millrace::kafka_wire {

MR_KAFKA_CODEC(DescribeAclsRequest);
MR_KAFKA_CODEC(DescribeAclsResponse);
MR_KAFKA_CODEC(CreateAclsRequest);
MR_KAFKA_CODEC(CreateAclsResponse);
MR_KAFKA_CODEC(DeleteAclsRequest);
MR_KAFKA_CODEC(DeleteAclsResponse);

}  // namespace millrace::kafka_wire
