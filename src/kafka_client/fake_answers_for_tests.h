#pragma once

// What the brokers of fake_cluster_for_tests.h answer. Only for tests.

#include "kafka_client/fake_cluster_for_tests.h"

namespace millrace::kafka_client {

namespace fake {

namespace wire = kafka_wire;

inline log::ProducerIdentity producer_of(const auto& request) {
  return {ProducerId(request.producer_id), ProducerEpoch(request.producer_epoch)};
}

inline void answer(FakeCluster& cluster, std::int32_t, const wire::ApiVersionsRequest&,
                   wire::ApiVersionsResponse& out, ErrorCode) {
  const auto features = cluster.state.is_v2 ? wire::kAllFeatures : wire::ApiFeature::sasl;
  out.api_keys = wire::advertised_apis(features);
  wire::add_features(features, 3, out);
}

inline void answer(FakeCluster& cluster, std::int32_t, const wire::SaslHandshakeRequest& in,
                   wire::SaslHandshakeResponse& out, ErrorCode) {
  out.mechanisms = {"PLAIN", "OAUTHBEARER"};
  const bool is_known = in.mechanism == "PLAIN" || in.mechanism == "OAUTHBEARER";
  if (!is_known || cluster.sasl_password.empty()) {
    out.error_code = ErrorCode::unsupported_sasl_mechanism;
  }
}

inline void answer(FakeCluster& cluster, std::int32_t, const wire::SaslAuthenticateRequest& in,
                   wire::SaslAuthenticateResponse& out, ErrorCode) {
  const auto wanted = std::string("\0ada\0", 5) + cluster.sasl_password;
  const auto token =
      "n,,\x01"
      "auth=Bearer " +
      cluster.sasl_password + "\x01\x01";
  if (in.auth_bytes.bytes == wanted || in.auth_bytes.bytes == token) return;
  if (in.auth_bytes.bytes.starts_with("n,,")) {  // RFC 7628 3.2.3
    out.auth_bytes.bytes = R"({"status":"invalid_token"})";
    return;
  }
  out.error_code = ErrorCode::sasl_authentication_failed;
  const bool is_end = in.auth_bytes.bytes == "\x01";
  out.error_message = is_end ? "the token is another's" : "wrong password";
}

inline void answer(FakeCluster& cluster, std::int32_t, const wire::MetadataRequest& in,
                   wire::MetadataResponse& out, ErrorCode error) {
  for (std::int32_t node = 1; node <= cluster.broker_count; ++node) {
    out.brokers.push_back({node, "fake", node, std::nullopt});
  }
  for (const auto& wanted : *in.topics) {
    auto& topic = out.topics.emplace_back();
    topic.name = wanted.name;
    const auto id = cluster.topic_ids.find(*wanted.name);
    if (error != ErrorCode::none || id == cluster.topic_ids.end()) {
      topic.error_code = error != ErrorCode::none ? error : ErrorCode::unknown_topic_or_partition;
      continue;
    }
    topic.topic_id = id->second;
    for (const auto& [at, partition] : cluster.state.partitions) {
      if (at.topic != *wanted.name) continue;
      auto& one = topic.partitions.emplace_back();
      one.partition_index = at.partition;
      one.leader_id = partition.leader;
      one.leader_epoch = partition.leader_epoch;
    }
  }
}

inline void answer(FakeCluster& cluster, std::int32_t, const wire::FindCoordinatorRequest& in,
                   wire::FindCoordinatorResponse& out, ErrorCode error) {
  const auto found = cluster.coordinators.find(in.key);
  out.error_code = error;
  out.node_id = found == cluster.coordinators.end() ? 1 : found->second;
  out.host = "fake";
  out.port = out.node_id;
}

inline ErrorCode check_coordinator(FakeCluster& cluster, std::int32_t node, const std::string& key,
                                   ErrorCode error) {
  if (error != ErrorCode::none || node == 0) return error;
  const auto found = cluster.coordinators.find(key);
  const auto right = found == cluster.coordinators.end() ? 1 : found->second;
  return node == right ? ErrorCode::none : ErrorCode::not_coordinator;
}

inline void answer(FakeCluster& cluster, std::int32_t node, const wire::InitProducerIdRequest& in,
                   wire::InitProducerIdResponse& out, ErrorCode error) {
  out.error_code = check_coordinator(cluster, node, *in.transactional_id, error);
  if (out.error_code != ErrorCode::none) return;
  const auto identity = cluster.state.initialize(*in.transactional_id);
  out.producer_id = identity.id.value;
  out.producer_epoch = identity.epoch.value;
}

inline void answer(FakeCluster& cluster, std::int32_t node,
                   const wire::AddPartitionsToTxnRequest& in, wire::AddPartitionsToTxnResponse& out,
                   ErrorCode error) {
  const auto& id = in.v3_and_below_transactional_id;
  const log::ProducerIdentity producer{ProducerId(in.v3_and_below_producer_id),
                                       ProducerEpoch(in.v3_and_below_producer_epoch)};
  error = check_coordinator(cluster, node, id, error);
  if (error == ErrorCode::none) error = cluster.state.enrol(id, producer);
  for (const auto& topic : in.v3_and_below_topics) {
    auto& to = out.results_by_topic_v3_and_below.emplace_back();
    to.name = topic.name;
    for (const auto index : topic.partitions) {
      to.results_by_partition.push_back({index, error});
      if (error != ErrorCode::none) continue;
      cluster.state.transactions[id].partitions.insert({topic.name, index});
    }
  }
}

inline void answer(FakeCluster& cluster, std::int32_t node, const wire::AddOffsetsToTxnRequest& in,
                   wire::AddOffsetsToTxnResponse& out, ErrorCode error) {
  out.error_code = check_coordinator(cluster, node, in.transactional_id, error);
  if (out.error_code != ErrorCode::none) return;
  out.error_code = cluster.state.enrol(in.transactional_id, producer_of(in));
}

inline void answer(FakeCluster& cluster, std::int32_t node, const wire::ProduceRequest& in,
                   wire::ProduceResponse& out, ErrorCode error) {
  for (const auto& topic : in.topic_data) {
    auto& to = out.responses.emplace_back();
    to.name = topic.name;
    for (const auto& one : topic.partition_data) {
      auto& result = to.partition_responses.emplace_back();
      result.index = one.index;
      const TopicPartition at{topic.name, one.index};
      const auto found = cluster.state.partitions.find(at);
      result.error_code = error;
      if (error == ErrorCode::none && found == cluster.state.partitions.end()) {
        result.error_code = ErrorCode::unknown_topic_or_partition;
      } else if (error == ErrorCode::none && node != 0 && found->second.leader != node) {
        result.error_code = ErrorCode::not_leader_or_follower;
      }
      if (result.error_code != ErrorCode::none) continue;
      Offset base;
      result.error_code =
          cluster.state.produce(*in.transactional_id, at, one.records.joined(), base);
      result.base_offset = base.value;
    }
  }
}

inline void answer(FakeCluster& cluster, std::int32_t node, const wire::TxnOffsetCommitRequest& in,
                   wire::TxnOffsetCommitResponse& out, ErrorCode error) {
  error = check_coordinator(cluster, node, in.group_id, error);
  for (const auto& topic : in.topics) {
    auto& to = out.topics.emplace_back();
    to.name = topic.name;
    for (const auto& one : topic.partitions) {
      const auto result =
          error != ErrorCode::none
              ? error
              : cluster.state.commit_offset(in.transactional_id, producer_of(in), in.group_id,
                                            in.generation_id, in.member_id,
                                            {{topic.name, one.partition_index},
                                             Offset(one.committed_offset),
                                             one.committed_metadata.value_or("")});
      to.partitions.push_back({one.partition_index, result});
    }
  }
}

// A broker that is not the coordinator and does not know it yet answers with what it has.
inline void answer(FakeCluster& cluster, std::int32_t node, const wire::OffsetFetchRequest& in,
                   wire::OffsetFetchResponse& out, ErrorCode error) {
  const auto stale = cluster.stale_groups.find({node, in.group_id});
  const bool is_stale = stale != cluster.stale_groups.end();
  out.error_code = is_stale ? error : check_coordinator(cluster, node, in.group_id, error);
  if (out.error_code != ErrorCode::none) return;
  EXPECT_TRUE(in.require_stable);
  const auto& group = is_stale ? stale->second : cluster.state.groups[in.group_id];
  for (const auto& topic : *in.topics) {
    auto& to = out.topics.emplace_back();
    to.name = topic.name;
    for (const auto index : topic.partition_indexes) {
      auto& one = to.partitions.emplace_back();
      one.partition_index = index;
      const auto found = group.offsets.find({topic.name, index});
      one.committed_offset = found == group.offsets.end() ? -1 : found->second.next_offset.value;
      if (found != group.offsets.end()) one.metadata = found->second.metadata;
    }
  }
}

inline void answer(FakeCluster& cluster, std::int32_t node, const wire::EndTxnRequest& in,
                   wire::EndTxnResponse& out, ErrorCode error) {
  out.error_code = check_coordinator(cluster, node, in.transactional_id, error);
  if (out.error_code != ErrorCode::none) return;
  out.error_code = cluster.state.end(in.transactional_id, producer_of(in), in.committed);
  const auto& now = cluster.state.transactions[in.transactional_id];
  out.producer_id = now.id.value;
  out.producer_epoch = now.epoch.value;
}

inline void answer(FakeCluster& cluster, std::int32_t, const wire::DescribeTransactionsRequest& in,
                   wire::DescribeTransactionsResponse& out, ErrorCode error) {
  auto& one = out.transaction_states.emplace_back();
  one.error_code = error;
  one.transactional_id = in.transactional_ids.at(0);
  const bool is_pending = cluster.pending_markers > 0;
  one.transaction_state = is_pending ? "PrepareCommit" : "CompleteCommit";
  if (is_pending) --cluster.pending_markers;
}

// Whole batches from the one that holds the offset, with the aborted transactions that overlap
// them, as Kafka's Fetch gives them to readers of committed records.
inline void answer(FakeCluster& cluster, std::int32_t node, const wire::FetchRequest& in,
                   wire::FetchResponse& out, ErrorCode error) {
  EXPECT_EQ(in.isolation_level, 1);
  for (const auto& topic : in.topics) {
    auto& to = out.responses.emplace_back();
    to.topic = topic.topic;
    to.topic_id = topic.topic_id;
    std::string name = topic.topic;
    for (const auto& [known, id] : cluster.topic_ids) {
      if (name.empty() && id == topic.topic_id) name = known;
    }
    for (const auto& one : topic.partitions) {
      cluster.fetch(node, {name, one.partition}, one, to.partitions.emplace_back(), error);
    }
  }
}

}  // namespace fake

template <class Request, class Response>
void fill(FakeCluster& cluster, std::int32_t node, const Request& request, Response& response,
          ErrorCode error) {
  fake::answer(cluster, node, request, response, error);
}

}  // namespace millrace::kafka_client
