#include "kafka_client/coordinator_call.h"

#include <chrono>

#include "kafka_client/backoff.h"
#include "kafka_client/broker_errors.h"
#include "kafka_wire/transaction_admin.h"

namespace millrace::kafka_client {

using kafka_wire::ErrorCode;

namespace {

constexpr std::chrono::microseconds kMarkersPause{300};

}  // namespace

bool is_other_coordinator(ErrorCode error) {
  return error == ErrorCode::not_coordinator || error == ErrorCode::coordinator_not_available;
}

Status ask_coordinator(Cluster& cluster, const Clock& clock, const CoordinatorTarget& target,
                       MonotonicTime deadline, bool& had_trouble,
                       const CoordinatorAttempt& attempt) {
  Backoff backoff(clock, deadline);
  while (true) {
    MR_ASSIGN_OR_RETURN(const auto node, cluster.coordinator(target.kind, target.key, deadline));
    auto lease = cluster.brokers().to(node, deadline);
    auto status = lease.status();
    if (status.is_ok()) {
      const auto answer = attempt(*lease.value());
      status = answer.is_ok() ? status_of(answer.value(), target.what) : answer.status();
      if (!answer.is_ok() && status.code() == StatusCode::unsupported) return status;
      if (answer.is_ok() && answer.value() == ErrorCode::none) return ok_status();
      if (answer.is_ok() && !kafka_wire::is_retriable(answer.value())) return status;
      had_trouble = had_trouble || !answer.is_ok();
      if (!answer.is_ok() || is_other_coordinator(answer.value())) {
        cluster.forget_coordinator(target.kind, target.key);
      }
    } else {
      if (status.code() == StatusCode::invalid) return status;  // a log-in that is refused
      cluster.forget_coordinator(target.kind, target.key);
    }
    if (!backoff.wait()) return status;
  }
}

void await_markers(Cluster& cluster, const Clock& clock, const std::string& transactional_id,
                   MonotonicTime deadline) {
  const auto node = cluster.coordinator(CoordinatorKind::transaction, transactional_id, deadline);
  if (!node.is_ok()) return;
  const auto lease = cluster.brokers().to(node.value(), deadline);
  if (!lease.is_ok()) return;
  kafka_wire::DescribeTransactionsRequest request;
  request.transactional_ids.push_back(transactional_id);
  while (clock.monotonic_now() < deadline) {
    kafka_wire::DescribeTransactionsResponse response;
    if (!lease.value()->call(request, 0, response, deadline).is_ok()) return;
    if (response.transaction_states.size() != 1) return;
    const auto& state = response.transaction_states.front().transaction_state;
    if (state != "PrepareCommit" && state != "PrepareAbort") return;
    pause_for(kMarkersPause);
  }
}

}  // namespace millrace::kafka_client
