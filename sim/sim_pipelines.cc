#include "sim/sim_pipelines.h"

#include <cstdio>

#include "base/check.h"

namespace millrace::sim {
namespace {

constexpr std::uint64_t kHashSecret = 0x51ed;

constexpr const char* kSchema = R"({
  "type": "object", "required": ["id", "at", "key", "price", "count"],
  "properties": {
    "id": {"type": "string"},
    "at": {"type": "string", "format": "date-time"},
    "key": {"type": "string"},
    "price": {"type": ["string", "number"], "format": "decimal", "x-precision": 18, "x-scale": 2},
    "count": {"type": "integer"}
  }
})";

std::string us_text(std::int64_t us) {
  MR_CHECK(us % 1000 == 0);
  return std::to_string(us / 1000) + "ms";
}

std::string source_text(const Profile& profile, const PipelineNames& names, int version,
                        int partitions) {
  return "pipeline: " + names.pipeline + "\nversion: " + std::to_string(version) +
         "\nsource: { topic: " + names.input +
         ", format: json, key: key, event_time: at, out_of_orderness: " + us_text(kOutOfOrderUs) +
         ", max_ahead: " + us_text(kMaxAheadUs) + ", max_jump: " + us_text(kMaxJumpUs) +
         ", jump_confirmations: " + std::to_string(kJumpConfirmations) +
         ", idle_after: 200ms, idle_advance: " + profile.idle_advance +
         ", partitions: " + std::to_string(partitions) +
         " }\nvalidate:\n  schema: event.schema.json\n"
         "  rules: [ { name: positive_price, expr: \"price > 0\" } ]\n"
         "dedup: { id: id, ttl: " +
         us_text(kDedupTtlUs) +
         ", on_duplicate: " + (profile.drops_duplicates ? "drop" : "dead_letter") + " }\n";
}

std::string window_text(const PipelineNames& names, const std::string& key) {
  return "windows:\n  - { name: " + names.window + ", key: " + key +
         ", tumbling: " + us_text(kWindowUs) + ", allowed_lateness: " + us_text(kLatenessUs) +
         ", aggregates: { n: count(), low: min(price), high: max(price), mean: \"avg(price, 4)\", "
         "total: sum(count) }, emit_to: " +
         names.results + " }\n";
}

std::string tick_text(const Profile& profile, int version) {
  const auto& names = tick_names();
  return source_text(profile, names, version, profile.tick_partitions) +
         "enrich:\n  fields: { grade: \"'v" + std::to_string(version) +
         "'\", worth: \"round(price * count, 2)\", seen_at: \"processing_time\" }\n" +
         window_text(names, "key") + "sinks:\n  - topic: " + names.enriched +
         "\n  - { lake: " + kLakeSink +
         ", format: json, compression: none, partition_by: [key], roll: { size: 2KiB, interval: "
         "1s } }\n  - { feature_group: " +
         kFeatureGroup + ", from: " + names.window +
         ", record_id: key, event_time: window_end }\ndead_letters: { topic: " +
         names.dead_letters + " }\n";
}

std::string order_text(const Profile& profile, int version) {
  const auto& names = order_names();
  return source_text(profile, names, version, profile.order_partitions) +
         "enrich:\n  tables: { regions: { file: regions.csv, key: key } }\n"
         "  fields: { grade: \"'v" +
         std::to_string(version) + "'\", region: \"regions[key].region\" }\n" +
         window_text(names, "region") + "sinks:\n  - topic: " + names.enriched +
         "\ndead_letters: { topic: " + names.dead_letters + " }\n";
}

std::unique_ptr<pipeline::Pipeline> build(const std::string& text, int table_version,
                                          const pipeline::PartitionCounts& existing) {
  pipeline::BuildOptions options;
  options.file_name = "sim.yaml";
  options.text = text;
  options.files = {{"event.schema.json", kSchema}, {"regions.csv", table_text(table_version)}};
  options.partition_counts = existing;
  options.default_partition_count = 2;
  options.hash_secret = kHashSecret;
  auto outcome = pipeline::build_pipeline(options);
  for (const auto& error : outcome.errors) {
    std::fprintf(stderr, "%s\n", pipeline::to_string(error).c_str());
  }
  MR_CHECK(outcome.pipeline != nullptr);
  return std::move(outcome.pipeline);
}

}  // namespace

const PipelineNames& tick_names() {
  static const PipelineNames names{"ticks",        "ticks_in",  "ticks_out",
                                   "tick_results", "ticks_dlq", "tick_window"};
  return names;
}

const PipelineNames& order_names() {
  static const PipelineNames names{"orders",        "orders_in",  "orders_out",
                                   "order_results", "orders_dlq", "order_window"};
  return names;
}

std::string key_name(int index) {
  return std::string("K") + static_cast<char>('A' + index);
}

std::string region_of(int table_version, const std::string& key) {
  const int index = key.back() - 'A';
  return "r" + std::to_string((index + table_version) % 3);
}

std::string table_text(int table_version) {
  std::string text = "key,region\n";
  for (int i = 0; i < kKeyCount; ++i) {
    text += key_name(i) + "," + region_of(table_version, key_name(i)) + "\n";
  }
  return text + "none,v" + std::to_string(table_version) + "\n";
}

BuiltPipelines build_pipelines(const Profile& profile, const PipelineVersions& versions,
                               const pipeline::PartitionCounts& existing) {
  return {build(tick_text(profile, versions.ticks), versions.table, existing),
          build(order_text(profile, versions.orders), versions.table, existing)};
}

}  // namespace millrace::sim
