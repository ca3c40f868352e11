#include "broker/authorize_internal.h"
#include "broker/topic_admin.h"
#include "kafka_wire/topics.h"

namespace millrace::broker {

using kafka_wire::CreatePartitionsRequest;
using kafka_wire::CreatePartitionsResponse;
using kafka_wire::CreateTopicsRequest;
using kafka_wire::CreateTopicsResponse;
using kafka_wire::DeleteRecordsRequest;
using kafka_wire::DeleteRecordsResponse;
using kafka_wire::DeleteTopicsRequest;
using kafka_wire::DeleteTopicsResponse;
using kafka_wire::ErrorCode;
using enum AclOperation;

namespace {

constexpr ErrorCode kRefused = ErrorCode::topic_authorization_failed;

void guard_create(const Authorization& to) {
  guard<CreateTopicsRequest, CreateTopicsResponse>(
      to, [](const Access& access, const Call&, CreateTopicsRequest& request,
             Responder<CreateTopicsResponse>& respond) {
        const bool may_all = access.on_cluster(create);
        auto refused = take_refused(request.topics, [&](const auto& topic) {
          return may_all || access.on_topic(create, topic.name);
        });
        respond.set_amendment(
            [refused = std::move(refused), access](CreateTopicsResponse& response) {
              for (auto& topic : response.topics) {
                if (topic.error_code != ErrorCode::none ||
                    access.on_topic(describe_configs, topic.name)) {
                  continue;
                }
                topic.topic_config_error_code = kRefused;
                topic.num_partitions = -1;
                topic.replication_factor = -1;
                topic.configs.emplace();
              }
              for (const auto& topic : refused) {
                auto& out = response.topics.emplace_back();
                out.name = topic.name;
                out.error_code = kRefused;
                out.error_message = "Authorization failed.";
              }
            });
        return true;
      });
}

// What may not be described is not said to be there.
std::optional<DeleteTopicsResponse::Topic> refusal_of_deleting(const Services& services,
                                                               const Access& access,
                                                               std::optional<std::string> name,
                                                               const kafka_wire::Uuid& id) {
  const bool is_by_id = !name;
  if (is_by_id) name = services.topic_ids->name_of(id);
  if (!name) return std::nullopt;
  const bool may_describe = access.on_topic(describe, *name);
  if (!is_by_id && may_describe && !services.log->topic(*name).is_ok()) return std::nullopt;
  if (may_describe && access.on_topic(remove, *name)) return std::nullopt;
  DeleteTopicsResponse::Topic out;
  if (!is_by_id || may_describe) out.name = name;
  if (is_by_id) out.topic_id = id;
  out.error_code = kRefused;
  out.error_message = "Authorization failed.";
  return out;
}

void guard_delete(const Authorization& to) {
  guard<DeleteTopicsRequest, DeleteTopicsResponse>(
      to, [&services = to.services](const Access& access, const Call&, DeleteTopicsRequest& request,
                                    Responder<DeleteTopicsResponse>& respond) {
        std::vector<DeleteTopicsResponse::Topic> refused;
        const auto is_refused = [&](const std::optional<std::string>& name,
                                    const kafka_wire::Uuid& id) {
          auto refusal = refusal_of_deleting(services, access, name, id);
          if (refusal) refused.push_back(std::move(*refusal));
          return refusal.has_value();
        };
        std::erase_if(request.topic_names, [&](const auto& name) { return is_refused(name, {}); });
        std::erase_if(request.topics,
                      [&](const auto& topic) { return is_refused(topic.name, topic.topic_id); });
        if (refused.empty()) return true;
        respond.set_amendment([refused = std::move(refused)](DeleteTopicsResponse& response) {
          response.responses.insert(response.responses.end(), refused.begin(), refused.end());
        });
        return true;
      });
}

void guard_grow(const Authorization& to) {
  guard<CreatePartitionsRequest, CreatePartitionsResponse>(
      to, [](const Access& access, const Call&, CreatePartitionsRequest& request,
             Responder<CreatePartitionsResponse>& respond) {
        auto refused = take_refused(
            request.topics, [&](const auto& topic) { return access.on_topic(alter, topic.name); });
        if (refused.empty()) return true;
        respond.set_amendment([refused = std::move(refused)](CreatePartitionsResponse& response) {
          for (const auto& topic : refused) {
            response.results.push_back({topic.name, kRefused, "Authorization failed."});
          }
        });
        return true;
      });
}

void guard_delete_records(const Authorization& to) {
  guard<DeleteRecordsRequest, DeleteRecordsResponse>(
      to, [](const Access& access, const Call&, DeleteRecordsRequest& request,
             Responder<DeleteRecordsResponse>& respond) {
        auto refused = take_refused(
            request.topics, [&](const auto& topic) { return access.on_topic(remove, topic.name); });
        if (refused.empty()) return true;
        respond.set_amendment([refused = std::move(refused)](DeleteRecordsResponse& response) {
          for (const auto& topic : refused) {
            auto& out = response.topics.emplace_back();
            out.name = topic.name;
            for (const auto& partition : topic.partitions) {
              out.partitions.push_back({partition.partition_index, -1, kRefused});
            }
          }
        });
        return true;
      });
}

}  // namespace

void guard_topics(const Authorization& to) {
  guard_create(to);
  guard_delete(to);
  guard_grow(to);
  guard_delete_records(to);
}

}  // namespace millrace::broker
