#include "kafka_client/member.h"

#include <array>
#include <mutex>

#include "kafka_client/errors.h"

namespace millrace::kafka_client {
namespace {

constexpr std::int64_t kRejoinPauseNs = 1'000'000'000;
constexpr int kEventsPerPollMax = 100;
constexpr int kStableWaitMs = 500;

std::vector<TopicPartition> vector_of(const rd_kafka_topic_partition_list_t& list) {
  std::vector<TopicPartition> out;
  for (int i = 0; i < list.cnt; ++i) {
    out.push_back({list.elems[i].topic, list.elems[i].partition});
  }
  return out;
}

}  // namespace

Member::Member(const KafkaLogOptions& options, const Clock& clock, PartitionReaders& readers,
               std::string group, std::vector<std::string> topics, std::string instance_id)
    : options_(options),
      clock_(clock),
      readers_(readers),
      group_(std::move(group)),
      topics_(std::move(topics)),
      instance_(std::move(instance_id)),
      next_attempt_(clock.monotonic_now()) {
  membership_.group = group_;
}

Member::~Member() {
  close();
}

// librdkafka sends LeaveGroup unless the member is a static one, which may come back within its
// session (KIP-345).
void Member::close() {
  if (handle_ == nullptr) return;
  (void)rd_kafka_consumer_close(handle_->get());
  set_handle(nullptr);
}

void Member::set_handle(std::shared_ptr<Handle> handle) {
  const std::lock_guard lock(mutex_);
  handle_.swap(handle);
}

Status Member::subscribe() {
  MR_ASSIGN_OR_RETURN(auto handle,
                      Handle::open(RD_KAFKA_CONSUMER, member_settings(options_, group_, instance_),
                                   options_, {.rebalanced = [this](auto error, auto& partitions) {
                                     rebalanced(error, partitions);
                                   }}));
  set_handle(std::move(handle));
  rd_kafka_poll_set_consumer(handle_->get());
  const OwnedPartitions list(rd_kafka_topic_partition_list_new(static_cast<int>(topics_.size())));
  for (const auto& topic : topics_) {
    rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), RD_KAFKA_PARTITION_UA);
  }
  return status_of(rd_kafka_subscribe(handle_->get(), list.get()), "subscribe for " + group_);
}

Status Member::poll(log::AssignmentHandler& handler) {
  handler_ = &handler;
  auto status = serve();
  handler_ = nullptr;
  return status;
}

Status Member::serve() {
  if (handle_ == nullptr) {
    if (clock_.monotonic_now() < next_attempt_) return ok_status();
    next_attempt_ = clock_.monotonic_now() + kRejoinPauseNs;
    auto status = subscribe();
    if (!status.is_ok()) set_handle(nullptr);
    MR_RETURN_IF_ERROR(std::move(status));
  }
  Status status;
  for (int i = 0; i < kEventsPerPollMax; ++i) {
    const OwnedMessage message(rd_kafka_consumer_poll(handle_->get(), 0));
    if (message == nullptr) break;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      status = status_of(message->err, "group " + group_, rd_kafka_message_errstr(message.get()));
    }
  }
  std::array<char, 512> why{};
  const auto fatal = rd_kafka_fatal_error(handle_->get(), why.data(), why.size());
  if (fatal != RD_KAFKA_RESP_ERR_NO_ERROR) return give_up(fatal, why.data());
  const auto trouble = handle_->trouble_count();
  if (status.is_ok() && trouble != seen_trouble_) {
    status = disconnected_error("group " + group_ + ": " + handle_->last_trouble());
  }
  seen_trouble_ = trouble;
  return status;
}

// The client is of no use any more, as when another one has taken its instance id.
Status Member::give_up(rd_kafka_resp_err_t fatal, const std::string& why) {
  set_membership("", -1);
  const std::vector<TopicPartition> lost(owned_.begin(), owned_.end());
  owned_.clear();
  if (!lost.empty()) handler_->lost(lost);
  handler_ = nullptr;
  close();
  seen_trouble_ = 0;
  next_attempt_ = clock_.monotonic_now() + kRejoinPauseNs;
  return status_of(fatal, "group " + group_, why);
}

// Inside rd_kafka_consumer_poll. The group's round is over: until this returns librdkafka begins no
// other, so that the generation it knows is the one these partitions were dealt out with. It calls
// this at the end of every round, also of one that changes nothing here.
void Member::rebalanced(rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t& partitions) {
  const auto changed = vector_of(partitions);
  if (error == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
    assign(partitions, changed);
  } else {
    unassign(partitions, changed);
  }
}

void Member::assign(rd_kafka_topic_partition_list_t& partitions,
                    const std::vector<TopicPartition>& added) {
  // Without an offset it would ask for the group's, and wait for open transactions.
  for (int i = 0; i < partitions.cnt; ++i) partitions.elems[i].offset = RD_KAFKA_OFFSET_END;
  const OwnedError error(rd_kafka_incremental_assign(handle_->get(), &partitions));
  (void)rd_kafka_pause_partitions(handle_->get(), &partitions);
  take_membership();
  if (handler_ == nullptr || added.empty()) return;
  owned_.insert(added.begin(), added.end());
  handler_->assigned(added);
}

void Member::unassign(const rd_kafka_topic_partition_list_t& partitions,
                      const std::vector<TopicPartition>& removed) {
  const bool is_lost = rd_kafka_assignment_lost(handle_->get()) != 0;
  if (is_lost) {
    set_membership("", -1);
  } else {
    take_membership();
  }
  std::vector<TopicPartition> known;
  for (const auto& source : removed) {
    if (owned_.erase(source) > 0) known.push_back(source);
  }
  if (handler_ != nullptr && !known.empty()) {
    if (is_lost) {
      handler_->lost(known);
    } else {
      handler_->revoked(known);
    }
  }
  const OwnedError error(rd_kafka_incremental_unassign(handle_->get(), &partitions));
}

void Member::take_membership() {
  const OwnedMembership now(rd_kafka_consumer_group_metadata(handle_->get()));
  if (now == nullptr) return;
  set_membership(rd_kafka_consumer_group_metadata_member_id(now.get()),
                 rd_kafka_consumer_group_metadata_generation_id(now.get()));
}

void Member::set_membership(std::string member_id, std::int32_t generation) {
  const std::lock_guard lock(mutex_);
  membership_.member_id = std::move(member_id);
  membership_.generation = generation;
}

log::GroupMembership Member::membership() const {
  const std::lock_guard lock(mutex_);
  return membership_;
}

Result<std::optional<log::GroupOffset>> Member::committed_offset(const TopicPartition& source) {
  std::shared_ptr<Handle> consumer;
  {
    const std::lock_guard lock(mutex_);
    consumer = handle_;
  }
  if (consumer == nullptr) return disconnected_error("not in group " + group_);
  MR_ASSIGN_OR_RETURN(auto found, committed_offsets(*consumer, group_, {source}, kStableWaitMs));
  if (found.empty()) return std::optional<log::GroupOffset>();
  // Its transaction has ended, and so have those before it; their markers may not have come here.
  readers_.note_bounds(source, Offset(0), found.front().next_offset);
  return std::optional(std::move(found.front()));
}

}  // namespace millrace::kafka_client
