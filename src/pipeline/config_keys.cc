#include "pipeline/config_keys.h"

#include <algorithm>

namespace millrace::pipeline {
namespace {

using Kind = ConfigKind;

constexpr std::string_view kNoBrokers =
    "the log is part of this process; there are no broker machines";
constexpr std::string_view kNoCloud =
    "describes cloud infrastructure that this process does not use";
constexpr std::string_view kNoScaling = "workers are set by parallelism; nothing scales by itself";
constexpr std::string_view kNoLambda = "features are written by the pipeline itself";
constexpr std::string_view kPipelineFile = "the pipeline file says this";
constexpr std::string_view kNoPort = "nothing listens there yet";
constexpr std::string_view kNoAws = "nothing is sent to AWS yet; files go into data_folder";
constexpr std::string_view kNoCloudWatch =
    "metrics are served at /metrics, under names that begin with millrace_";
constexpr std::string_view kBucketRules = "lifecycle and versioning are rules of the bucket";

constexpr std::int64_t kHugeCount = 1'000'000'000;
constexpr std::int64_t kPortMax = 65'535;

constexpr ConfigKey idle(std::string_view path, Kind kind, std::string_view because) {
  return {path, kind, 0, kHugeCount, {}, {}, because};
}
constexpr ConfigKey alias(std::string_view path, const ConfigKey& of) {
  ConfigKey key = of;
  key.path = path;
  key.same_as = of.path;
  return key;
}

constexpr ConfigKey kEnvironment{"environment", Kind::environment};
constexpr ConfigKey kParallelism{"processor.parallelism", Kind::integer, 1, 1024};
constexpr ConfigKey kCheckpoint{"processor.checkpoint_interval_ms", Kind::integer, 100, 3'600'000};
constexpr ConfigKey kBucket{"processor.artifact_bucket_name", Kind::bucket, 0, 0, {}, {}, kNoAws};
constexpr ConfigKey kBufferSize{"firehose.buffer_size_mb", Kind::integer, 1, 4096};
constexpr ConfigKey kBufferTime{"firehose.buffer_time_seconds", Kind::integer, 0, 86'400};
constexpr ConfigKey kCompression{"firehose.compression", Kind::word, 0, 0,
                                 "gzip snappy zstd none uncompressed"};

constexpr ConfigKey kKeys[] = {
    {"pipelines", Kind::texts},
    {"data_folder", Kind::text},
    {"process", Kind::text},
    {"objects.folder", Kind::text},
    {"log.kafka.bootstrap_servers", Kind::text},
    {"log.kafka.client_rack", Kind::text},
    {"log.kafka.replication_factor", Kind::integer, 0, 1'000},
    {"log.kafka.log_append_time", Kind::boolean},
    {"log.kafka.session_timeout_ms", Kind::integer, 6'000, 300'000},
    {"log.kafka.security.protocol", Kind::word, 0, 0, "plaintext ssl sasl_plaintext sasl_ssl"},
    {"log.kafka.security.ca_file", Kind::text},
    {"log.kafka.security.certificate_file", Kind::text},
    {"log.kafka.security.key_file", Kind::text},
    {"log.kafka.security.sasl_mechanism", Kind::word, 0, 0,
     "none plain scram-sha-256 scram-sha-512 oauthbearer aws_msk_iam"},
    {"log.kafka.security.user", Kind::text},
    {"log.kafka.security.password_file", Kind::text},
    {"log.kafka.security.token_file", Kind::text},
    {"log.kafka.security.region", Kind::text},
    {"log.kafka.security.credentials_file", Kind::text},
    {"log.kafka.security.profile", Kind::text},
    {"delivery", Kind::word, 0, 0, "local s3 aws"},
    {"ports.kafka", Kind::integer, 0, kPortMax},
    {"ports.http", Kind::integer, 0, kPortMax},
    {"ports.aws", Kind::integer, 0, kPortMax, {}, {}, kNoPort},
    {"region", Kind::region, 0, 0, {}, {}, kNoAws},
    kEnvironment,
    {"project.name", Kind::text},
    alias("project.environment", kEnvironment),
    idle("project.description", Kind::text, "is for people"),

    kParallelism,
    kCheckpoint,
    {"processor.dedup_open_ids_max", Kind::integer, 1024, 1'000'000},
    {"processor.dedup_memory_mb", Kind::integer, 1, 1'048'576},
    {"processor.standby", Kind::integer, 0, 1},
    kBucket,
    alias("flink.parallelism", kParallelism),
    alias("flink.checkpoint_interval_ms", kCheckpoint),
    alias("flink.artifact_bucket_name", kBucket),
    idle("stream_processor.application_name", Kind::text, "pipelines have names of their own"),
    alias("stream_processor.parallelism", kParallelism),
    alias("stream_processor.checkpoint_interval_ms", kCheckpoint),
    idle("stream_processor.watermark_allowed_lateness_ms", Kind::integer, kPipelineFile),
    idle("stream_processor.memory_per_taskmanager_mb", Kind::integer, "tasks share one process"),
    idle("stream_processor.auto_scaling.enabled", Kind::boolean, kNoScaling),
    idle("stream_processor.auto_scaling.min_parallelism", Kind::integer, kNoScaling),
    idle("stream_processor.auto_scaling.max_parallelism", Kind::integer, kNoScaling),
    idle("stream_processor.auto_scaling.target_cpu_utilization", Kind::integer, kNoScaling),

    {"kafka.broker_count", Kind::integer, 1, 1000, {}, {}, kNoBrokers},
    {"kafka.retention_days", Kind::integer, 1, 36'500},
    {"kafka.auto_create_topics", Kind::boolean},
    {"kafka.default_partitions", Kind::integer, 1, 10'000},
    {"kafka.group_initial_rebalance_delay_ms", Kind::integer, 0, 60'000},
    {"kafka.listen", Kind::text},
    {"kafka.advertised", Kind::text},
    {"kafka.allow_insecure_network", Kind::boolean},
    {"kafka.tls.certificate_file", Kind::text},
    {"kafka.tls.key_file", Kind::text},
    {"kafka.tls.client_certificates", Kind::word, 0, 0, "none requested required"},
    {"kafka.tls.client_ca_file", Kind::text},
    {"kafka.sasl.mechanisms", Kind::texts},
    {"kafka.sasl.users_file", Kind::text},
    {"kafka.authorization", Kind::word, 0, 0, "none acl"},
    {"kafka.super_users", Kind::texts},
    {"kafka.consumer_session_timeout_ms", Kind::integer, 1'000, 1'800'000},
    {"kafka.consumer_heartbeat_interval_ms", Kind::integer, 100, 600'000},
    idle("kafka.instance_type", Kind::text, kNoBrokers),
    idle("kafka.use_spot", Kind::boolean, kNoBrokers),
    idle("kafka.spot_max_price", Kind::amount, kNoBrokers),
    idle("event_streaming.cluster_id", Kind::text, kNoBrokers),
    idle("event_streaming.cluster_name", Kind::text, kNoBrokers),
    {"event_streaming.topics.*.name", Kind::topic},
    {"event_streaming.topics.*.partitions", Kind::integer, 1, 10'000},
    idle("event_streaming.topics.*.replication_factor", Kind::integer, kNoBrokers),

    kBufferSize,
    kBufferTime,
    kCompression,
    idle("data_lake.bucket_prefix", Kind::text, "artifact_bucket_name names the bucket"),
    alias("data_lake.buffering_hints.sizeInMBs", kBufferSize),
    alias("data_lake.buffering_hints.intervalInSeconds", kBufferTime),
    idle("data_lake.s3_prefix", Kind::text, kPipelineFile),
    idle("data_lake.data_format", Kind::text, kPipelineFile),
    alias("data_lake.compression", kCompression),
    idle("data_lake.lifecycle_days_to_glacier", Kind::integer, kBucketRules),
    idle("data_lake.lifecycle_days_to_deep_archive", Kind::integer, kBucketRules),
    idle("data_lake.enable_intelligent_tiering", Kind::boolean, kBucketRules),
    idle("data_lake.enable_versioning", Kind::boolean, kBucketRules),
    idle("data_lake.enable_cross_region_replication", Kind::boolean, kBucketRules),

    idle("ml_features.feature_group_name", Kind::text, kPipelineFile),
    idle("ml_features.event_time_feature", Kind::text, kPipelineFile),
    idle("ml_features.record_identifier_feature", Kind::text, kPipelineFile),
    idle("ml_features.lambda.function_event_source_batch_size", Kind::integer, kNoLambda),
    idle("ml_features.lambda.consumer_group_id", Kind::text, kNoLambda),
    idle("ml_features.lambda.timeout_seconds", Kind::integer, kNoLambda),
    idle("ml_features.lambda.memory_mb", Kind::integer, kNoLambda),

    {"observability.log_level", Kind::word, 0, 0, "debug info warn warning error"},
    {"observability.custom_metrics_namespace", Kind::text, 0, 0, {}, {}, kNoCloudWatch},
    idle("observability.cloudwatch_log_retention_days", Kind::integer, kNoCloud),
    idle("observability.enable_xray_tracing", Kind::boolean, kNoCloud),
    idle("observability.alarm_sns_topic_arn", Kind::text, kNoCloud),

    idle("stacks.*_stack_name", Kind::text, kNoCloud),
    idle("vpc.cidr_range", Kind::text, kNoCloud),
    idle("vpc.cidr_mask", Kind::integer, kNoCloud),
    idle("vpc.enable_flow_logs", Kind::boolean, kNoCloud),
    idle("bastion_host.instance_type", Kind::text, kNoCloud),
    idle("bastion_host.enabled", Kind::boolean, kNoCloud),
    idle("tags.*", Kind::anything, kNoCloud),
};

std::string_view take_name(std::string_view& path) {
  const auto end = std::min(path.find('.'), path.size());
  const std::string_view name = path.substr(0, end);
  path.remove_prefix(std::min(end + 1, path.size()));
  return name;
}

bool is_name_match(std::string_view pattern, std::string_view name) {
  if (!pattern.starts_with('*')) return pattern == name;
  return !name.empty() && name.ends_with(pattern.substr(1));
}

// How many leading names of `path` the key has; `rest` is what it has beyond them.
std::size_t matched_names(const ConfigKey& key, std::span<const std::string> path,
                          std::string_view& rest) {
  rest = key.path;
  std::size_t count = 0;
  while (count < path.size() && !rest.empty()) {
    std::string_view next = rest;
    if (!is_name_match(take_name(next), path[count])) break;
    rest = next;
    ++count;
  }
  return count;
}

}  // namespace

std::span<const ConfigKey> config_keys() {
  return kKeys;
}

const ConfigKey* find_config_key(std::span<const std::string> path, std::size_t& depth) {
  depth = 0;
  for (const ConfigKey& key : kKeys) {
    std::string_view rest;
    const std::size_t count = matched_names(key, path, rest);
    depth = std::max(depth, count);
    if (count == path.size() && rest.empty()) return &key;
  }
  return nullptr;
}

std::vector<std::string> known_names(std::span<const std::string> path, std::size_t depth) {
  std::vector<std::string> out;
  for (const ConfigKey& key : kKeys) {
    std::string_view rest;
    if (matched_names(key, path.first(depth), rest) != depth || rest.empty()) continue;
    const std::string name(take_name(rest));
    if (std::ranges::find(out, name) == out.end()) out.push_back(name);
  }
  return out;
}

bool is_config_object(std::span<const std::string> path) {
  return std::ranges::any_of(kKeys, [&](const ConfigKey& key) {
    std::string_view rest;
    return matched_names(key, path, rest) == path.size() && !rest.empty();
  });
}

}  // namespace millrace::pipeline
