#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "broker/authorizer.h"
#include "broker/dispatch_table.h"
#include "broker/services.h"

// What the guards of authorization have in common. What Apache Kafka asks is in its KafkaApis and
// ControllerApis; docs/kafka.md has it as a table.

namespace millrace::broker {

struct Authorization {
  DispatchTable& table;
  const Services& services;
  const Authorizer& authorizer;
};

// `check(access, call, request, respond)` as a guard.
template <kafka_wire::Message Request, kafka_wire::Message Response, typename Check>
void guard(const Authorization& to, Check check) {
  to.table.set_guard<Request, Response>(
      [&authorizer = to.authorizer, check = std::move(check)](const Call& call, Request& request,
                                                              Responder<Response>& respond) {
        return check(Access(&authorizer, call.client), call, request, respond);
      });
}

// Takes those out of `all` that are not allowed.
template <typename T, typename IsAllowed>
std::vector<T> take_refused(std::vector<T>& all, const IsAllowed& is_allowed) {
  std::vector<T> refused;
  std::erase_if(all, [&](T& one) {
    if (is_allowed(std::as_const(one))) return false;
    refused.push_back(std::move(one));
    return true;
  });
  return refused;
}

// One function per kind of API.
void guard_records(const Authorization& to);
void guard_topics(const Authorization& to);
void guard_configs(const Authorization& to);
void guard_metadata(const Authorization& to);
void guard_groups(const Authorization& to);
void guard_consumer_groups(const Authorization& to);
void guard_offsets(const Authorization& to);
void guard_transactions(const Authorization& to);
void guard_cluster(const Authorization& to);

}  // namespace millrace::broker
