#include "ops/audit_scan.h"

#include <charconv>

#include "codec/record_batch.h"

namespace millrace::ops {
namespace {

constexpr std::size_t kFetchBytes = 1 << 20;

template <typename Number>
bool read_number(std::string_view text, Number& number) {
  const auto* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  return parsed.ec == std::errc() && parsed.ptr == end && number >= 0;
}

}  // namespace

std::optional<SourceReference> parse_source_reference(std::string_view text) {
  const auto second = text.rfind('/');
  if (second == std::string_view::npos || second == 0) return std::nullopt;
  const auto first = text.rfind('/', second - 1);
  if (first == std::string_view::npos || first == 0) return std::nullopt;
  SourceReference reference;
  reference.topic = text.substr(0, first);
  if (!read_number(text.substr(first + 1, second - first - 1), reference.partition)) {
    return std::nullopt;
  }
  if (!read_number(text.substr(second + 1), reference.offset.value)) return std::nullopt;
  return reference;
}

std::optional<std::string_view> header_of(const RecordView& record, std::string_view name) {
  for (const auto& header : record.headers) {
    if (header.key == name) return header.value;
  }
  return std::nullopt;
}

Origin origin_of(const RecordView& record, std::string_view pipeline_name) {
  Origin origin;
  const auto pipeline = header_of(record, "millrace-pipeline");
  origin.is_ours = pipeline && pipeline->size() > pipeline_name.size() &&
                   pipeline->starts_with(pipeline_name) && (*pipeline)[pipeline_name.size()] == '@';
  if (origin.is_ours) {
    // An unreadable version is 0: of no window that there is.
    (void)read_number(pipeline->substr(pipeline_name.size() + 1), origin.version);
  }
  if (const auto source = header_of(record, "millrace-source")) {
    origin.source = parse_source_reference(*source);
  }
  return origin;
}

Status scan_partition(const log::Log& log, const TopicPartition& source, Offset from,
                      const IsCancelled& is_cancelled,
                      const std::function<void(const RecordView&)>& visit) {
  MR_ASSIGN_OR_RETURN(const auto offsets, log.offsets(source));
  codec::BatchReader reader;
  for (Offset next = std::max(from, offsets.start); next < offsets.high_watermark;) {
    if (is_cancelled()) return cancelled_error("the audit was cancelled");
    auto fetched = log.fetch(source, next, kFetchBytes, log::Visibility::durable);
    if (!fetched.is_ok()) return std::move(fetched).take_status().with_context(source.to_string());
    if (fetched->batches.empty()) break;
    for (const auto& batch : fetched->batches) {
      MR_RETURN_IF_ERROR(reader.open(batch.bytes.view()));
      if (batch.kind == log::BatchKind::records && !reader.header().is_control) {
        while (const RecordView* record = reader.next()) {
          if (record->offset < next) continue;
          if (record->offset >= offsets.high_watermark) break;
          visit(*record);
        }
        MR_RETURN_IF_ERROR(reader.status());
      }
      next = batch.next_offset;
    }
  }
  return ok_status();
}

std::string Findings::text() const {
  std::string out;
  for (const auto& sentence : sentences_) out += (out.empty() ? "" : "; ") + sentence;
  if (count_ > sentences_.size()) {
    out += "; and " + std::to_string(count_ - sentences_.size()) + " more";
  }
  return out;
}

}  // namespace millrace::ops
