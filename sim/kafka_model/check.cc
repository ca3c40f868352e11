#include "sim/kafka_model/check.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/arena.h"
#include "base/check.h"
#include "base/time_text.h"
#include "codec/json.h"
#include "codec/record_batch.h"
#include "task/source_task.h"

namespace millrace::kafka_model {
namespace {

struct PlainRecord {
  std::optional<std::string> key;
  std::optional<std::string> value;
  std::vector<std::pair<std::string, std::string>> headers;
  bool operator==(const PlainRecord&) const = default;
  [[nodiscard]] std::string to_string() const {
    return key.value_or("(null)") + ": " + value.value_or("(null)").substr(0, 120);
  }
};
using Records = std::vector<PlainRecord>;
using Failures = std::vector<std::string>;

Records records_in(std::string_view batch) {
  Records out;
  codec::BatchReader reader;
  MR_CHECK(reader.open(batch).is_ok());
  while (const RecordView* read = reader.next()) {
    PlainRecord record;
    if (read->key) record.key = std::string(*read->key);
    if (read->value) record.value = std::string(*read->value);
    for (const auto& header : read->headers) {
      record.headers.emplace_back(header.key, std::string(header.value.value_or("(null)")));
    }
    out.push_back(std::move(record));
  }
  MR_CHECK(reader.status().is_ok());
  return out;
}

Records visible_records(const Cluster& cluster, const TopicPartition& of) {
  Records all;
  for (const auto& batch : cluster.history(of)) {
    for (auto& record : records_in(batch.bytes.view())) all.push_back(std::move(record));
  }
  return all;
}

Records visible_in_topic(const Cluster& cluster, const std::string& topic) {
  Records all;
  const auto info = cluster.topic(topic);
  MR_CHECK(info.is_ok());
  for (std::int32_t p = 0; p < info->config.partition_count; ++p) {
    for (auto& record : visible_records(cluster, {topic, p})) all.push_back(std::move(record));
  }
  return all;
}

// What each task must have written where.
class Twin {
 public:
  explicit Twin(const Cluster& cluster) : cluster_(cluster) {}

  void run(task::Task& task, const std::vector<task::OutputTopic>& topics,
           const TopicPartition& source, const std::vector<task::JournalEntry>& journal,
           Failures& failures) {
    task::Outputs outputs(topics);
    task.start_at(Offset(0));
    auto entry = journal.begin();
    Offset end;
    for (const auto& any : journal) end = std::max(end, any.at);
    const auto apply_due = [&] {
      for (; entry != journal.end() && entry->at <= task.next_offset(); ++entry) {
        if (!task::is_task_input(entry->event)) continue;
        MR_CHECK(task.apply_event(entry->event, entry->wall_time, outputs).is_ok());
      }
    };
    apply_due();
    for (const auto& batch : cluster_.history(source)) {
      if (task.next_offset() >= end) break;
      MR_CHECK(task.apply(batch.bytes.view(), batch.append_time, outputs).is_ok());
      apply_due();
    }
    if (entry != journal.end()) {
      failures.push_back("journal of " + source.to_string() + " goes beyond its source");
    }
    const auto number = task_count_++;
    for (const auto& batch : outputs.take()) {
      auto& to = expected_[{outputs.topic(batch.output).topic, batch.partition}][number];
      for (auto& record : records_in(batch.bytes)) to.push_back(std::move(record));
    }
  }

  // Each partition must be the records of its tasks, merged.
  void compare(Failures& failures) const {
    for (const auto& [place, by_task] : expected_) {
      const auto actual = visible_records(cluster_, place);
      std::map<int, std::size_t> next;
      for (std::size_t i = 0; i < actual.size(); ++i) {
        const auto from = std::find_if(by_task.begin(), by_task.end(), [&](const auto& known) {
          const auto at = next[known.first];
          return at < known.second.size() && known.second[at] == actual[i];
        });
        if (from == by_task.end()) {
          failures.push_back(place.to_string() + " holds as record " + std::to_string(i) +
                             " what no task gives there: " + actual[i].to_string());
          return;
        }
        ++next[from->first];
      }
      for (const auto& [task, records] : by_task) {
        if (next[task] == records.size()) continue;
        failures.push_back(place.to_string() + " lacks " +
                           std::to_string(records.size() - next[task]) + " records, first " +
                           records[next[task]].to_string());
      }
    }
  }

 private:
  const Cluster& cluster_;
  std::map<TopicPartition, std::map<int, Records>> expected_;
  int task_count_ = 0;
};

void check_position(const Cluster& cluster, const std::string& group, const TopicPartition& source,
                    const JournalView& journal, Failures& failures) {
  if (!journal.wrong.empty()) {
    failures.push_back("journal of " + source.to_string() + ": " + journal.wrong);
  }
  if (journal.entries.empty()) return;
  const auto& last = journal.entries.back();
  const auto* position = std::get_if<task::PositionEntry>(&last.event);
  if (position == nullptr) return;
  const auto metadata = std::to_string(position->commit_sequence) + "/" +
                        std::to_string(last.sequence) + "/" + position->owner;
  for (const auto& known : cluster.group_offsets(group)) {
    if (known.source != source) continue;
    if (known.next_offset == last.at && known.metadata == metadata) return;
    failures.push_back("group " + group + " has " + known.metadata + " at " +
                       std::to_string(known.next_offset.value) + " of " + source.to_string() +
                       ", the journal " + metadata + " at " + std::to_string(last.at.value));
    return;
  }
  failures.push_back("group " + group + " has no offset of " + source.to_string());
}

void check_events(const Cluster& cluster, const std::vector<Event>& events, Failures& failures) {
  std::map<std::string, int> expected;  // by id: how often in the output
  std::size_t letters = 0;
  for (const auto& event : events) {
    const bool is_refused = event.is_repeat || event.x >= 95;
    if (is_refused) ++letters;
    expected[event.id] += is_refused ? 0 : 1;
  }
  std::map<std::string, int> actual;
  for (const auto& record : visible_in_topic(cluster, "out")) {
    Arena arena;
    const auto json = codec::parse_json(record.value.value_or("null"), arena);
    if (!json.is_ok()) continue;
    for (const auto& member : json->as_map()) {
      if (member.key.as_string() == "id") ++actual[std::string(member.value.as_string())];
    }
  }
  for (const auto& [id, count] : expected) {
    if (actual[id] == count) continue;
    failures.push_back("event " + id + " is " + std::to_string(actual[id]) +
                       " times in the output instead of " + std::to_string(count));
    break;
  }
  const auto found = visible_in_topic(cluster, "dlq").size();
  if (found != letters) {
    failures.push_back(std::to_string(found) + " dead letters instead of " +
                       std::to_string(letters));
  }
}

void check_windows(const Cluster& cluster, const std::vector<Event>& events, Failures& failures) {
  constexpr std::int64_t kWindowUs = 10'000'000;
  using Totals = std::map<std::string, std::pair<std::int64_t, std::int64_t>>;
  Totals expected;
  for (const auto& event : events) {
    if (event.is_repeat || event.x >= 95) continue;
    const auto start = format_event_time(EventTime(event.time_us / kWindowUs * kWindowUs));
    for (const auto& place : {"by_key_out " + event.key, "by_kind_out " + event.kind}) {
      auto& [count, total] = expected[place + " " + start];
      ++count;
      total += event.x;
    }
  }
  Totals actual;
  std::map<std::string, std::int64_t> revisions;
  for (const std::string topic : {"by_key_out", "by_kind_out"}) {
    for (const auto& record : visible_in_topic(cluster, topic)) {
      Arena arena;
      const auto json = codec::parse_json(record.value.value_or("null"), arena);
      MR_CHECK(json.is_ok());
      std::map<std::string, std::string> members;
      for (const auto& member : json->as_map()) {
        std::string text;
        codec::append_json(text, member.value);
        if (member.value.kind() == ValueKind::string) text = member.value.as_string();
        members[std::string(member.key.as_string())] = text;
      }
      const auto place = topic + " " + record.key.value_or("?") + " " + members["window_start"];
      actual[place] = {std::stoll(members["n"]), std::stoll(members["total"])};
      if (members["revision"] != std::to_string(revisions[place]++)) {
        failures.push_back("window " + place + ": revision " + members["revision"] +
                           " is out of order");
      }
    }
  }
  for (const auto& [place, totals] : expected) {
    if (actual[place] == totals) continue;
    failures.push_back("window " + place + " counts " + std::to_string(actual[place].first) +
                       " instead of " + std::to_string(totals.first));
    return;
  }
  if (actual.size() != expected.size()) failures.push_back("windows that no event is in");
}

}  // namespace

JournalView read_whole_journal(const Cluster& cluster, const TopicPartition& journal) {
  JournalView view;
  std::uint64_t commit_sequence = 0;
  for (const auto& batch : cluster.history(journal)) {
    for (const auto& record : records_in(batch.bytes.view())) {
      auto entry = task::decode_journal_entry(record.value.value_or(""));
      MR_CHECK(entry.is_ok());
      if (entry->sequence != view.entries.size() + 1 && view.wrong.empty()) {
        view.wrong = "entry " + std::to_string(entry->sequence) + " in place " +
                     std::to_string(view.entries.size() + 1);
      }
      if (!view.entries.empty() && entry->at < view.entries.back().at && view.wrong.empty()) {
        view.wrong = "goes back to " + std::to_string(entry->at.value);
      }
      view.entries.push_back(std::move(*entry));
    }
    const auto* position = std::get_if<task::PositionEntry>(&view.entries.back().event);
    if (view.wrong.empty() &&
        (position == nullptr || position->commit_sequence != ++commit_sequence)) {
      view.wrong = "a batch that is not commit " + std::to_string(commit_sequence);
    }
  }
  return view;
}

std::vector<std::string> check_outcome(const Cluster& cluster, const pipeline::Pipeline& plan,
                                       const std::vector<Event>& events) {
  Failures failures;
  Twin twin(cluster);
  const auto check_task = [&](const std::string& stage, const TopicPartition& source,
                              const std::vector<task::OutputTopic>& outputs,
                              std::unique_ptr<task::Task> task) {
    const auto journal =
        read_whole_journal(cluster, {pipeline::journal_topic(plan.name, stage), source.partition});
    check_position(cluster, pipeline::consumer_group(plan.name, stage), source, journal, failures);
    if (failures.empty()) twin.run(*task, outputs, source, journal.entries, failures);
  };
  for (std::int32_t p = 0; p < plan.source.source_partition_count; ++p) {
    check_task(std::string(pipeline::kSourceStage), {plan.source.source_topic, p},
               plan.source.outputs, task::make_source_task(plan.source, p, {}));
  }
  for (const auto& merge : plan.merges) {
    const auto topic = cluster.topic(merge.repartition_topic);
    MR_CHECK(topic.is_ok());
    for (std::int32_t p = 0; p < topic->config.partition_count; ++p) {
      check_task(merge.window.name, {merge.repartition_topic, p}, merge.outputs,
                 task::make_merge_task(merge, p));
    }
  }
  if (failures.empty()) twin.compare(failures);
  check_events(cluster, events, failures);
  check_windows(cluster, events, failures);
  return failures;
}

}  // namespace millrace::kafka_model
