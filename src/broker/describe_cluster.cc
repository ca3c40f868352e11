#include "broker/apis.h"
#include "broker/authorizer.h"
#include "kafka_wire/cluster.h"

namespace millrace::broker {

using kafka_wire::DescribeClusterRequest;
using kafka_wire::DescribeClusterResponse;
using kafka_wire::ErrorCode;

void add_describe_cluster(DispatchTable& table, const Services& services) {
  table.add<DescribeClusterRequest, DescribeClusterResponse>(
      [&services](const Call&, DescribeClusterRequest& request,
                  const Responder<DescribeClusterResponse>& respond) {
        constexpr std::int8_t kBrokers = 1;
        DescribeClusterResponse response;
        response.endpoint_type = request.endpoint_type;
        if (request.endpoint_type != kBrokers) {
          response.error_code = ErrorCode::mismatched_endpoint_type;
          response.error_message = "this is a broker's address, not a controller's";
          return respond(response);
        }
        const auto& cluster = services.cluster;
        response.cluster_id = cluster.cluster_id;
        response.controller_id = cluster.node_id;
        response.brokers.push_back(
            {cluster.node_id, cluster.host, cluster.port, std::nullopt, false});
        if (request.include_cluster_authorized_operations) {
          response.cluster_authorized_operations =
              Access(nullptr, {}).operations(ResourceType::cluster, kClusterName);
        }
        respond(response);
      });
}

}  // namespace millrace::broker
