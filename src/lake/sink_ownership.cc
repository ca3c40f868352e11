#include "lake/sink_ownership.h"

#include <chrono>
#include <mutex>
#include <utility>

#include "base/check.h"
#include "runtime/journal_reader.h"

namespace millrace::lake {
namespace {

constexpr std::chrono::milliseconds kPollInterval{50};

}  // namespace

SinkOwnership::SinkOwnership(log::SharedLog& log, const Clock& clock, SinkOwnershipOptions options)
    : log_(log),
      options_(std::move(options)),
      member_(log.join(options_.group, {options_.topic},
                       options_.is_static_member ? options_.process : "")),
      committer_(log, *member_, clock,
                 {options_.group + "." + options_.process + ".0", options_.group}),
      thread_([this] { run_member(); }) {
  MR_CHECK(options_.process.find('/') == std::string::npos);
}

SinkOwnership::~SinkOwnership() {
  stop();
}

void SinkOwnership::stop() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
  committer_.stop();
}

void SinkOwnership::run_member() {
  std::unique_lock lock(mutex_);
  while (!is_stopping_) {
    lock.unlock();
    // An error means that the coordinator was not reached: asked again, until it says what is lost.
    (void)member_->poll(*this);
    lock.lock();
    changed_.wait_for(lock, kPollInterval, [this] { return is_stopping_; });
  }
}

// --- the group's callbacks, on the member's thread ---

void SinkOwnership::assigned(const std::vector<TopicPartition>& partitions) {
  const std::lock_guard lock(mutex_);
  for (const auto& source : partitions) owned_[source.partition] = std::make_shared<Owned>();
}

// Nothing is released: a range that is open is finished by whoever comes next.
void SinkOwnership::revoked(const std::vector<TopicPartition>& partitions) {
  give_up(partitions);
}

void SinkOwnership::lost(const std::vector<TopicPartition>& partitions) {
  give_up(partitions);
}

void SinkOwnership::give_up(const std::vector<TopicPartition>& partitions) {
  const std::lock_guard lock(mutex_);
  for (const auto& source : partitions) {
    const auto known = owned_.find(source.partition);
    if (known == owned_.end()) continue;
    if (known->second->port) known->second->port->drop();
    owned_.erase(known);
  }
}

// --- claims ---

std::shared_ptr<SinkOwnership::Owned> SinkOwnership::find(std::int32_t partition) const {
  const std::lock_guard lock(mutex_);
  const auto known = owned_.find(partition);
  return known == owned_.end() ? nullptr : known->second;
}

bool SinkOwnership::holds(std::int32_t partition) const {
  const std::lock_guard lock(mutex_);
  const auto known = owned_.find(partition);
  return known != owned_.end() && known->second->port && !known->second->port->is_dropped();
}

Result<std::optional<DeliveryClaim>> SinkOwnership::claim(std::int32_t partition) {
  const auto owned = find(partition);
  if (owned == nullptr) return std::optional<DeliveryClaim>();
  if (!committer_.is_ready()) return overloaded_error("the transactional id is not ours yet");
  if (owned->port) {
    owned->port->drop();
    // The generation does not tell two lives within one assignment apart.
    if (owned->port->is_in_transaction()) {
      return overloaded_error("the delivery's own last transaction has not ended");
    }
  }
  const TopicPartition source{options_.topic, partition};
  MR_ASSIGN_OR_RETURN(auto committed, member_->committed_offset(source));
  if (committed) MR_RETURN_IF_ERROR(end_last_owner(*owned, committed->metadata));
  auto port = committer_.open_port(source, committed);
  const std::lock_guard lock(mutex_);
  const auto known = owned_.find(partition);
  if (known == owned_.end() || known->second != owned) {
    port->drop();
    return std::optional<DeliveryClaim>();
  }
  owned->port = port;
  return std::optional(
      DeliveryClaim{std::move(port), committer_.transactional_id(), std::move(committed)});
}

// R5. `overloaded` after something was ended: the offset may be another one now.
Status SinkOwnership::end_last_owner(Owned& owned, const std::string& metadata) {
  MR_ASSIGN_OR_RETURN(const auto position, runtime::parse_position_metadata(metadata));
  // Our own earlier life was ended when the id became ours.
  if (position.owner == committer_.transactional_id()) return ok_status();
  if (owned.fenced_owners.contains(position.owner)) return ok_status();
  MR_RETURN_IF_ERROR(log_.make_producer(position.owner)->initialize());
  owned.fenced_owners.insert(position.owner);
  return overloaded_error("what the last owner had open was ended; asking again");
}

}  // namespace millrace::lake
