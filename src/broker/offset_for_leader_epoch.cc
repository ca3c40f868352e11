#include "broker/apis.h"
#include "broker/errors.h"
#include "kafka_wire/list_offsets.h"

namespace millrace::broker {

using kafka_wire::ErrorCode;
using kafka_wire::OffsetForLeaderEpochRequest;
using kafka_wire::OffsetForLeaderEpochResponse;

// The leader never changes, so there is one epoch, 0, and it ends where the log does: at the high
// watermark, since nothing above it has been shown to anyone.
void add_offset_for_leader_epoch(DispatchTable& table, const Services& services) {
  table.add<OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse>(
      [&services](const Call&, OffsetForLeaderEpochRequest& request,
                  const Responder<OffsetForLeaderEpochResponse>& respond) {
        OffsetForLeaderEpochResponse response;
        for (const auto& topic : request.topics) {
          auto& topic_out = response.topics.emplace_back();
          topic_out.topic = topic.topic;
          for (const auto& partition : topic.partitions) {
            auto& out = topic_out.partitions.emplace_back();
            out.partition = partition.partition;
            const auto offsets = services.log->offsets({topic.topic, partition.partition});
            out.error_code = error_code_of(offsets.status(), ErrorContext::read);
            if (!offsets.is_ok()) continue;
            if (partition.current_leader_epoch > 0) {
              out.error_code = ErrorCode::unknown_leader_epoch;
            } else if (partition.leader_epoch == 0) {
              out.leader_epoch = 0;
              out.end_offset = offsets->high_watermark.value;
            }
          }
        }
        respond(response);
      });
}

}  // namespace millrace::broker
