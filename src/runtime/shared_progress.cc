#include "runtime/shared_progress.h"

#include <algorithm>

#include "base/coding.h"
#include "codec/record_batch.h"
#include "log/partition_scan.h"

namespace millrace::runtime {
namespace {

constexpr std::uint8_t kFormatVersion = 1;
constexpr std::int64_t kRetentionMs = 3'600'000;
constexpr std::int64_t kToldAgainMs = 20'000;
constexpr std::string_view kDrainKey = "drain";
constexpr std::string_view kStandbyKey = "standby";
constexpr std::int64_t kStandbyAgainMs = 5'000;

std::string encode_drain(EventTime target) {
  std::string value;
  Encoder to(value);
  to.u8(kFormatVersion);
  to.zigzag(target.value);
  return value;
}

Result<EventTime> decode_drain(std::string_view value) {
  Decoder from(value);
  if (from.u8() != kFormatVersion) return corrupt_error("progress: unknown format version");
  const EventTime target(from.zigzag());
  MR_RETURN_IF_ERROR(from.finish("progress"));
  return target;
}

}  // namespace

void encode_progress(const TaskProgress& progress, std::string& key, std::string& value) {
  key = progress.stage + "/" + std::to_string(progress.partition);
  value.clear();
  Encoder to(value);
  to.u8(kFormatVersion);
  to.bytes(progress.stage);
  to.zigzag(progress.partition);
  to.bytes(progress.process);
  to.zigzag(progress.done.value);
  to.boolean(progress.is_idle);
  to.zigzag(progress.watermark.value);
  to.zigzag(progress.watermark_if_idle.value);
  to.zigzag(progress.largest_pane_end.value);
  to.varint(progress.results);
}

Result<TaskProgress> decode_progress(std::string_view key, std::string_view value) {
  Decoder from(value);
  if (from.u8() != kFormatVersion) return corrupt_error("progress: unknown format version");
  TaskProgress progress;
  progress.stage = from.bytes();
  progress.partition = static_cast<std::int32_t>(from.zigzag());
  progress.process = from.bytes();
  progress.done = Offset(from.zigzag());
  progress.is_idle = from.boolean();
  progress.watermark = EventTime(from.zigzag());
  progress.watermark_if_idle = EventTime(from.zigzag());
  progress.largest_pane_end = EventTime(from.zigzag());
  progress.results = from.varint();
  MR_RETURN_IF_ERROR(from.finish("progress"));
  if (key != progress.stage + "/" + std::to_string(progress.partition)) {
    return corrupt_error("progress: the key is not STAGE/PARTITION");
  }
  return progress;
}

std::string encode_standby(const StandbyNote& note) {
  std::string value;
  Encoder to(value);
  to.u8(kFormatVersion);
  to.bytes(note.process);
  to.varint(note.followed.size());
  for (const auto& [stage, partition] : note.followed) {
    to.bytes(stage);
    to.zigzag(partition);
  }
  return value;
}

Result<StandbyNote> decode_standby(std::string_view value) {
  Decoder from(value);
  if (from.u8() != kFormatVersion) return corrupt_error("progress: unknown format version");
  StandbyNote note;
  note.process = from.bytes();
  const auto count = from.varint();
  for (std::uint64_t i = 0; i < count && !from.has_failed(); ++i) {
    std::string stage(from.bytes());
    note.followed.emplace(std::move(stage), static_cast<std::int32_t>(from.zigzag()));
  }
  MR_RETURN_IF_ERROR(from.finish("progress"));
  return note;
}

SharedProgress::SharedProgress(log::Log& log, const Clock& clock, std::string topic)
    : log_(log), clock_(clock), topic_{std::move(topic), 0} {}

Status SharedProgress::open() {
  log::TopicConfig config;
  config.is_internal = true;
  config.retention_ms = kRetentionMs;
  const auto created = log_.create_topic(topic_.topic, config);
  if (!created.is_ok() && created.status().code() != StatusCode::exists) return created.status();
  MR_ASSIGN_OR_RETURN(next_,
                      log_.offset_for_time(topic_, WallTime(clock_.wall_now().value - kFreshMs)));
  return read_on();
}

bool SharedProgress::is_fresh(WallTime at) const {
  return clock_.wall_now() - at < kFreshMs;
}

Status SharedProgress::append(std::string_view key, std::string_view value) {
  codec::RecordBatchBuilder builder(codec::Compression::none);
  builder.append(clock_.wall_now(), key, value, {});
  log::AppendBatch batch{topic_.topic, topic_.partition, {}};
  builder.finish(batch.bytes);
  const auto appended = log::append_and_wait(log_, std::move(batch));
  return appended.is_ok() ? ok_status() : appended.status();
}

Status SharedProgress::exchange(const std::vector<TaskProgress>& own) {
  const auto now = clock_.wall_now();
  codec::RecordBatchBuilder builder(codec::Compression::none);
  std::vector<const TaskProgress*> news;
  // Of what comes back to us later somebody else will have spoken meanwhile.
  std::erase_if(told_, [&](const auto& told) {
    return std::none_of(own.begin(), own.end(), [&](const TaskProgress& ours) {
      return Place(ours.stage, ours.partition) == told.first;
    });
  });
  std::string key;
  std::string value;
  for (const auto& progress : own) {
    const auto told = told_.find({progress.stage, progress.partition});
    const bool is_known = told != told_.end() && told->second.progress == progress &&
                          now - told->second.at < kToldAgainMs;
    if (is_known) continue;
    encode_progress(progress, key, value);
    builder.append(now, key, value, {});
    news.push_back(&progress);
  }
  if (!news.empty()) {
    log::AppendBatch batch{topic_.topic, topic_.partition, {}};
    builder.finish(batch.bytes);
    MR_ASSIGN_OR_RETURN(const auto offset, log::append_and_wait(log_, std::move(batch)));
    (void)offset;
    for (const auto* progress : news) {
      told_.insert_or_assign({progress->stage, progress->partition}, Said{*progress, now});
    }
  }
  return read_on();
}

Status SharedProgress::ask_to_drain(EventTime target) {
  return append(kDrainKey, encode_drain(target));
}

Status SharedProgress::tell(const StandbyNote& own) {
  const auto now = clock_.wall_now();
  const bool is_known =
      told_standby_ && told_standby_->first == own && now - told_standby_->second < kStandbyAgainMs;
  if (is_known) return ok_status();
  MR_RETURN_IF_ERROR(append(kStandbyKey, encode_standby(own)));
  told_standby_ = {own, now};
  return ok_status();
}

Status SharedProgress::read_on() {
  const auto each = [this](const RecordView& record) {
    if (record.key && record.value) take(*record.key, *record.value, record.timestamp);
    return ok_status();
  };
  MR_ASSIGN_OR_RETURN(next_, log::scan_partition(log_, topic_, next_, each));
  return ok_status();
}

// What cannot be read is of another version of the program, or of a stranger; it is advice anyway.
void SharedProgress::take(std::string_view key, std::string_view value, WallTime at) {
  if (key == kDrainKey) {
    const auto target = decode_drain(value);
    if (target.is_ok()) drain_ = {*target, at};
    return;
  }
  if (key == kStandbyKey) {
    auto note = decode_standby(value);
    if (!note.is_ok()) return;
    auto process = note->process;
    standbys_.insert_or_assign(std::move(process), std::pair(std::move(*note), at));
    return;
  }
  auto progress = decode_progress(key, value);
  if (!progress.is_ok()) return;
  const Place place{progress->stage, progress->partition};
  const auto known = said_.find(place);
  // Of an owner that stood still and knows no better; only a new topic begins again.
  const bool is_old = known != said_.end() && is_fresh(known->second.at) &&
                      progress->done < known->second.progress.done;
  if (!is_old) said_.insert_or_assign(place, Said{std::move(*progress), at});
}

std::map<SharedProgress::Place, TaskProgress> SharedProgress::tasks() const {
  std::map<Place, TaskProgress> fresh;
  for (const auto& [place, said] : said_) {
    if (is_fresh(said.at)) fresh.emplace(place, said.progress);
  }
  return fresh;
}

std::optional<EventTime> SharedProgress::asked_to_drain() const {
  if (!drain_ || !is_fresh(drain_->second)) return std::nullopt;
  return drain_->first;
}

std::map<std::string, StandbyNote> SharedProgress::standbys() const {
  std::map<std::string, StandbyNote> fresh;
  for (const auto& [process, said] : standbys_) {
    if (clock_.wall_now() - said.second < kStandbyFreshMs) fresh.emplace(process, said.first);
  }
  return fresh;
}

}  // namespace millrace::runtime
