#pragma once

#include "broker/dispatch_table.h"
#include "broker/services.h"

// One function per API, each in a file of its name: puts its handler into the table. The services
// outlive the table.

namespace millrace::broker {

void add_api_versions(DispatchTable& table);
void add_metadata(DispatchTable& table, const Services& services);
void add_describe_topic_partitions(DispatchTable& table, const Services& services);
void add_describe_cluster(DispatchTable& table, const Services& services);
void add_describe_log_dirs(DispatchTable& table, const Services& services);
void add_find_coordinator(DispatchTable& table, const Services& services);

void add_produce(DispatchTable& table, const Services& services);
void add_fetch(DispatchTable& table, const Services& services);
void add_list_offsets(DispatchTable& table, const Services& services);
void add_offset_for_leader_epoch(DispatchTable& table, const Services& services);

void add_create_topics(DispatchTable& table, const Services& services);
void add_delete_topics(DispatchTable& table, const Services& services);
void add_create_partitions(DispatchTable& table, const Services& services);
void add_delete_records(DispatchTable& table, const Services& services);
void add_describe_configs(DispatchTable& table, const Services& services);
void add_client_quotas(DispatchTable& table);
void add_alter_configs(DispatchTable& table, const Services& services);
void add_incremental_alter_configs(DispatchTable& table, const Services& services);

}  // namespace millrace::broker
