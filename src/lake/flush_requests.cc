#include "lake/flush_requests.h"

#include <mutex>
#include <utility>

#include "codec/record_batch.h"
#include "log/needed_topic.h"

namespace millrace::lake {
namespace {

constexpr const char* kTopic = "millrace.lake.flushes";
constexpr std::int64_t kKeptMs = 3'600'000;
constexpr std::size_t kFetchBytes = 64 << 10;
constexpr std::string_view kFlush = "flush";
constexpr std::string_view kFailed = "failed ";
constexpr std::size_t kFailureBytesMax = 2000;
constexpr std::size_t kProcessesMax = 1000;

}  // namespace

Status FlushRequests::open() {
  log::TopicConfig config;
  config.is_internal = true;
  config.retention_ms = kKeptMs;
  MR_RETURN_IF_ERROR(log::make_needed_topic(log_, kTopic, config));
  MR_ASSIGN_OR_RETURN(const auto offsets, log_.offsets({kTopic, 0}));
  next_ = offsets.last_stable;
  return ok_status();
}

bool FlushRequests::poll() {
  const auto fetched = log_.fetch({kTopic, 0}, next_, kFetchBytes, log::Visibility::durable);
  if (fetched.status().code() == StatusCode::out_of_range) {
    // What was asked is older than an hour.
    const auto offsets = log_.offsets({kTopic, 0});
    if (offsets.is_ok()) next_ = offsets->last_stable;
    return false;
  }
  if (!fetched.is_ok()) return false;
  bool is_asked = false;
  codec::BatchReader reader;
  for (const auto& batch : fetched->batches) {
    next_ = batch.next_offset;
    if (batch.kind != log::BatchKind::records || !reader.open(batch.bytes.view()).is_ok()) continue;
    while (const RecordView* record = reader.next()) {
      is_asked |= record->value == kFlush;
      take_failure(*record);
    }
  }
  return is_asked;
}

void FlushRequests::take_failure(const RecordView& record) {
  if (!record.key || !record.value || !record.value->starts_with(kFailed)) return;
  const std::string process(*record.key);
  const std::lock_guard lock(mutex_);
  if (failures_.size() >= kProcessesMax && !failures_.contains(process)) failures_.clear();
  failures_[process] = {clock_.monotonic_now(), std::string(record.value->substr(kFailed.size()))};
}

Status FlushRequests::append(const std::string& process, std::string_view value) {
  codec::RecordBatchBuilder builder;
  builder.append(clock_.wall_now(), process, value, {});
  log::AppendBatch batch;
  batch.topic = kTopic;
  builder.finish(batch.bytes);
  return log::append_and_wait(log_, std::move(batch)).status();
}

Status FlushRequests::ask(const std::string& process) {
  return append(process, kFlush);
}

Status FlushRequests::tell_failure(const std::string& process, const Status& why) {
  auto text = why.to_string();
  if (text.size() > kFailureBytesMax) text.resize(kFailureBytesMax);
  return append(process, std::string(kFailed) + text);
}

std::optional<std::string> FlushRequests::failure_since(MonotonicTime then,
                                                        const std::string& process) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [name, failure] : failures_) {
    if (name != process && failure.at >= then) return "process " + name + ": " + failure.why;
  }
  return std::nullopt;
}

}  // namespace millrace::lake
