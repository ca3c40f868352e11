#pragma once

#include <array>

#include "kafka_wire/api_keys.h"

namespace millrace::kafka_wire {

// key, name, min advertised, min known, max known, first flexible
inline constexpr auto kApiTable = std::to_array<ApiInfo>({
    {ApiKey::produce, "Produce", 0, 3, 13, 9},
    {ApiKey::fetch, "Fetch", 4, 4, 17, 12},
    {ApiKey::list_offsets, "ListOffsets", 1, 1, 8, 6},
    {ApiKey::metadata, "Metadata", 0, 0, 12, 9},
    {ApiKey::offset_commit, "OffsetCommit", 2, 2, 9, 8},
    {ApiKey::offset_fetch, "OffsetFetch", 1, 1, 9, 6},
    {ApiKey::find_coordinator, "FindCoordinator", 0, 0, 6, 3},
    {ApiKey::join_group, "JoinGroup", 0, 0, 9, 6},
    {ApiKey::heartbeat, "Heartbeat", 0, 0, 4, 4},
    {ApiKey::leave_group, "LeaveGroup", 0, 0, 5, 4},
    {ApiKey::sync_group, "SyncGroup", 0, 0, 5, 4},
    {ApiKey::describe_groups, "DescribeGroups", 0, 0, 6, 5},
    {ApiKey::list_groups, "ListGroups", 0, 0, 5, 3},
    {ApiKey::sasl_handshake, "SaslHandshake", 0, 0, 1, kNeverFlexible},
    {ApiKey::api_versions, "ApiVersions", 0, 0, 4, 3},
    {ApiKey::create_topics, "CreateTopics", 2, 2, 7, 5},
    {ApiKey::delete_topics, "DeleteTopics", 1, 1, 6, 4},
    {ApiKey::delete_records, "DeleteRecords", 0, 0, 2, 2},
    {ApiKey::init_producer_id, "InitProducerId", 0, 0, 6, 2},
    {ApiKey::offset_for_leader_epoch, "OffsetForLeaderEpoch", 2, 2, 4, 4},
    {ApiKey::add_partitions_to_txn, "AddPartitionsToTxn", 0, 0, 5, 3},
    {ApiKey::add_offsets_to_txn, "AddOffsetsToTxn", 0, 0, 3, 3},
    {ApiKey::end_txn, "EndTxn", 0, 0, 5, 3},
    {ApiKey::write_txn_markers, "WriteTxnMarkers", 1, 1, 1, 1},
    {ApiKey::txn_offset_commit, "TxnOffsetCommit", 0, 0, 5, 3},
    {ApiKey::describe_acls, "DescribeAcls", 1, 1, 3, 2},
    {ApiKey::create_acls, "CreateAcls", 1, 1, 3, 2},
    {ApiKey::delete_acls, "DeleteAcls", 1, 1, 3, 2},
    {ApiKey::describe_configs, "DescribeConfigs", 1, 1, 4, 4},
    {ApiKey::alter_configs, "AlterConfigs", 0, 0, 2, 2},
    {ApiKey::describe_log_dirs, "DescribeLogDirs", 1, 1, 4, 2},
    {ApiKey::sasl_authenticate, "SaslAuthenticate", 0, 0, 2, 2},
    {ApiKey::create_partitions, "CreatePartitions", 0, 0, 3, 2},
    {ApiKey::delete_groups, "DeleteGroups", 0, 0, 2, 2},
    {ApiKey::incremental_alter_configs, "IncrementalAlterConfigs", 0, 0, 1, 1},
    {ApiKey::offset_delete, "OffsetDelete", 0, 0, 0, kNeverFlexible},
    {ApiKey::describe_client_quotas, "DescribeClientQuotas", 0, 0, 1, 1},
    {ApiKey::alter_client_quotas, "AlterClientQuotas", 0, 0, 1, 1},
    {ApiKey::describe_user_scram_credentials, "DescribeUserScramCredentials", 0, 0, 0, 0},
    {ApiKey::alter_user_scram_credentials, "AlterUserScramCredentials", 0, 0, 0, 0},
    {ApiKey::describe_cluster, "DescribeCluster", 0, 0, 2, 0},
    {ApiKey::describe_producers, "DescribeProducers", 0, 0, 0, 0},
    {ApiKey::describe_transactions, "DescribeTransactions", 0, 0, 0, 0},
    {ApiKey::list_transactions, "ListTransactions", 0, 0, 2, 0},
    {ApiKey::consumer_group_heartbeat, "ConsumerGroupHeartbeat", 0, 0, 1, 0},
    {ApiKey::consumer_group_describe, "ConsumerGroupDescribe", 0, 0, 1, 0},
    {ApiKey::describe_topic_partitions, "DescribeTopicPartitions", 0, 0, 0, 0},
});

// A key that is not in the table does not compile.
consteval ApiInfo known_api(ApiKey key) {
  for (const ApiInfo& api : kApiTable) {
    if (api.key == key) return api;
  }
  throw "not in kApiTable";
}

}  // namespace millrace::kafka_wire
