#include "sim/sink_checks.h"

#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <variant>

#include "features/store_format.h"
#include "lake/journal.h"
#include "pipeline/pipeline.h"
#include "task/journal.h"

namespace millrace::sim {

void check_online_store(World& world, const log::Log& log) {
  const auto bytes = world.online.entries.find(features::group_key(kFeatureGroup));
  if (bytes == world.online.entries.end()) return;
  const auto position = features::decode_position(bytes->second);
  if (!position.is_ok()) return world.violation("features: " + position.status().to_string());
  const auto topic = pipeline::feature_topic(kFeatureGroup);
  for (std::size_t p = 0; p < position->partitions.size(); ++p) {
    const auto next = position->partitions[p].next_offset;
    const auto offsets = log.offsets({topic, static_cast<std::int32_t>(p)});
    if (!offsets.is_ok()) return world.violation("features: " + offsets.status().to_string());
    if (next <= offsets->high_watermark) continue;
    world.violation("the feature store stands at " + std::to_string(next.value) + " of " + topic +
                    ", which ends at " + std::to_string(offsets->high_watermark.value));
  }
}

// The group's topic is the results again, and the store has the newest of each key (R20).
void check_features(World& world, Process& process) {
  const auto topic = pipeline::feature_topic(kFeatureGroup);
  std::multiset<std::string> results;
  std::multiset<std::string> features;
  const auto collect = [&](const std::string& from, std::multiset<std::string>& to) {
    for (std::int32_t p = 0; p < world.recorder.partition_count(from); ++p) {
      for (const auto& record : world.recorder.records({from, p})) {
        to.insert(record.value.value_or("null"));
      }
    }
  };
  collect(tick_names().results, results);
  collect(topic, features);
  for (const auto& seen : world.features_seen) {
    if (!features.contains(seen)) world.violation("a feature was shown that never was: " + seen);
  }
  if (results != features) world.violation("the feature group's topic is not the results");
  for (int i = 0; i < kKeyCount; ++i) {
    const auto key = key_name(i);
    std::string newest;
    std::pair<std::string, int> newest_at{"", -1};
    for (const auto& text : features) {
      if (!text.starts_with("{\"key\":\"" + key + "\"")) continue;
      const auto end = text.find("\"window_end\":\"") + 14;
      const auto revision = text.find("\"revision\":") + 11;
      // Times without a fraction sort as if they had one.
      auto time = text.substr(end, text.find('"', end) - end);
      time.back() = time.find('.') == std::string::npos ? '.' : ' ';
      const std::pair<std::string, int> at{time, std::atoi(text.c_str() + revision)};
      if (at <= newest_at) continue;
      newest_at = at;
      newest = text;
    }
    const auto found = process.features().get(kFeatureGroup, key);
    if (!found.is_ok()) {
      world.violation("features: " + found.status().to_string());
    } else if (found->has_value() != !newest.empty() ||
               (found->has_value() && (*found)->json != newest)) {
      const auto shown = found->has_value() ? (*found)->json : std::string("nothing");
      world.violation("feature " + key + " is " + shown + " instead of " + newest);
    }
  }
}

// Delivered ranges tile the topic, and their rows are its records (R18).
void check_lake(World& world, Process& process) {
  process.set_store_faults({});
  for (const auto& check : process.lake().verify()) {
    if (!check.is_ok) world.violation("lake " + check.name + ": " + check.detail);
  }
  const auto files = process.lake().list();
  if (!files.is_ok()) return world.violation("lake: " + files.status().to_string());
  struct Range {
    std::int64_t end = 0;
    std::multiset<std::string> rows;
  };
  std::map<std::int32_t, std::map<std::int64_t, Range>> ranges;
  for (const auto& file : *files) {
    auto& range = ranges[file.partition][file.first_offset.value];
    range.end = file.next_offset.value;
    const auto bytes = process.store().get(file.path);
    if (!bytes.is_ok()) {
      world.violation("lake file " + file.path + ": " + bytes.status().to_string());
      continue;
    }
    for (std::size_t at = 0; at < bytes->size();) {
      const auto end = bytes->find('\n', at);
      range.rows.insert(bytes->substr(at, end - at));
      at = end + 1;
    }
  }
  for (std::int32_t p = 0; p < world.recorder.partition_count(tick_names().enriched); ++p) {
    const auto& records = world.recorder.records({tick_names().enriched, p});
    std::int64_t next = 0;
    for (const auto& [first, range] : ranges[p]) {
      if (first != next) world.violation("lake: a range starts at " + std::to_string(first));
      next = range.end;
      std::multiset<std::string> rows;
      for (auto i = first; i < range.end && i < static_cast<std::int64_t>(records.size()); ++i) {
        rows.insert(*records[static_cast<std::size_t>(i)].value);
      }
      if (rows == range.rows) continue;
      world.violation("lake: the rows of range " + std::to_string(first) + " of partition " +
                      std::to_string(p) +
                      " are not the topic's: " + std::to_string(range.rows.size()) +
                      " instead of " + std::to_string(rows.size()));
    }
    if (next != static_cast<std::int64_t>(records.size())) {
      world.violation("lake: partition " + std::to_string(p) + " is delivered up to " +
                      std::to_string(next) + " of " + std::to_string(records.size()));
    }
  }
}

namespace {

void count_journal(World& world, const TopicPartition& journal) {
  for (const auto& record : world.recorder.records(journal)) {
    const auto entry = task::decode_journal_entry(record.value.value_or(""));
    if (!entry.is_ok()) continue;
    const auto& event = entry->event;
    if (std::holds_alternative<task::WatermarkEntry>(event)) {
      world.census.count("journal.watermark_from_outside");
    } else if (std::holds_alternative<task::SnapshotRetiredEntry>(event)) {
      world.census.count("journal.snapshot_retired");
    }
  }
}

void count_lake_journal(World& world, const TopicPartition& journal) {
  std::map<std::uint64_t, int> attempts;
  for (const auto& record : world.recorder.records(journal)) {
    const auto entry = lake::decode_lake_entry(record.value.value_or(""));
    if (!entry.is_ok()) continue;
    if (const auto* uploads = std::get_if<lake::UploadsEntry>(&entry->event)) {
      ++attempts[uploads->range];
    }
  }
  for (const auto& [range, count] : attempts) {
    if (count > 1) world.census.count("lake.range_attempted_again");
  }
}

}  // namespace

void count_branches(World& world, Process& process) {
  auto& census = world.census;
  for (std::int32_t p = 0; p < world.recorder.partition_count(tick_names().input); ++p) {
    count_journal(world, {pipeline::journal_topic("ticks", "source"), p});
    count_lake_journal(world,
                       {pipeline::journal_topic("ticks", std::string("lake.") + kLakeSink), p});
  }
  if (world.recorder.has_seen_trim("journal")) census.count("journal.trimmed");
  if (world.recorder.has_seen_trim("_in")) census.count("retention.cut_input");
  for (const auto& delivery : process.lake().report()) {
    if (delivery.ranges > 0) census.count("lake.range_delivered", delivery.ranges);
    if (delivery.failures > 0) census.count("lake.delivered_after_failure");
  }
}

}  // namespace millrace::sim
