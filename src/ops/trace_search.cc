#include "ops/trace_search.h"

#include <cstring>

#include <algorithm>
#include <limits>

#include "base/json_text.h"
#include "codec/json.h"
#include "codec/record_batch.h"

namespace millrace::ops {
namespace {

constexpr std::size_t kFetchBytes = 1 << 20;
// One step backwards, in one partition. A batch on its edge is looked into twice.
constexpr std::int64_t kStepRecordsMax = 64 << 10;
constexpr std::int64_t kStepRecordsMin = 256;

bool contains(std::string_view bytes, std::string_view needle) {
  return needle.empty() ||
         ::memmem(bytes.data(), bytes.size(), needle.data(), needle.size()) != nullptr;
}

FoundRecord owned(const TopicPartition& at, const RecordView& record, WallTime append_time) {
  FoundRecord found{at, record.offset, append_time, record.timestamp, {}, {}, {}, false};
  if (record.key) found.key = std::string(*record.key);
  if (record.value) found.value = std::string(*record.value);
  for (const auto& header : record.headers) {
    std::optional<std::string> value;
    if (header.value) value = std::string(*header.value);
    found.headers.emplace_back(header.key, std::move(value));
  }
  return found;
}

class BackwardSearch {
 public:
  BackwardSearch(const log::Log& log, const task::SourcePlan& plan, task::Explainer& explainer,
                 const std::string& id)
      : log_(log), plan_(plan), explainer_(explainer), id_(id) {
    std::string json;
    append_json_string(json, id);
    quoted_ = json;
    const bool is_plain_field =
        !plan.dedup || (plan.dedup->id.fields_read().size() == 1 &&
                        plan.layout.find(plan.dedup->id.text()).has_value());
    if (is_plain_field) needle_ = json.substr(1, json.size() - 2);
  }

  Result<EventSearch> run(const SearchBounds& bounds, const IsCancelled& is_cancelled,
                          JobProgress& progress);

 private:
  struct Front {
    TopicPartition at;
    Offset low;
    Offset end;  // what is at or behind it has been looked at
    std::int64_t newest = std::numeric_limits<std::int64_t>::max();  // append time before `end`
  };

  Status open(const SearchBounds& bounds);
  Front* next_front();
  // What is left of the bound is for all partitions.
  [[nodiscard]] std::int64_t step_records(std::int64_t records_max) const {
    const auto fronts = static_cast<std::int64_t>(fronts_.size());
    const auto left = records_max - out_.scanned;
    const auto least = std::min(kStepRecordsMin, (records_max + fronts - 1) / fronts);
    return std::min({kStepRecordsMax, left, std::max(least, left / fronts)});
  }
  Status scan(Front& front, Offset from);
  Status scan_batch(const Front& front, const log::FetchedBatch& batch, Offset from);
  // Whether the record has the id; `is_by_text` when only its text is there.
  bool matches(const RecordView& record, bool& is_by_text);

  const log::Log& log_;
  const task::SourcePlan& plan_;
  task::Explainer& explainer_;
  const std::string& id_;
  std::string quoted_;
  std::string needle_;  // empty: every record is read
  std::vector<Front> fronts_;
  codec::BatchReader reader_;
  Arena arena_;
  codec::JsonParser parser_;
  EventSearch out_;
};

Status BackwardSearch::open(const SearchBounds& bounds) {
  for (std::int32_t p = 0; p < plan_.source_partition_count; ++p) {
    Front front{{plan_.source_topic, p}, {}, {}};
    MR_ASSIGN_OR_RETURN(const auto offsets, log_.offsets(front.at));
    front.low = offsets.start;
    if (bounds.since) {
      MR_ASSIGN_OR_RETURN(const auto first, log_.offset_for_time(front.at, *bounds.since));
      front.low = std::max(front.low, first);
    }
    front.end = std::max(front.low, offsets.high_watermark);
    fronts_.push_back(std::move(front));
  }
  return ok_status();
}

// Of the partitions with something left the one whose next records are the newest.
BackwardSearch::Front* BackwardSearch::next_front() {
  Front* best = nullptr;
  for (auto& front : fronts_) {
    if (front.end <= front.low) continue;
    if (best == nullptr || front.newest > best->newest) best = &front;
  }
  return best;
}

Result<EventSearch> BackwardSearch::run(const SearchBounds& bounds, const IsCancelled& is_cancelled,
                                        JobProgress& progress) {
  MR_RETURN_IF_ERROR(open(bounds));
  auto* front = next_front();
  while (front != nullptr && out_.scanned < bounds.records_max) {
    if (is_cancelled()) return cancelled_error("the search was cancelled");
    const auto step = step_records(bounds.records_max);
    const auto from = std::max(front->low, front->end + -step);
    MR_RETURN_IF_ERROR(scan(*front, from));
    out_.scanned += front->end - from;
    front->end = from;
    progress.set_done(out_.scanned);
    front = next_front();
  }
  out_.has_reached_start = front == nullptr;
  std::sort(out_.found.begin(), out_.found.end(), [](const FoundRecord& a, const FoundRecord& b) {
    return std::tie(a.append_time, a.at, a.offset) < std::tie(b.append_time, b.at, b.offset);
  });
  return std::move(out_);
}

Status BackwardSearch::scan(Front& front, Offset from) {
  front.newest = std::numeric_limits<std::int64_t>::max();
  for (Offset next = from; next < front.end;) {
    MR_ASSIGN_OR_RETURN(const auto fetched,
                        log_.fetch(front.at, next, kFetchBytes, log::Visibility::durable));
    if (fetched.batches.empty()) break;
    for (const auto& batch : fetched.batches) {
      front.newest = std::min(front.newest, batch.append_time.value);
      if (next < front.end) MR_RETURN_IF_ERROR(scan_batch(front, batch, next));
      next = batch.next_offset;
    }
  }
  return ok_status();
}

Status BackwardSearch::scan_batch(const Front& front, const log::FetchedBatch& batch, Offset from) {
  MR_ASSIGN_OR_RETURN(const auto header, codec::parse_batch_header(batch.bytes.view()));
  if (header.is_control || batch.kind != log::BatchKind::records) return ok_status();
  if (header.compression == codec::Compression::none && !contains(batch.bytes.view(), needle_)) {
    return ok_status();
  }
  MR_RETURN_IF_ERROR(reader_.open(batch.bytes.view()));
  if (!contains(reader_.unread_bytes(), needle_)) return ok_status();
  while (const RecordView* record = reader_.next()) {
    if (record->offset < from || record->offset >= front.end) continue;
    if (!record->value || !contains(*record->value, needle_)) continue;
    bool is_by_text = false;
    if (!matches(*record, is_by_text)) continue;
    if (out_.found.size() == EventSearch::kFoundMax) {
      // The oldest makes room: the search goes back partition by partition, roughly by time.
      const auto oldest = std::min_element(
          out_.found.begin(), out_.found.end(),
          [](const FoundRecord& a, const FoundRecord& b) { return a.append_time < b.append_time; });
      if (oldest->append_time > batch.append_time) continue;
      out_.found.erase(oldest);
    }
    out_.found.push_back(owned(front.at, *record, batch.append_time));
    out_.found.back().is_by_text = is_by_text;
  }
  return reader_.status();
}

bool BackwardSearch::matches(const RecordView& record, bool& is_by_text) {
  if (plan_.dedup) {
    if (const auto id = explainer_.id_of(record)) return *id == id_;
    is_by_text = contains(*record.value, quoted_);
    return is_by_text;
  }
  arena_.reset();
  const auto event = parser_.parse(*record.value, arena_);
  if (!event.is_ok() || event->kind() != ValueKind::map) {
    is_by_text = contains(*record.value, quoted_);
    return is_by_text;
  }
  const auto members = event->as_map();
  return std::any_of(members.begin(), members.end(), [&](const MapEntry& member) {
    return member.value.kind() == ValueKind::string && member.value.as_string() == id_;
  });
}

}  // namespace

FoundRecordView::FoundRecordView(const FoundRecord& record) {
  for (const auto& [key, value] : record.headers) headers_.push_back({key, value});
  view_ = {record.offset, record.timestamp, record.key, record.value, headers_};
}

Result<EventSearch> find_event(const log::Log& log, const task::SourcePlan& plan,
                               task::Explainer& explainer, const std::string& id,
                               const SearchBounds& bounds, const IsCancelled& is_cancelled,
                               JobProgress& progress) {
  progress.begin("search of " + plan.source_topic, bounds.records_max);
  return BackwardSearch(log, plan, explainer, id).run(bounds, is_cancelled, progress);
}

Result<FoundRecord> find_record(const log::Log& log, const TopicPartition& at, Offset offset) {
  MR_ASSIGN_OR_RETURN(const auto fetched, log.fetch(at, offset, 1, log::Visibility::durable));
  codec::BatchReader reader;
  for (const auto& batch : fetched.batches) {
    MR_RETURN_IF_ERROR(reader.open(batch.bytes.view()));
    if (reader.header().is_control || batch.kind != log::BatchKind::records) continue;
    while (const RecordView* record = reader.next()) {
      if (record->offset == offset) return owned(at, *record, batch.append_time);
    }
    MR_RETURN_IF_ERROR(reader.status());
  }
  return not_found_error("there is no durable record at " + at.to_string() + "/" +
                         std::to_string(offset.value));
}

}  // namespace millrace::ops
