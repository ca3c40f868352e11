#include "lake/flush_requests.h"

#include <utility>

#include "codec/record_batch.h"

namespace millrace::lake {
namespace {

constexpr const char* kTopic = "millrace.lake.flushes";
constexpr std::int64_t kKeptMs = 3'600'000;
constexpr std::size_t kFetchBytes = 64 << 10;

}  // namespace

Status FlushRequests::open() {
  MR_RETURN_IF_ERROR(make_topic());
  MR_ASSIGN_OR_RETURN(const auto offsets, log_.offsets({kTopic, 0}));
  next_ = offsets.last_stable;
  return ok_status();
}

Status FlushRequests::make_topic() {
  if (log_.topic(kTopic).is_ok()) return ok_status();
  log::TopicConfig config;
  config.is_internal = true;
  config.retention_ms = kKeptMs;
  auto created = log_.create_topic(kTopic, config);
  // Another process was quicker; brokers hear of a new topic one after the other.
  if (created.status().code() == StatusCode::exists) return overloaded_error("made elsewhere");
  return std::move(created).take_status();
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
  for (const auto& batch : fetched->batches) {
    is_asked |= batch.kind == log::BatchKind::records;
    next_ = batch.next_offset;
  }
  return is_asked;
}

Status FlushRequests::ask(const std::string& process) {
  codec::RecordBatchBuilder builder;
  builder.append(clock_.wall_now(), process, "flush", {});
  log::AppendBatch batch;
  batch.topic = kTopic;
  builder.finish(batch.bytes);
  return log::append_and_wait(log_, std::move(batch)).status();
}

}  // namespace millrace::lake
