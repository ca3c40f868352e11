#include "runtime/journal_reader.h"

#include <charconv>
#include <functional>

#include "log/partition_scan.h"

namespace millrace::runtime {
namespace {

// Between two attempts a task would have to retire a snapshot.
constexpr int kAttemptsMax = 5;

using TakeEntry = std::function<void(task::JournalEntry&&)>;

// Gives every entry from there to what is durable now; the end of that. `previous`: sequence of the
// one before, 0 when that is not known.
Result<Offset> scan_journal(const log::Log& log, const TopicPartition& journal, Offset from,
                            std::uint64_t previous, const TakeEntry& take) {
  const auto take_record = [&](const RecordView& record) -> Status {
    if (!record.value) return corrupt_error("entry without a value");
    MR_ASSIGN_OR_RETURN(auto entry, task::decode_journal_entry(*record.value));
    if (previous != 0 && entry.sequence != previous + 1) {
      return corrupt_error("entry " + std::to_string(entry.sequence) + " follows entry " +
                           std::to_string(previous));
    }
    previous = entry.sequence;
    take(std::move(entry));
    return ok_status();
  };
  return log::scan_partition(log, journal, from, take_record);
}

void note_snapshots(const task::JournalEvent& event, std::vector<task::SnapshotEntry>& snapshots) {
  if (const auto* snapshot = std::get_if<task::SnapshotEntry>(&event)) {
    snapshots.push_back(*snapshot);
  }
  if (const auto* retired = std::get_if<task::SnapshotRetiredEntry>(&event)) {
    std::erase_if(snapshots,
                  [&](const auto& known) { return known.object_key == retired->object_key; });
  }
}

void note_entry(task::JournalEntry&& entry, JournalState& state) {
  state.next_sequence = entry.sequence + 1;
  if (std::holds_alternative<task::PipelineEntry>(entry.event)) ++state.pipeline_versions;
  if (std::holds_alternative<task::PositionEntry>(entry.event)) state.last_position = entry;
  note_snapshots(entry.event, state.snapshots);
  state.entries.push_back(std::move(entry));
}

// A running task deletes its journal's beginning when it retires a snapshot, perhaps between two
// fetches of a reader.
template <typename State, typename Take>
Result<State> read_retrying(const log::Log& log, const TopicPartition& journal, Take&& take) {
  for (int attempt = 1;; ++attempt) {
    State state;
    const auto end = scan_journal(log, journal, Offset(0), 0, [&](task::JournalEntry&& entry) {
      take(std::move(entry), state);
    });
    if (end.is_ok()) {
      state.end = *end;
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
  return read_retrying<JournalState>(log, journal, note_entry);
}

Result<bool> read_journal_on(const log::Log& log, const TopicPartition& journal,
                             JournalState& state) {
  std::vector<task::JournalEntry> news;
  MR_ASSIGN_OR_RETURN(state.end, scan_journal(log, journal, state.end, state.next_sequence - 1,
                                              [&](task::JournalEntry&& entry) {
                                                news.push_back(std::move(entry));
                                              }));
  for (auto& entry : news) note_entry(std::move(entry), state);
  return !news.empty();
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
