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

AuditCut::Side AuditCut::side_of(const SourceReference& source) const {
  const auto partition = static_cast<std::size_t>(source.partition);
  if (source.topic != source_topic || partition >= next.size()) return Side::before;
  if (source.offset == next[partition]) return Side::at;
  return source.offset < next[partition] ? Side::before : Side::behind;
}

void NamedSources::see(const Origin& origin, const RecordView& record, const TopicPartition& from) {
  if (!origin.is_ours || !origin.source || origin.source->topic != topic_) return;
  const auto [known, is_new] =
      largest_.try_emplace(origin.source->partition, Named{origin.source->offset, from, {}});
  if (is_new || known->second.source < origin.source->offset) {
    known->second = {origin.source->offset, from, record.offset};
  }
}

Status NamedSources::check(const log::Log& log, Findings& findings) const {
  for (const auto& [partition, named] : largest_) {
    const auto offsets = log.offsets({topic_, partition});
    if (!offsets.is_ok() && offsets.status().code() != StatusCode::not_found) {
      return offsets.status();
    }
    const auto end = offsets.is_ok() ? offsets->high_watermark : Offset(0);
    if (named.source < end || (is_decision_possible_ && named.source == end)) continue;
    findings.add(named.from.to_string() + "/" + std::to_string(named.offset.value) +
                 " names offset " + std::to_string(named.source.value) + " of " + topic_ + "/" +
                 std::to_string(partition) + " as its source, which ends at " +
                 std::to_string(end.value));
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
