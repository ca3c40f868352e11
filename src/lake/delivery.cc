#include "lake/delivery.h"

#include <algorithm>

#include "base/check.h"
#include "codec/record_batch.h"
#include "runtime/journal_reader.h"

namespace millrace::lake {
namespace {

constexpr std::size_t kFetchBytes = 1 << 20;
// With less than that to read at once, it is worth waiting for more.
constexpr std::size_t kBusyBytes = 256 << 10;
constexpr std::int64_t kRollBytesMax = std::int64_t{1} << 30;
constexpr std::int64_t kNanosPerMilli = 1'000'000;

std::string range_name(const FreezeEntry& freeze) {
  return "range [" + std::to_string(freeze.first_offset.value) + ", " +
         std::to_string(freeze.next_offset.value) + ")";
}

}  // namespace

Delivery::Delivery(DeliveryServices services, DeliveryOptions options)
    : services_(services),
      options_(std::move(options)),
      writer_(std::make_shared<const WriterConfig>(options_.writer)) {
  MR_CHECK(services_.log != nullptr && services_.objects != nullptr);
  MR_CHECK(services_.clock != nullptr);
  report_.pipeline = options_.pipeline;
  report_.sink = options_.identity.sink;
  report_.source = options_.identity.source;
}

Delivery::~Delivery() = default;

Status Delivery::attach() {
  range_.reset();
  // Until the journal says what is delivered, all there is may be needed: it may not be readable
  // for a while, and retention begins meanwhile (R7).
  if (!is_pinned_) {
    services_.log->pin(options_.group, options_.identity.source, Offset(0));
    is_pinned_ = true;
  }
  auto status = read_state();
  is_attached_ = status.is_ok();
  if (claim_ && is_wait(status)) {
    note_wait(status);
    return status;
  }
  return settle(std::move(status));
}

Status Delivery::attach(DeliveryClaim claim) {
  MR_CHECK(claim.port != nullptr);
  claim_ = std::move(claim);
  return attach();
}

bool Delivery::is_wait(const Status& status) {
  return status.code() == StatusCode::overloaded || status.code() == StatusCode::disconnected;
}

void Delivery::note_wait(const Status& why) {
  MR_CHECK(!is_attached_);
  waiting_for_ = why.message();
  publish();
}

void Delivery::detach() {
  range_.reset();
  is_attached_ = false;
  claim_.reset();
  if (is_pinned_) services_.log->unpin(options_.group, options_.identity.source);
  is_pinned_ = false;
  publish();
}

Status Delivery::read_state() {
  const auto& source = options_.identity.source;
  MR_RETURN_IF_ERROR(check_writer(*writer_));
  if (options_.roll_bytes < 1 || options_.roll_interval_ms < 1) {
    return invalid_error("a roll needs a size and an interval above 0");
  }
  MR_ASSIGN_OR_RETURN(const auto topic, services_.log->topic(source.topic));
  MR_ASSIGN_OR_RETURN(state_, claim_
                                  ? read_committed_delivery_state(*services_.log, options_.journal)
                                  : read_delivery_state(*services_.log, options_.journal));
  MR_RETURN_IF_ERROR(claim_ ? check_claim() : ok_status());
  if (!state_.begin) MR_RETURN_IF_ERROR(begin());
  MR_RETURN_IF_ERROR(check_log(topic));
  if (!claim_) MR_RETURN_IF_ERROR(check_group_offset());
  pin();
  return ok_status();
}

Status Delivery::begin() {
  MR_RETURN_IF_ERROR(check_no_strangers());
  const auto& source = options_.identity.source;
  MR_ASSIGN_OR_RETURN(const auto topic, services_.log->topic(source.topic));
  MR_ASSIGN_OR_RETURN(const auto offsets, services_.log->offsets(source));
  state_.delivered_offset = offsets.start;  // what a shared log's commit says of it
  return append({BeginEntry{source.topic, topic.incarnation, offsets.start}}, {});
}

// Names are made of offsets, and an existing name counts as delivered. Files of another log must
// not be taken for ours.
Status Delivery::check_no_strangers() {
  const auto& identity = options_.identity;
  const auto prefix = identity.folder + "/";
  const auto name = "/" + identity.sink + "-" + std::to_string(identity.source.partition) + "-";
  MR_ASSIGN_OR_RETURN(const auto objects, services_.objects->list(prefix));
  for (const auto& object : objects) {
    if (object.key.compare(object.key.rfind('/'), name.size(), name) != 0) continue;
    return invalid_error(object.key + " was delivered from another log; give the lake sink " +
                         "another name, or move the files below " + prefix + " away");
  }
  return ok_status();
}

// R7: offsets mean something only in the log they are of.
Status Delivery::check_log(const log::TopicInfo& topic) const {
  const auto& begin = *state_.begin;
  if (begin.source_topic != topic.name) {
    return invalid_error("lake " + options_.identity.sink + " was delivered from topic " +
                         begin.source_topic + ", now it is to be from " + topic.name +
                         "; give the sink another name");
  }
  if (begin.source_incarnation == topic.incarnation) return ok_status();
  return invalid_error("topic " + topic.name + " was deleted and created again since lake " +
                       options_.identity.sink + " began; give the sink another name");
}

Status Delivery::check_group_offset() const {
  for (const auto& known : services_.log->group_offsets(options_.group)) {
    if (known.source != options_.identity.source) continue;
    if (known.next_offset == state_.delivered_offset) return ok_status();
    return fenced_error("group " + options_.group + " stands at offset " +
                        std::to_string(known.next_offset.value) + " of " +
                        known.source.to_string() + ", the journal at " +
                        std::to_string(state_.delivered_offset.value) +
                        "; somebody else moved the group's offset: set it back, or remove the "
                        "group to take the journal's");
  }
  return ok_status();  // the next range that is done writes it (R1)
}

// R1 and R3: the offset may be visible before the journal's entries of the same transaction.
Status Delivery::check_claim() const {
  if (!claim_->committed) return ok_status();  // the journal is what counts; offsets expire
  const auto& committed = *claim_->committed;
  MR_ASSIGN_OR_RETURN(const auto position, runtime::parse_position_metadata(committed.metadata));
  if (state_.last_sequence < position.journal_sequence) {
    return overloaded_error("journal " + options_.journal.to_string() + " shows entry " +
                            std::to_string(state_.last_sequence) + ", not yet entry " +
                            std::to_string(position.journal_sequence));
  }
  if (state_.last_sequence == position.journal_sequence &&
      state_.delivered_offset == committed.next_offset) {
    return ok_status();
  }
  return fenced_error("group " + options_.group + " stands at entry " +
                      std::to_string(position.journal_sequence) + " and offset " +
                      std::to_string(committed.next_offset.value) + " of " +
                      committed.source.to_string() + ", the journal at entry " +
                      std::to_string(state_.last_sequence) + " and offset " +
                      std::to_string(state_.delivered_offset.value) +
                      "; somebody else moved the group's offset: remove it to take the journal's");
}

Result<bool> Delivery::step() {
  auto result = do_step();
  auto status = result.is_ok() ? ok_status() : result.status();
  MR_RETURN_IF_ERROR(settle(std::move(status)));
  return *result;
}

Status Delivery::roll() {
  return settle(do_roll());
}

Status Delivery::flush(const std::function<bool()>& is_cancelled) {
  return settle(do_flush(is_cancelled));
}

Status Delivery::settle(Status status) {
  waiting_for_.clear();
  if (status.is_ok()) {
    last_error_.clear();
  } else {
    is_attached_ = false;
    range_.reset();
    ++failures_;
    last_error_ = status.to_string();
  }
  publish();
  return status;
}

Result<bool> Delivery::do_step() {
  MR_CHECK(is_attached_);
  if (state_.open) {
    MR_RETURN_IF_ERROR(finish_open_range());
    return true;
  }
  MR_ASSIGN_OR_RETURN(const bool has_more, read());
  if (is_roll_due()) MR_RETURN_IF_ERROR(do_roll());
  return has_more;
}

Result<bool> Delivery::read() {
  if (range_ == nullptr) {
    RangeLimits limits;
    limits.input_bytes_max = static_cast<std::size_t>(std::min(options_.roll_bytes, kRollBytesMax));
    limits.files_max = options_.files_per_range_max;
    limits.dead_letter_bytes_max = kDeadLetterBytesMax;
    range_ = std::make_unique<RangeBuffer>(writer_, options_.identity, state_.next_offset, limits);
  }
  const bool was_empty = range_->empty();
  MR_ASSIGN_OR_RETURN(const auto fetched,
                      services_.log->fetch(options_.identity.source, range_->next_offset(),
                                           kFetchBytes, log::Visibility::durable));
  std::size_t fetched_bytes = 0;
  for (const auto& batch : fetched.batches) {
    fetched_bytes += batch.bytes.size();
    MR_ASSIGN_OR_RETURN(const bool is_full, range_->add(batch));
    if (is_full) {
      MR_RETURN_IF_ERROR(do_roll());
      return true;
    }
  }
  if (was_empty && !range_->empty()) range_begun_ = services_.clock->monotonic_now();
  return fetched_bytes >= kBusyBytes;
}

bool Delivery::is_roll_due() const {
  if (range_ == nullptr || range_->empty()) return false;
  const auto age = services_.clock->monotonic_now() - range_begun_;
  return age >= options_.roll_interval_ms * kNanosPerMilli;
}

Status Delivery::do_roll() {
  MR_CHECK(is_attached_);
  if (state_.open) MR_RETURN_IF_ERROR(finish_open_range());
  if (range_ == nullptr || range_->empty()) return ok_status();
  MR_RETURN_IF_ERROR(freeze());
  const auto range = std::move(range_);
  const auto frozen = state_.open->freeze;
  return deliver(frozen, *range, false);
}

Status Delivery::do_flush(const std::function<bool()>& is_cancelled) {
  MR_ASSIGN_OR_RETURN(const auto offsets, services_.log->offsets(options_.identity.source));
  const auto position = [this] { return range_ ? range_->next_offset() : state_.next_offset; };
  // What is behind an open transaction is not due.
  while (state_.open || position() < offsets.last_stable) {
    if (is_cancelled()) return cancelled_error("the flush was cancelled");
    const auto before = position();
    const bool was_open = state_.open.has_value();
    MR_RETURN_IF_ERROR(do_step().status());
    if (!was_open && position() == before) {
      // A shared log may keep its markers, and what was aborted, to itself.
      if (claim_) break;
      return corrupt_error(options_.identity.source.to_string() + " has nothing at offset " +
                           std::to_string(before.value));
    }
  }
  return do_roll();
}

Status Delivery::freeze() {
  MR_CHECK(!state_.open && range_->first_offset() == state_.next_offset);
  std::vector<LakeEvent> events;
  auto writer = state_.last_writer;
  if (writer == 0 || !is_same_writer(state_.writers.at(writer), *writer_)) {
    events.emplace_back(WriterEntry{++writer, *writer_});
  }
  events.emplace_back(FreezeEntry{state_.last_range + 1, range_->first_offset(),
                                  range_->next_offset(), writer, range_->files()});
  return append(std::move(events), {});
}

// A range that an earlier attempt froze. Its uploads are aborted first, so that at most one can
// ever complete.
Status Delivery::finish_open_range() {
  const auto open = *state_.open;
  for (const auto& upload : open.uploads) {
    MR_RETURN_IF_ERROR(
        services_.objects->abort_upload(open.freeze.files.at(upload.file).path, upload.upload_id));
  }
  MR_ASSIGN_OR_RETURN(const auto range, read_range(open.freeze));
  if (range->files() != open.freeze.files) {
    return corrupt_error(range_name(open.freeze) + " of " + options_.identity.source.to_string() +
                         " reads differently from what was frozen");
  }
  return deliver(open.freeze, *range, true);
}

Result<std::unique_ptr<RangeBuffer>> Delivery::read_range(const FreezeEntry& freeze) {
  const auto& source = options_.identity.source;
  auto writer = std::make_shared<const WriterConfig>(state_.writers.at(freeze.writer));
  MR_RETURN_IF_ERROR(check_writer(*writer));
  RangeLimits limits;
  limits.next_offset = freeze.next_offset;
  auto range = std::make_unique<RangeBuffer>(std::move(writer), options_.identity,
                                             freeze.first_offset, limits);
  while (range->next_offset() < freeze.next_offset) {
    MR_ASSIGN_OR_RETURN(
        const auto fetched,
        services_.log->fetch(source, range->next_offset(), kFetchBytes, log::Visibility::durable));
    if (fetched.batches.empty()) {
      return corrupt_error(range_name(freeze) + " was frozen, but " + source.to_string() +
                           " ends at " + std::to_string(fetched.offsets.last_stable.value));
    }
    for (const auto& batch : fetched.batches) {
      MR_ASSIGN_OR_RETURN(const bool is_complete, range->add(batch));
      if (is_complete) break;
    }
  }
  return range;
}

Status Delivery::append(std::vector<LakeEvent> events, log::Commit commit) {
  std::vector<LakeEntry> entries;
  codec::RecordBatchBuilder batch;
  const auto now = services_.clock->wall_now();
  for (auto& event : events) {
    entries.push_back({state_.last_sequence + entries.size() + 1, now, std::move(event)});
    std::string bytes;
    encode_lake_entry(entries.back(), bytes);
    batch.append(now, std::nullopt, bytes, {});
  }
  MR_CHECK(!entries.empty());
  std::string bytes;
  batch.finish(bytes);
  commit.appends.push_back({options_.journal.topic, options_.journal.partition, std::move(bytes)});
  log::CommitPort* port = services_.log;
  if (claim_) {
    port = claim_->port.get();
    if (commit.offsets.empty()) {
      commit.offsets.push_back(
          {options_.group, options_.identity.source, state_.delivered_offset, {}});
    }
    const auto sequence = std::to_string(entries.back().sequence);
    commit.offsets.front().metadata = sequence + "/" + sequence + "/" + claim_->owner;
  }
  MR_ASSIGN_OR_RETURN(const auto appended, log::commit_patiently(*port, commit));
  MR_RETURN_IF_ERROR(port->wait_durable(appended.sequence));
  for (const auto& entry : entries) {
    const auto status = state_.take(entry);
    MR_CHECK(status.is_ok());
  }
  return ok_status();
}

void Delivery::pin() {
  services_.log->pin(options_.group, options_.identity.source, state_.delivered_offset);
}

std::size_t Delivery::buffered_bytes() const {
  return range_ ? range_->buffered_bytes() : 0;
}

void Delivery::publish() {
  const std::lock_guard lock(mutex_);
  report_.failures = failures_;
  report_.last_error = last_error_;
  report_.waiting_for = waiting_for_;
  report_.buffered_bytes = buffered_bytes();
  if (!is_attached_) return;
  report_.delivered_offset = state_.delivered_offset;
  report_.next_offset = range_ ? range_->next_offset() : state_.next_offset;
  report_.ranges = state_.last_range - (state_.open ? 1 : 0);
  report_.files = state_.files;
  report_.rows = state_.rows;
  report_.file_bytes = state_.file_bytes;
  report_.dead_letters = state_.dead_letters;
  report_.last_done_time = state_.last_done_time;
  report_.oldest_buffered = range_ && !range_->empty() ? range_->first_append_time() : std::nullopt;
}

DeliveryReport Delivery::report() const {
  const std::lock_guard lock(mutex_);
  return report_;
}

}  // namespace millrace::lake
