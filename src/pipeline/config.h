#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"

namespace millrace::pipeline {

// A configuration file by its name as messages give it.
struct ConfigFile {
  std::string name;
  std::string text;
};

struct ConfiguredTopic {
  std::string id;    // its key under event_streaming.topics
  std::string name;  // of the topic; the id where none is given
  std::int32_t partitions = 1;
};

// Where lake objects go: a folder, a bucket we write to, or Amazon Data Firehose with its own
// limits.
enum class Delivery : std::uint8_t { local, s3, aws };
std::string_view to_string(Delivery delivery);

// One line of `config show`.
struct ConfigLine {
  std::string key;     // as written: "flink.parallelism"
  std::string value;   // as JSON
  std::string source;  // "config/dev.json:4", "default"
  bool is_used = false;
  std::string note;  // why it has no effect, or what it is another name for
};

// The environment that pipelines run in: project_config.json with config/ENVIRONMENT.json over it.
struct Config {
  std::string project = "millrace";
  std::string environment = "dev";
  std::string region = "us-east-1";

  std::int32_t parallelism = 2;
  std::int64_t checkpoint_interval_ms = 10'000;
  std::int64_t dedup_open_ids_max = 131'072;  // of a task; more are sealed into a run
  std::int64_t dedup_memory_mb = 1024;        // of all tasks' fingerprints; beyond it, slower
  std::int32_t standby = 0;  // on a shared log: followers of each task in other processes
  std::string artifact_bucket_name = "millrace-artifacts";

  std::int32_t broker_count = 1;
  std::int32_t retention_days = 7;
  bool auto_create_topics = true;       // when a Kafka client asks for one that is not there
  std::int32_t default_partitions = 1;  // of topics made by Kafka clients who do not say
  // How long the first member of a consumer group waits for further ones.
  std::int32_t group_initial_rebalance_delay_ms = 0;
  std::string kafka_listen = "127.0.0.1";
  std::string kafka_advertised;  // "HOST:PORT" that clients are told; empty: where it listens
  bool allow_insecure_network = false;
  std::string tls_certificate_file;  // empty: no TLS
  std::string tls_key_file;
  std::string tls_client_certificates = "none";  // none, requested or required
  std::string tls_client_ca_file;
  std::vector<std::string> sasl_mechanisms;  // empty: nobody logs in
  std::string sasl_users_file;
  std::string authorization = "none";    // none or acl
  std::vector<std::string> super_users;  // "User:alice"
  // Of members of Kafka's newer group protocol, who are told the interval.
  std::int32_t consumer_session_timeout_ms = 45'000;
  std::int32_t consumer_heartbeat_interval_ms = 5'000;
  std::vector<ConfiguredTopic> topics;  // in the order of the files

  // The log of Apache Kafka's brokers, in place of the one within the process.
  std::string log_bootstrap_servers;  // "host:port,host:port"; empty: there is none
  std::string log_client_rack;
  std::int32_t log_replication_factor = 0;  // of topics that are made; 0: the brokers' default
  bool log_append_time = true;              // topics that are made take the brokers' time (R11)
  std::int32_t log_session_timeout_ms = 6'000;
  std::string log_protocol = "plaintext";  // plaintext, ssl, sasl_plaintext, sasl_ssl
  std::string log_ca_file;
  std::string log_certificate_file;
  std::string log_key_file;
  // none, plain, scram-sha-256, scram-sha-512, oauthbearer or aws_msk_iam
  std::string log_sasl_mechanism = "none";
  std::string log_user;
  std::string log_password_file;
  std::string log_token_file;            // of oauthbearer
  std::string log_aws_region;            // of aws_msk_iam; empty: of the brokers' names
  std::string log_aws_credentials_file;  // empty: wherever credentials are found
  std::string log_aws_profile;
  // Of this process among those that share a log; empty: the host's name and a number kept in the
  // data folder.
  std::string process;
  std::string objects_folder;  // empty: below the data folder

  Delivery delivery = Delivery::local;
  std::int64_t buffer_size_mb = 64;
  std::int64_t buffer_time_seconds = 60;
  std::string compression;  // zstd, snappy, gzip or none; empty: as the format likes it best

  std::string log_level = "info";
  std::string metrics_namespace = "StreamingPipeline";

  std::vector<std::string> pipelines;
  std::string data_folder = "./millrace-data";
  std::int32_t kafka_port = 9092;
  std::int32_t http_port = 8080;
  std::int32_t aws_port = 8081;

  std::vector<ConfigLine> lines;
};

// Reads the files, each over the ones before it, without any I/O. `invalid` lists every fault on a
// line of its own: "config/dev.json:7:21: processor.parallelism must be from 1 to 1024, but is 0".
// Unknown keys, wrong types and impossible values are faults; one setting under two names in one
// file is one, too.
Result<Config> load_config(std::span<const ConfigFile> files);

// Every key in force, in the order of the table of keys: its value, where it was set, and whether
// it has an effect. Settings that no file mentions are listed with their default.
std::vector<ConfigLine> config_report(const Config& config);

}  // namespace millrace::pipeline
