#include "ops/task_outputs.h"

#include <algorithm>
#include <charconv>

#include "ops/audit_scan.h"

namespace millrace::ops {
namespace {

constexpr std::size_t kFetchBytes = 1 << 20;
// Fewer records than that are read one after the other.
constexpr std::int64_t kHalvedRecordsMin = 4096;

}  // namespace

TaskOutputReader::TaskOutputReader(const log::Log& log, TopicPartition at,
                                   std::string_view pipeline, const TopicPartition& source,
                                   Offset end)
    : log_(log),
      at_(std::move(at)),
      pipeline_(pipeline),
      is_exact_version_(pipeline.find('@') != std::string_view::npos),
      source_prefix_(source.to_string() + "/"),
      end_(end) {}

Status TaskOutputReader::seek_start() {
  MR_ASSIGN_OR_RETURN(const auto offsets, log_.offsets(at_));
  start_ = offsets.start;
  go_to(start_);
  return ok_status();
}

Status TaskOutputReader::seek_time(WallTime time) {
  MR_RETURN_IF_ERROR(seek_start());
  MR_ASSIGN_OR_RETURN(const auto offset, log_.offset_for_time(at_, time));
  go_to(std::max(start_, offset));
  return ok_status();
}

void TaskOutputReader::go_to(Offset offset) {
  next_ = offset;
  batches_.clear();
  next_batch_ = 0;
  is_open_ = false;
}

// All outputs from `high` on have sources at or behind the wanted one, all before `low` ones in
// front of it.
Status TaskOutputReader::seek(Offset source) {
  MR_RETURN_IF_ERROR(seek_start());
  const auto end = end_;
  Offset low = start_;
  Offset high = end_;
  while (high - low > kHalvedRecordsMin) {
    const auto middle = low + (high - low) / 2;
    go_to(middle);
    end_ = high;
    const auto found = next();
    end_ = end;
    if (!found.is_ok()) return found.status();
    if (*found == nullptr || (*found)->source >= source) {
      high = middle;
    } else {
      low = (*found)->record.offset;
    }
  }
  go_to(low);
  return ok_status();
}

std::optional<Offset> TaskOutputReader::source_of(const RecordView& record) const {
  const auto pipeline = header_of(record, "millrace-pipeline");
  if (!pipeline || !pipeline->starts_with(pipeline_)) return std::nullopt;
  if (is_exact_version_
          ? pipeline->size() != pipeline_.size()
          : pipeline->size() == pipeline_.size() || (*pipeline)[pipeline_.size()] != '@') {
    return std::nullopt;
  }
  const auto source = header_of(record, "millrace-source");
  if (!source || !source->starts_with(source_prefix_)) return std::nullopt;
  std::int64_t offset = 0;
  const auto* end = source->data() + source->size();
  const auto parsed = std::from_chars(source->data() + source_prefix_.size(), end, offset);
  if (parsed.ec != std::errc() || parsed.ptr != end || offset < 0) return std::nullopt;
  return Offset(offset);
}

Result<const TaskOutput*> TaskOutputReader::next() {
  while (true) {
    if (is_open_) {
      while (const RecordView* record = reader_.next()) {
        if (record->offset < next_) continue;
        if (record->offset >= end_) return nullptr;
        next_ = record->offset + 1;
        const auto source = source_of(*record);
        if (!source) continue;
        output_ = {*record, *source, reader_.header().is_log_append_time};
        return &output_;
      }
      MR_RETURN_IF_ERROR(reader_.status());
      is_open_ = false;
      next_ = std::max(next_, batches_[next_batch_ - 1].next_offset);
    }
    if (next_ >= end_) return nullptr;
    if (next_batch_ == batches_.size()) {
      auto fetched = log_.fetch(at_, next_, kFetchBytes, log::Visibility::durable);
      if (!fetched.is_ok()) return std::move(fetched).take_status().with_context(at_.to_string());
      batches_ = std::move(fetched->batches);
      next_batch_ = 0;
      if (batches_.empty()) return nullptr;
    }
    const auto& batch = batches_[next_batch_++];
    MR_RETURN_IF_ERROR(reader_.open(batch.bytes.view()));
    is_open_ = batch.kind == log::BatchKind::records && !reader_.header().is_control;
    if (!is_open_) next_ = std::max(next_, batch.next_offset);
  }
}

}  // namespace millrace::ops
