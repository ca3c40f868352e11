#include "kafka_client/broker_errors.h"

#include <string>

namespace millrace::kafka_client {

using kafka_wire::ErrorCode;

StatusCode code_of(ErrorCode error) {
  switch (error) {
    case ErrorCode::none:
      return StatusCode::ok;
    case ErrorCode::unknown_topic_or_partition:
    case ErrorCode::unknown_topic_id:
    case ErrorCode::group_id_not_found:
      return StatusCode::not_found;
    case ErrorCode::topic_already_exists:
      return StatusCode::exists;
    case ErrorCode::invalid_topic_exception:
    case ErrorCode::invalid_partitions:
    case ErrorCode::invalid_replication_factor:
    case ErrorCode::invalid_config:
    case ErrorCode::invalid_request:
    case ErrorCode::policy_violation:
    case ErrorCode::message_too_large:
    case ErrorCode::record_list_too_large:
    case ErrorCode::offset_metadata_too_large:
    case ErrorCode::invalid_transaction_timeout:
    case ErrorCode::invalid_session_timeout:
    case ErrorCode::invalid_group_id:
    case ErrorCode::topic_authorization_failed:
    case ErrorCode::group_authorization_failed:
    case ErrorCode::cluster_authorization_failed:
    case ErrorCode::transactional_id_authorization_failed:
    case ErrorCode::invalid_record:
      return StatusCode::invalid;
    case ErrorCode::corrupt_message:
      return StatusCode::corrupt;
    case ErrorCode::offset_out_of_range:
      return StatusCode::out_of_range;
    case ErrorCode::illegal_generation:
    case ErrorCode::unknown_member_id:
    case ErrorCode::fenced_instance_id:
    case ErrorCode::producer_fenced:
    case ErrorCode::invalid_producer_epoch:
      return StatusCode::fenced;
    case ErrorCode::unstable_offset_commit:
    case ErrorCode::concurrent_transactions:
    case ErrorCode::throttling_quota_exceeded:
    case ErrorCode::leader_not_available:  // it moves, or the topic is new
    case ErrorCode::not_leader_or_follower:
    case ErrorCode::fenced_leader_epoch:
    case ErrorCode::unknown_leader_epoch:
      return StatusCode::overloaded;
    case ErrorCode::unsupported_version:
      return StatusCode::unsupported;
    case ErrorCode::non_empty_group:
      return StatusCode::wrong_state;
    default:
      return StatusCode::disconnected;
  }
}

Status status_of(ErrorCode error, std::string_view what) {
  if (error == ErrorCode::none) return ok_status();
  return {code_of(error),
          std::string(what) + ": the broker says " + std::string(kafka_wire::to_string(error))};
}

}  // namespace millrace::kafka_client
