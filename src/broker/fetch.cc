#include "kafka_wire/fetch.h"

#include <memory>

#include "broker/apis.h"
#include "broker/waiting_fetch.h"

namespace millrace::broker {

using kafka_wire::FetchRequest;
using kafka_wire::FetchResponse;

// There are no fetch sessions (KIP-227): every answer says session 0, and clients then send whole
// requests.
void add_fetch(DispatchTable& table, const Services& services) {
  table.add<FetchRequest, FetchResponse>([&services](const Call& call, FetchRequest& request,
                                                     const Responder<FetchResponse>& respond) {
    const auto fetch = std::make_shared<WaitingFetch>(services, call, std::move(request), respond);
    fetch->start();
  });
}

}  // namespace millrace::broker
