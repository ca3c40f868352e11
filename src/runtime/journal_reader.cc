#include "runtime/journal_reader.h"

#include <algorithm>
#include <charconv>
#include <functional>

#include "codec/record_batch.h"

namespace millrace::runtime {
namespace {

constexpr std::size_t kFetchBytes = 1 << 20;
// Between two attempts a task would have to retire a snapshot.
constexpr int kAttemptsMax = 5;

using TakeEntry = std::function<void(task::JournalEntry&&)>;

class JournalScan {
 public:
  JournalScan(const log::Log& log, const TopicPartition& journal) : log_(log), journal_(journal) {}

  // Gives every entry from the start to what is durable now; the end of that.
  Result<Offset> run(const TakeEntry& take) {
    const std::string where = "journal " + journal_.to_string();
    MR_ASSIGN_OR_RETURN(const auto offsets, log_.offsets(journal_));
    for (Offset next = offsets.start; next < offsets.high_watermark;) {
      auto fetched = log_.fetch(journal_, next, kFetchBytes, log::Visibility::durable);
      if (!fetched.is_ok()) return std::move(fetched).take_status().with_context(where);
      if (fetched->batches.empty()) break;
      for (const auto& batch : fetched->batches) {
        auto status = take_batch(batch, next, take);
        if (!status.is_ok()) return std::move(status).with_context(where);
        next = batch.next_offset;
      }
    }
    return std::max(offsets.high_watermark, offsets.start);
  }

 private:
  Status take_batch(const log::FetchedBatch& batch, Offset from, const TakeEntry& take) {
    if (batch.kind != log::BatchKind::records) return ok_status();
    MR_RETURN_IF_ERROR(reader_.open(batch.bytes.view()));
    while (const RecordView* record = reader_.next()) {
      if (record->offset < from) continue;
      if (!record->value) return corrupt_error("entry without a value");
      MR_ASSIGN_OR_RETURN(auto entry, task::decode_journal_entry(*record->value));
      if (previous_ != 0 && entry.sequence != previous_ + 1) {
        return corrupt_error("entry " + std::to_string(entry.sequence) + " follows entry " +
                             std::to_string(previous_));
      }
      previous_ = entry.sequence;
      take(std::move(entry));
    }
    return reader_.status();
  }

  const log::Log& log_;
  const TopicPartition& journal_;
  codec::BatchReader reader_;
  std::uint64_t previous_ = 0;
};

void note_snapshots(const task::JournalEvent& event, std::vector<task::SnapshotEntry>& snapshots) {
  if (const auto* snapshot = std::get_if<task::SnapshotEntry>(&event)) {
    snapshots.push_back(*snapshot);
  }
  if (const auto* retired = std::get_if<task::SnapshotRetiredEntry>(&event)) {
    std::erase_if(snapshots,
                  [&](const auto& known) { return known.object_key == retired->object_key; });
  }
}

// A running task deletes its journal's beginning when it retires a snapshot, perhaps between two
// fetches of a reader.
template <typename State, typename Take>
Result<State> read_retrying(const log::Log& log, const TopicPartition& journal, Take&& take) {
  for (int attempt = 1;; ++attempt) {
    State state;
    const auto end = JournalScan(log, journal).run([&](task::JournalEntry&& entry) {
      take(std::move(entry), state);
    });
    if (end.is_ok()) {
      if constexpr (requires { state.end; }) state.end = *end;
      return state;
    }
    if (end.status().code() != StatusCode::out_of_range || attempt >= kAttemptsMax) {
      return end.status();
    }
  }
}

}  // namespace

Result<PositionMetadata> parse_position_metadata(std::string_view text) {
  PositionMetadata out;
  const auto first = text.find('/');
  const auto second = first == std::string_view::npos ? first : text.find('/', first + 1);
  const auto number = [](std::string_view digits, std::uint64_t& to) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), to);
    return error == std::errc() && end == digits.data() + digits.size() && !digits.empty();
  };
  if (second == std::string_view::npos || !number(text.substr(0, first), out.commit_sequence) ||
      !number(text.substr(first + 1, second - first - 1), out.journal_sequence)) {
    return corrupt_error("the group's metadata is \"" + std::string(text) +
                         "\", not commit sequence/journal sequence/owner: somebody else commits "
                         "offsets of this group");
  }
  out.owner = text.substr(second + 1);
  return out;
}

Result<JournalState> read_journal(const log::Log& log, const TopicPartition& journal) {
  return read_retrying<JournalState>(log, journal,
                                     [](task::JournalEntry&& entry, JournalState& state) {
                                       state.next_sequence = entry.sequence + 1;
                                       if (std::holds_alternative<task::PipelineEntry>(entry.event))
                                         ++state.pipeline_versions;
                                       if (std::holds_alternative<task::PositionEntry>(entry.event))
                                         state.last_position = entry;
                                       note_snapshots(entry.event, state.snapshots);
                                       state.entries.push_back(std::move(entry));
                                     });
}

Result<JournalSummary> summarize_journal(const log::Log& log, const TopicPartition& journal) {
  return read_retrying<JournalSummary>(
      log, journal, [](task::JournalEntry&& entry, JournalSummary& summary) {
        if (!summary.first) summary.first = entry;
        note_snapshots(entry.event, summary.snapshots);
        if (std::holds_alternative<task::PositionEntry>(entry.event)) {
          summary.last_position = std::move(entry);
        } else if (task::is_task_input(entry.event) ||
                   std::holds_alternative<task::PipelineEntry>(entry.event)) {
          summary.decisions.push_back(std::move(entry));
        }
      });
}

}  // namespace millrace::runtime
