#include "broker/authorize_internal.h"
#include "kafka_wire/group_offsets.h"

namespace millrace::broker {

using kafka_wire::ErrorCode;
using kafka_wire::OffsetCommitRequest;
using kafka_wire::OffsetCommitResponse;
using kafka_wire::OffsetDeleteRequest;
using kafka_wire::OffsetDeleteResponse;
using kafka_wire::OffsetFetchRequest;
using kafka_wire::OffsetFetchResponse;
using kafka_wire::TopicErrors;
using enum AclOperation;

namespace {

constexpr std::int16_t kFirstOfSeveralGroups = 8;
constexpr std::int16_t kFirstWithGroupError = 2;

template <typename Topics>
void append_errors(const Topics& topics, ErrorCode code, std::vector<TopicErrors>& to) {
  for (const auto& topic : topics) {
    auto& out = to.emplace_back();
    out.name = topic.name;
    for (const auto& partition : topic.partitions) {
      out.partitions.push_back({partition.partition_index, code});
    }
  }
}

void guard_commit(const Authorization& to) {
  guard<OffsetCommitRequest, OffsetCommitResponse>(
      to, [](const Access& access, const Call&, OffsetCommitRequest& request,
             Responder<OffsetCommitResponse>& respond) {
        OffsetCommitResponse response;
        if (!access.on_group(read, request.group_id)) {
          append_errors(request.topics, ErrorCode::group_authorization_failed, response.topics);
          respond(response);
          return false;
        }
        const auto refused = take_refused(
            request.topics, [&](const auto& topic) { return access.on_topic(read, topic.name); });
        if (refused.empty()) return true;
        append_errors(refused, ErrorCode::topic_authorization_failed, response.topics);
        if (request.topics.empty()) {
          respond(response);
          return false;
        }
        respond.set_amendment([errors = std::move(response.topics)](OffsetCommitResponse& out) {
          out.topics.insert(out.topics.end(), errors.begin(), errors.end());
        });
        return true;
      });
}

void guard_delete(const Authorization& to) {
  guard<OffsetDeleteRequest, OffsetDeleteResponse>(
      to, [](const Access& access, const Call&, OffsetDeleteRequest& request,
             Responder<OffsetDeleteResponse>& respond) {
        OffsetDeleteResponse response;
        if (!access.on_group(remove, request.group_id)) {
          response.error_code = ErrorCode::group_authorization_failed;
          respond(response);
          return false;
        }
        const auto refused = take_refused(
            request.topics, [&](const auto& topic) { return access.on_topic(read, topic.name); });
        if (refused.empty()) return true;
        append_errors(refused, ErrorCode::topic_authorization_failed, response.topics);
        respond.set_amendment([errors = std::move(response.topics)](OffsetDeleteResponse& out) {
          out.topics.insert(out.topics.end(), errors.begin(), errors.end());
        });
        return true;
      });
}

// Asked for by name: what is refused is answered so. All: what is refused is left out.
std::vector<OffsetFetchResponse::Topic> take_topics(
    const Access& access, std::optional<std::vector<OffsetFetchRequest::Topic>>& topics) {
  std::vector<OffsetFetchResponse::Topic> out;
  if (!topics) return out;
  const auto refused = take_refused(
      *topics, [&](const auto& topic) { return access.on_topic(describe, topic.name); });
  for (const auto& topic : refused) {
    auto& answer = out.emplace_back();
    answer.name = topic.name;
    for (const auto index : topic.partition_indexes) {
      answer.partitions.push_back({.partition_index = index,
                                   .committed_offset = -1,
                                   .metadata = "",
                                   .error_code = ErrorCode::topic_authorization_failed});
    }
  }
  return out;
}

void amend_topics(const Access& access, const std::vector<OffsetFetchResponse::Topic>& refused,
                  std::vector<OffsetFetchResponse::Topic>& topics) {
  std::erase_if(topics, [&](const auto& topic) { return !access.on_topic(describe, topic.name); });
  topics.insert(topics.end(), refused.begin(), refused.end());
}

bool check_one_group(const Access& access, const Call& call, OffsetFetchRequest& request,
                     Responder<OffsetFetchResponse>& respond) {
  if (!access.on_group(describe, request.group_id)) {
    OffsetFetchResponse response;
    response.error_code = ErrorCode::group_authorization_failed;
    if (call.api_version < kFirstWithGroupError && request.topics) {
      for (const auto& topic : *request.topics) {
        auto& out = response.topics.emplace_back();
        out.name = topic.name;
        for (const auto index : topic.partition_indexes) {
          out.partitions.push_back({.partition_index = index,
                                    .committed_offset = -1,
                                    .metadata = "",
                                    .error_code = ErrorCode::group_authorization_failed});
        }
      }
    }
    respond(response);
    return false;
  }
  respond.set_amendment(
      [access, refused = take_topics(access, request.topics)](OffsetFetchResponse& response) {
        amend_topics(access, refused, response.topics);
      });
  return true;
}

bool check_groups(const Access& access, OffsetFetchRequest& request,
                  Responder<OffsetFetchResponse>& respond) {
  auto refused_groups = take_refused(
      request.groups, [&](const auto& group) { return access.on_group(describe, group.group_id); });
  std::vector<std::pair<std::string, std::vector<OffsetFetchResponse::Topic>>> refused;
  for (auto& group : request.groups) {
    refused.emplace_back(group.group_id, take_topics(access, group.topics));
  }
  respond.set_amendment([access, refused_groups = std::move(refused_groups),
                         refused = std::move(refused)](OffsetFetchResponse& response) {
    for (auto& group : response.groups) {
      const auto of_group = std::find_if(refused.begin(), refused.end(), [&](const auto& one) {
        return one.first == group.group_id;
      });
      if (of_group != refused.end()) amend_topics(access, of_group->second, group.topics);
    }
    for (const auto& group : refused_groups) {
      auto& out = response.groups.emplace_back();
      out.group_id = group.group_id;
      out.error_code = ErrorCode::group_authorization_failed;
    }
  });
  return true;
}

}  // namespace

void guard_offsets(const Authorization& to) {
  guard_commit(to);
  guard_delete(to);
  guard<OffsetFetchRequest, OffsetFetchResponse>(
      to, [](const Access& access, const Call& call, OffsetFetchRequest& request,
             Responder<OffsetFetchResponse>& respond) {
        return call.api_version < kFirstOfSeveralGroups
                   ? check_one_group(access, call, request, respond)
                   : check_groups(access, request, respond);
      });
}

}  // namespace millrace::broker
