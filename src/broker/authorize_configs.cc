#include "broker/authorize_internal.h"
#include "kafka_wire/configs.h"

namespace millrace::broker {

using kafka_wire::AlterConfigsRequest;
using kafka_wire::AlterConfigsResponse;
using kafka_wire::ConfigResourceType;
using kafka_wire::DescribeConfigsRequest;
using kafka_wire::DescribeConfigsResponse;
using kafka_wire::ErrorCode;
using kafka_wire::IncrementalAlterConfigsRequest;
using kafka_wire::IncrementalAlterConfigsResponse;
using enum AclOperation;

namespace {

struct Refusal {
  ErrorCode code = ErrorCode::none;
  ConfigResourceType type = ConfigResourceType::unknown;
  std::string name;
};

// NONE when it may be done.
ErrorCode refusal_of(const Access& access, AclOperation operation, ConfigResourceType type,
                     const std::string& name) {
  switch (type) {
    case ConfigResourceType::topic:
      return access.on_topic(operation, name) ? ErrorCode::none
                                              : ErrorCode::topic_authorization_failed;
    case ConfigResourceType::group:
      return access.on_group(operation, name) ? ErrorCode::none
                                              : ErrorCode::group_authorization_failed;
    default:
      return access.on_cluster(operation) ? ErrorCode::none
                                          : ErrorCode::cluster_authorization_failed;
  }
}

template <typename Resource>
std::vector<Refusal> take(const Access& access, AclOperation operation,
                          std::vector<Resource>& resources) {
  std::vector<Refusal> refused;
  std::erase_if(resources, [&](const Resource& resource) {
    const auto code = refusal_of(access, operation, resource.resource_type, resource.resource_name);
    if (code == ErrorCode::none) return false;
    refused.push_back({code, resource.resource_type, resource.resource_name});
    return true;
  });
  return refused;
}

template <typename Request, typename Response>
void guard_alter(const Authorization& to) {
  guard<Request, Response>(
      to, [](const Access& access, const Call&, Request& request, Responder<Response>& respond) {
        auto refused = take(access, alter_configs, request.resources);
        if (refused.empty()) return true;
        respond.set_amendment([refused = std::move(refused)](Response& response) {
          for (const auto& one : refused) {
            response.responses.push_back({one.code, "Authorization failed.", one.type, one.name});
          }
        });
        return true;
      });
}

}  // namespace

void guard_configs(const Authorization& to) {
  guard<DescribeConfigsRequest, DescribeConfigsResponse>(
      to, [](const Access& access, const Call&, DescribeConfigsRequest& request,
             Responder<DescribeConfigsResponse>& respond) {
        auto refused = take(access, describe_configs, request.resources);
        if (refused.empty()) return true;
        respond.set_amendment([refused = std::move(refused)](DescribeConfigsResponse& response) {
          for (const auto& one : refused) {
            auto& out = response.results.emplace_back();
            out.error_code = one.code;
            out.error_message = "Authorization failed.";
            out.resource_type = one.type;
            out.resource_name = one.name;
          }
        });
        return true;
      });
  guard_alter<AlterConfigsRequest, AlterConfigsResponse>(to);
  guard_alter<IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse>(to);
}

}  // namespace millrace::broker
