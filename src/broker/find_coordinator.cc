#include "broker/apis.h"
#include "kafka_wire/group_admin.h"

namespace millrace::broker {

using kafka_wire::ErrorCode;
using kafka_wire::FindCoordinatorRequest;
using kafka_wire::FindCoordinatorResponse;

// There is one broker, so it is always this one.
void add_find_coordinator(DispatchTable& table, const Services& services) {
  table.add<FindCoordinatorRequest, FindCoordinatorResponse>(
      [&services](const Call& call, FindCoordinatorRequest& request,
                  const Responder<FindCoordinatorResponse>& respond) {
        FindCoordinatorResponse response;
        const bool is_known = request.key_type == FindCoordinatorRequest::kGroup ||
                              request.key_type == FindCoordinatorRequest::kTransaction;
        FindCoordinatorResponse::Coordinator here{.key = {},
                                                  .node_id = services.cluster.node_id,
                                                  .host = services.cluster.host,
                                                  .port = services.cluster.port,
                                                  .error_code = ErrorCode::none,
                                                  .error_message = std::nullopt};
        if (!is_known) {
          here.node_id = -1;
          here.host.clear();
          here.port = -1;
          here.error_code = ErrorCode::invalid_request;
          here.error_message = "key type " + std::to_string(request.key_type) +
                               " has no coordinator here; 0 is a group, 1 a transactional id";
        }
        if (call.api_version < 4) {
          response.error_code = here.error_code;
          response.error_message = here.error_message;
          response.node_id = here.node_id;
          response.host = here.host;
          response.port = here.port;
        }
        for (auto& key : request.coordinator_keys) {
          response.coordinators.push_back(here);
          response.coordinators.back().key = std::move(key);
        }
        respond(response);
      });
}

}  // namespace millrace::broker
