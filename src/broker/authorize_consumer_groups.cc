#include "broker/authorize_internal.h"
#include "broker/group_topics.h"
#include "kafka_wire/consumer_group.h"

// Groups whose partitions the broker assigns (KIP-848).

namespace millrace::broker {

using kafka_wire::ConsumerGroupDescribeRequest;
using kafka_wire::ConsumerGroupDescribeResponse;
using kafka_wire::ConsumerGroupHeartbeatRequest;
using kafka_wire::ConsumerGroupHeartbeatResponse;
using kafka_wire::ErrorCode;
using enum AclOperation;

namespace {

// Kafka leaves out of the matching topics those that may not be described; here all must be, those
// that are still to come, too.
bool may_match(const Services& services, const Access& access, const std::string& regex) {
  if (!access.on_topic(describe, kAnyName)) return false;
  if (!check_topic_regex(regex).is_ok()) return true;  // the handler says what is wrong with it
  const auto topics = group_topics(services.log->topics(), *services.topic_ids);
  const auto names = matching_topics(regex, *topics);
  return std::all_of(names.begin(), names.end(),
                     [&](const auto& name) { return access.on_topic(describe, name); });
}

ErrorCode refusal_of(const Services& services, const Access& access,
                     const ConsumerGroupHeartbeatRequest& request) {
  if (!access.on_group(read, request.group_id)) return ErrorCode::group_authorization_failed;
  bool may = true;
  if (request.subscribed_topic_names) {
    for (const auto& name : *request.subscribed_topic_names) may &= access.on_topic(describe, name);
  }
  const std::string regex = request.subscribed_topic_regex.value_or("");
  if (!regex.empty()) may &= may_match(services, access, regex);
  return may ? ErrorCode::none : ErrorCode::topic_authorization_failed;
}

bool may_be_shown(const Access& access, const ConsumerGroupDescribeResponse::Group& group) {
  for (const auto& member : group.members) {
    for (const auto& name : member.subscribed_topic_names) {
      if (!access.on_topic(describe, name)) return false;
    }
    for (const auto* assignment : {&member.assignment, &member.target_assignment}) {
      for (const auto& topic : assignment->topic_partitions) {
        if (!access.on_topic(describe, topic.topic_name)) return false;
      }
    }
  }
  return true;
}

void amend(const Access& access, bool shows_operations,
           ConsumerGroupDescribeResponse::Group& group) {
  if (group.error_code != ErrorCode::none) return;
  if (!may_be_shown(access, group)) {
    group.error_code = ErrorCode::topic_authorization_failed;
    group.error_message = "a topic of the group may not be described";
    group.members.clear();
  } else if (shows_operations) {
    group.authorized_operations = access.operations(ResourceType::group, group.group_id);
  }
}

}  // namespace

void guard_consumer_groups(const Authorization& to) {
  guard<ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse>(
      to, [&services = to.services](const Access& access, const Call&,
                                    ConsumerGroupHeartbeatRequest& request,
                                    Responder<ConsumerGroupHeartbeatResponse>& respond) {
        ConsumerGroupHeartbeatResponse response;
        response.error_code = refusal_of(services, access, request);
        if (response.error_code == ErrorCode::none) return true;
        respond(response);
        return false;
      });
  guard<ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse>(
      to, [](const Access& access, const Call&, ConsumerGroupDescribeRequest& request,
             Responder<ConsumerGroupDescribeResponse>& respond) {
        auto refused = take_refused(
            request.group_ids, [&](const auto& group) { return access.on_group(describe, group); });
        respond.set_amendment([access, refused = std::move(refused),
                               shows_operations = request.include_authorized_operations](
                                  ConsumerGroupDescribeResponse& response) {
          for (auto& group : response.groups) amend(access, shows_operations, group);
          for (const auto& name : refused) {
            auto& out = response.groups.emplace_back();
            out.group_id = name;
            out.error_code = ErrorCode::group_authorization_failed;
          }
        });
        return true;
      });
}

}  // namespace millrace::broker
