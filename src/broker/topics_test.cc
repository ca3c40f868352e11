#include <gtest/gtest.h>

#include <algorithm>

#include "broker/client_for_tests.h"

namespace millrace::broker {
namespace {

using kafka_wire::AlterConfigsRequest;
using kafka_wire::AlterConfigsResponse;
using kafka_wire::ConfigResourceType;
using kafka_wire::CreatePartitionsRequest;
using kafka_wire::CreatePartitionsResponse;
using kafka_wire::CreateTopicsRequest;
using kafka_wire::CreateTopicsResponse;
using kafka_wire::DeleteRecordsRequest;
using kafka_wire::DeleteRecordsResponse;
using kafka_wire::DeleteTopicsRequest;
using kafka_wire::DeleteTopicsResponse;
using kafka_wire::DescribeClusterRequest;
using kafka_wire::DescribeClusterResponse;
using kafka_wire::DescribeConfigsRequest;
using kafka_wire::DescribeConfigsResponse;
using kafka_wire::DescribeLogDirsRequest;
using kafka_wire::DescribeLogDirsResponse;
using kafka_wire::DescribeTopicPartitionsRequest;
using kafka_wire::DescribeTopicPartitionsResponse;
using kafka_wire::ErrorCode;
using kafka_wire::FindCoordinatorRequest;
using kafka_wire::FindCoordinatorResponse;
using kafka_wire::IncrementalAlterConfigsRequest;
using kafka_wire::IncrementalAlterConfigsResponse;
using kafka_wire::MetadataRequest;
using kafka_wire::MetadataResponse;
using kafka_wire::ProduceResponse;

CreateTopicsRequest::Topic asked(const std::string& name, std::int32_t partitions,
                                 std::int16_t replication_factor,
                                 std::vector<CreateTopicsRequest::Config> configs = {},
                                 std::vector<CreateTopicsRequest::Assignment> assignments = {}) {
  return {name, partitions, replication_factor, std::move(assignments), std::move(configs)};
}

class Topics : public BrokerTest {
 protected:
  template <class Response, class Request>
  Response call(const Request& request, std::int16_t version) {
    auto client = connect();
    return client.call<Response>(request, version);
  }
  std::vector<std::string> topics_of_clients() {
    std::vector<std::string> names;
    for (const auto& topic : log_->topics()) {
      if (!topic.config.is_internal) names.push_back(topic.name);
    }
    return names;
  }
  CreateTopicsResponse::Topic create(CreateTopicsRequest::Topic topic, bool validate_only = false,
                                     std::int16_t version = 7) {
    CreateTopicsRequest request;
    request.topics.push_back(std::move(topic));
    request.validate_only = validate_only;
    return call<CreateTopicsResponse>(request, version).topics.at(0);
  }
  MetadataResponse metadata(const std::string& name, bool creates, std::int16_t version = 12) {
    MetadataRequest request;
    request.topics.emplace().push_back({{}, name});
    request.allow_auto_topic_creation = creates;
    return call<MetadataResponse>(request, version);
  }
  std::string config_of(const std::string& topic, const std::string& name) {
    DescribeConfigsRequest request;
    request.resources.push_back({ConfigResourceType::topic, topic, {{name}}});
    const auto result = call<DescribeConfigsResponse>(request, 4).results.at(0);
    EXPECT_EQ(result.error_code, ErrorCode::none);
    return result.configs.size() == 1 ? result.configs[0].value.value_or("null") : "missing";
  }
  ErrorCode alter(const std::string& topic, const std::string& name, std::int8_t operation,
                  std::optional<std::string> value) {
    IncrementalAlterConfigsRequest request;
    request.resources.push_back(
        {ConfigResourceType::topic, topic, {{name, operation, std::move(value)}}});
    return call<IncrementalAlterConfigsResponse>(request, 1).responses.at(0).error_code;
  }
};

TEST_F(Topics, the_cluster_is_this_one_broker) {
  options_.cluster_id = "c";
  restart();
  const auto response = call<MetadataResponse>(MetadataRequest(), 12);
  EXPECT_EQ(response.cluster_id, "c");
  EXPECT_EQ(response.controller_id, 1);
  ASSERT_EQ(response.brokers.size(), 1u);
  EXPECT_EQ(response.brokers[0].node_id, 1);
  EXPECT_EQ(response.brokers[0].host, "127.0.0.1");
  EXPECT_EQ(response.brokers[0].port, broker_->port());
  const auto cluster = call<DescribeClusterResponse>(DescribeClusterRequest(), 2);
  EXPECT_EQ(cluster.brokers.at(0).port, broker_->port());
  EXPECT_EQ(cluster.controller_id, 1);
  FindCoordinatorRequest request;
  request.coordinator_keys = {"g", "h"};
  const auto found = call<FindCoordinatorResponse>(request, 6);
  ASSERT_EQ(found.coordinators.size(), 2u);
  EXPECT_EQ(found.coordinators[1].key, "h");
  EXPECT_EQ(found.coordinators[1].port, broker_->port());
  EXPECT_EQ(call<FindCoordinatorResponse>(request, 0).port, broker_->port());
}

TEST_F(Topics, metadata_makes_topics_where_it_is_allowed) {
  options_.topics.partition_count = 3;
  restart();
  EXPECT_EQ(metadata("t", false).topics.at(0).error_code, ErrorCode::unknown_topic_or_partition);
  const auto made = metadata("t", true).topics.at(0);
  EXPECT_EQ(made.error_code, ErrorCode::none);
  EXPECT_EQ(made.partitions.size(), 3u);
  EXPECT_EQ(made.partitions[2].leader_id, 1);
  EXPECT_FALSE(made.topic_id.is_zero());
  EXPECT_EQ(metadata("t", false).topics.at(0).topic_id, made.topic_id);
  EXPECT_EQ(metadata("old", true, 1).topics.at(0).error_code, ErrorCode::none);
  EXPECT_EQ(metadata("a/b", true).topics.at(0).error_code, ErrorCode::invalid_topic_exception);
  EXPECT_EQ(metadata("millrace.x", true).topics.at(0).error_code,
            ErrorCode::invalid_topic_exception);
  EXPECT_EQ(topics_of_clients(), (std::vector<std::string>{"old", "t"}));
}

TEST_F(Topics, metadata_lists_all_of_them_and_marks_internal_ones) {
  create_topic("b");
  create_topic("millrace.a", {.is_internal = true});
  for (const std::int16_t version : {std::int16_t{0}, std::int16_t{1}, std::int16_t{12}}) {
    const auto response = call<MetadataResponse>(MetadataRequest(), version);
    ASSERT_GE(response.topics.size(), 2u) << version;
    EXPECT_EQ(response.topics[0].name, "b");
    EXPECT_FALSE(response.topics[0].is_internal);
    EXPECT_EQ(response.topics[1].name, "millrace.a");
    EXPECT_EQ(response.topics[1].is_internal, version > 0);
  }
  MetadataRequest none;
  none.topics.emplace();
  EXPECT_EQ(call<MetadataResponse>(none, 12).topics.size(), 0u);
}

TEST_F(Topics, an_id_names_one_incarnation) {
  const auto first = metadata("t", true).topics.at(0).topic_id;
  ASSERT_TRUE(log_->delete_topic("t").is_ok());
  const auto second = metadata("t", true).topics.at(0).topic_id;
  EXPECT_NE(first, second);
  MetadataRequest request;
  request.topics.emplace();
  request.topics->push_back({first, std::nullopt});
  request.topics->push_back({second, std::nullopt});
  const auto response = call<MetadataResponse>(request, 12);
  EXPECT_EQ(response.topics.at(0).error_code, ErrorCode::unknown_topic_id);
  EXPECT_EQ(response.topics.at(1).name, "t");
}

TEST_F(Topics, are_created_with_what_is_asked_for_and_one_copy) {
  const auto made = create(asked("t", 4, 3, {{"retention.ms", "1000"}}));
  EXPECT_EQ(made.error_code, ErrorCode::none);
  EXPECT_EQ(made.num_partitions, 4);
  EXPECT_EQ(made.replication_factor, 1);
  EXPECT_EQ(log_->topic("t")->config.retention_ms, 1000);
  EXPECT_EQ(create(asked("t", 1, 1)).error_code, ErrorCode::topic_already_exists);
  EXPECT_EQ(create(asked("d", -1, -1)).num_partitions, 1);
  EXPECT_EQ(create(asked("v", 2, 1), true).error_code, ErrorCode::none);
  EXPECT_FALSE(log_->topic("v").is_ok());
  EXPECT_EQ(create(asked("z", 0, 1)).error_code, ErrorCode::invalid_partitions);
  EXPECT_EQ(create(asked("z", 1, 0)).error_code, ErrorCode::invalid_replication_factor);
  EXPECT_EQ(create(asked("", 1, 1)).error_code, ErrorCode::invalid_topic_exception);
  const auto refused = create(asked("z", 1, 1, {{"no.such", "1"}}));
  EXPECT_EQ(refused.error_code, ErrorCode::invalid_config);
  EXPECT_EQ(create(asked("s", -1, -1, {}, {{0, {1, 2}}, {1, {2, 1}}})).num_partitions, 2);
}

TEST_F(Topics, named_twice_in_a_request_are_refused) {
  CreateTopicsRequest request;
  for (int i = 0; i < 2; ++i) {
    request.topics.push_back(asked("t", 1, 1));
  }
  const auto response = call<CreateTopicsResponse>(request, 7);
  ASSERT_EQ(response.topics.size(), 1u);
  EXPECT_EQ(response.topics[0].error_code, ErrorCode::invalid_request);
  EXPECT_FALSE(log_->topic("t").is_ok());
}

TEST_F(Topics, are_deleted_by_name_or_id_unless_somebody_needs_them) {
  options_.in_use = [](const std::string& topic) {
    return topic == "used" ? std::string("pipeline p needs it") : std::string();
  };
  restart();
  for (const auto* name : {"t", "u", "used"}) create_topic(name);
  create_topic("millrace.i", {.is_internal = true});
  DeleteTopicsRequest by_name;
  by_name.topic_names = {"t", "missing", "used", "millrace.i"};
  const auto response = call<DeleteTopicsResponse>(by_name, 5);
  EXPECT_EQ(response.responses.at(0).error_code, ErrorCode::none);
  EXPECT_EQ(response.responses.at(1).error_code, ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(response.responses.at(2).error_code, ErrorCode::policy_violation);
  EXPECT_EQ(response.responses.at(3).error_code, ErrorCode::invalid_topic_exception);
  DeleteTopicsRequest by_id;
  by_id.topics.push_back({std::nullopt, metadata("u", false).topics.at(0).topic_id});
  EXPECT_EQ(call<DeleteTopicsResponse>(by_id, 6).responses.at(0).name, "u");
  EXPECT_EQ(call<DeleteTopicsResponse>(by_id, 6).responses.at(0).error_code,
            ErrorCode::unknown_topic_id);
  EXPECT_EQ(topics_of_clients(), std::vector<std::string>{"used"});
}

TEST_F(Topics, get_more_partitions_and_never_fewer) {
  create_topic("t", {.partition_count = 2});
  const auto grow = [&](std::int32_t count, bool validate_only = false) {
    CreatePartitionsRequest request;
    request.topics.push_back({"t", count, std::nullopt});
    request.validate_only = validate_only;
    return call<CreatePartitionsResponse>(request, 3).results.at(0).error_code;
  };
  EXPECT_EQ(grow(4, true), ErrorCode::none);
  EXPECT_EQ(log_->topic("t")->config.partition_count, 2);
  EXPECT_EQ(grow(4), ErrorCode::none);
  EXPECT_EQ(log_->topic("t")->config.partition_count, 4);
  EXPECT_EQ(grow(4), ErrorCode::invalid_partitions);
  EXPECT_EQ(grow(3), ErrorCode::invalid_partitions);
}

TEST_F(Topics, records_are_deleted_up_to_an_offset_or_all) {
  create_topic("t");
  const auto batch = make_batch({.values = {"a"}});
  for (int i = 0; i < 5; ++i) {
    call<ProduceResponse>(produce_request({{"t", 0, batch}}), 9);
  }
  const auto delete_before = [&](std::int64_t offset) {
    DeleteRecordsRequest request;
    request.topics.push_back({"t", {{0, offset}}});
    return call<DeleteRecordsResponse>(request, 2).topics.at(0).partitions.at(0);
  };
  EXPECT_EQ(delete_before(2).low_watermark, 2);
  EXPECT_EQ(delete_before(1).low_watermark, 2);
  EXPECT_EQ(delete_before(6).error_code, ErrorCode::offset_out_of_range);
  EXPECT_EQ(delete_before(-1).low_watermark, 5);
}

TEST_F(Topics, configurations_are_described_changed_and_set_back) {
  create_topic("t", {.retention_ms = -1});
  using Request = IncrementalAlterConfigsRequest;
  EXPECT_EQ(config_of("t", "cleanup.policy"), "delete");
  EXPECT_EQ(alter("t", "retention.ms", Request::kSet, "5000"), ErrorCode::none);
  EXPECT_EQ(config_of("t", "retention.ms"), "5000");
  EXPECT_EQ(alter("t", "retention.ms", Request::kDelete, std::nullopt), ErrorCode::none);
  EXPECT_EQ(config_of("t", "retention.ms"), "-1");
  EXPECT_EQ(alter("t", "retention.ms", Request::kSet, "soon"), ErrorCode::invalid_config);
  EXPECT_EQ(alter("t", "no.such", Request::kSet, "1"), ErrorCode::invalid_config);
  EXPECT_EQ(alter("t", "segment.ms", Request::kSet, "1"), ErrorCode::none);
  EXPECT_EQ(config_of("t", "segment.ms"), "604800000") << "what is in force";
  EXPECT_EQ(alter("t", "message.timestamp.type", Request::kSet, "LogAppendTime"),
            ErrorCode::invalid_config);
  EXPECT_EQ(alter("t", "message.timestamp.type", Request::kSet, "CreateTime"), ErrorCode::none);
  EXPECT_EQ(alter("t", "max.message.bytes", Request::kSet, "1048588"), ErrorCode::none);
  EXPECT_EQ(alter("t", "max.message.bytes", Request::kSet, "1048589"), ErrorCode::invalid_config);
  EXPECT_EQ(alter("u", "retention.ms", Request::kSet, "1"), ErrorCode::unknown_topic_or_partition);
}

TEST_F(Topics, a_compacted_one_loses_nothing_by_age_unless_its_policy_says_so) {
  using Request = IncrementalAlterConfigsRequest;
  create(asked("t", 1, 1, {{"cleanup.policy", "compact"}, {"retention.ms", "1000"}}));
  EXPECT_FALSE(log_->topic("t")->config.is_retention_on);
  EXPECT_EQ(config_of("t", "retention.ms"), "1000") << "kept, for a policy that has delete";
  EXPECT_EQ(config_of("t", "cleanup.policy"), "compact");
  EXPECT_EQ(alter("t", "retention.ms", Request::kSet, "2000"), ErrorCode::none);
  EXPECT_EQ(config_of("t", "retention.ms"), "2000");
  EXPECT_FALSE(log_->topic("t")->config.is_retention_on);
  EXPECT_EQ(alter("t", "cleanup.policy", Request::kAppend, "delete"), ErrorCode::none);
  EXPECT_TRUE(log_->topic("t")->config.is_retention_on);
  EXPECT_EQ(config_of("t", "cleanup.policy"), "compact,delete");
  create(asked("u", 1, 1, {{"cleanup.policy", "compact,delete"}, {"retention.ms", "1000"}}));
  EXPECT_EQ(log_->topic("u")->config.retention_ms, 1000);
  EXPECT_EQ(config_of("u", "cleanup.policy"), "compact,delete");
  EXPECT_EQ(alter("u", "cleanup.policy", Request::kSubtract, "delete"), ErrorCode::none);
  EXPECT_EQ(config_of("u", "cleanup.policy"), "compact");
  EXPECT_EQ(config_of("u", "retention.ms"), "1000");
  EXPECT_EQ(alter("u", "cleanup.policy", Request::kSubtract, "compact"), ErrorCode::invalid_config);
  EXPECT_EQ(alter("u", "cleanup.policy", Request::kSet, "delete"), ErrorCode::none);
  EXPECT_EQ(config_of("u", "cleanup.policy"), "delete");
  EXPECT_TRUE(log_->topic("u")->config.is_retention_on);
  EXPECT_EQ(alter("u", "cleanup.policy", Request::kSet, "compacted"), ErrorCode::invalid_config);
}

TEST_F(Topics, records_of_a_compacted_one_are_deleted_where_its_policy_has_delete) {
  create(asked("t", 1, 1, {{"cleanup.policy", "compact"}}));
  create(asked("u", 1, 1, {{"cleanup.policy", "compact,delete"}}));
  const auto batch = make_batch({.values = {"a"}, .key = "k"});
  for (const char* topic : {"t", "u"}) {
    call<ProduceResponse>(produce_request({{topic, 0, batch}}), 9);
    DeleteRecordsRequest request;
    request.topics.push_back({topic, {{0, -1}}});
    const auto out = call<DeleteRecordsResponse>(request, 2).topics.at(0).partitions.at(0);
    EXPECT_EQ(out.error_code, *topic == 't' ? ErrorCode::policy_violation : ErrorCode::none);
    EXPECT_EQ(out.low_watermark, *topic == 't' ? -1 : 1);
  }
}

TEST_F(Topics, the_older_change_of_configurations_replaces_all) {
  create_topic("t", {.partition_count = 3, .retention_ms = 7, .segment_bytes = 1 << 20});
  AlterConfigsRequest request;
  request.resources.push_back({ConfigResourceType::topic, "t", {{"retention.bytes", "99"}}});
  EXPECT_EQ(call<AlterConfigsResponse>(request, 2).responses.at(0).error_code, ErrorCode::none);
  const auto config = log_->topic("t")->config;
  EXPECT_EQ(config.retention_bytes, 99);
  EXPECT_EQ(config.retention_ms, -1);
  EXPECT_EQ(config.partition_count, 3);
}

TEST_F(Topics, the_brokers_configuration_can_be_read_and_not_changed) {
  DescribeConfigsRequest request;
  request.resources.push_back({ConfigResourceType::broker, "1", std::nullopt});
  const auto result = call<DescribeConfigsResponse>(request, 4).results.at(0);
  EXPECT_EQ(result.error_code, ErrorCode::none);
  EXPECT_TRUE(std::ranges::any_of(result.configs, [](const auto& config) {
    return config.name == "auto.create.topics.enable" && config.value == "true" && config.read_only;
  }));
  AlterConfigsRequest change;
  change.resources.push_back({ConfigResourceType::broker, "1", {{"num.partitions", "2"}}});
  EXPECT_EQ(call<AlterConfigsResponse>(change, 2).responses.at(0).error_code,
            ErrorCode::invalid_request);
}

TEST_F(Topics, are_described_in_pages) {
  create_topic("a", {.partition_count = 2});
  create_topic("b", {.partition_count = 3});
  DescribeTopicPartitionsRequest request;
  request.topics = {{"a"}, {"b"}};
  request.response_partition_limit = 3;
  const auto first = call<DescribeTopicPartitionsResponse>(request, 0);
  ASSERT_EQ(first.topics.size(), 2u);
  EXPECT_EQ(first.topics[1].partitions.size(), 1u);
  ASSERT_TRUE(first.next_cursor.has_value());
  EXPECT_EQ(first.next_cursor->topic_name, "b");
  EXPECT_EQ(first.next_cursor->partition_index, 1);
  request.cursor = first.next_cursor;
  const auto second = call<DescribeTopicPartitionsResponse>(request, 0);
  ASSERT_EQ(second.topics.size(), 1u);
  EXPECT_EQ(second.topics[0].partitions.size(), 2u);
  EXPECT_FALSE(second.next_cursor.has_value());
}

TEST_F(Topics, their_bytes_are_those_of_their_folder) {
  create_topic("t");
  const auto batch = make_batch({.values = {"a"}});
  call<ProduceResponse>(produce_request({{"t", 0, batch}}), 9);
  DescribeLogDirsRequest request;
  request.topics.emplace().push_back({"t", {0, 7}});
  const auto response = call<DescribeLogDirsResponse>(request, 4);
  ASSERT_EQ(response.results.size(), 1u);
  ASSERT_EQ(response.results[0].topics.at(0).partitions.size(), 1u) << "there is no partition 7";
  EXPECT_GT(response.results[0].topics.at(0).partitions.at(0).partition_size, 0);
}

}  // namespace
}  // namespace millrace::broker
