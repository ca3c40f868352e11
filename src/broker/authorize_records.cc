#include "broker/authorize_internal.h"
#include "kafka_wire/fetch.h"
#include "kafka_wire/list_offsets.h"
#include "kafka_wire/produce.h"

namespace millrace::broker {

using kafka_wire::ErrorCode;
using kafka_wire::FetchRequest;
using kafka_wire::FetchResponse;
using kafka_wire::ListOffsetsRequest;
using kafka_wire::ListOffsetsResponse;
using kafka_wire::OffsetForLeaderEpochRequest;
using kafka_wire::OffsetForLeaderEpochResponse;
using kafka_wire::ProduceRequest;
using kafka_wire::ProduceResponse;
using enum AclOperation;

namespace {

ProduceResponse::Topic refused_topic(const ProduceRequest::Topic& topic, ErrorCode code) {
  ProduceResponse::Topic out;
  out.name = topic.name;
  out.topic_id = topic.topic_id;
  for (const auto& partition : topic.partition_data) {
    auto& refused = out.partition_responses.emplace_back();
    refused.index = partition.index;
    refused.error_code = code;
    refused.base_offset = -1;
  }
  return out;
}

void guard_produce(const Authorization& to) {
  guard<ProduceRequest, ProduceResponse>(
      to, [&services = to.services](const Access& access, const Call&, ProduceRequest& request,
                                    Responder<ProduceResponse>& respond) {
        const auto& id = request.transactional_id;
        if (id && !access.on_transactional_id(write, *id)) {
          if (request.acks == 0) {
            respond.send_nothing();
            return false;
          }
          ProduceResponse response;
          for (const auto& topic : request.topic_data) {
            response.responses.push_back(
                refused_topic(topic, ErrorCode::transactional_id_authorization_failed));
          }
          respond(response);
          return false;
        }
        const auto refused =
            take_refused(request.topic_data, [&](const ProduceRequest::Topic& topic) {
              if (!topic.name.empty()) return access.on_topic(write, topic.name);
              const auto name = services.topic_ids->name_of(topic.topic_id);
              return !name || access.on_topic(write, *name);
            });
        if (refused.empty()) return true;
        std::vector<ProduceResponse::Topic> answers;
        for (const auto& topic : refused) {
          answers.push_back(refused_topic(topic, ErrorCode::topic_authorization_failed));
        }
        respond.set_amendment([answers = std::move(answers)](ProduceResponse& response) {
          response.responses.insert(response.responses.end(), answers.begin(), answers.end());
        });
        return true;
      });
}

void guard_fetch(const Authorization& to) {
  guard<FetchRequest, FetchResponse>(
      to, [&services = to.services](const Access& access, const Call&, FetchRequest& request,
                                    Responder<FetchResponse>& respond) {
        auto refused = take_refused(request.topics, [&](const FetchRequest::Topic& topic) {
          if (!topic.topic.empty()) return access.on_topic(read, topic.topic);
          const auto name = services.topic_ids->name_of(topic.topic_id);
          return !name || access.on_topic(read, *name);
        });
        if (refused.empty()) return true;
        if (request.topics.empty()) request.max_wait_ms = 0;
        respond.set_amendment([refused = std::move(refused)](FetchResponse& response) {
          for (const auto& topic : refused) {
            auto& out = response.responses.emplace_back();
            out.topic = topic.topic;
            out.topic_id = topic.topic_id;
            for (const auto& partition : topic.partitions) {
              auto& answer = out.partitions.emplace_back();
              answer.partition_index = partition.partition;
              answer.error_code = ErrorCode::topic_authorization_failed;
              answer.high_watermark = -1;
              answer.records = kafka_wire::Records::none();
            }
          }
        });
        return true;
      });
}

void guard_list_offsets(const Authorization& to) {
  guard<ListOffsetsRequest, ListOffsetsResponse>(to, [](const Access& access, const Call&,
                                                        ListOffsetsRequest& request,
                                                        Responder<ListOffsetsResponse>& respond) {
    auto refused = take_refused(
        request.topics, [&](const auto& topic) { return access.on_topic(describe, topic.name); });
    if (refused.empty()) return true;
    respond.set_amendment([refused = std::move(refused)](ListOffsetsResponse& response) {
      for (const auto& topic : refused) {
        auto& out = response.topics.emplace_back();
        out.name = topic.name;
        for (const auto& partition : topic.partitions) {
          auto& answer = out.partitions.emplace_back();
          answer.partition_index = partition.partition_index;
          answer.error_code = ErrorCode::topic_authorization_failed;
        }
      }
    });
    return true;
  });
}

void guard_leader_epochs(const Authorization& to) {
  guard<OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse>(
      to, [](const Access& access, const Call&, OffsetForLeaderEpochRequest& request,
             Responder<OffsetForLeaderEpochResponse>& respond) {
        if (access.on_cluster(cluster_action)) return true;
        auto refused = take_refused(request.topics, [&](const auto& topic) {
          return access.on_topic(describe, topic.topic);
        });
        if (refused.empty()) return true;
        respond.set_amendment(
            [refused = std::move(refused)](OffsetForLeaderEpochResponse& response) {
              for (const auto& topic : refused) {
                auto& out = response.topics.emplace_back();
                out.topic = topic.topic;
                for (const auto& partition : topic.partitions) {
                  auto& answer = out.partitions.emplace_back();
                  answer.partition = partition.partition;
                  answer.error_code = ErrorCode::topic_authorization_failed;
                }
              }
            });
        return true;
      });
}

}  // namespace

void guard_records(const Authorization& to) {
  guard_produce(to);
  guard_fetch(to);
  guard_list_offsets(to);
  guard_leader_epochs(to);
}

}  // namespace millrace::broker
