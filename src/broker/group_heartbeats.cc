#include <algorithm>
#include <utility>

#include "broker/consumer_group_step.h"
#include "broker/group_coordinator_internal.h"

// Members of the consumer protocol (KIP-848).

namespace millrace::broker {

using kafka_wire::ConsumerGroupDescribeRequest;
using kafka_wire::ConsumerGroupDescribeResponse;
using kafka_wire::ConsumerGroupHeartbeatRequest;
using kafka_wire::ConsumerGroupHeartbeatResponse;
using kafka_wire::ErrorCode;

namespace {

ConsumerGroupHeartbeatResponse refused(ErrorCode error, std::string message = "") {
  ConsumerGroupHeartbeatResponse response;
  response.error_code = error;
  if (!message.empty()) response.error_message = std::move(message);
  return response;
}

bool are_same(const std::vector<log::TopicInfo>& a, const std::vector<log::TopicInfo>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.name == y.name && x.incarnation == y.incarnation &&
           x.config.partition_count == y.config.partition_count &&
           x.config.is_internal == y.config.is_internal;
  });
}

}  // namespace

std::shared_ptr<const GroupTopics> GroupCoordinator::Impl::topics(bool as_of_now) {
  const MonotonicTime now = ports_.clock.monotonic_now();
  const std::lock_guard lock(topics_mutex_);
  if (topics_ != nullptr && !as_of_now && now < topics_refresh_at_) return topics_;
  auto list = ports_.log.topics();
  // The same object as long as the topics are the same: groups look no further.
  if (topics_ == nullptr || !are_same(list, topic_list_)) {
    const std::uint64_t version = topics_ == nullptr ? 1 : topics_->version + 1;
    topics_ = group_topics(list, ports_.topic_ids, version);
    topic_list_ = std::move(list);
  }
  topics_refresh_at_ = after_ms(now, options_.topics_refresh_interval_ms);
  return topics_;
}

void GroupCoordinator::Impl::consumer_heartbeat(ConsumerGroupHeartbeatRequest request,
                                                std::int16_t version, const Client& client,
                                                Answer<ConsumerGroupHeartbeatResponse> answer) {
  // Looked up before the lock is taken: the log has one of its own.
  const bool needs_news = request.member_epoch == kEpochJoin || request.subscribed_topic_names ||
                          request.subscribed_topic_regex;
  const auto known = topics(needs_news);
  ConsumerGroupHeartbeatResponse response = check_heartbeat(request, version, options_.limits);
  run([&](GroupTurn& turn) {
    log::CommitSequence after = kAtOnce;
    const ErrorCode error = check_group(request.group_id);
    if (error != ErrorCode::none) response = refused(error);
    if (response.error_code == ErrorCode::none) {
      response = heartbeat_in_turn(request, client, known, turn, after);
    }
    turn.answer(answer, std::move(response), after);
  });
}

ConsumerGroupHeartbeatResponse GroupCoordinator::Impl::heartbeat_in_turn(
    const ConsumerGroupHeartbeatRequest& request, const Client& client,
    const std::shared_ptr<const GroupTopics>& topics, GroupTurn& turn, log::CommitSequence& after) {
  Entry* const entry = find(request.group_id);
  ConsumerGroup* const group = entry == nullptr ? nullptr : entry->group->consumer();
  const bool is_joining = request.member_epoch == kEpochJoin;
  if (is_joining && bytes_ > options_.all_groups_bytes_max) {
    return refused(ErrorCode::group_max_size_reached, "all groups together are too large");
  }
  if (group == nullptr) {
    if (is_joining && (entry == nullptr || entry->group->member_count() == 0)) {
      return join_as_first(request, client, topics, turn, after);
    }
    return refused(ErrorCode::group_id_not_found,
                   "group " + request.group_id +
                       (entry == nullptr ? " does not exist" : " is not a consumer group"));
  }
  const bool had_left_topics_out = group->has_left_topics_out();
  const std::string member_id =
      request.member_id.empty() ? member_ids_.next(client.id) : request.member_id;
  auto response = group->heartbeat(request, member_id, client, topics, turn);
  after = group->saved_in();
  changed(*entry);
  if (group->has_left_topics_out() && !had_left_topics_out) {
    ports_.logger.error("the group's topics have too many partitions: some are nobody's",
                        {{"group", request.group_id}});
  }
  return response;
}

// To a group that is not there, or empty and a classic one.
ConsumerGroupHeartbeatResponse GroupCoordinator::Impl::join_as_first(
    const ConsumerGroupHeartbeatRequest& request, const Client& client,
    const std::shared_ptr<const GroupTopics>& topics, GroupTurn& turn, log::CommitSequence& after) {
  Entry* const entry = find(request.group_id);
  if (entry == nullptr && groups_.size() >= options_.groups_max) {
    return refused(ErrorCode::group_max_size_reached, "there are too many groups");
  }
  ConsumerGroupHeader header;
  header.incarnation = member_ids_.next_number();
  header.since = turn.wall_now;
  const bool is_stored = entry != nullptr && entry->group->is_stored();
  if (entry != nullptr) {
    header.epoch = header.assignment_epoch = entry->group->classic()->generation_id();
  }
  auto group =
      std::make_unique<ConsumerGroup>(request.group_id, options_.limits, header, is_stored);
  const std::string member_id =
      request.member_id.empty() ? member_ids_.next(client.id) : request.member_id;
  auto response = group->heartbeat(request, member_id, client, topics, turn);
  if (response.error_code != ErrorCode::none) return response;
  after = group->saved_in();
  Entry& now = groups_[request.group_id];
  if (now.group != nullptr) {
    now.group->give_up(ErrorCode::unknown_member_id, turn);
    rebalances_of_gone_ += now.group->rebalance_count();
  }
  now.group = std::move(group);
  changed(now);
  return response;
}

void GroupCoordinator::Impl::consumer_describe(const ConsumerGroupDescribeRequest& request,
                                               Answer<ConsumerGroupDescribeResponse> answer) {
  ConsumerGroupDescribeResponse response;
  run([&](GroupTurn&) {
    for (const auto& id : request.group_ids) {
      auto& shown = response.groups.emplace_back();
      shown.group_id = id;
      const Entry* const entry = find(id);
      ConsumerGroup* const group = entry == nullptr ? nullptr : entry->group->consumer();
      if (!is_running_) {
        shown.error_code = ErrorCode::coordinator_not_available;
      } else if (group == nullptr) {
        shown.error_code = ErrorCode::group_id_not_found;
        shown.error_message = "group " + id + " is not a consumer group";
      } else {
        shown = group->describe();
      }
    }
  });
  answer(std::move(response));
}

}  // namespace millrace::broker
