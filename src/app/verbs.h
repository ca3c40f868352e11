#pragma once

#include <cstdint>
#include <string>
#include <vector>

// What each verb of the command line takes, after parsing. run_X prints to stdout and gives an
// exit status of command_line.h.

namespace millrace::app {

enum class OutputFormat : std::uint8_t { text, json };

// Where a running instance is looked for.
struct ServerOptions {
  std::string data_folder = "./millrace-data";
  std::string server;  // HOST:PORT; wins over data_folder
  OutputFormat output = OutputFormat::text;
};

struct UpOptions {
  std::string data_folder;  // empty: the configuration's
  std::string config_file;  // empty: project_config.json if it is there
  std::string environment = "dev";
  std::vector<std::string> pipeline_files;   // empty: the configuration's
  std::vector<std::string> accepted_losses;  // PIPELINE@VERSION
  int kafka_port = -1;                       // -1: the configuration's
  int http_port = -1;                        // -1: the configuration's
  int aws_port = -1;                         // -1: the configuration's
  int parallelism = 0;                       // 0: the configuration's
  OutputFormat output = OutputFormat::text;
};

struct ProduceOptions {
  ServerOptions server;
  std::string topic;
  std::string file = "-";
  std::string input_format;       // "jsonl", "csv"; empty: by the file's name
  std::string key;                // member that becomes the record's key
  double records_per_second = 0;  // 0: as fast as the server takes them
  std::int64_t retry_for_ms = 60'000;
  std::string generate;  // "ticks" or "orders": instead of a file
  std::uint64_t seed = 1;
  std::uint64_t count = 100'000;
  double bad_share = 0;
  double duplicate_share = 0;
  double late_share = 0;
};

struct ConsumeOptions {
  ServerOptions server;
  std::string topic;
  std::int32_t partition = -1;    // -1: all
  std::int64_t offset = -1;       // -1: the start
  std::uint64_t records_max = 0;  // 0: no bound
  std::string filter;             // CEL over key, value, partition, offset, timestamp, headers
  bool is_following = false;
};

struct DlqOptions {
  ServerOptions server;
  std::string pipeline;    // only letters of this one
  std::string error_type;  // only of this cause
  std::size_t limit = 20;  // the newest so many; 0: all
  std::string letter;      // TOPIC/PARTITION/OFFSET, for `show`
};

struct AuditOptions {
  ServerOptions server;
  bool is_replay = false;
  std::string replay_range;     // A..B; empty: everything reachable
  std::string pipeline;         // empty: all
  std::string stage;            // empty: the source for a range, else all
  std::int32_t partition = -1;  // -1: all
};

struct TraceOptions {
  ServerOptions server;
  std::string event_id;
  std::string pipeline;         // empty: all
  std::string topic;            // with partition and offset: that record
  std::int32_t partition = -1;  // -1: all
  std::int64_t offset = -1;
  std::string since;                  // RFC 3339; empty: no bound
  std::int64_t scan_max = 1'000'000;  // records of the source topic, newest first
};

struct FeatureOptions {
  ServerOptions server;
  std::string group;
  std::string record_id;
};

struct SnapshotOptions {
  ServerOptions server;
  std::string name;
  std::string pipeline;  // empty: all that run, or have a snapshot of that name
};

struct MirrorVerbOptions {
  ServerOptions server;
  bool is_into_instance = false;
  std::vector<std::string> topics;
  std::string brokers;      // host:port,...; empty: log.kafka of the configuration
  std::string config_file;  // how the cluster is reached; empty: project_config.json if it is there
  std::string environment = "dev";
  std::string name = "default";
  bool is_following = false;
  bool accepts_gaps = false;
  bool starts_anew = false;
  std::int64_t retry_for_ms = 60'000;
};

struct PipelineFileOptions {
  std::string file;
  std::string against;  // a data folder or HOST:PORT; empty: nothing
  OutputFormat output = OutputFormat::text;
};

struct ConfigVerbOptions {
  std::string config_file;  // empty: project_config.json if it is there
  std::string environment = "dev";
  OutputFormat output = OutputFormat::text;
};

int run_up(const UpOptions& options);
int run_produce(const ProduceOptions& options);
int run_consume(const ConsumeOptions& options);
int run_status(const ServerOptions& options);
int run_topics(const ServerOptions& options, bool with_internal);
int run_groups(const ServerOptions& options);
int run_drain(const ServerOptions& options);
int run_audit(const AuditOptions& options);
int run_trace(const TraceOptions& options);
int run_dlq_list(const DlqOptions& options);
int run_dlq_count(const DlqOptions& options);
int run_dlq_show(const DlqOptions& options);
int run_lake_list(const ServerOptions& options);
int run_lake_verify(const ServerOptions& options);
int run_features_list(const ServerOptions& options);
int run_features_get(const FeatureOptions& options);
int run_snapshot_create(const SnapshotOptions& options);
int run_snapshot_list(const SnapshotOptions& options);
int run_snapshot_delete(const SnapshotOptions& options);
int run_snapshot_restore(const SnapshotOptions& options);
int run_mirror(const MirrorVerbOptions& options);
int run_pipeline_check(const PipelineFileOptions& options);
int run_pipeline_explain(const PipelineFileOptions& options);
int run_config_check(const ConfigVerbOptions& options);
int run_config_show(const ConfigVerbOptions& options);
int run_version(OutputFormat output);
std::string version_text();  // "millrace 0.1.0"

}  // namespace millrace::app
