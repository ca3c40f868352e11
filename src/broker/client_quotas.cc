#include <utility>

#include "broker/apis.h"
#include "kafka_wire/quotas.h"

namespace millrace::broker {

using kafka_wire::AlterClientQuotasRequest;
using kafka_wire::AlterClientQuotasResponse;
using kafka_wire::DescribeClientQuotasRequest;
using kafka_wire::DescribeClientQuotasResponse;
using kafka_wire::ErrorCode;

// There are none here. They are asked for all the same: kafka-configs.sh, which shows users, begins
// with their quotas.
void add_client_quotas(DispatchTable& table) {
  table.add<DescribeClientQuotasRequest, DescribeClientQuotasResponse>(
      [](const Call&, DescribeClientQuotasRequest&,
         const Responder<DescribeClientQuotasResponse>& respond) {
        DescribeClientQuotasResponse response;
        response.entries.emplace();
        respond(response);
      });
  table.add<AlterClientQuotasRequest, AlterClientQuotasResponse>(
      [](const Call&, AlterClientQuotasRequest& request,
         const Responder<AlterClientQuotasResponse>& respond) {
        AlterClientQuotasResponse response;
        for (auto& entry : request.entries) {
          response.entries.push_back({ErrorCode::invalid_request,
                                      "there are no quotas here, so none can be set or removed",
                                      std::move(entry.entity)});
        }
        respond(response);
      });
}

}  // namespace millrace::broker
