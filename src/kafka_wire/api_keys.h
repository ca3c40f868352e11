#pragma once

#include <cstdint>
#include <span>
#include <string_view>

// Which APIs and versions there are. One table for the ApiVersions answer, the dispatcher and the
// codec. docs/formats/kafka_protocol.md says why each minimum is what it is.

namespace millrace::kafka_wire {

enum class ApiKey : std::int16_t {
  produce = 0,
  fetch = 1,
  list_offsets = 2,
  metadata = 3,
  offset_commit = 8,
  offset_fetch = 9,
  find_coordinator = 10,
  join_group = 11,
  heartbeat = 12,
  leave_group = 13,
  sync_group = 14,
  describe_groups = 15,
  list_groups = 16,
  sasl_handshake = 17,
  api_versions = 18,
  create_topics = 19,
  delete_topics = 20,
  delete_records = 21,
  init_producer_id = 22,
  offset_for_leader_epoch = 23,
  add_partitions_to_txn = 24,
  add_offsets_to_txn = 25,
  end_txn = 26,
  write_txn_markers = 27,
  txn_offset_commit = 28,
  describe_acls = 29,
  create_acls = 30,
  delete_acls = 31,
  describe_configs = 32,
  alter_configs = 33,
  describe_log_dirs = 35,
  sasl_authenticate = 36,
  create_partitions = 37,
  delete_groups = 42,
  incremental_alter_configs = 44,
  offset_delete = 47,
  describe_client_quotas = 48,
  alter_client_quotas = 49,
  describe_user_scram_credentials = 50,
  alter_user_scram_credentials = 51,
  describe_cluster = 60,
  describe_producers = 61,
  describe_transactions = 65,
  list_transactions = 66,
  consumer_group_heartbeat = 68,
  consumer_group_describe = 69,
  describe_topic_partitions = 75,
};

// What a broker must be able to do before it may advertise some versions. A set of bits.
enum class ApiFeature : std::uint8_t {
  none = 0,
  topic_ids = 1,          // topics are addressed by stable ids (KIP-516)
  transactions_v2 = 2,    // implicit enrolment, an epoch per transaction (KIP-890)
  consumer_groups = 4,    // the server assigns partitions (KIP-848)
  topic_partitions = 8,   // paged description of topics (KIP-966)
  sasl = 16,              // authentication, with SCRAM credentials (KIP-554)
  acls = 32,              // access control lists
  two_phase_commit = 64,  // a transaction survives its producer (KIP-939)
  several_brokers = 128,  // what they ask each other about transactions
};
constexpr ApiFeature operator|(ApiFeature a, ApiFeature b) {
  return static_cast<ApiFeature>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}
// All of `needed` are in `enabled`.
constexpr bool has_all(ApiFeature enabled, ApiFeature needed) {
  const auto bits = static_cast<unsigned>(needed);
  return (static_cast<unsigned>(enabled) & bits) == bits;
}
inline constexpr ApiFeature kAllFeatures{255};

inline constexpr std::int16_t kNeverFlexible = 32767;

struct ApiInfo {
  ApiKey key;
  std::string_view name;  // as in Kafka's documentation, "ListOffsets"
  std::int16_t min_advertised;
  std::int16_t min_known;  // lower ones are advertised for old clients' sake only
  std::int16_t max_known;  // the codec's
  std::int16_t first_flexible;
};

// By key, ascending.
std::span<const ApiInfo> all_apis();

// nullptr when this is none of ours.
const ApiInfo* find_api(std::int16_t key);

struct VersionRange {
  std::int16_t min = 0;
  std::int16_t max = -1;

  [[nodiscard]] constexpr bool contains(std::int16_t version) const {
    return version >= min && version <= max;
  }
  [[nodiscard]] constexpr bool empty() const { return max < min; }
  bool operator==(const VersionRange&) const = default;
};

// What a broker with these features says in ApiVersions; empty when it must not name the API. A
// request within it can be decoded unless its version is below min_known: such a one is answered
// with unsupported_version.
VersionRange advertised_versions(const ApiInfo& api, ApiFeature enabled);

}  // namespace millrace::kafka_wire
