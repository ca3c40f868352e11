#include "mirror/mirror.h"

#include <algorithm>
#include <charconv>

#include "base/check.h"

namespace millrace::mirror {
namespace {

using log::TransactionOutcome;

constexpr std::size_t kNameBytesMax = 100;
// Of records in one transaction; the last batch may go beyond.
constexpr std::size_t kTransactionBytesMax = 4 << 20;
// Of a partition in one transaction, so that one with much to copy does not keep the others
// waiting.
constexpr std::size_t kFetchBytesMax = 1 << 20;
// Plain bytes of one batch; more where a single record is larger.
constexpr std::size_t kBatchBytes = 256 << 10;
// What a batch and its record cost besides key, value and headers, at most.
constexpr std::size_t kBatchOverheadBytes = 256;

// The metadata of a position: which topic of that name it is a position in.
std::string metadata_of(std::uint64_t incarnation) {
  return "source " + std::to_string(incarnation);
}

std::size_t bytes_of(const RecordView& record) {
  auto bytes = record.key.value_or("").size() + record.value.value_or("").size();
  for (const auto& header : record.headers) {
    bytes += header.key.size() + header.value.value_or("").size() + 10;
  }
  return bytes;
}

bool may_pass(TransactionOutcome outcome) {
  return outcome == TransactionOutcome::aborted || outcome == TransactionOutcome::unknown;
}

}  // namespace

bool is_valid_name(std::string_view name) {
  const auto is_fine = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
  };
  return !name.empty() && name.size() <= kNameBytesMax && std::ranges::all_of(name, is_fine);
}

std::string group_of(std::string_view name) {
  return "mirror." + std::string(name);
}

Mirror::Mirror(const log::Log& from, log::Log& to,
               std::unique_ptr<log::TransactionalProducer> producer, MirrorOptions options)
    : from_(from),
      to_(to),
      producer_(std::move(producer)),
      options_(std::move(options)),
      group_(group_of(options_.name)) {
  MR_CHECK(is_valid_name(options_.name));
}

Status Mirror::open() {
  is_open_ = false;
  pending_ = {};
  pending_bytes_ = 0;
  builder_ = codec::RecordBatchBuilder();
  // Ends what a mirror of this name left open, so that the positions are those of its last commit.
  MR_RETURN_IF_ERROR(producer_->initialize());
  // A question that failed must not read as "there is none".
  MR_ASSIGN_OR_RETURN(const auto reversed, from_.stable_group_offsets(group_));
  for (const auto& reverse : reversed) {
    if (std::ranges::find(options_.topics, reverse.source.topic) == options_.topics.end()) continue;
    return wrong_state_error("mirror " + options_.name + " copies " + reverse.source.topic +
                             " the other way round; records would go in circles. Copy another "
                             "topic, or delete the group " +
                             group_ + " in the source if that mirror is no more");
  }
  Partitions earlier;
  earlier.swap(partitions_);
  for (const auto& topic : options_.topics) MR_RETURN_IF_ERROR(check_topic(topic));
  MR_ASSIGN_OR_RETURN(const auto known, known_positions());
  for (auto& [at, partition] : partitions_) {
    MR_RETURN_IF_ERROR(place(at, partition, known));
    if (const auto before = earlier.find(at); before != earlier.end()) {
      partition.records = before->second.records;
    }
  }
  is_open_ = true;
  return ok_status();
}

Status Mirror::check_topic(const std::string& topic) {
  MR_ASSIGN_OR_RETURN(const auto source, from_.topic(topic));
  if (source.config.is_internal) {
    return invalid_error(topic + " is internal to pipelines; it means nothing elsewhere");
  }
  auto target = to_.topic(topic);
  if (!target.is_ok() && target.status().code() == StatusCode::not_found) {
    target = to_.create_topic(topic, source.config);
  }
  MR_RETURN_IF_ERROR(target.status());
  const auto count = source.config.partition_count;
  if (target->config.partition_count != count) {
    return invalid_error(topic + " has " + std::to_string(count) +
                         " partitions in the source and " +
                         std::to_string(target->config.partition_count) +
                         " in the target; they must be the same, since records keep theirs");
  }
  for (std::int32_t p = 0; p < count; ++p) {
    auto& partition = partitions_[{topic, p}];
    partition.incarnation = source.incarnation;
    partition.batch_bytes_max = target->config.batch_bytes_max;
  }
  return ok_status();
}

Result<std::map<TopicPartition, log::GroupOffset>> Mirror::known_positions() {
  std::map<TopicPartition, log::GroupOffset> known;
  MR_ASSIGN_OR_RETURN(auto offsets, to_.stable_group_offsets(group_));
  for (auto& offset : offsets) {
    auto at = offset.source;
    known.emplace(std::move(at), std::move(offset));
  }
  return known;
}

Status Mirror::place(const TopicPartition& at, Partition& partition,
                     const std::map<TopicPartition, log::GroupOffset>& known) {
  const auto found = known.find(at);
  if (found != known.end()) {
    if (found->second.metadata != metadata_of(partition.incarnation)) {
      return out_of_range_error(
          at.topic + " was deleted in the source and made again since mirror " + options_.name +
          " last copied it; delete it in the target and the group " + group_ +
          " there, or copy under another name");
    }
    partition.position = found->second.next_offset;
    return check_range(at, partition);
  }
  MR_ASSIGN_OR_RETURN(const auto target, to_.offsets(at));
  if (target.end > target.start && !options_.starts_anew) {
    return wrong_state_error(
        "the target's " + at.to_string() + " has records, but no position of " + "mirror " +
        options_.name + " (group " + group_ +
        "); with --start-anew everything the source has is copied behind them");
  }
  MR_ASSIGN_OR_RETURN(const auto source, from_.offsets(at));
  partition.position = partition.next = source.start;
  partition.source_end = source.last_stable;
  return ok_status();
}

Status Mirror::check_range(const TopicPartition& at, Partition& partition) {
  MR_ASSIGN_OR_RETURN(const auto source, from_.offsets(at));
  partition.next = partition.position;
  partition.source_end = source.last_stable;
  if (partition.position > source.end) {
    return out_of_range_error(at.to_string() + " ends at " + std::to_string(source.end.value) +
                              " in the source, before the position " +
                              std::to_string(partition.position.value) + " of mirror " +
                              options_.name + ": it has lost records that were copied");
  }
  if (partition.position >= source.start) return ok_status();
  if (!options_.accepts_gaps) {
    return out_of_range_error(
        "the source has deleted offsets " + std::to_string(partition.position.value) + " to " +
        std::to_string(source.start.value - 1) + " of " + at.to_string() + " before mirror " +
        options_.name + " copied them; --accept-gap goes on behind them");
  }
  partition.next = source.start;
  return ok_status();
}

Result<bool> Mirror::step() {
  MR_CHECK(is_open_);
  // The one that comes behind the last one of the transaction before is first.
  auto begin = last_read_ ? partitions_.upper_bound(*last_read_) : partitions_.begin();
  if (begin == partitions_.end()) begin = partitions_.begin();
  auto at = begin;
  for (std::size_t i = 0; i < partitions_.size() && pending_bytes_ < kTransactionBytesMax; ++i) {
    const auto collected = collect(at->first, at->second);
    if (!collected.is_ok()) {
      is_open_ = false;
      return collected.status();
    }
    last_read_ = at->first;
    if (++at == partitions_.end()) at = partitions_.begin();
  }
  if (pending_.appends.empty()) return false;
  const auto committed = commit();
  if (!committed.is_ok()) {
    is_open_ = false;
    return committed;
  }
  return true;
}

Status Mirror::refresh() {
  MR_CHECK(is_open_ && pending_.appends.empty());
  auto committed = commit();
  if (!committed.is_ok()) is_open_ = false;
  return committed;
}

Result<bool> Mirror::collect(const TopicPartition& at, Partition& partition) {
  auto fetched = from_.fetch(at, partition.next, kFetchBytesMax, log::Visibility::durable);
  if (!fetched.is_ok() && fetched.status().code() == StatusCode::out_of_range) {
    // Deleted since the partition was placed there.
    partition.position = partition.next;
    MR_RETURN_IF_ERROR(check_range(at, partition));
    fetched = from_.fetch(at, partition.next, kFetchBytesMax, log::Visibility::durable);
  }
  MR_RETURN_IF_ERROR(fetched.status());
  partition.source_end = fetched->offsets.last_stable;
  for (const auto& batch : fetched->batches) {
    if (batch.kind == log::BatchKind::records) {
      MR_RETURN_IF_ERROR(take_records(batch, at, partition));
    }
    partition.next = std::max(partition.next, batch.next_offset);
  }
  if (!builder_.empty()) finish_batch(at, builder_);
  return !fetched->batches.empty();
}

Status Mirror::take_records(const log::FetchedBatch& batch, const TopicPartition& at,
                            Partition& partition) {
  MR_RETURN_IF_ERROR(reader_.open(batch.bytes.view()));
  std::vector<codec::HeaderToAppend> headers;
  while (const auto* record = reader_.next()) {
    if (record->offset < partition.next) continue;  // of a batch that was read in part
    const auto bytes = bytes_of(*record) + kBatchOverheadBytes;
    if (bytes > static_cast<std::size_t>(partition.batch_bytes_max)) {
      return invalid_error(at.to_string() + "/" + std::to_string(record->offset.value) + " has " +
                           std::to_string(bytes) +
                           " bytes; raise the target's max.message.bytes, " +
                           std::to_string(partition.batch_bytes_max) + " now");
    }
    const auto room = std::min(kBatchBytes, static_cast<std::size_t>(partition.batch_bytes_max));
    if (!builder_.empty() && builder_.plain_bytes() + bytes > room) finish_batch(at, builder_);
    headers.clear();
    for (const auto& header : record->headers) headers.push_back({header.key, header.value});
    builder_.append(record->timestamp, record->key, record->value, headers);
    ++partition.pending_records;
    partition.next = Offset(record->offset.value + 1);
  }
  return reader_.status();
}

void Mirror::finish_batch(const TopicPartition& at, codec::RecordBatchBuilder& builder) {
  log::AppendBatch batch{at.topic, at.partition, {}};
  builder.finish(batch.bytes);
  pending_bytes_ += batch.bytes.size();
  pending_.appends.push_back(std::move(batch));
}

// Every transaction carries all positions: what the target keeps of a group that nobody is a member
// of may go after a while in which a partition had nothing to copy.
std::vector<log::OffsetCommit> Mirror::offsets() const {
  std::vector<log::OffsetCommit> out;
  for (const auto& [at, partition] : partitions_) {
    out.push_back({group_, at, partition.next, metadata_of(partition.incarnation)});
  }
  return out;
}

Status Mirror::commit() {
  pending_.offsets = offsets();
  const auto outcome = producer_->commit(pending_, {group_, "", -1});
  pending_.appends.clear();
  pending_bytes_ = 0;
  if (outcome == TransactionOutcome::fenced) {
    return fenced_error("another process mirrors under the name " + options_.name +
                        "; give one of them another --name");
  }
  bool is_committed = outcome == TransactionOutcome::committed;
  if (outcome == TransactionOutcome::unknown) {
    MR_ASSIGN_OR_RETURN(is_committed, was_committed());
  }
  if (!is_committed) {
    MR_CHECK(may_pass(outcome));
    for (auto& [at, partition] : partitions_) partition.pending_records = 0;
    return disconnected_error("a transaction of the target was aborted");
  }
  take_over_positions();
  return ok_status();
}

// R4: taking the id over ends the transaction one way or the other.
Result<bool> Mirror::was_committed() {
  MR_RETURN_IF_ERROR(producer_->initialize());
  MR_ASSIGN_OR_RETURN(const auto known, known_positions());
  for (const auto& [at, partition] : partitions_) {
    const auto found = known.find(at);
    if (found == known.end() || found->second.next_offset != partition.next) return false;
  }
  return true;
}

void Mirror::take_over_positions() {
  for (auto& [at, partition] : partitions_) {
    partition.position = partition.next;
    partition.records += partition.pending_records;
    copied_records_ += partition.pending_records;
    partition.pending_records = 0;
  }
}

std::vector<PartitionProgress> Mirror::progress() const {
  std::vector<PartitionProgress> out;
  for (const auto& [at, partition] : partitions_) {
    out.push_back({at, partition.position, partition.source_end, partition.records});
  }
  return out;
}

}  // namespace millrace::mirror
