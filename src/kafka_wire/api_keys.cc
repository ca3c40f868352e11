#include "kafka_wire/api_keys.h"

#include <algorithm>

#include "kafka_wire/api_table.h"

namespace millrace::kafka_wire {
namespace {

// From this version on, the API needs the feature.
struct Gate {
  ApiKey key;
  std::int16_t from_version;
  ApiFeature needed;
};

constexpr auto kGates = std::to_array<Gate>({
    {ApiKey::produce, 12, ApiFeature::transactions_v2},
    {ApiKey::produce, 13, ApiFeature::topic_ids},
    {ApiKey::fetch, 13, ApiFeature::topic_ids},
    {ApiKey::sasl_handshake, 0, ApiFeature::sasl},
    {ApiKey::init_producer_id, 5, ApiFeature::transactions_v2},
    {ApiKey::init_producer_id, 6, ApiFeature::two_phase_commit},
    {ApiKey::add_partitions_to_txn, 4, ApiFeature::several_brokers},
    {ApiKey::end_txn, 5, ApiFeature::transactions_v2},
    {ApiKey::txn_offset_commit, 5, ApiFeature::transactions_v2},
    {ApiKey::describe_acls, 0, ApiFeature::acls},
    {ApiKey::create_acls, 0, ApiFeature::acls},
    {ApiKey::delete_acls, 0, ApiFeature::acls},
    {ApiKey::sasl_authenticate, 0, ApiFeature::sasl},
    {ApiKey::describe_user_scram_credentials, 0, ApiFeature::sasl},
    {ApiKey::alter_user_scram_credentials, 0, ApiFeature::sasl},
    {ApiKey::consumer_group_heartbeat, 0, ApiFeature::consumer_groups},
    {ApiKey::consumer_group_describe, 0, ApiFeature::consumer_groups},
    {ApiKey::describe_topic_partitions, 0, ApiFeature::topic_partitions},
});

}  // namespace

std::span<const ApiInfo> all_apis() {
  return kApiTable;
}

const ApiInfo* find_api(std::int16_t key) {
  const auto found = std::lower_bound(
      kApiTable.begin(), kApiTable.end(), key,
      [](const ApiInfo& api, std::int16_t wanted) { return static_cast<int>(api.key) < wanted; });
  if (found == kApiTable.end() || static_cast<std::int16_t>(found->key) != key) return nullptr;
  return &*found;
}

VersionRange advertised_versions(const ApiInfo& api, ApiFeature enabled) {
  VersionRange range{api.min_advertised, api.max_known};
  for (const Gate& gate : kGates) {
    if (gate.key != api.key || has_all(enabled, gate.needed)) continue;
    range.max = std::min<std::int16_t>(range.max, static_cast<std::int16_t>(gate.from_version - 1));
  }
  return range.empty() ? VersionRange{} : range;
}

}  // namespace millrace::kafka_wire
