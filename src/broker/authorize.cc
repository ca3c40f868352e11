#include "broker/authorize_internal.h"
#include "broker/security_apis.h"
#include "kafka_wire/consumer_group.h"
#include "kafka_wire/group_admin.h"

namespace millrace::broker {

using kafka_wire::ApiKey;
using kafka_wire::ConsumerGroupDescribeRequest;
using kafka_wire::ConsumerGroupDescribeResponse;
using kafka_wire::DescribeGroupsRequest;
using kafka_wire::DescribeGroupsResponse;

namespace {

template <kafka_wire::Message Request, kafka_wire::Message Response>
void add_operations_of_groups(DispatchTable& table) {
  table.set_guard<Request, Response>(
      [](const Call&, Request& request, Responder<Response>& respond) {
        if (!request.include_authorized_operations) return true;
        respond.set_amendment([](Response& response) {
          for (auto& group : response.groups) {
            if (group.error_code != kafka_wire::ErrorCode::none) continue;
            group.authorized_operations =
                Access(nullptr, {}).operations(ResourceType::group, group.group_id);
          }
        });
        return true;
      });
}

}  // namespace

void add_authorization(DispatchTable& table, const Services& services,
                       const Authorizer& authorizer) {
  const Authorization to{table, services, authorizer};
  guard_records(to);
  guard_topics(to);
  guard_configs(to);
  guard_metadata(to);
  guard_groups(to);
  guard_consumer_groups(to);
  guard_offsets(to);
  guard_transactions(to);
  guard_cluster(to);
  for (const auto key : {ApiKey::api_versions, ApiKey::sasl_handshake, ApiKey::sasl_authenticate}) {
    table.needs_no_guard(key);
  }
  table.drop_unguarded();
}

void add_all_operations(DispatchTable& table) {
  add_operations_of_groups<DescribeGroupsRequest, DescribeGroupsResponse>(table);
  add_operations_of_groups<ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse>(table);
}

}  // namespace millrace::broker
