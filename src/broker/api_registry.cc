#include "broker/api_registry.h"

#include "broker/apis.h"

namespace millrace::broker {

void add_log_apis(DispatchTable& table, const Services& services) {
  add_api_versions(table);
  add_metadata(table, services);
  add_describe_topic_partitions(table, services);
  add_describe_cluster(table, services);
  add_describe_log_dirs(table, services);
  add_find_coordinator(table, services);

  add_produce(table, services);
  add_fetch(table, services);
  add_list_offsets(table, services);
  add_offset_for_leader_epoch(table, services);

  add_create_topics(table, services);
  add_delete_topics(table, services);
  add_create_partitions(table, services);
  add_delete_records(table, services);
  add_describe_configs(table, services);
  add_client_quotas(table);
  add_alter_configs(table, services);
  add_incremental_alter_configs(table, services);
}

}  // namespace millrace::broker
