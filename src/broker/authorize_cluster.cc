#include "broker/authorize_internal.h"
#include "kafka_wire/acls.h"
#include "kafka_wire/cluster.h"
#include "kafka_wire/group_admin.h"
#include "kafka_wire/quotas.h"
#include "kafka_wire/sasl.h"

namespace millrace::broker {

using kafka_wire::AlterClientQuotasRequest;
using kafka_wire::AlterClientQuotasResponse;
using kafka_wire::AlterUserScramCredentialsRequest;
using kafka_wire::AlterUserScramCredentialsResponse;
using kafka_wire::CreateAclsRequest;
using kafka_wire::CreateAclsResponse;
using kafka_wire::DeleteAclsRequest;
using kafka_wire::DeleteAclsResponse;
using kafka_wire::DescribeAclsRequest;
using kafka_wire::DescribeAclsResponse;
using kafka_wire::DescribeClientQuotasRequest;
using kafka_wire::DescribeClientQuotasResponse;
using kafka_wire::DescribeClusterRequest;
using kafka_wire::DescribeClusterResponse;
using kafka_wire::DescribeLogDirsRequest;
using kafka_wire::DescribeLogDirsResponse;
using kafka_wire::DescribeUserScramCredentialsRequest;
using kafka_wire::DescribeUserScramCredentialsResponse;
using kafka_wire::ErrorCode;
using kafka_wire::FindCoordinatorRequest;
using kafka_wire::FindCoordinatorResponse;
using enum AclOperation;

namespace {

constexpr ErrorCode kRefused = ErrorCode::cluster_authorization_failed;
constexpr std::int16_t kFirstOfSeveralKeys = 4;

template <typename Request, typename Response>
void guard_whole(const Authorization& to, AclOperation operation = describe) {
  guard<Request, Response>(
      to, [operation](const Access& access, const Call&, Request&, Responder<Response>& respond) {
        if (access.on_cluster(operation)) return true;
        Response response;
        response.error_code = kRefused;
        respond(response);
        return false;
      });
}

// `fill` puts the refusal into an answer to the request.
template <typename Request, typename Response, typename Fill>
void guard_alteration(const Authorization& to, AclOperation operation, Fill fill) {
  guard<Request, Response>(to, [fill, operation](const Access& access, const Call&,
                                                 Request& request, Responder<Response>& respond) {
    if (access.on_cluster(operation)) return true;
    Response response;
    fill(request, response);
    respond(response);
    return false;
  });
}

// KIP-546: quotas count among the configurations.
void guard_quotas(const Authorization& to) {
  guard_whole<DescribeClientQuotasRequest, DescribeClientQuotasResponse>(to, describe_configs);
  guard_alteration<AlterClientQuotasRequest, AlterClientQuotasResponse>(
      to, alter_configs,
      [](const AlterClientQuotasRequest& request, AlterClientQuotasResponse& response) {
        for (const auto& entry : request.entries) {
          response.entries.push_back({kRefused, "Authorization failed.", entry.entity});
        }
      });
}

void guard_security(const Authorization& to) {
  guard_whole<DescribeAclsRequest, DescribeAclsResponse>(to);
  guard_whole<DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse>(to);
  guard_alteration<CreateAclsRequest, CreateAclsResponse>(
      to, alter, [](const CreateAclsRequest& request, CreateAclsResponse& response) {
        response.results.assign(request.creations.size(), {kRefused, "Authorization failed."});
      });
  guard_alteration<DeleteAclsRequest, DeleteAclsResponse>(
      to, alter, [](const DeleteAclsRequest& request, DeleteAclsResponse& response) {
        response.filter_results.assign(request.filters.size(),
                                       {kRefused, "Authorization failed.", {}});
      });
  guard_alteration<AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse>(
      to, alter,
      [](const AlterUserScramCredentialsRequest& request,
         AlterUserScramCredentialsResponse& response) {
        std::vector<std::string> users;
        for (const auto& one : request.deletions) users.push_back(one.name);
        for (const auto& one : request.upsertions) users.push_back(one.name);
        std::sort(users.begin(), users.end());
        users.erase(std::unique(users.begin(), users.end()), users.end());
        for (auto& user : users) {
          response.results.push_back({std::move(user), kRefused, "Authorization failed."});
        }
      });
}

// NONE when it may be asked for.
ErrorCode refusal_of(const Access& access, std::int8_t type, const std::string& key) {
  if (type == FindCoordinatorRequest::kGroup && !access.on_group(describe, key)) {
    return ErrorCode::group_authorization_failed;
  }
  if (type == FindCoordinatorRequest::kTransaction && !access.on_transactional_id(describe, key)) {
    return ErrorCode::transactional_id_authorization_failed;
  }
  return ErrorCode::none;
}

void guard_find_coordinator(const Authorization& to) {
  guard<FindCoordinatorRequest, FindCoordinatorResponse>(
      to, [](const Access& access, const Call& call, FindCoordinatorRequest& request,
             Responder<FindCoordinatorResponse>& respond) {
        const auto type = request.key_type;
        if (call.api_version < kFirstOfSeveralKeys) {
          FindCoordinatorResponse response;
          response.error_code = refusal_of(access, type, request.key);
          if (response.error_code == ErrorCode::none) return true;
          response.node_id = -1;
          response.port = -1;
          respond(response);
          return false;
        }
        auto refused = take_refused(request.coordinator_keys, [&](const auto& key) {
          return refusal_of(access, type, key) == ErrorCode::none;
        });
        if (refused.empty()) return true;
        respond.set_amendment(
            [refused = std::move(refused), access, type](FindCoordinatorResponse& response) {
              for (const auto& key : refused) {
                auto& out = response.coordinators.emplace_back();
                out.key = key;
                out.node_id = -1;
                out.port = -1;
                out.error_code = refusal_of(access, type, key);
              }
            });
        return true;
      });
}

}  // namespace

void guard_cluster(const Authorization& to) {
  guard_security(to);
  guard_quotas(to);
  guard_whole<DescribeLogDirsRequest, DescribeLogDirsResponse>(to);
  guard_find_coordinator(to);
  // Who the brokers are everybody may know.
  guard<DescribeClusterRequest, DescribeClusterResponse>(
      to, [](const Access& access, const Call&, DescribeClusterRequest& request,
             Responder<DescribeClusterResponse>& respond) {
        if (!request.include_cluster_authorized_operations) return true;
        respond.set_amendment([access](DescribeClusterResponse& response) {
          response.cluster_authorized_operations =
              access.on_cluster(describe) ? access.operations(ResourceType::cluster, kClusterName)
                                          : 0;
        });
        return true;
      });
}

}  // namespace millrace::broker
