#include "ops/audit_windows.h"

#include <boost/unordered/unordered_flat_map.hpp>
#include <limits>
#include <optional>

#include "base/arena.h"
#include "base/hash.h"
#include "base/time_text.h"
#include "codec/json.h"

namespace millrace::ops {
namespace {

// About 64 MiB of table.
constexpr std::int64_t kWindowsPerPass = 1 << 20;
constexpr std::uint64_t kSeed = 0x617564697477696e;

struct HashOfHash {
  std::size_t operator()(const Hash128& hash) const { return hash.low; }
};

// One result as far as an audit needs it.
struct WindowResult {
  std::int64_t start_us = 0;
  std::int64_t length_us = 0;
  std::int64_t revision = -1;
  bool is_final = false;
};

// Of window_start and window_end: a date-time, or milliseconds since 1970 (times: epoch_ms).
std::optional<std::int64_t> result_time_us(const Value& value) {
  if (value.kind() == ValueKind::int64) {
    constexpr auto kMax = std::numeric_limits<std::int64_t>::max() / 4 / kMicrosPerMilli;
    const auto time_ms = value.as_int64();
    if (time_ms < -kMax || time_ms > kMax) return std::nullopt;
    return time_ms * kMicrosPerMilli;
  }
  if (value.kind() != ValueKind::string) return std::nullopt;
  const auto instant = parse_instant(value.as_string());
  if (!instant) return std::nullopt;
  return instant->seconds * kMicrosPerSecond + instant->nanos / 1000;
}

struct Seen {
  std::int64_t revision = -1;
  bool is_final = false;
};

class WindowsAudit {
 public:
  WindowsAudit(const log::Log& log, std::string topic, std::string pipeline_name,
               std::int32_t version, const std::vector<AuditedWindow>& windows,
               const IsCancelled& is_cancelled)
      : log_(log),
        topic_(std::move(topic)),
        pipeline_name_(std::move(pipeline_name)),
        windows_(windows),
        version_(version),
        is_cancelled_(is_cancelled) {
    for (const auto& window : windows_) {
      sources_.emplace_back(window.cut ? window.cut->source_topic : std::string(), true);
    }
  }

  Result<WindowsReport> run();

 private:
  Status read_partition(const TopicPartition& from, const log::PartitionOffsets& offsets);
  void take(const RecordView& record, const TopicPartition& from, std::uint64_t pass,
            std::uint64_t pass_count, bool is_whole);
  // nullopt when the value is no result.
  std::optional<WindowResult> read_result(const RecordView& record);
  // Index of the window a result is of, by its length and key's name.
  [[nodiscard]] std::optional<std::size_t> window_of(const WindowResult& result,
                                                     std::int32_t version, bool& is_only);
  void compare(Seen& seen, const WindowResult& result, bool is_new, bool is_whole,
               const std::string& where);

  const log::Log& log_;
  const std::string topic_;
  const std::string pipeline_name_;
  const std::vector<AuditedWindow>& windows_;
  const std::int32_t version_;
  const IsCancelled& is_cancelled_;
  std::vector<NamedSources> sources_;  // by window
  boost::unordered_flat_map<Hash128, Seen, HashOfHash> seen_;
  Arena arena_;
  codec::JsonParser parser_;
  std::span<const MapEntry> members_;  // of the result last read
  std::string identity_;
  WindowsReport report_;
};

Result<WindowsReport> WindowsAudit::run() {
  report_.results.resize(windows_.size());
  report_.at_cut.resize(windows_.size());
  MR_ASSIGN_OR_RETURN(const auto info, log_.topic(topic_));
  for (std::int32_t p = 0; p < info.config.partition_count; ++p) {
    const TopicPartition from{topic_, p};
    MR_ASSIGN_OR_RETURN(const auto offsets, log_.offsets(from));
    if (offsets.start.value > 0) {
      report_.is_whole = false;
      report_.notes.push_back(from.to_string() + " is retained from offset " +
                              std::to_string(offsets.start.value) + " on only");
    }
    MR_RETURN_IF_ERROR(read_partition(from, offsets));
  }
  for (const auto& sources : sources_) {
    MR_RETURN_IF_ERROR(sources.check(log_, report_.findings));
  }
  return std::move(report_);
}

// A key's results are all in one partition. With more results than a table may hold, every pass
// looks at one part of the keys.
Status WindowsAudit::read_partition(const TopicPartition& from,
                                    const log::PartitionOffsets& offsets) {
  const auto records = offsets.high_watermark - offsets.start;
  const auto pass_count = static_cast<std::uint64_t>(records / kWindowsPerPass + 1);
  for (std::uint64_t pass = 0; pass < pass_count; ++pass) {
    seen_.clear();
    MR_RETURN_IF_ERROR(
        scan_partition(log_, from, Offset(0), is_cancelled_, [&](const RecordView& record) {
          take(record, from, pass, pass_count, offsets.start.value == 0);
        }));
    report_.windows += seen_.size();
  }
  return ok_status();
}

void WindowsAudit::take(const RecordView& record, const TopicPartition& from, std::uint64_t pass,
                        std::uint64_t pass_count, bool is_whole) {
  const auto origin = origin_of(record, pipeline_name_);
  if (!origin.is_ours) return;
  const auto where = [&] { return from.to_string() + "/" + std::to_string(record.offset.value); };
  const bool is_first_pass = pass == 0;
  const auto result = read_result(record);
  bool is_only = true;
  const auto window = result ? window_of(*result, origin.version, is_only) : std::nullopt;
  if (result && !window && origin.version < version_) {
    if (is_first_pass) ++report_.earlier;
    return;
  }
  if (!window) {
    if (is_first_pass) report_.findings.add(where() + " is not a result of a window");
    return;
  }
  if (is_first_pass) {
    const auto& cut = windows_[*window].cut;
    const auto side = cut && origin.source ? cut->side_of(*origin.source) : AuditCut::Side::before;
    if (side == AuditCut::Side::before) ++report_.results[*window];
    if (side == AuditCut::Side::at) ++report_.at_cut[*window];
    sources_[*window].see(origin, record, from);
    if (!origin.source) report_.findings.add(where() + " does not name its source");
  }
  // Two windows of one length and key in one topic cannot be told apart.
  if (!is_only) {
    report_.is_whole = false;
    return;
  }
  identity_.assign(record.key.value_or(""));
  identity_ += '\0';
  identity_ += std::to_string(result->start_us);
  identity_ += '\0' + std::to_string(*window);
  const auto identity = hash128(identity_, kSeed);
  if (identity.high % pass_count != pass) return;
  const auto [seen, is_new] = seen_.try_emplace(identity);
  compare(seen->second, *result, is_new, is_whole,
          where() + ", key " + std::string(record.key.value_or("")) + ", window " +
              windows_[*window].name + " from " + format_event_time(EventTime(result->start_us)));
}

void WindowsAudit::compare(Seen& seen, const WindowResult& result, bool is_new, bool is_whole,
                           const std::string& where) {
  const auto expected = seen.revision + 1;
  if (!is_new && seen.is_final) {
    report_.findings.add(where + ": revision " + std::to_string(result.revision) +
                         " after the final one");
  } else if (result.revision != expected && (!is_new || is_whole)) {
    report_.findings.add(where + ": revision " + std::to_string(result.revision) + " instead of " +
                         std::to_string(expected));
  }
  seen = {std::max(seen.revision, result.revision), seen.is_final || result.is_final};
}

std::optional<WindowResult> WindowsAudit::read_result(const RecordView& record) {
  arena_.reset();
  if (!record.value) return std::nullopt;
  const auto document = parser_.parse(*record.value, arena_);
  if (!document.is_ok() || document->kind() != ValueKind::map) return std::nullopt;
  members_ = document->as_map();
  WindowResult result;
  std::optional<std::int64_t> start_us;
  std::optional<std::int64_t> end_us;
  for (const auto& [key, value] : members_) {
    const auto name = key.as_string();
    if (name == "window_start") {
      start_us = result_time_us(value);
    } else if (name == "window_end") {
      end_us = result_time_us(value);
    } else if (name == "revision" && value.kind() == ValueKind::int64) {
      result.revision = value.as_int64();
    } else if (name == "is_final" && value.kind() == ValueKind::boolean) {
      result.is_final = value.as_boolean();
    }
  }
  if (!start_us || !end_us || result.revision < 0) return std::nullopt;
  result.start_us = *start_us;
  result.length_us = *end_us - *start_us;
  return result;
}

std::optional<std::size_t> WindowsAudit::window_of(const WindowResult& result, std::int32_t version,
                                                   bool& is_only) {
  std::optional<std::size_t> found;
  for (std::size_t w = 0; w < windows_.size(); ++w) {
    const auto& window = windows_[w];
    bool has_key = window.key_name.empty();
    for (const auto& member : members_) has_key |= member.key.as_string() == window.key_name;
    if (window.length_us != result.length_us || !has_key) continue;
    if (version < window.since_version) continue;
    if (found) {
      is_only = false;
      break;
    }
    found = w;
  }
  return found;
}

}  // namespace

Result<WindowsReport> audit_windows(const log::Log& log, const std::string& topic,
                                    const std::string& pipeline_name, std::int32_t version,
                                    const std::vector<AuditedWindow>& windows,
                                    const IsCancelled& is_cancelled) {
  return WindowsAudit(log, topic, pipeline_name, version, windows, is_cancelled).run();
}

}  // namespace millrace::ops
