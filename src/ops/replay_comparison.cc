#include "ops/replay_comparison.h"

#include <algorithm>

#include "base/check.h"
#include "base/utf8.h"
#include "codec/json.h"
#include "ops/audit_scan.h"

namespace millrace::ops {
namespace {

constexpr std::size_t kExcerptBytes = 400;
// With that many differences nobody wants to know how records shifted.
constexpr std::uint64_t kAlignedFindingsMax = 200;

void append_nullable(std::string& to, const std::optional<std::string_view>& bytes) {
  to += bytes ? '+' : '-';
  if (bytes) to += *bytes;
}

std::string excerpt(std::string_view encoded) {
  if (encoded.empty() || encoded.front() == '-') return "(null)";
  const auto bytes = encoded.substr(1, kExcerptBytes);
  return is_valid_utf8(bytes) ? std::string(bytes) : "base64:" + codec::base64_encode(bytes);
}

void add_part(std::string& what, std::string_view part) {
  if (!what.empty()) what += " and ";
  what += part;
}

}  // namespace

std::string_view to_string(ReplayFinding::Kind kind) {
  switch (kind) {
    case ReplayFinding::Kind::missing:
      return "missing";
    case ReplayFinding::Kind::extra:
      return "extra";
    case ReplayFinding::Kind::differs:
      return "differs";
  }
  return "unknown";
}

std::string ReplayFinding::text() const {
  switch (kind) {
    case Kind::missing:
      return at.to_string() + " has no record that " + source + " gives";
    case Kind::extra:
      return at.to_string() + " offset " + std::to_string(offset->value) +
             " is a record that its source " + source + " does not give";
    case Kind::differs:
      break;
  }
  return at.to_string() + " offset " + std::to_string(offset->value) + ", of " + source +
         ", differs in " + what;
}

ReplayComparison::ReplayComparison(const log::Log& outputs_log, const runtime::ReplayBounds& bounds,
                                   const std::vector<task::OutputTopic>& topics,
                                   std::string pipeline, TopicPartition source)
    : log_(outputs_log),
      bounds_(bounds),
      topics_(topics),
      pipeline_(std::move(pipeline)),
      source_(std::move(source)) {}

Status ReplayComparison::start() {
  for (const auto& output : topics_) {
    MR_ASSIGN_OR_RETURN(const auto info, log_.topic(output.topic));
    for (std::int32_t p = 0; p < output.partition_count; ++p) {
      const TopicPartition at{output.topic, p};
      auto& lane = lanes_[at];
      if (lane.reader != nullptr) continue;  // two outputs to one topic
      lane.is_compacted = info.config.is_compacted;
      MR_RETURN_IF_ERROR(find_judged_from(lane, at));
    }
  }
  return ok_status();
}

// Sources only grow within a lane: of those behind the first that retention has left everything is
// there.
Status ReplayComparison::find_judged_from(Lane& lane, const TopicPartition& at) {
  const auto end = bounds_.output_ends.find(at);
  MR_CHECK(end != bounds_.output_ends.end());
  lane.reader = std::make_unique<TaskOutputReader>(log_, at, pipeline_, source_, end->second);
  MR_RETURN_IF_ERROR(lane.reader->seek_start());
  if (lane.reader->start().value > 0) {
    MR_ASSIGN_OR_RETURN(const auto* first, lane.reader->next());
    lane.judged_from = first == nullptr ? bounds_.next + 1 : first->source + 1;
  }
  return lane.reader->seek_time(bounds_.outputs_since);
}

ReplayComparison::Produced ReplayComparison::produced(const RecordView& record, Offset source) {
  Produced out{record.offset, source, record.timestamp, {}, {}, {}, false};
  append_nullable(out.key, record.key);
  append_nullable(out.value, record.value);
  for (const auto& header : record.headers) {
    out.headers += std::to_string(header.key.size()) + ":";
    out.headers += header.key;
    out.headers += header.value ? std::to_string(header.value->size()) + ":" : std::string("-");
    if (header.value) out.headers += *header.value;
  }
  return out;
}

Status ReplayComparison::add(task::Outputs& outputs) {
  for (const auto& batch : outputs.take()) {
    auto& lane = lanes_.at({outputs.topic(batch.output).topic, batch.partition});
    MR_RETURN_IF_ERROR(reader_.open(batch.bytes));
    while (const RecordView* record = reader_.next()) {
      const auto source =
          parse_source_reference(header_of(*record, "millrace-source").value_or(""));
      MR_CHECK(source.has_value());
      if (!bounds_.contains(source->offset)) continue;
      lane.replayed.push_back(produced(*record, source->offset));
    }
    MR_RETURN_IF_ERROR(reader_.status());
    MR_RETURN_IF_ERROR(settle(lane, false));
  }
  return ok_status();
}

Status ReplayComparison::finish() {
  for (auto& [at, lane] : lanes_) {
    MR_RETURN_IF_ERROR(settle(lane, true));
    while (true) {
      MR_RETURN_IF_ERROR(fill(lane, 1));
      if (lane.stored.empty()) break;
      note(ReplayFinding::Kind::extra, lane, &lane.stored.front(), nullptr);
      lane.stored.pop_front();
    }
  }
  return ok_status();
}

Status ReplayComparison::fill(Lane& lane, std::size_t count) {
  while (!lane.is_at_end && lane.stored.size() < count) {
    MR_ASSIGN_OR_RETURN(const auto* output, lane.reader->next());
    if (output == nullptr) {
      lane.is_at_end = true;
    } else if (bounds_.contains(output->source)) {
      lane.stored.push_back(produced(output->record, output->source));
      lane.stored.back().is_log_append_time = output->is_log_append_time;
      lane.is_log_append_time |= output->is_log_append_time;
    }
  }
  return ok_status();
}

Status ReplayComparison::settle(Lane& lane, bool is_last) {
  while (!lane.replayed.empty()) {
    MR_RETURN_IF_ERROR(fill(lane, 1));
    if (!lane.stored.empty() && lane.stored.front() == lane.replayed.front()) {
      lane.stored.pop_front();
      lane.replayed.pop_front();
      ++matched_;
      continue;
    }
    // What comes next decides which of the two sides has a record too many.
    if (!is_last && lane.replayed.size() < kLookahead) return ok_status();
    MR_RETURN_IF_ERROR(resolve(lane));
  }
  return ok_status();
}

// The nearest place where both sides agree again.
Status ReplayComparison::resolve(Lane& lane) {
  const auto reach = finding_count_ < kAlignedFindingsMax ? kLookahead : std::size_t{1};
  MR_RETURN_IF_ERROR(fill(lane, reach));
  for (std::size_t distance = 1; distance < 2 * reach; ++distance) {
    for (std::size_t missing = 0; missing <= distance; ++missing) {
      const auto extra = distance - missing;
      if (missing >= lane.replayed.size() || extra >= lane.stored.size()) continue;
      if (missing >= reach || extra >= reach) continue;
      if (!(lane.replayed[missing] == lane.stored[extra])) continue;
      drop_pairs(lane, missing, extra);
      return ok_status();
    }
  }
  const bool is_stored_behind =
      lane.stored.empty() || lane.stored.front().source > lane.replayed.front().source;
  const bool is_stored_before =
      !lane.stored.empty() && lane.stored.front().source < lane.replayed.front().source;
  drop_pairs(lane, is_stored_before ? 0 : 1, is_stored_behind ? 0 : 1);
  return ok_status();
}

// Records of one source that stand in for each other are one difference, not two.
void ReplayComparison::drop_pairs(Lane& lane, std::size_t missing, std::size_t extra) {
  while (missing > 0 || extra > 0) {
    const bool is_pair =
        missing > 0 && extra > 0 && lane.replayed.front().source == lane.stored.front().source;
    if (is_pair) {
      note(ReplayFinding::Kind::differs, lane, &lane.stored.front(), &lane.replayed.front());
    } else if (missing > 0) {
      note_missing(lane, lane.replayed.front());
    } else {
      note(ReplayFinding::Kind::extra, lane, &lane.stored.front(), nullptr);
    }
    const bool is_missing = missing > 0;
    if (is_missing) {
      lane.replayed.pop_front();
      --missing;
    }
    if (is_pair || !is_missing) {
      lane.stored.pop_front();
      --extra;
    }
  }
}

void ReplayComparison::note_missing(Lane& lane, const Produced& replayed) {
  if (lane.is_compacted || replayed.source < lane.judged_from) {
    ++lane.not_judged;
    return;
  }
  note(ReplayFinding::Kind::missing, lane, nullptr, &replayed);
}

void ReplayComparison::note(ReplayFinding::Kind kind, const Lane& lane, const Produced* stored,
                            const Produced* replayed) {
  if (++finding_count_ > kFindingsShown) return;
  ReplayFinding finding;
  finding.kind = kind;
  finding.at = lane.reader->at();
  const auto* known = stored != nullptr ? stored : replayed;
  finding.source = source_.to_string() + "/" + std::to_string(known->source.value);
  if (stored != nullptr) {
    finding.offset = stored->offset;
    finding.stored = excerpt(stored->value);
  }
  if (replayed != nullptr) finding.replayed = excerpt(replayed->value);
  if (kind == ReplayFinding::Kind::differs) {
    if (stored->key != replayed->key) add_part(finding.what, "key");
    if (stored->value != replayed->value) add_part(finding.what, "value");
    if (stored->headers != replayed->headers) add_part(finding.what, "headers");
    if (!stored->has_time_of(*replayed)) add_part(finding.what, "timestamp");
  }
  findings_.push_back(std::move(finding));
}

std::vector<std::string> ReplayComparison::notes() const {
  std::vector<std::string> out;
  std::string stamped;  // topics follow each other
  for (const auto& [at, lane] : lanes_) {
    if (lane.is_log_append_time && at.topic != stamped) {
      stamped = at.topic;
      out.push_back("the timestamps in " + at.topic +
                    " are the log's (LogAppendTime) and were not compared");
    }
    if (lane.not_judged == 0) continue;
    out.push_back(std::to_string(lane.not_judged) + " records of " + at.to_string() +
                  (lane.is_compacted ? " are compacted away" : " are no longer retained"));
  }
  return out;
}

}  // namespace millrace::ops
