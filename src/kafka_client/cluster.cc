#include "kafka_client/cluster.h"

#include <algorithm>
#include <mutex>

#include "kafka_client/backoff.h"
#include "kafka_client/broker_errors.h"
#include "kafka_wire/group_admin.h"
#include "kafka_wire/metadata.h"

namespace millrace::kafka_client {
namespace {

using kafka_wire::ErrorCode;

constexpr std::int16_t kMetadataVersion = 12;
// Later ones ask for several keys at once.
constexpr std::int16_t kFindCoordinatorVersion = 3;
constexpr std::int32_t kPartitionsMax = 100'000;
constexpr std::int64_t kAttemptNs = 2'000'000'000;

// Whether to ask again, maybe another broker, says something else.
bool is_passing(const Status& status) {
  return status.code() == StatusCode::disconnected || status.code() == StatusCode::overloaded;
}

}  // namespace

void Cluster::forget(const std::string& topic) {
  const std::lock_guard lock(mutex_);
  topics_.erase(topic);
}

void Cluster::forget_coordinator(CoordinatorKind kind, const std::string& key) {
  const std::lock_guard lock(mutex_);
  coordinators_.erase({kind, key});
}

Result<Cluster::Leader> Cluster::known_leader(const TopicPartition& of) {
  const std::lock_guard lock(mutex_);
  const auto found = topics_.find(of.topic);
  if (found == topics_.end()) return Leader{};
  const auto& leaders = found->second.leaders;
  if (of.partition < 0 || static_cast<std::size_t>(of.partition) >= leaders.size()) {
    topics_.erase(found);  // it may get more
    return not_found_error("partition " + of.to_string() + " does not exist");
  }
  auto leader = leaders[static_cast<std::size_t>(of.partition)];
  leader.topic_id = found->second.id;
  return leader;
}

Status Cluster::ask_for_topic(const std::string& name, MonotonicTime deadline) {
  MR_ASSIGN_OR_RETURN(const auto connection, pool_.to_any(deadline));
  kafka_wire::MetadataRequest request;
  request.allow_auto_topic_creation = false;
  request.topics.emplace().push_back({{}, name});
  kafka_wire::MetadataResponse response;
  MR_RETURN_IF_ERROR(connection->call(request, kMetadataVersion, response, deadline));
  for (const auto& broker : response.brokers) {
    pool_.learn(broker.node_id, broker.host, broker.port);
  }
  if (response.topics.size() != 1 || response.topics.front().name != name) {
    return disconnected_error("metadata of topic " + name + ": another answer");
  }
  const auto& topic = response.topics.front();
  MR_RETURN_IF_ERROR(status_of(topic.error_code, "topic " + name));
  Topic known{topic.topic_id, {}};
  for (const auto& partition : topic.partitions) {
    if (partition.partition_index < 0 || partition.partition_index >= kPartitionsMax) continue;
    const auto index = static_cast<std::size_t>(partition.partition_index);
    if (known.leaders.size() <= index) known.leaders.resize(index + 1);
    known.leaders[index] = {partition.leader_id, partition.leader_epoch, {}};
  }
  const std::lock_guard lock(mutex_);
  topics_[name] = std::move(known);
  return ok_status();
}

Result<Cluster::Leader> Cluster::leader(const TopicPartition& of, MonotonicTime deadline) {
  MR_ASSIGN_OR_RETURN(auto known, known_leader(of));
  Backoff backoff(clock_, deadline);
  while (known.node < 0) {
    const auto limit = std::min(deadline, clock_.monotonic_now() + kAttemptNs);
    auto asked = ask_for_topic(of.topic, limit);
    if (!asked.is_ok() && !is_passing(asked)) return asked;
    if (asked.is_ok()) {
      MR_ASSIGN_OR_RETURN(known, known_leader(of));
      if (known.node >= 0) break;
      asked = overloaded_error("partition " + of.to_string() + " has no leader");
      forget(of.topic);
    }
    if (!backoff.wait()) return asked;
  }
  return known;
}

Result<std::int32_t> Cluster::ask_for_coordinator(CoordinatorKind kind, const std::string& key,
                                                  MonotonicTime deadline) {
  MR_ASSIGN_OR_RETURN(const auto connection, pool_.to_any(deadline));
  kafka_wire::FindCoordinatorRequest request;
  request.key = key;
  request.key_type = static_cast<std::int8_t>(kind);
  kafka_wire::FindCoordinatorResponse response;
  MR_RETURN_IF_ERROR(connection->call(request, kFindCoordinatorVersion, response, deadline));
  MR_RETURN_IF_ERROR(status_of(response.error_code, "coordinator of " + key));
  pool_.learn(response.node_id, response.host, response.port);
  return response.node_id;
}

Result<std::int32_t> Cluster::coordinator(CoordinatorKind kind, const std::string& key,
                                          MonotonicTime deadline) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = coordinators_.find({kind, key});
    if (found != coordinators_.end()) return found->second;
  }
  Backoff backoff(clock_, deadline);
  while (true) {
    const auto limit = std::min(deadline, clock_.monotonic_now() + kAttemptNs);
    auto found = ask_for_coordinator(kind, key, limit);
    if (found.is_ok()) {
      const std::lock_guard lock(mutex_);
      return coordinators_[{kind, key}] = found.value();
    }
    if (!is_passing(found.status()) || !backoff.wait()) return found;
  }
}

}  // namespace millrace::kafka_client
