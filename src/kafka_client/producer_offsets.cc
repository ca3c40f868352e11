// A group's offset that no broker can answer from before.

#include "kafka_client/broker_errors.h"
#include "kafka_client/producer.h"
#include "kafka_wire/group_offsets.h"

namespace millrace::kafka_client {
namespace {

using kafka_wire::ErrorCode;

constexpr std::int16_t kFetchVersion = 7;  // require_stable (KIP-447), of one group

Result<ErrorCode> read_stable(const std::string& group, const TopicPartition& source,
                              Connection& from, MonotonicTime deadline,
                              std::optional<log::GroupOffset>& out) {
  kafka_wire::OffsetFetchRequest request;
  request.group_id = group;
  request.require_stable = true;
  request.topics.emplace().push_back({source.topic, {source.partition}});
  kafka_wire::OffsetFetchResponse response;
  MR_ASSIGN_OR_RETURN(const auto version,
                      from.version(kafka_wire::ApiKey::offset_fetch, kFetchVersion, kFetchVersion));
  MR_RETURN_IF_ERROR(from.send(request, version, deadline));
  MR_RETURN_IF_ERROR(from.receive(response, deadline));
  if (response.error_code != ErrorCode::none) return response.error_code;
  if (response.topics.size() != 1 || response.topics.front().partitions.size() != 1) {
    return disconnected_error("an answer without " + source.to_string());
  }
  const auto& answer = response.topics.front().partitions.front();
  if (answer.error_code != ErrorCode::none) return answer.error_code;
  if (answer.committed_offset >= 0) {
    out = {source, Offset(answer.committed_offset), answer.metadata.value_or("")};
  }
  return ErrorCode::none;
}

}  // namespace

// An offset in a transaction that is never committed. Whoever takes it has written it to all
// replicas in sync, and so is the coordinator, with all that was decided before.
Result<ErrorCode> Producer::write_nothing(const std::string& group, const TopicPartition& source,
                                          Connection& coordinator, MonotonicTime until) {
  if (must_initialize_) MR_RETURN_IF_ERROR(initialize());
  bool had_trouble = false;
  const TransactionScope scope{id_, identity_, is_v2_, until, had_trouble};
  log::Commit nothing;
  nothing.offsets.push_back({group, source, Offset(0), {}});
  OffsetSends sends(cluster_, clock_, scope, nothing, nullptr);
  must_initialize_ = true;
  if (!is_v2_) MR_RETURN_IF_ERROR(sends.enrol());
  MR_ASSIGN_OR_RETURN(const auto error, sends.write_to(coordinator));
  if (error != ErrorCode::none) return error;
  MR_RETURN_IF_ERROR(initialize());
  return ErrorCode::none;
}

Result<std::optional<log::GroupOffset>> Producer::decided_offset(const std::string& group,
                                                                 const TopicPartition& source) {
  std::optional<log::GroupOffset> out;
  bool had_trouble = false;
  const auto until = deadline();
  const auto what = "offset of group " + group;
  const auto attempt = [&](Connection& coordinator) -> Result<ErrorCode> {
    MR_ASSIGN_OR_RETURN(const auto error, write_nothing(group, source, coordinator, until));
    if (error != ErrorCode::none) return error;
    return read_stable(group, source, coordinator, until, out);
  };
  MR_RETURN_IF_ERROR(ask_coordinator(cluster_, clock_, {CoordinatorKind::group, group, what}, until,
                                     had_trouble, attempt));
  return out;
}

}  // namespace millrace::kafka_client
