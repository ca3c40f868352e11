#include "ops/audit_scan.h"

#include <charconv>

#include "log/partition_scan.h"

namespace millrace::ops {
namespace {

constexpr std::uint64_t kRecordsPerCancelCheck = 4096;

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
  std::uint64_t seen = 0;
  return log::scan_partition(log, source, from,
                             [&](const RecordView& record) -> Status {
                               if (seen++ % kRecordsPerCancelCheck == 0 && is_cancelled()) {
                                 return cancelled_error("the audit was cancelled");
                               }
                               visit(record);
                               return ok_status();
                             })
      .status();
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
