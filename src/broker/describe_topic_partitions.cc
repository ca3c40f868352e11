#include <algorithm>
#include <set>

#include "broker/apis.h"
#include "broker/topic_admin.h"
#include "kafka_wire/metadata.h"

namespace millrace::broker {

using kafka_wire::DescribeTopicPartitionsRequest;
using kafka_wire::DescribeTopicPartitionsResponse;
using kafka_wire::ErrorCode;

namespace {

// Kafka's max.request.partition.size.limit.
constexpr std::int32_t kPartitionsMax = 2000;

DescribeTopicPartitionsResponse::Partition describe(std::int32_t index, std::int32_t node) {
  DescribeTopicPartitionsResponse::Partition out;
  out.partition_index = index;
  out.leader_id = node;
  out.leader_epoch = 0;
  out.replica_nodes = {node};
  out.isr_nodes = {node};
  out.eligible_leader_replicas.emplace();
  out.last_known_elr.emplace();
  return out;
}

}  // namespace

// Topics in the order of their names, and in pages (KIP-966): the cursor says where the next
// begins.
void add_describe_topic_partitions(DispatchTable& table, const Services& services) {
  table.add<DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse>(
      [&services](const Call&, DescribeTopicPartitionsRequest& request,
                  const Responder<DescribeTopicPartitionsResponse>& respond) {
        std::set<std::string> names;
        for (const auto& topic : request.topics) names.insert(topic.name);
        if (request.topics.empty()) {
          for (const auto& topic : services.log->topics()) names.insert(topic.name);
        }
        const auto cursor = request.cursor.value_or(kafka_wire::TopicPartitionsCursor());
        const auto limit = std::clamp(request.response_partition_limit, 1, kPartitionsMax);
        DescribeTopicPartitionsResponse response;
        std::int32_t count = 0;
        for (auto name = names.lower_bound(cursor.topic_name); name != names.end(); ++name) {
          auto& out = response.topics.emplace_back();
          out.name = *name;
          const auto topic = services.log->topic(*name);
          if (!topic.is_ok()) {
            out.error_code = ErrorCode::unknown_topic_or_partition;
            continue;
          }
          out.topic_id = services.topic_ids->id_of(*topic);
          out.is_internal = topic->config.is_internal;
          const auto first = *name == cursor.topic_name ? std::max(0, cursor.partition_index) : 0;
          for (auto index = first; index < topic->config.partition_count; ++index, ++count) {
            if (count == limit) {
              if (out.partitions.empty()) response.topics.pop_back();
              response.next_cursor = {*name, index};
              return respond(response);
            }
            out.partitions.push_back(describe(index, services.cluster.node_id));
          }
        }
        respond(response);
      });
}

}  // namespace millrace::broker
