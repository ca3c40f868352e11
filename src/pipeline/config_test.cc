#include "pipeline/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "pipeline/config_check.h"
#include "pipeline/config_keys.h"

namespace millrace::pipeline {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;

ConfigFile source_file(const std::string& name) {
  std::ifstream stream(std::string(MILLRACE_SOURCE_DIR) + "/" + name, std::ios::binary);
  EXPECT_TRUE(stream.good()) << name;
  return {name, {std::istreambuf_iterator<char>(stream), {}}};
}

Config load(const std::vector<ConfigFile>& files) {
  auto config = load_config(files);
  EXPECT_TRUE(config.is_ok()) << config.status().to_string();
  return config.is_ok() ? std::move(config).value() : Config();
}

// The faults of one file named "c.json", one a line.
std::string faults_of(const std::string& text) {
  const auto config = load_config(std::vector<ConfigFile>{{"c.json", text}});
  return config.is_ok() ? "none" : std::string(config.status().message());
}

TEST(Config, the_files_of_the_project_load_in_every_environment) {
  static constexpr struct {
    const char* environment;
    int parallelism;
    std::int64_t checkpoint_interval_ms;
    int retention_days;
    std::int64_t buffer_size_mb;
  } kExpected[] = {
      {"dev", 2, 10'000, 7, 64}, {"staging", 4, 5'000, 7, 64}, {"prod", 8, 10'000, 14, 256}};
  for (const auto& expected : kExpected) {
    const std::string name = expected.environment;
    const Config config =
        load({source_file("project_config.json"), source_file("config/" + name + ".json")});
    EXPECT_EQ(config.environment, name);
    EXPECT_EQ(config.parallelism, expected.parallelism);
    EXPECT_EQ(config.checkpoint_interval_ms, expected.checkpoint_interval_ms);
    EXPECT_EQ(config.retention_days, expected.retention_days);
    EXPECT_EQ(config.buffer_size_mb, expected.buffer_size_mb);
    EXPECT_EQ(config.artifact_bucket_name, "streaming-pipeline-artifacts-" + name);
    EXPECT_EQ(config.compression, "gzip");
    EXPECT_EQ(config.delivery, Delivery::local);
    EXPECT_THAT(config.pipelines, ElementsAre("pipelines/ticks.yaml", "pipelines/orders.yaml"));
    ASSERT_EQ(config.topics.size(), 8u);
    EXPECT_EQ(config.topics[7].id, "orders_dead_letters");
    EXPECT_EQ(config.topics[7].name, "ecommerce.orders.dlq");
    EXPECT_EQ(config.topics[7].partitions, 3);
  }
}

TEST(Config, no_files_give_the_defaults) {
  const Config config = load({});
  EXPECT_EQ(config.environment, "dev");
  EXPECT_EQ(config.kafka_port, 9092);
  EXPECT_EQ(config.data_folder, "./millrace-data");
  EXPECT_TRUE(config.pipelines.empty());
  EXPECT_TRUE(config.auto_create_topics);
  EXPECT_EQ(config.default_partitions, 1);
  EXPECT_EQ(config.group_initial_rebalance_delay_ms, 0);
}

TEST(Config, says_how_often_consumers_send_heartbeats) {
  const Config config = load({{"c.json", R"({"kafka": {"consumer_session_timeout_ms": 9000,
                                                       "consumer_heartbeat_interval_ms": 500}})"}});
  EXPECT_EQ(config.consumer_session_timeout_ms, 9'000);
  EXPECT_EQ(config.consumer_heartbeat_interval_ms, 500);
}

TEST(Config, says_how_kafka_clients_make_topics) {
  const Config config =
      load({{"c.json", R"({"kafka": {"auto_create_topics": false, "default_partitions": 4,
                           "group_initial_rebalance_delay_ms": 3000}})"}});
  EXPECT_FALSE(config.auto_create_topics);
  EXPECT_EQ(config.default_partitions, 4);
  EXPECT_EQ(config.group_initial_rebalance_delay_ms, 3000);
}

// Every key that users of the earlier system know.
constexpr const char* kOriginalKeys = R"({
  "region": "eu-west-1",
  "project": {"name": "p", "environment": "staging", "description": "d"},
  "stacks": {"vpc_stack_name": "a", "msk_stack_name": "b"},
  "vpc": {"cidr_range": "10.0.0.0/16", "cidr_mask": 24, "enable_flow_logs": true},
  "bastion_host": {"instance_type": "t3.micro", "enabled": false},
  "kafka": {"broker_count": 3, "instance_type": "kafka.m5.large", "retention_days": 7,
            "use_spot": true, "spot_max_price": "0.50"},
  "event_streaming": {"cluster_id": "c", "cluster_name": "n", "topics":
    {"raw": {"name": "ecommerce.orders.raw", "partitions": 10, "replication_factor": 2}}},
  "stream_processor": {"application_name": "a", "parallelism": 4, "checkpoint_interval_ms": 60000,
    "watermark_allowed_lateness_ms": 600000, "memory_per_taskmanager_mb": 4096,
    "auto_scaling": {"enabled": true, "min_parallelism": 2, "max_parallelism": 16,
                     "target_cpu_utilization": 70}},
  "data_lake": {"bucket_prefix": "lake",
    "buffering_hints": {"intervalInSeconds": 300, "sizeInMBs": 128},
    "s3_prefix": "year=!{timestamp:yyyy}/", "data_format": "parquet", "compression": "Snappy",
    "lifecycle_days_to_glacier": 90, "lifecycle_days_to_deep_archive": 365,
    "enable_intelligent_tiering": true, "enable_versioning": true,
    "enable_cross_region_replication": false},
  "ml_features": {"feature_group_name": "f", "event_time_feature": "e",
    "record_identifier_feature": "r",
    "lambda": {"function_event_source_batch_size": 25, "consumer_group_id": "g",
               "timeout_seconds": 60, "memory_mb": 512}},
  "observability": {"log_level": "INFO", "cloudwatch_log_retention_days": 30,
    "enable_xray_tracing": true,
    "custom_metrics_namespace": "N", "alarm_sns_topic_arn": "arn:aws:sns:eu-west-1:1:t"},
  "tags": {"owner": "team", "cost-center": 42}
})";

TEST(Config, says_who_may_use_the_kafka_port) {
  const Config plain = load({});
  EXPECT_EQ(plain.kafka_listen, "127.0.0.1");
  EXPECT_EQ(plain.tls_certificate_file, "");
  EXPECT_EQ(plain.authorization, "none");
  EXPECT_FALSE(plain.allow_insecure_network);
  const Config config = load({{"c.json", R"({"kafka": {
    "listen": "0.0.0.0", "advertised": "k.example.com:9093",
    "tls": {"certificate_file": "c.pem", "key_file": "k.pem", "client_certificates": "REQUIRED",
            "client_ca_file": "ca.pem"},
    "sasl": {"mechanisms": ["PLAIN", "SCRAM-SHA-512"], "users_file": "users"},
    "authorization": "acl", "super_users": ["User:admin"], "allow_insecure_network": true}})"}});
  EXPECT_EQ(config.kafka_listen, "0.0.0.0");
  EXPECT_EQ(config.kafka_advertised, "k.example.com:9093");
  EXPECT_EQ(config.tls_client_certificates, "required");
  EXPECT_THAT(config.sasl_mechanisms, ElementsAre("PLAIN", "SCRAM-SHA-512"));
  EXPECT_THAT(config.super_users, ElementsAre("User:admin"));
  EXPECT_TRUE(config.allow_insecure_network);
}

TEST(Config, says_which_log_several_processes_share) {
  EXPECT_EQ(load({}).log_bootstrap_servers, "");
  const Config config = load({{"c.json", R"({
      "process": "worker-1", "objects": {"folder": "/shared/objects"},
      "log": {"kafka": {"bootstrap_servers": "b1:9092,b2:9093", "client_rack": "a",
                        "replication_factor": 3, "log_append_time": false,
                        "session_timeout_ms": 9000,
                        "security": {"protocol": "SASL_SSL", "ca_file": "ca.pem",
                                     "sasl_mechanism": "SCRAM-SHA-512", "user": "m",
                                     "password_file": "pw"}}}})"}});
  EXPECT_EQ(config.process, "worker-1");
  EXPECT_EQ(config.objects_folder, "/shared/objects");
  EXPECT_EQ(config.log_bootstrap_servers, "b1:9092,b2:9093");
  EXPECT_EQ(config.log_client_rack, "a");
  EXPECT_EQ(config.log_replication_factor, 3);
  EXPECT_FALSE(config.log_append_time);
  EXPECT_EQ(config.log_session_timeout_ms, 9'000);
  EXPECT_EQ(config.log_protocol, "sasl_ssl");
  EXPECT_EQ(config.log_ca_file, "ca.pem");
  EXPECT_EQ(config.log_sasl_mechanism, "scram-sha-512");
  EXPECT_EQ(config.log_user, "m");
  EXPECT_EQ(config.log_password_file, "pw");
}

TEST(Config, settings_of_a_shared_log_that_need_others_say_so) {
  const auto fault_of = [](const std::string& more) {
    return faults_of(
        R"({"objects": {"folder": "o"}, "log": {"kafka": {"bootstrap_servers": "b:1")" + more +
        "}}}");
  };
  EXPECT_EQ(fault_of(""), "none");
  EXPECT_THAT(faults_of(R"({"log": {"kafka": {"bootstrap_servers": "b:1"}}})"),
              HasSubstr("objects.folder: a folder that all processes of the log share"));
  EXPECT_THAT(faults_of(R"({"objects": {"folder": "o"}, "log": {"kafka": {"bootstrap_servers":
              "b"}}})"),
              HasSubstr("must be like broker-1:9092,broker-2:9092, but has \"b\""));
  EXPECT_THAT(faults_of(R"({"process": "a/b"})"), HasSubstr("such as worker-1"));
  EXPECT_THAT(fault_of(R"(, "security": {"ca_file": "c"})"), HasSubstr("set ssl or sasl_ssl"));
  EXPECT_THAT(fault_of(R"(, "security": {"protocol": "ssl", "certificate_file": "c"})"),
              HasSubstr("set key_file"));
  EXPECT_THAT(fault_of(R"(, "security": {"protocol": "sasl_ssl", "user": "u"})"),
              HasSubstr("needs sasl_mechanism, user and password_file"));
  EXPECT_THAT(fault_of(R"(, "security": {"user": "u"})"), HasSubstr("sasl_plaintext"));
}

TEST(Config, each_way_of_logging_in_has_settings_of_its_own) {
  const auto fault_of = [](const std::string& security) {
    return faults_of(
        R"({"objects": {"folder": "o"}, "log": {"kafka": {"bootstrap_servers": "b:1",
            "security": {"protocol": "sasl_ssl", )" +
        security + "}}}}");
  };
  EXPECT_EQ(fault_of(R"("sasl_mechanism": "OAUTHBEARER", "token_file": "t")"), "none");
  EXPECT_EQ(fault_of(R"("sasl_mechanism": "AWS_MSK_IAM")"), "none");
  EXPECT_EQ(fault_of(R"("sasl_mechanism": "AWS_MSK_IAM", "region": "eu-west-1",
                        "credentials_file": "c", "profile": "p")"),
            "none");
  EXPECT_THAT(fault_of(R"("sasl_mechanism": "OAUTHBEARER")"), HasSubstr("needs token_file"));
  EXPECT_THAT(fault_of(R"("sasl_mechanism": "OAUTHBEARER", "token_file": "t", "user": "u")"),
              HasSubstr("it is for plain and scram-sha-512"));
  EXPECT_THAT(fault_of(R"("sasl_mechanism": "AWS_MSK_IAM", "token_file": "t")"),
              HasSubstr("it is for oauthbearer"));
  EXPECT_THAT(fault_of(R"("sasl_mechanism": "PLAIN", "user": "u", "password_file": "p",
                          "region": "r")"),
              HasSubstr("it is for aws_msk_iam"));
  EXPECT_THAT(faults_of(R"({"objects": {"folder": "o"}, "log": {"kafka": {
                  "bootstrap_servers": "b:1", "security": {"protocol": "sasl_plaintext",
                  "sasl_mechanism": "AWS_MSK_IAM"}}}})"),
              HasSubstr("must be sasl_ssl for aws_msk_iam"));
}

TEST(Config, what_a_shared_log_makes_void_is_listed_so) {
  const auto note_of = [](const Config& config, const std::string& key) {
    for (const auto& line : config_report(config)) {
      if (line.key == key) return line.note;
    }
    return std::string("not listed");
  };
  const Config shared = load({{"c.json", R"({"objects": {"folder": "o"},
      "log": {"kafka": {"bootstrap_servers": "b:1"}}})"}});
  EXPECT_THAT(note_of(shared, "ports.kafka"), HasSubstr("no Kafka port is served"));
  EXPECT_EQ(note_of(shared, "log.kafka.client_rack"), "");
  EXPECT_THAT(note_of(load({}), "log.kafka.client_rack"), HasSubstr("bootstrap_servers"));
  EXPECT_EQ(note_of(load({}), "ports.kafka"), "");
}

TEST(Config, settings_of_the_kafka_port_that_need_others_say_so) {
  const auto fault_of = [](const std::string& kafka) {
    return faults_of("{\"kafka\": " + kafka + "}");
  };
  EXPECT_THAT(fault_of(R"({"tls": {"certificate_file": "c"}})"), HasSubstr("kafka.tls.key_file"));
  EXPECT_THAT(fault_of(R"({"tls": {"key_file": "k"}})"), HasSubstr("certificate_file"));
  EXPECT_THAT(fault_of(R"({"tls": {"certificate_file": "c", "key_file": "k",
                           "client_certificates": "required"}})"),
              HasSubstr("client_ca_file"));
  EXPECT_THAT(fault_of(R"({"sasl": {"mechanisms": ["GSSAPI"]}})"), HasSubstr("SCRAM-SHA-256"));
  EXPECT_THAT(fault_of(R"({"sasl": {"users_file": "u"}})"), HasSubstr("kafka.sasl.mechanisms"));
  EXPECT_THAT(fault_of(R"({"super_users": ["admin"]})"), HasSubstr("User:admin"));
  EXPECT_THAT(fault_of(R"({"authorization": "some"})"), HasSubstr("none, acl"));
}

TEST(Config, every_key_of_the_earlier_system_is_accepted) {
  const Config config = load({{"c.json", kOriginalKeys}});
  EXPECT_EQ(config.environment, "staging");
  EXPECT_EQ(config.parallelism, 4);
  EXPECT_EQ(config.checkpoint_interval_ms, 60'000);
  EXPECT_EQ(config.buffer_size_mb, 128);
  EXPECT_EQ(config.buffer_time_seconds, 300);
  EXPECT_EQ(config.compression, "snappy");
  EXPECT_EQ(config.topics[0].partitions, 10);
  EXPECT_EQ(config.log_level, "info");
  EXPECT_EQ(config.broker_count, 3);
  const Config guide =
      load({{"c.json", R"({"flink": {"parallelism": 3, "checkpoint_interval_ms": 10000,
      "artifact_bucket_name": "bucket-1"}, "firehose": {"buffer_size_mb": 5,
      "buffer_time_seconds": 0, "compression": "uncompressed"}})"}});
  EXPECT_EQ(guide.parallelism, 3);
  EXPECT_EQ(guide.artifact_bucket_name, "bucket-1");
  EXPECT_EQ(guide.compression, "none");
}

TEST(Config, a_later_file_wins_under_whatever_name) {
  const Config config = load({{"a.json", R"({"stream_processor": {"parallelism": 4}})"},
                              {"b.json", R"({"processor": {"parallelism": 6}})"},
                              {"c.json", "{}"}});
  EXPECT_EQ(config.parallelism, 6);
}

TEST(Config, the_report_lists_every_key_with_its_origin_and_effect) {
  const Config config = load({{"project_config.json",
                               "{\n\"flink\": {\"parallelism\": 4, \"artifact_bucket_name\": "
                               "\"abc-def\"},\n\"kafka\": {\"use_spot\": true}}"},
                              {"config/dev.json", "{\"region\": \"us-west-2\"}"}});
  std::vector<std::string> lines;
  for (const ConfigLine& line : config_report(config)) {
    lines.push_back(line.key + " = " + line.value + " (" + line.source + ")" +
                    (line.is_used ? "" : " no effect") +
                    (line.note.empty() ? "" : ": " + line.note));
  }
  EXPECT_THAT(
      lines,
      IsSupersetOf({"region = \"us-west-2\" (config/dev.json:1) no effect: nothing is sent to AWS "
                    "yet; files go into data_folder",
                    "firehose.compression = \"zstd for Parquet, gzip for JSON\" (default)",
                    "flink.parallelism = 4 (project_config.json:2): another name of "
                    "processor.parallelism",
                    "flink.artifact_bucket_name = \"abc-def\" (project_config.json:2) no effect: "
                    "another name of processor.artifact_bucket_name; nothing is sent to AWS yet; "
                    "files go into data_folder",
                    "kafka.use_spot = true (project_config.json:3) no effect: the log is part "
                    "of this process; there are no broker machines",
                    "ports.http = 8080 (default)"}));
  EXPECT_THAT(lines, testing::Not(Contains(HasSubstr("processor.parallelism = 2"))));
}

TEST(Config, every_setting_with_an_effect_is_in_the_report) {
  const Config config = load({});
  std::vector<std::string> reported;
  for (const ConfigLine& line : config_report(config)) reported.push_back(line.key);
  for (const ConfigKey& key : config_keys()) {
    const bool has_own_line = key.same_as.empty() && key.idle_because.empty() &&
                              key.path.find('*') == std::string_view::npos;
    if (has_own_line) EXPECT_THAT(reported, Contains(std::string(key.path)));
  }
}

TEST(Config, all_faults_are_listed_with_file_line_and_column) {
  EXPECT_EQ(faults_of("{\n  // what is meant is flink\n  \"flnk\": {\"parallelism\": 2},\n"
                      "  \"kafka\": {\"retention_day\": 7, \"broker_count\": \"3\"},\n"
                      "  \"flink\": {\"parallelism\": 0}\n}"),
            "c.json:3:3: unknown key `flnk`; did you mean `flink`?\n"
            "c.json:4:13: unknown key `kafka.retention_day`; did you mean `retention_days`?\n"
            "c.json:4:33: kafka.broker_count must be a whole number from 1 to 1000, but is \"3\"\n"
            "c.json:5:13: flink.parallelism must be a whole number from 1 to 1024, but is 0");
}

TEST(Config, shapes_that_do_not_fit_are_explained) {
  EXPECT_EQ(faults_of(R"({"flink": 3})"), "c.json:1:2: flink must be an object, but is 3");
  EXPECT_EQ(faults_of(R"({"region": {"a": 1, "b": 2}})"),
            "c.json:1:2: region must be a single value, but is an object");
  EXPECT_EQ(faults_of(R"({"flink": {}, "tags": {}})"), "none");
  EXPECT_EQ(faults_of(R"({"pipelines": "a.yaml"})"),
            "c.json:1:2: pipelines must be a list of strings, but is \"a.yaml\"");
  EXPECT_EQ(faults_of("[]"), "c.json:1:1: the file must be a JSON object");
  EXPECT_THAT(faults_of("{\n\"region\" \"us-east-1\"}"), HasSubstr("c.json:2:"));
  EXPECT_THAT(faults_of(R"({"region": "us-east-1", "region": "us-east-1"})"),
              HasSubstr("c.json:1:"));
}

TEST(Config, one_setting_under_two_names_must_agree) {
  EXPECT_EQ(faults_of("{\"flink\": {\"parallelism\": 2},\n \"processor\": {\"parallelism\": 2}}"),
            "none");
  EXPECT_EQ(
      faults_of("{\"flink\": {\"parallelism\": 2},\n \"processor\": {\"parallelism\": 3}}"),
      "c.json:2:16: processor.parallelism is another name of flink.parallelism in line 1 and has "
      "another value; keep one of them");
}

TEST(Config, comments_may_stand_where_space_may) {
  EXPECT_EQ(faults_of("// a\n{ # b\n \"tags\": {\"url\": \"http://x#y\"} // c\n}\n// d"), "none");
}

TEST(Config, bucket_names_that_s3_refuses_say_what_is_wrong) {
  EXPECT_EQ(bucket_name_fault("streaming-pipeline-artifacts-acme-4567"), "");
  EXPECT_EQ(bucket_name_fault("ab"), "must have 3 to 63 characters, but \"ab\" has 2");
  EXPECT_THAT(bucket_name_fault(std::string(64, 'a')), HasSubstr("has 64"));
  EXPECT_EQ(bucket_name_fault(std::string(63, 'a')), "");
  EXPECT_EQ(bucket_name_fault("MyBucket"),
            "must be lower case: \"mybucket\" instead of \"MyBucket\"");
  EXPECT_EQ(bucket_name_fault("my_bucket"),
            "must be of lower-case letters, digits and hyphens, but \"my_bucket\" has a '_'; "
            "\"my-bucket\" would be right");
  EXPECT_THAT(bucket_name_fault("-abc"), HasSubstr("start and end with a letter or a digit"));
  EXPECT_THAT(bucket_name_fault("abc-"), HasSubstr("start and end with a letter or a digit"));
  EXPECT_THAT(bucket_name_fault("xn--abc"), HasSubstr("keeps for itself"));
  EXPECT_THAT(bucket_name_fault("YOUR_UNIQUE_BUCKET_NAME"), HasSubstr("placeholder"));
  EXPECT_EQ(
      faults_of(R"({"flink": {"artifact_bucket_name": "A_b"}})"),
      "c.json:1:12: flink.artifact_bucket_name must be lower case: \"a_b\" instead of \"A_b\"");
}

TEST(Config, firehose_limits_hold_only_where_firehose_delivers) {
  const std::string large = R"("firehose": {"buffer_size_mb": 256, "buffer_time_seconds": 901})";
  EXPECT_EQ(faults_of("{" + large + "}"), "none");
  EXPECT_EQ(faults_of(R"({"delivery": "s3", )" + large + "}"), "none");
  EXPECT_EQ(
      faults_of("{\"delivery\": \"AWS\",\n" + large + "}"),
      "c.json:2:14: firehose.buffer_size_mb must be from 1 to 128 where delivery is aws, but is "
      "256; Amazon Data Firehose takes no more (delivery local and s3 do)\n"
      "c.json:2:37: firehose.buffer_time_seconds must be from 0 to 900 where delivery is aws, "
      "but is 901");
  EXPECT_THAT(faults_of(R"({"delivery": "aws", "firehose": {"compression": "ZSTD"}})"),
              HasSubstr("has no zstd"));
}

TEST(Config, impossible_values_say_what_would_be_right) {
  EXPECT_THAT(faults_of(R"({"region": "us-east"})"), HasSubstr("an AWS region such as us-east-1"));
  EXPECT_THAT(faults_of(R"({"environment": "Prod"})"), HasSubstr("a name such as dev"));
  EXPECT_THAT(faults_of(R"({"firehose": {"compression": "lzma"}})"),
              HasSubstr("must be one of gzip, snappy, zstd, none, uncompressed, but is \"lzma\""));
  EXPECT_THAT(faults_of(R"({"kafka": {"spot_max_price": "cheap"}})"),
              HasSubstr("an amount such as"));
  EXPECT_THAT(faults_of(R"({"event_streaming": {"topics": {"t": {"name": "a b"}}}})"),
              HasSubstr("event_streaming.topics.t.name must be a topic name"));
  EXPECT_THAT(faults_of(R"({"ports": {"http": 9092}})"),
              HasSubstr("ports.http is 9092, as another port is; 0 picks a free one"));
  EXPECT_EQ(faults_of(R"({"ports": {"http": 0, "kafka": 0, "aws": 0}})"), "none");
  EXPECT_THAT(faults_of(R"({"stacks": {"vpc_name": "x"}})"),
              HasSubstr("unknown key `stacks.vpc_name`; known are `*_stack_name`"));
  EXPECT_THAT(
      faults_of(R"({"event_streaming": {"topics": {"a": {"name": "t"}, "b": {"name": "t"}}}})"),
      HasSubstr("event_streaming.topics.b.name is t, as that of topic a is"));
}

}  // namespace
}  // namespace millrace::pipeline
