#include "sim/checks.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>
#include <string>
#include <variant>

#include "base/hash.h"
#include "pipeline/pipeline.h"
#include "sim/oracle.h"
#include "sim/sink_checks.h"

namespace millrace::sim {
namespace {

// "ticks_in/0/17" -> {ticks_in, 0}, 17
struct Place {
  TopicPartition source;
  std::int64_t offset = -1;
};

Place parse_place(const std::string& text) {
  const auto last = text.rfind('/');
  if (last == std::string::npos) return {};
  const auto first = text.rfind('/', last - 1);
  if (first == std::string::npos) return {};
  Place place;
  place.source.topic = text.substr(0, first);
  std::from_chars(text.data() + first + 1, text.data() + last, place.source.partition);
  std::from_chars(text.data() + last + 1, text.data() + text.size(), place.offset);
  return place;
}

// What left a pipeline's source stage because of one input record.
struct Outcome {
  int enriched = 0;
  int refused = 0;  // row dead letters
  int late = 0;
  const SeenRecord* enriched_record = nullptr;
  const SeenRecord* refused_record = nullptr;
};
using Outcomes = std::map<TopicPartition, std::map<std::int64_t, Outcome>>;

class PipelineCheck {
 public:
  PipelineCheck(World& world, const PipelineNames& names, bool is_ticks)
      : world_(world), names_(names), is_ticks_(is_ticks) {}

  void after_restart(const log::Log& log) {
    collect();
    const std::string source_stage(pipeline::kSourceStage);
    for_each_partition(names_.input, [&](const TopicPartition& source) {
      const auto committed = committed_offset(log, source_stage, source);
      check_position(source_stage, source, committed);
      check_accounted(source, committed);
    });
    if (is_ticks_) return;
    for_each_partition(partials(), [&](const TopicPartition& source) {
      check_position(names_.window, source, committed_offset(log, names_.window, source));
    });
    check_causes(log);
  }

  void at_the_end(Process& process) {
    collect();
    std::map<PaneKey, Totals> counted;
    std::multiset<std::string> expected_results;
    for_each_partition(names_.input, [&](const TopicPartition& source) {
      const auto expected = expectation(source);
      check_fates(source, expected);
      check_counters(process, source, expected);
      for (const auto& [pane, totals] : expected.counted) counted[pane].add(totals);
      expected_results.insert(expected.results.begin(), expected.results.end());
      late_count_ += expected.late_count;
    });
    if (late_count_ > 0) world_.census.count("window.late_event", late_count_);
    if (is_ticks_) {
      check_local_results(expected_results);
    } else {
      check_merged_results(counted);
    }
  }

 private:
  [[nodiscard]] std::string partials() const {
    return pipeline::partials_topic(names_.pipeline, names_.window);
  }
  void violation(const std::string& what) { world_.violation(names_.pipeline + ": " + what); }

  template <typename Visit>
  void for_each_partition(const std::string& topic, Visit&& visit) {
    const auto count = world_.recorder.partition_count(topic);
    for (std::int32_t p = 0; p < count; ++p) visit(TopicPartition{topic, p});
  }

  std::int64_t committed_offset(const log::Log& log, const std::string& stage,
                                const TopicPartition& source) {
    for (const auto& known : log.group_offsets(pipeline::consumer_group(names_.pipeline, stage))) {
      if (known.source == source) return known.next_offset.value;
    }
    return -1;
  }

  std::vector<task::JournalEntry> journal(const std::string& stage, std::int32_t partition) {
    std::vector<task::JournalEntry> entries;
    const TopicPartition source{pipeline::journal_topic(names_.pipeline, stage), partition};
    for (const auto& record : world_.recorder.records(source)) {
      auto entry = task::decode_journal_entry(record.value.value_or(""));
      if (!entry.is_ok()) {
        violation("journal of " + stage + " is not readable");
        break;
      }
      if (entry->sequence != entries.size() + 1) violation("journal of " + stage + " has a gap");
      entries.push_back(std::move(entry).value());
    }
    return entries;
  }

  // R1: the group's offset is the journal's.
  void check_position(const std::string& stage, const TopicPartition& source,
                      std::int64_t committed) {
    std::int64_t journalled = -1;
    std::uint64_t commits = 0;
    for (const auto& entry : journal(stage, source.partition)) {
      const auto* position = std::get_if<task::PositionEntry>(&entry.event);
      if (position == nullptr) continue;
      if (position->commit_sequence != ++commits) violation("commits of " + stage + " have a gap");
      if (entry.at.value < journalled) violation("position of " + stage + " went back");
      journalled = entry.at.value;
    }
    if (journalled == committed) return;
    violation(stage + " " + source.to_string() + ": the group stands at " +
              std::to_string(committed) + ", the journal at " + std::to_string(journalled));
  }

  void collect() {
    outcomes_.clear();
    for_each_partition(names_.enriched, [&](const TopicPartition& at) {
      for (const auto& record : world_.recorder.records(at)) {
        const auto place = parse_place(record.source);
        auto& outcome = outcomes_[place.source][place.offset];
        ++outcome.enriched;
        outcome.enriched_record = &record;
      }
    });
    for_each_partition(names_.dead_letters, [&](const TopicPartition& at) {
      for (const auto& record : world_.recorder.records(at)) {
        const auto place = parse_place(record.source);
        auto& outcome = outcomes_[place.source][place.offset];
        if (record.error == "LATE_EVENT") {
          ++outcome.late;
        } else {
          ++outcome.refused;
          outcome.refused_record = &record;
        }
      }
    });
  }

  // Every input below the committed position has left exactly once, none above it at all.
  void check_accounted(const TopicPartition& source, std::int64_t committed) {
    const auto& outcomes = outcomes_[source];
    for (const auto& [offset, outcome] : outcomes) {
      const auto where = source.to_string() + "/" + std::to_string(offset);
      if (offset >= committed) {
        violation(where + " has left, but " + std::to_string(committed) + " is committed");
      }
      if (outcome.enriched + outcome.refused != 1 || outcome.late > outcome.enriched) {
        violation(where + " left " + std::to_string(outcome.enriched) + " times enriched, " +
                  std::to_string(outcome.refused) + " times refused, " +
                  std::to_string(outcome.late) + " times late");
      }
    }
    if (world_.profile.drops_duplicates) return;
    for (std::int64_t offset = 0; offset < committed; ++offset) {
      if (outcomes.contains(offset)) continue;
      violation(source.to_string() + "/" + std::to_string(offset) + " is committed (" +
                std::to_string(committed) + "), but nothing of it has left");
    }
  }

  // No result because of something that is not committed.
  void check_causes(const log::Log& log) {
    std::map<TopicPartition, std::int64_t> committed;
    for_each_partition(partials(), [&](const TopicPartition& source) {
      committed[source] = committed_offset(log, names_.window, source);
    });
    for_each_partition(names_.results, [&](const TopicPartition& at) {
      for (const auto& record : world_.recorder.records(at)) {
        const auto place = parse_place(record.source);
        if (place.offset < committed[place.source]) continue;
        violation("a result because of " + record.source + " is ahead of the group's offset");
      }
    });
  }

  Expectation expectation(const TopicPartition& source) {
    OracleInput input;
    input.profile = &world_.profile;
    input.events = &world_.events;
    input.is_ticks = is_ticks_;
    input.records = &world_.recorder.records(source);
    input.journal = journal(std::string(pipeline::kSourceStage), source.partition);
    return expect(input);
  }

  void check_fates(const TopicPartition& source, const Expectation& expected) {
    auto& outcomes = outcomes_[source];
    for (std::size_t i = 0; i < expected.fates.size(); ++i) {
      const auto& fate = expected.fates[i];
      const auto& outcome = outcomes[static_cast<std::int64_t>(i)];
      const auto where = source.to_string() + "/" + std::to_string(i);
      const int passed = fate.kind == Fate::Kind::passed ? 1 : 0;
      const int refused = fate.kind == Fate::Kind::refused ? 1 : 0;
      if (outcome.enriched != passed || outcome.refused != refused ||
          outcome.late != (fate.is_late ? 1 : 0)) {
        violation(where + " left " + std::to_string(outcome.enriched) + "/" +
                  std::to_string(outcome.refused) + "/" + std::to_string(outcome.late) +
                  " times (enriched, refused, late); expected is " + std::to_string(passed) + "/" +
                  std::to_string(refused) + "/" + std::to_string(fate.is_late) + " " + fate.error);
        continue;
      }
      const auto* record = passed == 1 ? outcome.enriched_record : outcome.refused_record;
      if (record == nullptr) continue;
      if (record->pipeline != fate.pipeline) {
        violation(where + " left as of " + record->pipeline + " instead of " + fate.pipeline);
      }
      if (passed == 1 && record->value != fate.enriched) {
        violation(where + " left as " + record->value.value_or("null") + " instead of " +
                  fate.enriched);
      }
      if (refused == 1 && record->error != fate.error) {
        violation(where + " was refused as " + record->error + " instead of " + fate.error);
      }
    }
    if (outcomes.size() > expected.fates.size()) violation("outputs of inputs that do not exist");
  }

  // R24, by the counters that are part of the state.
  void check_counters(Process& process, const TopicPartition& source, const Expectation& expected) {
    for (const auto& pipeline : process.runtime().pipelines()) {
      if (pipeline->plan().name != names_.pipeline) continue;
      const auto& runner =
          *pipeline->stages().front().tasks[static_cast<std::size_t>(source.partition)];
      const auto& counters = runner.report().task.counters;
      const auto records = expected.fates.size();
      std::uint64_t dead = 0;
      for (const auto count : counters.dead_letters) dead += count;
      const auto& window = counters.windows.front();
      if (counters.records_in != records ||
          counters.passed != records - expected.refused_count - expected.dropped_count ||
          counters.dropped_duplicates != expected.dropped_count ||
          dead != expected.refused_count + expected.late_count ||
          window.late != expected.late_count || window.in != window.counted + window.late) {
        violation(source.to_string() + ": the counters say " + std::to_string(counters.records_in) +
                  " in, " + std::to_string(counters.passed) + " passed, " + std::to_string(dead) +
                  " dead letters; expected are " + std::to_string(records) + ", " +
                  std::to_string(records - expected.refused_count - expected.dropped_count) + ", " +
                  std::to_string(expected.refused_count + expected.late_count));
      }
      if (runner.report().stalled_commits > 0) world_.census.count("commit.stalled");
    }
  }

  void check_local_results(const std::multiset<std::string>& expected) {
    std::multiset<std::string> found;
    for_each_partition(names_.results, [&](const TopicPartition& at) {
      for (const auto& record : world_.recorder.records(at)) {
        found.insert(record.value.value_or("null"));
        if (record.value && record.value->find("\"revision\":0,") == std::string::npos) {
          world_.census.count("window.revised");
        }
      }
    });
    std::vector<std::string> missing;
    std::vector<std::string> unexpected;
    std::set_difference(expected.begin(), expected.end(), found.begin(), found.end(),
                        std::back_inserter(missing));
    std::set_difference(found.begin(), found.end(), expected.begin(), expected.end(),
                        std::back_inserter(unexpected));
    for (const auto& text : missing) violation("a result is missing: " + text);
    for (const auto& text : unexpected) violation("a result too much: " + text);
  }

  // The newest revision of every window is that of all its counted events; revisions follow each
  // other from 0; after the final one nothing comes.
  void check_merged_results(const std::map<PaneKey, Totals>& counted) {
    std::map<std::string, std::vector<std::string>> by_window;  // the text before the revision
    for_each_partition(names_.results, [&](const TopicPartition& at) {
      for (const auto& record : world_.recorder.records(at)) {
        const auto text = record.value.value_or("null");
        by_window[text.substr(0, text.find(",\"revision\""))].push_back(text);
      }
    });
    for (const auto& [pane, totals] : counted) {
      auto plain = result_text("region", pane, totals, 0, false);
      const auto window = plain.substr(0, plain.find(",\"revision\""));
      const auto results = std::exchange(by_window[window], {});
      by_window.erase(window);
      if (results.empty()) {
        violation("a result is missing: " + plain);
        continue;
      }
      for (std::size_t i = 0; i < results.size(); ++i) {
        const auto wanted = ",\"revision\":" + std::to_string(i) + ",\"is_final\":";
        const bool is_last = i + 1 == results.size();
        const bool is_final = results[i].find("\"is_final\":true") != std::string::npos;
        if (results[i].find(wanted) == std::string::npos) {
          violation("revision " + std::to_string(i) + " is not where it should be: " + results[i]);
        }
        if (is_final && !is_last) violation("a result behind the final one of " + window);
        if (is_last && results[i] != result_text("region", pane, totals,
                                                 static_cast<std::int64_t>(i), is_final)) {
          violation("the newest result is " + results[i] + " instead of " +
                    result_text("region", pane, totals, static_cast<std::int64_t>(i), is_final));
        }
      }
      if (results.size() > 1) world_.census.count("window.merged_revised");
    }
    for (const auto& [window, results] : by_window) {
      violation("results of a window without events: " + results.front());
    }
  }

  World& world_;
  const PipelineNames& names_;
  const bool is_ticks_;
  Outcomes outcomes_;
  std::uint64_t late_count_ = 0;
};

void check_acknowledged(World& world, const std::vector<const Producer*>& producers,
                        bool is_complete) {
  for (const auto* producer : producers) {
    const auto& records = world.recorder.records(producer->to());
    for (const auto& [offset, record] : producer->acknowledged()) {
      const auto where = producer->to().to_string() + "/" + std::to_string(offset);
      if (offset >= static_cast<std::int64_t>(records.size())) {
        world.violation(where + " was acknowledged and is gone");
        break;
      }
      const auto& found = records[static_cast<std::size_t>(offset)];
      if (found.key == record.key && found.value == record.value) continue;
      world.violation(where + " was acknowledged and is now " + found.value.value_or("null"));
    }
    if (is_complete && records.size() != producer->acknowledged().size()) {
      world.violation(producer->to().to_string() + " has " + std::to_string(records.size()) +
                      " records, acknowledged were " +
                      std::to_string(producer->acknowledged().size()));
    }
  }
}

}  // namespace

void check_after_restart(World& world, log::Log& log,
                         const std::vector<const Producer*>& producers) {
  check_acknowledged(world, producers, false);
  PipelineCheck(world, tick_names(), true).after_restart(log);
  PipelineCheck(world, order_names(), false).after_restart(log);
}

void check_versions(World& world, Process& process) {
  if (!world.recorder.poll(process.log()).is_ok()) return;  // a disk may refuse that
  for (const auto& pipeline : process.runtime().pipelines()) {
    for (const auto& stage : pipeline->stages()) {
      for (const auto& task : stage.tasks) {
        int in_force = 0;
        for (const auto& record : world.recorder.records(task->options().journal)) {
          const auto entry = task::decode_journal_entry(record.value.value_or(""));
          if (!entry.is_ok()) continue;
          const auto* version = std::get_if<task::PipelineEntry>(&entry->event);
          if (version != nullptr) in_force = version->version;
        }
        if (in_force == pipeline->plan().version) continue;
        world.violation(task->options().journal.to_string() + " says that version " +
                        std::to_string(in_force) + " is in force, and version " +
                        std::to_string(pipeline->plan().version) + " runs");
      }
    }
  }
}

void check_at_the_end(World& world, Process& process,
                      const std::vector<const Producer*>& producers) {
  check_acknowledged(world, producers, true);
  PipelineCheck(world, tick_names(), true).at_the_end(process);
  PipelineCheck(world, order_names(), false).at_the_end(process);
  check_features(world, process);
  check_lake(world, process);
  count_branches(world, process);
}

}  // namespace millrace::sim
