#include "broker/apis.h"

namespace millrace::broker {

using kafka_wire::ApiVersionsRequest;
using kafka_wire::ApiVersionsResponse;
using kafka_wire::ErrorCode;

void add_api_versions(DispatchTable& table) {
  table.add<ApiVersionsRequest, ApiVersionsResponse>(
      [&table](const Call& call, ApiVersionsRequest& request,
               const Responder<ApiVersionsResponse>& respond) {
        ApiVersionsResponse response;
        if (call.api_version >= 3 && !request.has_valid_software()) {
          response.error_code = ErrorCode::invalid_request;
        } else {
          response.api_keys = table.advertised();
          kafka_wire::add_features(table.enabled(), call.api_version, response);
        }
        respond(response);
      });
}

}  // namespace millrace::broker
