#include <algorithm>
#include <optional>

#include "broker/apis.h"
#include "kafka_wire/cluster.h"

namespace millrace::broker {

using kafka_wire::DescribeLogDirsRequest;
using kafka_wire::DescribeLogDirsResponse;

namespace {

std::optional<DescribeLogDirsResponse::Partition> describe(const Services& services,
                                                           const std::string& topic,
                                                           std::int32_t index) {
  const auto offsets = services.log->offsets({topic, index});
  if (!offsets.is_ok()) return std::nullopt;  // left out, as Kafka does
  return DescribeLogDirsResponse::Partition{index, offsets->stored_bytes, 0, false};
}

DescribeLogDirsResponse answer(const Services& services, const DescribeLogDirsRequest& request) {
  DescribeLogDirsResponse response;
  auto& folder = response.results.emplace_back();
  folder.log_dir = services.log_folder;
  const auto add = [&](const std::string& name, const std::vector<std::int32_t>& partitions) {
    DescribeLogDirsResponse::Topic topic;
    topic.name = name;
    for (const auto index : partitions) {
      if (auto partition = describe(services, name, index)) {
        topic.partitions.push_back(*partition);
      }
    }
    if (!topic.partitions.empty()) folder.topics.push_back(std::move(topic));
  };
  if (request.topics) {
    for (const auto& topic : *request.topics) add(topic.topic, topic.partitions);
    return response;
  }
  for (const auto& topic : services.log->topics()) {
    std::vector<std::int32_t> all(static_cast<std::size_t>(topic.config.partition_count));
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::int32_t>(i);
    add(topic.name, all);
  }
  return response;
}

}  // namespace

void add_describe_log_dirs(DispatchTable& table, const Services& services) {
  table.add<DescribeLogDirsRequest, DescribeLogDirsResponse>(
      [&services](const Call&, DescribeLogDirsRequest& request,
                  const Responder<DescribeLogDirsResponse>& respond) {
        respond(answer(services, request));
      });
}

}  // namespace millrace::broker
