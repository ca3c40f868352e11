#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "kafka_client/cluster.h"
#include "kafka_wire/error_codes.h"
#include "log/log.h"

namespace millrace::kafka_client {

// What all requests of one transaction say.
struct TransactionScope {
  const std::string& transactional_id;
  log::ProducerIdentity producer;
  // The cluster has KIP-890's second protocol: partitions and groups join with the first request
  // that names them, and every transaction has an epoch of its own.
  bool is_v2 = false;
  MonotonicTime deadline;
  // Set when a request got no answer: it, or a repeat of it, may still be on its way.
  bool& had_trouble;
};

// One exchange with a coordinator: what its answer says. An error status: there was no answer.
using CoordinatorAttempt = std::function<Result<kafka_wire::ErrorCode>(Connection&)>;

struct CoordinatorTarget {
  CoordinatorKind kind;
  const std::string& key;
  std::string_view what;  // for messages: "InitProducerId"
};

// Asks the coordinator, wherever it is by then, until it says something that is not passing, or the
// deadline comes. For requests that may be repeated. `had_trouble` as above.
Status ask_coordinator(Cluster& cluster, const Clock& clock, const CoordinatorTarget& target,
                       MonotonicTime deadline, bool& had_trouble,
                       const CoordinatorAttempt& attempt);

// Waits until the markers of the id's last transaction are written, at most until the deadline and
// no longer than the coordinator answers. A broker that is sent records before would ask the
// coordinator every 20 ms (add.partitions.to.txn.retry.backoff.ms), which is longer than it takes.
void await_markers(Cluster& cluster, const Clock& clock, const std::string& transactional_id,
                   MonotonicTime deadline);

// Whether the error says that the coordinator is elsewhere.
bool is_other_coordinator(kafka_wire::ErrorCode error);

}  // namespace millrace::kafka_client
