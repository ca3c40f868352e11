#include "lake/lake_service.h"

#include <algorithm>
#include <chrono>

#include "base/check.h"
#include "base/thread.h"
#include "codec/compression.h"
#include "log/needed_topic.h"

namespace millrace::lake {
namespace {

constexpr std::int64_t kNanosPerMilli = 1'000'000;
constexpr std::string_view kLakeFolder = "lake/";

// Whether another attempt may go better without anybody's doing.
bool may_pass(const Status& status) {
  switch (status.code()) {
    case StatusCode::io:
    case StatusCode::overloaded:
    case StatusCode::disconnected:
      return true;
    default:
      return false;
  }
}

Result<DeliveryOptions> make_options(const pipeline::Pipeline& pipeline,
                                     const pipeline::LakeSink& sink) {
  const auto& plan = pipeline.source;
  const auto stage = "lake." + sink.name;
  DeliveryOptions options;
  options.pipeline = pipeline.name;
  options.identity.sink = sink.name;
  options.identity.folder = std::string(kLakeFolder) + sink.name;
  options.identity.pipeline = plan.pipeline;
  options.identity.dead_letter_id_alias = plan.dead_letter_id_name;
  options.identity.source.topic = sink.topic;
  options.journal.topic = pipeline::journal_topic(pipeline.name, stage);
  options.group = pipeline::consumer_group(pipeline.name, stage);
  options.writer.format = sink.is_parquet ? FileFormat::parquet : FileFormat::json_lines;
  MR_ASSIGN_OR_RETURN(options.writer.compression, codec::parse_compression(sink.compression));
  options.writer.partition_by = sink.partition_by;
  options.writer.event_time_slot = sink.event_time_slot;
  options.writer.layout = plan.layout;
  options.dead_letters = plan.outputs.at(plan.dead_letter_output);
  options.roll_bytes = sink.roll_bytes;
  options.roll_interval_ms = sink.roll_interval_ms;
  return options;
}

}  // namespace

LakeService::LakeService(log::Log& log, objects::ObjectStore& objects, const Clock& clock,
                         LakeOptions options)
    : log_(log), objects_(objects), clock_(clock), options_(std::move(options)) {
  MR_CHECK(options_.poll_interval_ms > 0);
  MR_CHECK(options_.retry_interval_max_ms >= options_.poll_interval_ms);
}

LakeService::~LakeService() {
  stop();
}

Status LakeService::start(const std::vector<const pipeline::Pipeline*>& pipelines) {
  MR_CHECK(!thread_.joinable() && slots_.empty());
  for (const auto* pipeline : pipelines) {
    for (const auto& sink : pipeline->lakes) {
      MR_RETURN_IF_ERROR(add_sink(*pipeline, sink).with_context("lake " + sink.name));
    }
  }
  if (options_.sharing && !slots_.empty()) MR_RETURN_IF_ERROR(open_sharing());
  for (auto& slot : slots_) {
    if (slot.ownership != nullptr) continue;
    auto status = slot.delivery->attach();
    if (status.is_ok()) continue;
    if (!may_pass(status)) return std::move(status).with_context("lake " + slot.manifest.sink);
    note_failure(slot, status);
  }
  if (!slots_.empty()) thread_ = Thread([this] { run(); });
  return ok_status();
}

Status LakeService::add_sink(const pipeline::Pipeline& pipeline, const pipeline::LakeSink& sink) {
  for (const auto& known : slots_) {
    // Both would give their files the same names.
    if (known.manifest.sink != sink.name) continue;
    return invalid_error("pipelines " + known.delivery->options().pipeline + " and " +
                         pipeline.name + " have a lake sink of this name; rename one of them");
  }
  MR_ASSIGN_OR_RETURN(auto options, make_options(pipeline, sink));
  MR_RETURN_IF_ERROR(check_writer(options.writer));
  std::int32_t partition_count = 0;
  MR_RETURN_IF_ERROR(patiently([&]() -> Status {
    MR_ASSIGN_OR_RETURN(const auto source, log_.topic(sink.topic));
    partition_count = source.config.partition_count;
    log::TopicConfig journal;
    journal.partition_count = partition_count;
    journal.is_internal = true;
    return log::make_needed_topic(log_, options.journal.topic, journal);
  }));
  SinkOwnership* ownership = nullptr;
  if (options_.sharing) {
    const auto& sharing = *options_.sharing;
    ownerships_.push_back(std::make_unique<SinkOwnership>(
        *sharing.log, clock_,
        SinkOwnershipOptions{options.group, sink.topic, sharing.process,
                             sharing.is_static_member}));
    ownership = ownerships_.back().get();
  }
  for (std::int32_t p = 0; p < partition_count; ++p) {
    options.identity.source.partition = p;
    options.journal.partition = p;
    const auto& identity = options.identity;
    Slot slot;
    slot.manifest = {sink.name, identity.folder, options.group, identity.source, options.journal};
    slot.ownership = ownership;
    slot.delivery =
        std::make_unique<Delivery>(DeliveryServices{&log_, &objects_, &clock_}, options);
    slots_.push_back(std::move(slot));
  }
  return ok_status();
}

void LakeService::cancel() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  changed_.notify_all();
}

void LakeService::stop() {
  cancel();
  for (auto& ownership : ownerships_) ownership->stop();  // ends waits for commits
  if (thread_.joinable()) thread_.join();
}

bool LakeService::is_stopping() const {
  const std::lock_guard lock(mutex_);
  return is_stopping_;
}

void LakeService::run() {
  while (true) {
    const bool has_more = step_all();
    if (requests_ && requests_->poll()) flush_as_asked();
    std::unique_lock lock(mutex_);
    if (!has_more && flushes_requested_ == flushes_served_) {
      changed_.wait_for(lock, std::chrono::milliseconds(options_.poll_interval_ms),
                        [this] { return is_stopping_ || flushes_requested_ != flushes_served_; });
    }
    if (is_stopping_) return;
    const auto requested = flushes_requested_;
    if (requested == flushes_served_) continue;
    lock.unlock();
    auto status = flush_all();
    lock.lock();
    flush_status_ = std::move(status);
    flushes_served_ = requested;
    changed_.notify_all();
  }
}

bool LakeService::step_all() {
  bool has_more = false;
  for (auto& slot : slots_) {
    if (is_stopping()) return false;
    if (slot.retry_interval_ms > 0 && clock_.monotonic_now() < slot.retry_at) continue;
    const auto result = step(slot);
    if (result.is_ok()) {
      slot.retry_interval_ms = 0;
      has_more |= *result;
    } else {
      note_failure(slot, result.status());
    }
    relieve_memory();
  }
  return has_more;
}

// False when the delivery is somebody else's, or cannot go on yet.
Result<bool> LakeService::take_up(Slot& slot) {
  auto& delivery = *slot.delivery;
  if (slot.ownership == nullptr) {
    if (!delivery.is_attached()) MR_RETURN_IF_ERROR(delivery.attach());
    return true;
  }
  const auto partition = slot.manifest.source.partition;
  if (delivery.is_attached() && slot.ownership->holds(partition)) return true;
  delivery.detach();
  auto claim = slot.ownership->claim(partition);
  if (claim.is_ok() && !*claim) return false;
  auto status = claim.is_ok() ? delivery.attach(std::move(**claim)) : claim.status();
  if (status.is_ok()) return true;
  if (!Delivery::is_wait(status)) return status;
  delivery.note_wait(status);
  return false;
}

Result<bool> LakeService::step(Slot& slot) {
  MR_ASSIGN_OR_RETURN(const bool is_ours, take_up(slot));
  if (!is_ours) return false;
  auto result = slot.delivery->step();
  if (result.is_ok() || slot.ownership == nullptr) return result;
  // Dealt to somebody else under the step.
  if (!slot.ownership->holds(slot.manifest.source.partition)) return false;
  return result;
}

void LakeService::note_failure(Slot& slot, const Status& status) {
  slot.retry_interval_ms = std::clamp(slot.retry_interval_ms * 2, options_.poll_interval_ms,
                                      options_.retry_interval_max_ms);
  slot.retry_at = clock_.monotonic_now() + slot.retry_interval_ms * kNanosPerMilli;
  if (options_.on_failure) options_.on_failure(slot.delivery->report(), status);
}

void LakeService::relieve_memory() {
  while (true) {
    std::size_t total_bytes = 0;
    Slot* largest = nullptr;
    std::size_t largest_bytes = 0;
    for (auto& slot : slots_) {
      const auto bytes = slot.delivery->buffered_bytes();
      total_bytes += bytes;
      if (bytes <= largest_bytes) continue;
      largest = &slot;
      largest_bytes = bytes;
    }
    if (total_bytes <= options_.buffered_bytes_max) return;
    MR_CHECK(largest != nullptr);
    // A failure, too, empties the buffer: its records are read again later.
    const auto status = largest->delivery->roll();
    if (!status.is_ok()) note_failure(*largest, status);
    MR_CHECK(largest->delivery->buffered_bytes() == 0);
  }
}

Status LakeService::flush_slot(Slot& slot) {
  MR_ASSIGN_OR_RETURN(const bool is_ours, take_up(slot));
  if (!is_ours) return ok_status();
  auto status = slot.delivery->flush([this] { return is_stopping(); });
  const bool is_lost =
      slot.ownership != nullptr && !slot.ownership->holds(slot.manifest.source.partition);
  return is_lost ? ok_status() : status;
}

Status LakeService::flush_all() {
  Status first_error;
  for (auto& slot : slots_) {
    if (is_stopping()) return cancelled_error("the lake is stopping");
    auto status = flush_slot(slot);
    if (status.is_ok()) {
      slot.retry_interval_ms = 0;
      continue;
    }
    note_failure(slot, status);
    if (first_error.is_ok()) {
      first_error = std::move(status).with_context("lake " + slot.manifest.sink);
    }
  }
  return first_error;
}

Status LakeService::flush() {
  if (slots_.empty()) return ok_status();
  return options_.sharing ? flush_everywhere() : flush_here();
}

Status LakeService::flush_here() {
  std::unique_lock lock(mutex_);
  const auto mine = ++flushes_requested_;
  changed_.notify_all();
  changed_.wait(lock, [&] { return flushes_served_ >= mine || is_stopping_; });
  if (flushes_served_ >= mine) return flush_status_;
  return cancelled_error("the lake is stopping");
}

Result<std::vector<LakeFile>> LakeService::list(std::string_view sink) const {
  std::vector<LakeFile> files;
  for (const auto& slot : slots_) {
    if (!sink.empty() && slot.manifest.sink != sink) continue;
    MR_ASSIGN_OR_RETURN(auto more, read_manifest(log_, slot.manifest));
    files.insert(files.end(), std::make_move_iterator(more.begin()),
                 std::make_move_iterator(more.end()));
  }
  return files;
}

std::vector<LakeCheck> LakeService::verify(std::string_view sink) const {
  std::vector<LakeCheck> checks;
  for (const auto& slot : slots_) {
    if (!sink.empty() && slot.manifest.sink != sink) continue;
    auto more = verify_manifest(log_, objects_, slot.manifest, [this] { return is_stopping(); });
    checks.insert(checks.end(), std::make_move_iterator(more.begin()),
                  std::make_move_iterator(more.end()));
  }
  return checks;
}

std::vector<DeliveryReport> LakeService::report() const {
  std::vector<DeliveryReport> reports;
  for (const auto& slot : slots_) {
    const bool is_ours =
        slot.ownership == nullptr || slot.ownership->has(slot.manifest.source.partition);
    if (is_ours) reports.push_back(slot.delivery->report());
  }
  return reports;
}

}  // namespace millrace::lake
