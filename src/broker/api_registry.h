#pragma once

#include "broker/dispatch_table.h"
#include "broker/services.h"

namespace millrace::broker {

// What this broker can do beyond the versions everybody speaks.
inline constexpr kafka_wire::ApiFeature kBrokerFeatures =
    kafka_wire::ApiFeature::topic_ids | kafka_wire::ApiFeature::transactions_v2 |
    kafka_wire::ApiFeature::topic_partitions | kafka_wire::ApiFeature::sasl |
    kafka_wire::ApiFeature::acls | kafka_wire::ApiFeature::consumer_groups;

// All APIs that need the services and nothing else.
void add_log_apis(DispatchTable& table, const Services& services);

}  // namespace millrace::broker
