#include "broker/authorize_internal.h"
#include "kafka_wire/group_admin.h"
#include "kafka_wire/group_membership.h"

namespace millrace::broker {

using kafka_wire::DeleteGroupsRequest;
using kafka_wire::DeleteGroupsResponse;
using kafka_wire::DescribeGroupsRequest;
using kafka_wire::DescribeGroupsResponse;
using kafka_wire::ErrorCode;
using kafka_wire::HeartbeatRequest;
using kafka_wire::HeartbeatResponse;
using kafka_wire::JoinGroupRequest;
using kafka_wire::JoinGroupResponse;
using kafka_wire::LeaveGroupRequest;
using kafka_wire::LeaveGroupResponse;
using kafka_wire::ListGroupsRequest;
using kafka_wire::ListGroupsResponse;
using kafka_wire::SyncGroupRequest;
using kafka_wire::SyncGroupResponse;
using enum AclOperation;

namespace {

constexpr ErrorCode kRefused = ErrorCode::group_authorization_failed;

template <typename Request, typename Response>
void guard_member(const Authorization& to) {
  guard<Request, Response>(
      to, [](const Access& access, const Call&, Request& request, Responder<Response>& respond) {
        if (access.on_group(read, request.group_id)) return true;
        Response response;
        response.error_code = kRefused;
        respond(response);
        return false;
      });
}

void guard_describe(const Authorization& to) {
  guard<DescribeGroupsRequest, DescribeGroupsResponse>(
      to, [](const Access& access, const Call&, DescribeGroupsRequest& request,
             Responder<DescribeGroupsResponse>& respond) {
        auto refused = take_refused(
            request.groups, [&](const auto& group) { return access.on_group(describe, group); });
        const bool shows_operations = request.include_authorized_operations;
        if (refused.empty() && !shows_operations) return true;
        respond.set_amendment([refused = std::move(refused), access,
                               shows_operations](DescribeGroupsResponse& response) {
          for (auto& group : response.groups) {
            if (!shows_operations || group.error_code != ErrorCode::none) continue;
            group.authorized_operations = access.operations(ResourceType::group, group.group_id);
          }
          for (const auto& name : refused) {
            auto& out = response.groups.emplace_back();
            out.group_id = name;
            out.error_code = kRefused;
          }
        });
        return true;
      });
}

void guard_list(const Authorization& to) {
  guard<ListGroupsRequest, ListGroupsResponse>(to, [](const Access& access, const Call&,
                                                      ListGroupsRequest&,
                                                      Responder<ListGroupsResponse>& respond) {
    if (access.on_cluster(describe)) return true;
    respond.set_amendment([access](ListGroupsResponse& response) {
      std::erase_if(response.groups,
                    [&](const auto& group) { return !access.on_group(describe, group.group_id); });
    });
    return true;
  });
}

void guard_delete(const Authorization& to) {
  guard<DeleteGroupsRequest, DeleteGroupsResponse>(
      to, [](const Access& access, const Call&, DeleteGroupsRequest& request,
             Responder<DeleteGroupsResponse>& respond) {
        auto refused = take_refused(request.groups_names, [&](const auto& group) {
          return access.on_group(remove, group);
        });
        if (refused.empty()) return true;
        respond.set_amendment([refused = std::move(refused)](DeleteGroupsResponse& response) {
          for (const auto& name : refused) response.results.push_back({name, kRefused});
        });
        return true;
      });
}

}  // namespace

void guard_groups(const Authorization& to) {
  guard_member<JoinGroupRequest, JoinGroupResponse>(to);
  guard_member<SyncGroupRequest, SyncGroupResponse>(to);
  guard_member<HeartbeatRequest, HeartbeatResponse>(to);
  guard_member<LeaveGroupRequest, LeaveGroupResponse>(to);
  guard_describe(to);
  guard_list(to);
  guard_delete(to);
}

}  // namespace millrace::broker
