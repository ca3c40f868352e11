#include "broker/coordinator_apis.h"
#include "kafka_wire/consumer_group.h"
#include "kafka_wire/group_admin.h"
#include "kafka_wire/group_membership.h"
#include "kafka_wire/group_offsets.h"

namespace millrace::broker {

using kafka_wire::ConsumerGroupDescribeRequest;
using kafka_wire::ConsumerGroupDescribeResponse;
using kafka_wire::ConsumerGroupHeartbeatRequest;
using kafka_wire::ConsumerGroupHeartbeatResponse;
using kafka_wire::DeleteGroupsRequest;
using kafka_wire::DeleteGroupsResponse;
using kafka_wire::DescribeGroupsRequest;
using kafka_wire::DescribeGroupsResponse;
using kafka_wire::HeartbeatRequest;
using kafka_wire::HeartbeatResponse;
using kafka_wire::JoinGroupRequest;
using kafka_wire::JoinGroupResponse;
using kafka_wire::LeaveGroupRequest;
using kafka_wire::LeaveGroupResponse;
using kafka_wire::ListGroupsRequest;
using kafka_wire::ListGroupsResponse;
using kafka_wire::OffsetCommitRequest;
using kafka_wire::OffsetCommitResponse;
using kafka_wire::OffsetDeleteRequest;
using kafka_wire::OffsetDeleteResponse;
using kafka_wire::OffsetFetchRequest;
using kafka_wire::OffsetFetchResponse;
using kafka_wire::SyncGroupRequest;
using kafka_wire::SyncGroupResponse;

namespace {

void add_membership(DispatchTable& table, GroupCoordinator& groups) {
  table.add<JoinGroupRequest, JoinGroupResponse>(
      [&groups](const Call& call, JoinGroupRequest& request,
                const Responder<JoinGroupResponse>& respond) {
        groups.join(std::move(request), call.api_version, call.client, respond);
      });
  table.add<SyncGroupRequest, SyncGroupResponse>(
      [&groups](const Call&, SyncGroupRequest& request,
                const Responder<SyncGroupResponse>& respond) {
        groups.sync(std::move(request), respond);
      });
  table.add<HeartbeatRequest, HeartbeatResponse>(
      [&groups](const Call&, HeartbeatRequest& request,
                const Responder<HeartbeatResponse>& respond) {
        groups.heartbeat(request, respond);
      });
  table.add<LeaveGroupRequest, LeaveGroupResponse>(
      [&groups](const Call& call, LeaveGroupRequest& request,
                const Responder<LeaveGroupResponse>& respond) {
        groups.leave(request, call.api_version, respond);
      });
}

void add_consumer_protocol(DispatchTable& table, GroupCoordinator& groups) {
  table.add<ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse>(
      [&groups](const Call& call, ConsumerGroupHeartbeatRequest& request,
                const Responder<ConsumerGroupHeartbeatResponse>& respond) {
        groups.consumer_heartbeat(std::move(request), call.api_version, call.client, respond);
      });
  table.add<ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse>(
      [&groups](const Call&, ConsumerGroupDescribeRequest& request,
                const Responder<ConsumerGroupDescribeResponse>& respond) {
        groups.consumer_describe(request, respond);
      });
}

void add_offsets(DispatchTable& table, GroupCoordinator& groups) {
  table.add<OffsetCommitRequest, OffsetCommitResponse>(
      [&groups](const Call& call, OffsetCommitRequest& request,
                const Responder<OffsetCommitResponse>& respond) {
        groups.commit_offsets(std::move(request), call.api_version, respond);
      });
  table.add<OffsetFetchRequest, OffsetFetchResponse>(
      [&groups](const Call& call, OffsetFetchRequest& request,
                const Responder<OffsetFetchResponse>& respond) {
        groups.fetch_offsets(request, call.api_version, respond);
      });
  table.add<OffsetDeleteRequest, OffsetDeleteResponse>(
      [&groups](const Call&, OffsetDeleteRequest& request,
                const Responder<OffsetDeleteResponse>& respond) {
        groups.delete_offsets(request, respond);
      });
}

}  // namespace

void add_group_apis(DispatchTable& table, GroupCoordinator& groups) {
  add_membership(table, groups);
  add_consumer_protocol(table, groups);
  add_offsets(table, groups);
  table.add<DescribeGroupsRequest, DescribeGroupsResponse>(
      [&groups](const Call& call, DescribeGroupsRequest& request,
                const Responder<DescribeGroupsResponse>& respond) {
        groups.describe(request, call.api_version, respond);
      });
  table.add<ListGroupsRequest, ListGroupsResponse>(
      [&groups](const Call&, ListGroupsRequest& request,
                const Responder<ListGroupsResponse>& respond) { groups.list(request, respond); });
  table.add<DeleteGroupsRequest, DeleteGroupsResponse>(
      [&groups](const Call&, DeleteGroupsRequest& request,
                const Responder<DeleteGroupsResponse>& respond) {
        groups.delete_groups(request, respond);
      });
}

}  // namespace millrace::broker
