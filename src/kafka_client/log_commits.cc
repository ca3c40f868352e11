#include "kafka_client/log_commits.h"

#include <algorithm>
#include <mutex>
#include <vector>

namespace millrace::kafka_client {
namespace {

constexpr std::int64_t kKnownForNs = 5'000'000'000;
constexpr int kAttemptsMax = 3;

}  // namespace

LogCommits::LogCommits(const KafkaLogOptions& options, const Clock& clock, Admin& admin,
                       Cluster& cluster, PartitionReaders& readers)
    : clock_(clock),
      admin_(admin),
      readers_(readers),
      producer_(
          options, clock, cluster,
          [&readers](const TopicPartition& at, Offset end) {
            readers.note_bounds(at, Offset(0), end);
          },
          options.process + ".log") {}

void LogCommits::forget(const std::string& topic) {
  const std::lock_guard lock(known_mutex_);
  known_.erase(topic);
}

Result<log::TopicConfig> LogCommits::config_of(const std::string& topic) {
  {
    const std::lock_guard lock(known_mutex_);
    const auto found = known_.find(topic);
    if (found != known_.end() && clock_.monotonic_now() - found->second.since < kKnownForNs) {
      return found->second.config;
    }
  }
  MR_ASSIGN_OR_RETURN(auto info, admin_.topic(topic));
  const std::lock_guard lock(known_mutex_);
  known_[topic] = {info.config, clock_.monotonic_now()};
  return info.config;
}

Status LogCommits::check(const log::AppendBatch& batch) {
  const TopicPartition to{batch.topic, batch.partition};
  MR_ASSIGN_OR_RETURN(const auto config, config_of(batch.topic));
  if (batch.partition < 0 || batch.partition >= config.partition_count) {
    return not_found_error("partition " + to.to_string() + " does not exist");
  }
  codec::BatchReader records;
  MR_RETURN_IF_ERROR(records.open(batch.bytes));
  if (records.header().producer_id != kNoProducerId) {
    return unsupported_error("a shared log takes no batches of other producers");
  }
  while (records.next() != nullptr) {
  }
  MR_RETURN_IF_ERROR(Status(records.status()));
  if (batch.bytes.size() > static_cast<std::size_t>(config.batch_bytes_max)) {
    return invalid_error("a batch of " + std::to_string(batch.bytes.size()) + " bytes for " +
                         to.to_string() + ", which takes " +
                         std::to_string(config.batch_bytes_max) + " at most");
  }
  return ok_status();
}

Status LogCommits::check(const log::Commit& commit) {
  if (!commit.markers.empty()) return unsupported_error("a shared log writes its own markers");
  for (const auto& batch : commit.appends) MR_RETURN_IF_ERROR(check(batch));
  return ok_status();
}

// Until the outcome is known, a few times if it is an abort.
Status LogCommits::send(const log::Commit& commit) {
  using log::TransactionOutcome;
  for (int attempt = 1;; ++attempt) {
    const auto outcome = producer_.commit_unchecked(commit);
    if (outcome == TransactionOutcome::committed) return ok_status();
    const auto& why = producer_.failure();
    if (outcome == TransactionOutcome::unknown) {
      return io_error("whether the commit was made is not known; " + why.to_string());
    }
    // A new partition is not known to a client that has known the topic before; the next one asks.
    const bool is_passing = why.code() == StatusCode::disconnected ||
                            why.code() == StatusCode::overloaded ||
                            why.code() == StatusCode::not_found;
    const bool may_repeat = outcome == TransactionOutcome::aborted && is_passing;
    if (!may_repeat || attempt == kAttemptsMax) return why;
  }
}

// Kafka has no removal in a transaction.
Status LogCommits::remove_offsets(const log::Commit& commit) {
  std::map<std::string, std::vector<TopicPartition>> removed;
  for (const auto& offset : commit.offsets) {
    if (offset.next_offset == log::kNoOffset) removed[offset.group].push_back(offset.source);
  }
  for (const auto& [group, partitions] : removed) {
    auto status = admin_.remove_offsets(group, partitions);
    if (!status.is_ok() && status.code() != StatusCode::not_found) return status;
  }
  return ok_status();
}

Result<log::Appended> LogCommits::commit(log::Commit&& commit) {
  MR_RETURN_IF_ERROR(check(commit));
  const std::lock_guard lock(mutex_);
  bool has_offsets = false;
  for (const auto& offset : commit.offsets) has_offsets |= offset.next_offset != log::kNoOffset;
  log::Appended out;
  if (!commit.appends.empty() || has_offsets) {
    MR_RETURN_IF_ERROR(send(commit));
    for (const auto base : producer_.base_offsets()) out.batches.push_back({base, false});
  }
  MR_RETURN_IF_ERROR(remove_offsets(commit));
  out.sequence = log::CommitSequence(++sequence_);
  out.append_time = clock_.wall_now();
  std::map<TopicPartition, Offset> last;
  for (std::size_t i = 0; i < commit.appends.size(); ++i) {
    const auto& batch = commit.appends[i];
    auto& of = last[{batch.topic, batch.partition}];
    of = std::max(of, out.batches[i].base_offset);
  }
  for (const auto& [source, offset] : last) {
    // Committed it is, whether or not it can be read yet.
    (void)admin_.wait_until_visible(source, offset + 1);
    readers_.notify(source);
  }
  return out;
}

log::CommitSequence LogCommits::last_sequence() const {
  const std::lock_guard lock(mutex_);
  return log::CommitSequence(sequence_);
}

}  // namespace millrace::kafka_client
