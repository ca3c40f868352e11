// What every API asks the access control entries, over a socket. The expectations are those of the
// table in docs/kafka.md, which is Apache Kafka's.

#include <gmock/gmock.h>

#include <set>

#include "broker/client_for_tests.h"
#include "broker/security_store.h"
#include "broker/topic_ids.h"

namespace millrace::broker {
namespace {

using kafka_wire::ErrorCode;
using enum AclOperation;

template <class T>
void collect(const T& message, std::set<ErrorCode>& codes);

template <class T>
struct Collector {
  using Object = T;
  const T& object;
  std::set<ErrorCode>& codes;

  template <class Field>
  void field(const char*, Field T::* member, kafka_wire::Versions = kafka_wire::kAlways,
             kafka_wire::Versions = kafka_wire::kAlways) {
    collect(object.*member, codes);
  }
  template <class Field>
  void tagged(int, const char*, Field T::* member, kafka_wire::Versions = kafka_wire::kAlways) {
    collect(object.*member, codes);
  }
};

template <class T>
void collect(const T& message, std::set<ErrorCode>& codes) {
  if constexpr (std::is_same_v<T, ErrorCode>) {
    if (message != ErrorCode::none) codes.insert(message);
  } else if constexpr (IsOptional<T>::value) {
    if (message) collect(*message, codes);
  } else if constexpr (IsVector<T>::value) {
    if constexpr (std::is_class_v<typename T::value_type>) {
      for (const auto& element : message) collect(element, codes);
    }
  } else if constexpr (kafka_wire::Described<T>) {
    Collector<T> collector{message, codes};
    T::visit(collector);
  }
}

bool is_refusal(ErrorCode code) {
  return code == ErrorCode::topic_authorization_failed ||
         code == ErrorCode::group_authorization_failed ||
         code == ErrorCode::cluster_authorization_failed ||
         code == ErrorCode::transactional_id_authorization_failed;
}

Acl allowing(AclOperation operation, ResourceType type, const std::string& name) {
  return {type, name, PatternType::literal, kAnonymous, "*", operation, AclPermission::allow};
}
Acl on_topic(AclOperation operation) {
  return allowing(operation, ResourceType::topic, "t");
}
Acl on_group(AclOperation operation) {
  return allowing(operation, ResourceType::group, "g");
}
Acl on_id(AclOperation operation) {
  return allowing(operation, ResourceType::transactional_id, "id");
}
Acl on_cluster(AclOperation operation) {
  return allowing(operation, ResourceType::cluster, std::string(kClusterName));
}

class AuthorizationTest : public BrokerTest {
 protected:
  void SetUp() override {
    options_.security.uses_acls = true;
    start();
    create_topic("t");
    create_topic("hidden");
  }

  // The entries from now on.
  void set_entries(const std::vector<Acl>& acls) {
    SecurityStore store(*log_);
    std::vector<SecurityStore::Change> changes;
    for (const Acl& acl : entries_) changes.emplace_back(acl, std::nullopt);
    for (const Acl& acl : acls) changes.emplace_back(acl, encode_acl_value());
    entries_ = acls;
    if (!changes.empty()) {
      const auto saved = store.save(changes, WallTime(1));
      ASSERT_TRUE(saved.is_ok()) << saved.status().to_string();
      ASSERT_TRUE(log_->wait_durable(*saved).is_ok());
    }
    restart();
  }
  template <typename Response, typename Request>
  std::set<ErrorCode> refusals(const Request& request, std::int16_t version) {
    auto client = connect();
    const auto response = client.call<Response>(request, version);
    std::set<ErrorCode> codes;
    collect(response, codes);
    std::erase_if(codes, [](ErrorCode code) { return !is_refusal(code); });
    return codes;
  }
  // Without any entry, and without any single one, it is refused; with all of them it is not.
  // `errors`: what lacks first.
  template <typename Response, typename Request>
  void expect_asks(const Request& request, std::int16_t version, const std::vector<Acl>& needed,
                   const std::vector<ErrorCode>& errors) {
    for (std::size_t i = 0; i < needed.size(); ++i) {
      auto others = needed;
      others.erase(others.begin() + static_cast<long>(i));
      set_entries(others);
      EXPECT_EQ((refusals<Response>(request, version)), std::set<ErrorCode>{errors.at(i)})
          << Request::kInfo.name << " without entry " << i;
    }
    set_entries(needed);
    EXPECT_EQ((refusals<Response>(request, version)), std::set<ErrorCode>{}) << Request::kInfo.name;
  }

  std::vector<Acl> entries_;
};

constexpr auto kTopic = ErrorCode::topic_authorization_failed;
constexpr auto kGroup = ErrorCode::group_authorization_failed;
constexpr auto kCluster = ErrorCode::cluster_authorization_failed;
constexpr auto kId = ErrorCode::transactional_id_authorization_failed;

TEST_F(AuthorizationTest, no_api_is_left_without_a_guard) {
  const auto guarded = broker_->table().advertised();
  options_.security.uses_acls = false;
  restart();
  const auto all = broker_->table().advertised();
  EXPECT_EQ(guarded.size(), all.size());
}

TEST_F(AuthorizationTest, records) {
  const auto batch = make_batch({.values = {"v"}});
  auto produce = produce_request({{"t", 0, batch}});
  expect_asks<kafka_wire::ProduceResponse>(produce, 9, {on_topic(write)}, {kTopic});
  produce.transactional_id = "id";
  expect_asks<kafka_wire::ProduceResponse>(produce, 9, {on_topic(write), on_id(write)},
                                           {kTopic, kId});
  expect_asks<kafka_wire::FetchResponse>(fetch_request({{"t"}}), 12, {on_topic(read)}, {kTopic});
  kafka_wire::ListOffsetsRequest list;
  list.topics.push_back({"t", {{0, -1, kafka_wire::ListOffsetsRequest::kLatest}}});
  expect_asks<kafka_wire::ListOffsetsResponse>(list, 6, {on_topic(describe)}, {kTopic});
  kafka_wire::OffsetForLeaderEpochRequest epoch;
  epoch.topics.push_back({"t", {{0, -1, 0}}});
  expect_asks<kafka_wire::OffsetForLeaderEpochResponse>(epoch, 4, {on_topic(describe)}, {kTopic});
  expect_asks<kafka_wire::OffsetForLeaderEpochResponse>(epoch, 4, {on_cluster(cluster_action)},
                                                        {kTopic});
  kafka_wire::DescribeProducersRequest producers;
  producers.topics.push_back({"t", {0}});
  expect_asks<kafka_wire::DescribeProducersResponse>(producers, 0, {on_topic(read)}, {kTopic});
}

TEST_F(AuthorizationTest, records_of_topics_that_come_with_their_id) {
  const auto id = TopicIds(*log_, options_.cluster_id).id_of(log_->topic("t").value());
  const auto batch = make_batch({.values = {"v"}});
  auto produce = produce_request({{"", 0, batch}});
  produce.topic_data[0].topic_id = id;
  expect_asks<kafka_wire::ProduceResponse>(produce, 13, {on_topic(write)}, {kTopic});
  auto fetch = fetch_request({{""}});
  fetch.topics[0].topic_id = id;
  expect_asks<kafka_wire::FetchResponse>(fetch, 13, {on_topic(read)}, {kTopic});
}

TEST_F(AuthorizationTest, a_request_succeeds_where_it_is_allowed_and_fails_where_not) {
  set_entries({on_topic(read)});
  auto client = connect();
  const auto answer =
      client.call<kafka_wire::FetchResponse>(fetch_request({{"hidden"}, {"t"}}), 12);
  ASSERT_EQ(answer.responses.size(), 2U);
  EXPECT_EQ(answer.responses[0].topic, "t");
  EXPECT_EQ(answer.responses[0].partitions.at(0).error_code, ErrorCode::none);
  EXPECT_EQ(answer.responses[1].topic, "hidden");
  EXPECT_EQ(answer.responses[1].partitions.at(0).error_code, kTopic);
}

TEST_F(AuthorizationTest, topics) {
  kafka_wire::CreateTopicsRequest make;
  make.topics.push_back({"t", 1, 1, {}, {}});
  make.validate_only = true;
  expect_asks<kafka_wire::CreateTopicsResponse>(make, 7, {on_topic(create)}, {kTopic});
  expect_asks<kafka_wire::CreateTopicsResponse>(make, 7, {on_cluster(create)}, {kTopic});
  kafka_wire::CreatePartitionsRequest grow;
  grow.topics.push_back({"t", 2, std::nullopt});
  grow.validate_only = true;
  expect_asks<kafka_wire::CreatePartitionsResponse>(grow, 3, {on_topic(alter)}, {kTopic});
  kafka_wire::DeleteRecordsRequest records;
  records.topics.push_back({"t", {{0, 0}}});
  expect_asks<kafka_wire::DeleteRecordsResponse>(records, 2, {on_topic(remove)}, {kTopic});
  kafka_wire::DescribeConfigsRequest configs;
  configs.resources.push_back({kafka_wire::ConfigResourceType::topic, "t", std::nullopt});
  expect_asks<kafka_wire::DescribeConfigsResponse>(configs, 4, {on_topic(describe_configs)},
                                                   {kTopic});
  expect_asks<kafka_wire::DescribeConfigsResponse>(configs, 4, {on_topic(alter_configs)}, {kTopic});
  configs.resources = {{kafka_wire::ConfigResourceType::broker, "1", std::nullopt}};
  expect_asks<kafka_wire::DescribeConfigsResponse>(configs, 4, {on_cluster(describe_configs)},
                                                   {kCluster});
  configs.resources = {{kafka_wire::ConfigResourceType::group, "g", std::nullopt}};
  expect_asks<kafka_wire::DescribeConfigsResponse>(configs, 4, {on_group(describe_configs)},
                                                   {kGroup});
  kafka_wire::IncrementalAlterConfigsRequest change;
  change.resources.push_back({kafka_wire::ConfigResourceType::topic, "t", {}});
  change.validate_only = true;
  expect_asks<kafka_wire::IncrementalAlterConfigsResponse>(change, 1, {on_topic(alter_configs)},
                                                           {kTopic});
  kafka_wire::DeleteTopicsRequest forget;
  forget.topics.push_back({"t", {}});
  expect_asks<kafka_wire::DeleteTopicsResponse>(forget, 6, {on_topic(remove)}, {kTopic});
}

TEST_F(AuthorizationTest, topics_are_deleted_by_who_may_see_and_delete_them) {
  kafka_wire::DeleteTopicsRequest by_name;
  by_name.topics.push_back({"t", {}});
  using Response = kafka_wire::DeleteTopicsResponse;
  set_entries({on_topic(describe)});
  EXPECT_EQ((refusals<Response>(by_name, 6)), std::set<ErrorCode>{kTopic});
  Acl denying = on_topic(describe);
  denying.permission = AclPermission::deny;
  set_entries({on_topic(remove), denying});
  EXPECT_EQ((refusals<Response>(by_name, 6)), std::set<ErrorCode>{kTopic});
  kafka_wire::DeleteTopicsRequest by_id;
  const TopicIds ids(*log_, options_.cluster_id);
  by_id.topics.push_back({std::nullopt, ids.id_of(log_->topic("t").value())});
  const auto hidden = connect().call<Response>(by_id, 6).responses.at(0);
  EXPECT_EQ(hidden.error_code, kTopic);
  EXPECT_FALSE(hidden.name.has_value()) << "who knows the id need not know the name";
  EXPECT_TRUE(log_->topic("t").is_ok());
}

TEST_F(AuthorizationTest, the_configuration_of_what_was_made_is_told_to_who_may_know_it) {
  kafka_wire::CreateTopicsRequest make;
  make.topics.push_back({"new", 1, 1, {}, {}});
  make.validate_only = true;
  set_entries({on_cluster(create)});
  auto blind = connect();
  const auto hidden = blind.call<kafka_wire::CreateTopicsResponse>(make, 7).topics.at(0);
  EXPECT_EQ(hidden.error_code, ErrorCode::none);
  EXPECT_EQ(hidden.topic_config_error_code, kTopic);
  EXPECT_EQ(hidden.num_partitions, -1);
  set_entries({on_cluster(create), allowing(describe_configs, ResourceType::topic, "new")});
  auto client = connect();
  EXPECT_EQ(client.call<kafka_wire::CreateTopicsResponse>(make, 7).topics.at(0).num_partitions, 1);
}

TEST_F(AuthorizationTest, metadata_shows_what_may_be_described) {
  const auto names = [&](std::optional<std::vector<std::string>> asked, std::int16_t version) {
    kafka_wire::MetadataRequest request;
    request.allow_auto_topic_creation = false;
    request.topics.reset();
    if (asked) request.topics.emplace();
    for (const auto& name : asked.value_or(std::vector<std::string>())) {
      request.topics->push_back({{}, name});
    }
    auto client = connect();
    std::string out;
    for (const auto& topic : client.call<kafka_wire::MetadataResponse>(request, version).topics) {
      out += (out.empty() ? "" : " ") + topic.name.value_or("") + ":" +
             std::to_string(static_cast<int>(topic.error_code));
    }
    return out;
  };
  EXPECT_EQ(names(std::nullopt, 9), "");
  EXPECT_EQ(names({{"t", "absent"}}, 9), "t:29 absent:29");
  EXPECT_EQ(names({{"t"}}, 0), "t:29") << "not all of them, as an empty list asks for there";
  set_entries({on_topic(describe)});
  EXPECT_EQ(names(std::nullopt, 9), "t:0");
  EXPECT_EQ(names({{"hidden", "t"}}, 9), "t:0 hidden:29");
  EXPECT_EQ(names(std::vector<std::string>(), 9), "");
}

TEST_F(AuthorizationTest, pages_of_topics_do_not_name_hidden_ones) {
  set_entries({on_topic(describe)});
  auto client = connect();
  kafka_wire::DescribeTopicPartitionsRequest request;
  request.response_partition_limit = 1;
  const auto all = client.call<kafka_wire::DescribeTopicPartitionsResponse>(request, 0);
  ASSERT_EQ(all.topics.size(), 1U);
  EXPECT_EQ(all.topics[0].name, "t");
  EXPECT_FALSE(all.next_cursor.has_value());
  request.topics = {{"hidden"}};
  const auto named = client.call<kafka_wire::DescribeTopicPartitionsResponse>(request, 0);
  ASSERT_EQ(named.topics.size(), 1U);
  EXPECT_EQ(named.topics[0].error_code, kTopic);
}

TEST_F(AuthorizationTest, topics_are_made_on_demand_by_who_may) {
  kafka_wire::MetadataRequest request;
  request.topics.emplace().push_back({{}, "demanded"});
  const auto code = [&] {
    auto client = connect();
    return client.call<kafka_wire::MetadataResponse>(request, 9).topics.at(0).error_code;
  };
  const auto may_describe = allowing(describe, ResourceType::topic, "demanded");
  EXPECT_EQ(code(), kTopic);
  set_entries({may_describe});
  EXPECT_EQ(code(), kTopic);
  EXPECT_FALSE(log_->topic("demanded").is_ok());
  set_entries({may_describe, on_cluster(create)});
  EXPECT_EQ(code(), ErrorCode::none);
  EXPECT_TRUE(log_->topic("demanded").is_ok());
}

TEST_F(AuthorizationTest, groups) {
  kafka_wire::JoinGroupRequest join;
  join.group_id = "g";
  join.session_timeout_ms = 10'000;
  join.protocol_type = "consumer";
  join.protocols = {{"range", {"m"}}};
  expect_asks<kafka_wire::JoinGroupResponse>(join, 5, {on_group(read)}, {kGroup});
  kafka_wire::SyncGroupRequest sync;
  sync.group_id = "g";
  expect_asks<kafka_wire::SyncGroupResponse>(sync, 3, {on_group(read)}, {kGroup});
  kafka_wire::HeartbeatRequest beat;
  beat.group_id = "g";
  expect_asks<kafka_wire::HeartbeatResponse>(beat, 3, {on_group(read)}, {kGroup});
  kafka_wire::LeaveGroupRequest leave;
  leave.group_id = "g";
  expect_asks<kafka_wire::LeaveGroupResponse>(leave, 3, {on_group(read)}, {kGroup});
  expect_asks<kafka_wire::DescribeGroupsResponse>(
      kafka_wire::DescribeGroupsRequest{.groups = {"g"}}, 3, {on_group(describe)}, {kGroup});
  expect_asks<kafka_wire::DeleteGroupsResponse>(
      kafka_wire::DeleteGroupsRequest{.groups_names = {"g"}}, 1, {on_group(remove)}, {kGroup});
  kafka_wire::FindCoordinatorRequest find;
  find.key = "g";
  expect_asks<kafka_wire::FindCoordinatorResponse>(find, 3, {on_group(describe)}, {kGroup});
  find.coordinator_keys = {"g"};
  expect_asks<kafka_wire::FindCoordinatorResponse>(find, 4, {on_group(describe)}, {kGroup});
  find.key_type = kafka_wire::FindCoordinatorRequest::kTransaction;
  find.coordinator_keys = {"id"};
  expect_asks<kafka_wire::FindCoordinatorResponse>(find, 4, {on_id(describe)}, {kId});
}

kafka_wire::ConsumerGroupHeartbeatRequest joining() {
  kafka_wire::ConsumerGroupHeartbeatRequest join;
  join.group_id = "g";
  join.member_id = "m";
  join.rebalance_timeout_ms = 60'000;
  join.topic_partitions.emplace();
  join.subscribed_topic_names = {"t"};
  return join;
}

TEST_F(AuthorizationTest, heartbeats_of_consumer_groups) {
  using Response = kafka_wire::ConsumerGroupHeartbeatResponse;
  expect_asks<Response>(joining(), 1, {on_group(read), on_topic(describe)}, {kGroup, kTopic});
  kafka_wire::ConsumerGroupHeartbeatRequest beat;
  beat.group_id = "g";
  beat.member_id = "m";
  beat.member_epoch = 1;
  expect_asks<Response>(beat, 1, {on_group(read)}, {kGroup});
  beat.member_epoch = -1;
  expect_asks<Response>(beat, 1, {on_group(read)}, {kGroup});
}

TEST_F(AuthorizationTest, a_regular_expression_asks_for_every_topic_that_it_may_match) {
  using Response = kafka_wire::ConsumerGroupHeartbeatResponse;
  auto join = joining();
  join.subscribed_topic_names.reset();
  join.subscribed_topic_regex = ".*";
  const Acl on_all = allowing(describe, ResourceType::topic, "*");
  expect_asks<Response>(join, 1, {on_group(read), on_all}, {kGroup, kTopic});
  Acl denying = allowing(describe, ResourceType::topic, "hidden");
  denying.permission = AclPermission::deny;
  set_entries({on_group(read), on_all, denying});
  EXPECT_EQ((refusals<Response>(join, 1)), std::set<ErrorCode>{kTopic});
  join.subscribed_topic_regex = "t|u";
  EXPECT_EQ((refusals<Response>(join, 1)), std::set<ErrorCode>{});
  auto client = connect();
  for (const std::string& bad : {std::string("("), std::string(32'767, 'x')}) {
    join.subscribed_topic_regex = bad;
    EXPECT_EQ(client.call<Response>(join, 1).error_code, ErrorCode::invalid_regular_expression);
  }
}

TEST_F(AuthorizationTest, consumer_groups_are_described_with_their_topics_or_not_at_all) {
  using Response = kafka_wire::ConsumerGroupDescribeResponse;
  set_entries({on_group(read), on_topic(describe)});
  EXPECT_EQ(connect().call<kafka_wire::ConsumerGroupHeartbeatResponse>(joining(), 1).error_code,
            ErrorCode::none);
  const kafka_wire::ConsumerGroupDescribeRequest request{{"g", "other"}, true};
  set_entries({on_group(describe)});
  auto blind = connect();
  const auto hidden = blind.call<Response>(request, 0);
  ASSERT_EQ(hidden.groups.size(), 2U);
  EXPECT_EQ(hidden.groups[0].error_code, kTopic);
  EXPECT_TRUE(hidden.groups[0].members.empty());
  EXPECT_EQ(hidden.groups[1].error_code, kGroup);
  EXPECT_EQ(hidden.groups[1].group_id, "other");
  expect_asks<Response>(kafka_wire::ConsumerGroupDescribeRequest{{"g"}, false}, 0,
                        {on_group(describe), on_topic(describe)}, {kGroup, kTopic});
  set_entries({on_group(read), on_group(remove), on_topic(read)});
  auto client = connect();
  const auto shown = client.call<Response>(request, 0).groups.at(0);
  EXPECT_EQ(shown.members.at(0).assignment.topic_partitions.at(0).topic_name, "t");
  EXPECT_EQ(shown.authorized_operations, 1 << 3 | 1 << 6 | 1 << 8);
}

// The other way round: what it names need not be there.
TEST_F(AuthorizationTest, topics_that_a_group_names_are_hidden_like_those_it_has) {
  auto join = joining();
  join.subscribed_topic_names = {"absent"};
  set_entries({on_group(read), allowing(describe, ResourceType::topic, "*")});
  EXPECT_EQ(connect().call<kafka_wire::ConsumerGroupHeartbeatResponse>(join, 1).error_code,
            ErrorCode::none);
  expect_asks<kafka_wire::ConsumerGroupDescribeResponse>(
      kafka_wire::ConsumerGroupDescribeRequest{{"g"}, false}, 0,
      {on_group(describe), allowing(describe, ResourceType::topic, "absent")}, {kGroup, kTopic});
}

// A member that subscribes by an expression names no topic, but has some.
TEST_F(AuthorizationTest, topics_that_a_group_has_are_hidden_like_those_it_names) {
  auto join = joining();
  join.subscribed_topic_names.reset();
  join.subscribed_topic_regex = "t";
  set_entries({on_group(read), allowing(describe, ResourceType::topic, "*")});
  EXPECT_EQ(connect().call<kafka_wire::ConsumerGroupHeartbeatResponse>(join, 1).error_code,
            ErrorCode::none);
  expect_asks<kafka_wire::ConsumerGroupDescribeResponse>(
      kafka_wire::ConsumerGroupDescribeRequest{{"g"}, false}, 0,
      {on_group(describe), on_topic(describe)}, {kGroup, kTopic});
}

TEST_F(AuthorizationTest, offsets) {
  kafka_wire::OffsetCommitRequest commit;
  commit.group_id = "g";
  commit.topics.emplace_back().name = "t";
  commit.topics.back().partitions.emplace_back().committed_offset = 0;
  expect_asks<kafka_wire::OffsetCommitResponse>(commit, 7, {on_group(read), on_topic(read)},
                                                {kGroup, kTopic});
  kafka_wire::OffsetFetchRequest fetch;
  fetch.group_id = "g";
  fetch.topics.emplace().push_back({"t", {0}});
  const std::vector<Acl> describes{on_group(describe), on_topic(describe)};
  for (const std::int16_t version : {std::int16_t{1}, std::int16_t{7}}) {
    expect_asks<kafka_wire::OffsetFetchResponse>(fetch, version, describes, {kGroup, kTopic});
  }
  fetch.groups.emplace_back().group_id = "g";
  fetch.groups.back().topics = fetch.topics;
  expect_asks<kafka_wire::OffsetFetchResponse>(fetch, 8, describes, {kGroup, kTopic});
  kafka_wire::OffsetDeleteRequest forget;
  forget.group_id = "g";
  forget.topics.push_back({"t", {{0}}});
  expect_asks<kafka_wire::OffsetDeleteResponse>(forget, 0, {on_group(remove), on_topic(read)},
                                                {kGroup, kTopic});
}

TEST_F(AuthorizationTest, offsets_of_all_topics_are_those_of_topics_that_may_be_described) {
  kafka_wire::OffsetCommitRequest commit;
  commit.group_id = "g";
  for (const auto* topic : {"t", "hidden"}) {
    commit.topics.emplace_back().name = topic;
    commit.topics.back().partitions.emplace_back().committed_offset = 0;
  }
  set_entries({on_group(read), allowing(read, ResourceType::topic, "*")});
  EXPECT_EQ((refusals<kafka_wire::OffsetCommitResponse>(commit, 7)), std::set<ErrorCode>{});
  set_entries({on_group(describe), on_topic(describe)});
  auto client = connect();
  kafka_wire::OffsetFetchRequest all;
  all.group_id = "g";
  all.topics.reset();
  const auto of_one = client.call<kafka_wire::OffsetFetchResponse>(all, 7);
  ASSERT_EQ(of_one.topics.size(), 1U);
  EXPECT_EQ(of_one.topics[0].name, "t");
  all.groups.emplace_back().group_id = "g";
  all.groups.back().topics.reset();
  const auto of_several = client.call<kafka_wire::OffsetFetchResponse>(all, 8).groups.at(0);
  ASSERT_EQ(of_several.topics.size(), 1U);
  EXPECT_EQ(of_several.topics[0].name, "t");
}

TEST_F(AuthorizationTest, groups_are_listed_for_who_may_describe_them) {
  kafka_wire::OffsetCommitRequest commit;
  commit.topics.emplace_back().name = "t";
  commit.topics.back().partitions.emplace_back().committed_offset = 0;
  set_entries({allowing(read, ResourceType::group, "*"), on_topic(read)});
  for (const auto* group : {"g", "other"}) {
    commit.group_id = group;
    EXPECT_EQ((refusals<kafka_wire::OffsetCommitResponse>(commit, 7)), std::set<ErrorCode>{});
  }
  const auto count = [&] {
    auto client = connect();
    return client.call<kafka_wire::ListGroupsResponse>(kafka_wire::ListGroupsRequest(), 4)
        .groups.size();
  };
  EXPECT_EQ(count(), 2U);
  set_entries({on_group(describe)});
  EXPECT_EQ(count(), 1U);
  set_entries({on_cluster(describe)});
  EXPECT_EQ(count(), 2U);
}

TEST_F(AuthorizationTest, transactions) {
  kafka_wire::InitProducerIdRequest init;
  init.transaction_timeout_ms = 1000;
  expect_asks<kafka_wire::InitProducerIdResponse>(init, 3, {on_cluster(idempotent_write)},
                                                  {kCluster});
  expect_asks<kafka_wire::InitProducerIdResponse>(init, 3, {on_topic(write)}, {kCluster});
  init.transactional_id = "id";
  expect_asks<kafka_wire::InitProducerIdResponse>(init, 3, {on_id(write)}, {kId});
  kafka_wire::AddPartitionsToTxnRequest add;
  add.v3_and_below_transactional_id = "id";
  add.v3_and_below_topics.push_back({"t", {0}});
  expect_asks<kafka_wire::AddPartitionsToTxnResponse>(add, 3, {on_id(write), on_topic(write)},
                                                      {kId, kTopic});
  kafka_wire::AddOffsetsToTxnRequest offsets;
  offsets.transactional_id = "id";
  offsets.group_id = "g";
  expect_asks<kafka_wire::AddOffsetsToTxnResponse>(offsets, 3, {on_id(write), on_group(read)},
                                                   {kId, kGroup});
  kafka_wire::TxnOffsetCommitRequest commit;
  commit.transactional_id = "id";
  commit.group_id = "g";
  commit.topics.push_back({"t", {{0, 0, -1, std::nullopt}}});
  expect_asks<kafka_wire::TxnOffsetCommitResponse>(
      commit, 3, {on_id(write), on_group(read), on_topic(read)}, {kId, kGroup, kTopic});
  kafka_wire::EndTxnRequest end;
  end.transactional_id = "id";
  expect_asks<kafka_wire::EndTxnResponse>(end, 3, {on_id(write)}, {kId});
  kafka_wire::WriteTxnMarkersRequest markers;
  markers.markers.push_back({1, 0, true, {{"t", {0}}}, 0});
  expect_asks<kafka_wire::WriteTxnMarkersResponse>(markers, 1, {on_cluster(alter)}, {kCluster});
  expect_asks<kafka_wire::WriteTxnMarkersResponse>(markers, 1, {on_cluster(cluster_action)},
                                                   {kCluster});
  kafka_wire::DescribeTransactionsRequest describe_them{.transactional_ids = {"id"}};
  expect_asks<kafka_wire::DescribeTransactionsResponse>(describe_them, 0, {on_id(describe)}, {kId});
}

TEST_F(AuthorizationTest, transactions_are_shown_with_what_may_be_described) {
  kafka_wire::InitProducerIdRequest init;
  init.transactional_id = "id";
  init.transaction_timeout_ms = 60'000;
  set_entries({on_id(write), on_topic(write)});
  auto client = connect();
  const auto producer = client.call<kafka_wire::InitProducerIdResponse>(init, 3);
  kafka_wire::AddPartitionsToTxnRequest add;
  add.v3_and_below_transactional_id = "id";
  add.v3_and_below_producer_id = producer.producer_id;
  add.v3_and_below_producer_epoch = producer.producer_epoch;
  add.v3_and_below_topics.push_back({"t", {0}});
  const auto added = client.call<kafka_wire::AddPartitionsToTxnResponse>(add, 3);
  EXPECT_EQ(
      added.results_by_topic_v3_and_below.at(0).results_by_partition.at(0).partition_error_code,
      ErrorCode::none);
  const auto listed = [&] {
    return connect()
        .call<kafka_wire::ListTransactionsResponse>(kafka_wire::ListTransactionsRequest(), 0)
        .transaction_states.size();
  };
  const auto shown_topics = [&] {
    const kafka_wire::DescribeTransactionsRequest request{.transactional_ids = {"id"}};
    return connect()
        .call<kafka_wire::DescribeTransactionsResponse>(request, 0)
        .transaction_states.at(0)
        .topics.size();
  };
  set_entries({});
  EXPECT_EQ(listed(), 0U);
  set_entries({on_id(describe)});
  EXPECT_EQ(listed(), 1U);
  EXPECT_EQ(shown_topics(), 0U);
  set_entries({on_id(describe), on_topic(describe)});
  EXPECT_EQ(shown_topics(), 1U);
}

TEST_F(AuthorizationTest, the_cluster) {
  expect_asks<kafka_wire::DescribeLogDirsResponse>(kafka_wire::DescribeLogDirsRequest(), 4,
                                                   {on_cluster(describe)}, {kCluster});
  kafka_wire::DescribeAclsRequest acls;
  acls.resource_type_filter = 1;
  acls.pattern_type_filter = 1;
  acls.operation = 1;
  acls.permission_type = 1;
  expect_asks<kafka_wire::DescribeAclsResponse>(acls, 2, {on_cluster(describe)}, {kCluster});
  kafka_wire::CreateAclsRequest make;
  make.creations.push_back({2, "x", 3, "User:x", "*", 3, 3});
  expect_asks<kafka_wire::CreateAclsResponse>(make, 2, {on_cluster(alter)}, {kCluster});
  kafka_wire::DeleteAclsRequest forget;
  forget.filters.push_back({2, "x", 3, std::nullopt, std::nullopt, 1, 1});
  expect_asks<kafka_wire::DeleteAclsResponse>(forget, 2, {on_cluster(alter)}, {kCluster});
  expect_asks<kafka_wire::DescribeUserScramCredentialsResponse>(
      kafka_wire::DescribeUserScramCredentialsRequest(), 0, {on_cluster(describe)}, {kCluster});
  kafka_wire::AlterUserScramCredentialsRequest users;
  users.deletions.push_back({"x", kafka_wire::ScramMechanism::sha_256});
  expect_asks<kafka_wire::AlterUserScramCredentialsResponse>(users, 0, {on_cluster(alter)},
                                                             {kCluster});
  expect_asks<kafka_wire::DescribeClientQuotasResponse>(
      kafka_wire::DescribeClientQuotasRequest(), 1, {on_cluster(describe_configs)}, {kCluster});
  kafka_wire::AlterClientQuotasRequest quotas;
  quotas.entries.push_back({{{"user", "x"}}, {{"producer_byte_rate", 1.5, false}}});
  expect_asks<kafka_wire::AlterClientQuotasResponse>(quotas, 1, {on_cluster(alter_configs)},
                                                     {kCluster});
}

TEST_F(AuthorizationTest, requests_of_consumer_groups_that_are_cut_off_end_their_connection) {
  kafka_wire::WireBytes beat;
  kafka_wire::append_request(joining(), 1, 1, "test", beat);
  kafka_wire::WireBytes asking;
  kafka_wire::append_request(kafka_wire::ConsumerGroupDescribeRequest{{"g", "other"}, true}, 0, 1,
                             "test", asking);
  for (const auto* bytes : {&beat, &asking}) {
    const std::string whole = bytes->joined();
    for (std::size_t count = 4; count < whole.size(); ++count) {
      std::string frame = whole.substr(0, count);
      store_big(frame.data(), static_cast<std::uint32_t>(count - 4));
      auto client = connect();
      client.send_bytes(frame);
      EXPECT_TRUE(client.is_closed_by_server()) << count << " of " << whole.size();
    }
    auto client = connect();
    client.send_bytes(whole);
    EXPECT_TRUE(client.receive_frame().has_value());
  }
}

TEST_F(AuthorizationTest, an_ipv4_address_is_itself_to_a_listener_for_both_kinds) {
  const int probe = ::socket(AF_INET6, SOCK_STREAM, 0);
  sockaddr_in6 any{};
  any.sin6_family = AF_INET6;
  const bool has_ipv6 =
      probe >= 0 && ::bind(probe, reinterpret_cast<sockaddr*>(&any), sizeof any) == 0;
  if (probe >= 0) ::close(probe);
  if (!has_ipv6) GTEST_SKIP() << "this machine has no IPv6";
  options_.server.host = "::";
  options_.server.allow_insecure_network = true;
  options_.advertised_host = "127.0.0.1";
  Acl denying = on_topic(read);
  denying.permission = AclPermission::deny;
  denying.host = "127.0.0.1";
  set_entries({on_topic(read)});
  const auto fetch = fetch_request({{"t"}});
  EXPECT_EQ((refusals<kafka_wire::FetchResponse>(fetch, 12)), std::set<ErrorCode>{});
  set_entries({on_topic(read), denying});
  EXPECT_EQ((refusals<kafka_wire::FetchResponse>(fetch, 12)), std::set<ErrorCode>{kTopic});
}

TEST_F(AuthorizationTest, without_entries_everybody_may_do_everything_and_is_told_so) {
  options_.security.uses_acls = false;
  restart();
  auto client = connect();
  ASSERT_EQ(client.call<kafka_wire::ConsumerGroupHeartbeatResponse>(joining(), 1).error_code,
            ErrorCode::none);
  constexpr std::int32_t kAll = 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11;
  EXPECT_EQ(client
                .call<kafka_wire::ConsumerGroupDescribeResponse>(
                    kafka_wire::ConsumerGroupDescribeRequest{{"g"}, true}, 0)
                .groups.at(0)
                .authorized_operations,
            kAll);
  kafka_wire::OffsetCommitRequest commit;
  commit.group_id = "classic";
  commit.topics.emplace_back().name = "t";
  commit.topics.back().partitions.emplace_back().committed_offset = 0;
  (void)client.call<kafka_wire::OffsetCommitResponse>(commit, 7);
  kafka_wire::DescribeGroupsRequest groups{.groups = {"classic"}};
  groups.include_authorized_operations = true;
  EXPECT_EQ(
      client.call<kafka_wire::DescribeGroupsResponse>(groups, 3).groups.at(0).authorized_operations,
      kAll);
}

TEST_F(AuthorizationTest, operations_on_the_cluster_are_told_to_who_may_describe_it) {
  set_entries({on_cluster(idempotent_write)});
  auto client = connect();
  kafka_wire::DescribeClusterRequest cluster;
  cluster.include_cluster_authorized_operations = true;
  EXPECT_EQ(
      client.call<kafka_wire::DescribeClusterResponse>(cluster, 0).cluster_authorized_operations,
      0);
  kafka_wire::MetadataRequest metadata;
  metadata.topics.emplace();
  metadata.include_cluster_authorized_operations = true;
  EXPECT_EQ(client.call<kafka_wire::MetadataResponse>(metadata, 9).cluster_authorized_operations,
            0);
}

TEST_F(AuthorizationTest, there_are_no_quotas) {
  options_.security.uses_acls = false;
  restart();
  auto client = connect();
  const auto shown = client.call<kafka_wire::DescribeClientQuotasResponse>(
      kafka_wire::DescribeClientQuotasRequest(), 1);
  EXPECT_EQ(shown.error_code, ErrorCode::none);
  ASSERT_TRUE(shown.entries.has_value());
  EXPECT_TRUE(shown.entries->empty());
  kafka_wire::AlterClientQuotasRequest change;
  change.entries.push_back({{{"user", std::nullopt}}, {{"producer_byte_rate", 1.5, false}}});
  const auto refused = client.call<kafka_wire::AlterClientQuotasResponse>(change, 1).entries;
  ASSERT_EQ(refused.size(), 1U);
  EXPECT_EQ(refused[0].error_code, ErrorCode::invalid_request);
  EXPECT_EQ(refused[0].entity.at(0).entity_type, "user");
  EXPECT_THAT(refused[0].error_message.value_or(""), testing::HasSubstr("no quotas"));
}

TEST_F(AuthorizationTest, operations_are_told_where_asked_for) {
  set_entries({on_topic(write), on_group(read), on_cluster(describe)});
  auto client = connect();
  kafka_wire::MetadataRequest metadata;
  metadata.topics.reset();
  metadata.include_topic_authorized_operations = true;
  metadata.include_cluster_authorized_operations = true;
  const auto shown = client.call<kafka_wire::MetadataResponse>(metadata, 9);
  EXPECT_EQ(shown.topics.at(0).topic_authorized_operations, 1 << 4 | 1 << 8);
  EXPECT_EQ(shown.cluster_authorized_operations, 1 << 8);
  kafka_wire::DescribeClusterRequest cluster;
  cluster.include_cluster_authorized_operations = true;
  EXPECT_EQ(
      client.call<kafka_wire::DescribeClusterResponse>(cluster, 0).cluster_authorized_operations,
      1 << 8);
}

}  // namespace
}  // namespace millrace::broker
