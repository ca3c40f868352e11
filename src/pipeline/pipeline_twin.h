#pragma once

// The slow twin of the runtime: drives the tasks of a pipeline over plain vectors of records,
// without a log. And the pipelines that come with the project. Only for tests.

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "codec/record_batch.h"
#include "pipeline/pipeline.h"
#include "task/source_task.h"

namespace millrace::pipeline {

inline std::string read_source_file(const std::string& name) {
  std::ifstream stream(std::string(MILLRACE_SOURCE_DIR) + "/" + name, std::ios::binary);
  EXPECT_TRUE(stream.good()) << name;
  return {std::istreambuf_iterator<char>(stream), {}};
}

// Everything the pipeline needs, for `text`; `files` come before those of the project.
inline BuildOptions options_for(const std::string& text,
                                std::map<std::string, std::string> files = {}) {
  BuildOptions options;
  options.file_name = "p.yaml";
  options.text = text;
  options.hash_secret = 7;
  options.files = std::move(files);
  for (const auto& name : files_named(text)) {
    if (!options.files.contains(name)) options.files[name] = read_source_file(name);
  }
  return options;
}

inline std::unique_ptr<Pipeline> build_or_fail(const BuildOptions& options) {
  auto outcome = build_pipeline(options);
  for (const auto& error : outcome.errors) ADD_FAILURE() << to_string(error);
  return std::move(outcome.pipeline);
}

// "ticks" or "orders".
inline std::unique_ptr<Pipeline> shipped_pipeline(const std::string& name) {
  return build_or_fail(options_for(read_source_file("pipelines/" + name + ".yaml")));
}

// A record that owns its bytes.
struct PlainRecord {
  std::optional<std::string> key;
  std::optional<std::string> value;
  std::vector<std::pair<std::string, std::optional<std::string>>> headers;
  WallTime timestamp;
  bool operator==(const PlainRecord&) const = default;
};

inline PlainRecord record_of(std::optional<std::string> key, std::optional<std::string> value) {
  return {std::move(key), std::move(value), {}, WallTime(0)};
}

// NOLINTNEXTLINE(readability-identifier-naming): the name GoogleTest looks for
inline void PrintTo(const PlainRecord& record, std::ostream* to) {
  *to << "\n  " << record.key.value_or("(null)") << ": " << record.value.value_or("(null)");
  for (const auto& [key, value] : record.headers) *to << " " << key << "=" << value.value_or("-");
  *to << " @" << record.timestamp.value;
}

inline std::string batch_of(std::span<const PlainRecord> records, Offset base) {
  codec::RecordBatchBuilder builder;
  for (const auto& record : records) {
    std::vector<codec::HeaderToAppend> headers;
    for (const auto& [key, value] : record.headers) headers.push_back({key, value});
    builder.append(record.timestamp, record.key, record.value, headers);
  }
  std::string bytes;
  builder.finish(bytes);
  codec::set_base_offset(bytes, 0, base);
  return bytes;
}

inline std::vector<PlainRecord> records_in(std::string_view batch) {
  std::vector<PlainRecord> out;
  codec::BatchReader reader;
  EXPECT_TRUE(reader.open(batch).is_ok());
  while (const RecordView* read = reader.next()) {
    PlainRecord record;
    if (read->key) record.key = std::string(*read->key);
    if (read->value) record.value = std::string(*read->value);
    for (const auto& header : read->headers) {
      std::optional<std::string> value;
      if (header.value) value = std::string(*header.value);
      record.headers.emplace_back(header.key, std::move(value));
    }
    record.timestamp = read->timestamp;
    out.push_back(std::move(record));
  }
  EXPECT_TRUE(reader.status().is_ok());
  return out;
}

// What every topic partition holds, in order.
using Topics = std::map<TopicPartition, std::vector<PlainRecord>>;

inline void take_outputs(task::Outputs& outputs, Topics& topics) {
  for (const auto& batch : outputs.take()) {
    auto& to = topics[{outputs.topic(batch.output).topic, batch.partition}];
    for (auto& record : records_in(batch.bytes)) to.push_back(std::move(record));
  }
}

// All records of a topic, partition after partition.
inline std::vector<PlainRecord> all_of(const Topics& topics, const std::string& topic) {
  std::vector<PlainRecord> out;
  for (const auto& [place, records] : topics) {
    if (place.topic == topic) out.insert(out.end(), records.begin(), records.end());
  }
  return out;
}

// The pipeline's own tables, whatever version is asked for.
inline task::TableProvider own_tables(const Pipeline& plan) {
  return [&plan](const std::string& name, const Hash128& content) {
    for (const auto& file : plan.tables) {
      if (file.name != name || task::table_content_hash(file.content) != content) continue;
      auto table = task::Table::parse(file.format, file.content, file.key);
      EXPECT_TRUE(table.is_ok());
      return std::move(table).value();
    }
    return std::shared_ptr<const task::Table>();
  };
}

// The tasks of one pipeline over vectors: what the source tasks write to repartition topics waits
// there until merge() hands it on.
class PipelineDriver {
 public:
  PipelineDriver(const Pipeline& plan, WallTime processing_time)
      : plan_(plan), time_(processing_time) {
    for (std::int32_t p = 0; p < plan.source.source_partition_count; ++p) {
      sources_.push_back({task::make_source_task(plan.source, p, own_tables(plan)),
                          task::Outputs(plan.source.outputs)});
      for (const auto& file : plan.tables) {
        event(p, task::TableVersionEntry{file.name, task::table_content_hash(file.content)});
      }
    }
    for (const auto& merge : plan.merges) {
      const auto partitions = partition_count(merge.repartition_topic);
      for (std::int32_t p = 0; p < partitions; ++p) {
        merges_.emplace_back(TopicPartition{merge.repartition_topic, p},
                             Stage{task::make_merge_task(merge, p), task::Outputs(merge.outputs)});
      }
    }
  }

  // Applies the records as one batch and takes what came of them.
  void feed(std::int32_t partition, std::span<const PlainRecord> records) {
    if (records.empty()) return;
    auto& [task, outputs] = sources_[static_cast<std::size_t>(partition)];
    const auto status = task->apply(batch_of(records, task->next_offset()), time_, outputs);
    EXPECT_TRUE(status.is_ok()) << status.to_string();
    take_outputs(outputs, topics_);
  }
  void event(std::int32_t partition, const task::JournalEvent& event) {
    auto& [task, outputs] = sources_[static_cast<std::size_t>(partition)];
    const auto status = task->apply_event(event, time_, outputs);
    EXPECT_TRUE(status.is_ok()) << status.to_string();
    take_outputs(outputs, topics_);
  }
  void advance_all(EventTime watermark) {
    for (std::int32_t p = 0; p < plan_.source.source_partition_count; ++p) {
      event(p, task::WatermarkEntry{watermark});
    }
  }
  // Hands on at most `count` records to each merging task.
  void merge(std::size_t count = SIZE_MAX) {
    for (auto& [place, stage] : merges_) {
      const auto& waiting = topics_[place];
      const auto from = static_cast<std::size_t>(stage.task->next_offset().value);
      const auto taken = std::min(count, waiting.size() - from);
      if (taken == 0) continue;
      const auto batch =
          batch_of(std::span(waiting).subspan(from, taken), stage.task->next_offset());
      const auto status = stage.task->apply(batch, time_, stage.outputs);
      EXPECT_TRUE(status.is_ok()) << status.to_string();
      take_outputs(stage.outputs, topics_);
    }
  }

  // Every task goes on from its own snapshot.
  void restart() {
    for (std::int32_t p = 0; p < plan_.source.source_partition_count; ++p) {
      reload(sources_[static_cast<std::size_t>(p)].task,
             task::make_source_task(plan_.source, p, own_tables(plan_)));
    }
    for (auto& [place, stage] : merges_) {
      for (const auto& merge : plan_.merges) {
        if (merge.repartition_topic != place.topic) continue;
        reload(stage.task, task::make_merge_task(merge, place.partition));
      }
    }
  }

  [[nodiscard]] task::Task& source(std::int32_t partition) {
    return *sources_[static_cast<std::size_t>(partition)].task;
  }
  [[nodiscard]] const Topics& topics() const { return topics_; }

 private:
  struct Stage {
    std::unique_ptr<task::Task> task;
    task::Outputs outputs;
  };

  static void reload(std::unique_ptr<task::Task>& task, std::unique_ptr<task::Task> fresh) {
    std::string bytes;
    task->snapshot(bytes);
    const auto status = fresh->restore(bytes);
    EXPECT_TRUE(status.is_ok()) << status.to_string();
    task = std::move(fresh);
  }
  [[nodiscard]] std::int32_t partition_count(const std::string& topic) const {
    for (const auto& need : plan_.topics) {
      if (need.name == topic) return need.partition_count;
    }
    ADD_FAILURE() << topic;
    return 1;
  }

  const Pipeline& plan_;
  WallTime time_;
  std::vector<Stage> sources_;
  std::vector<std::pair<TopicPartition, Stage>> merges_;
  Topics topics_;
};

// Calls `visit(first, count)` for random cuts of [0, total).
template <typename Visit>
void cut_randomly(std::size_t total, Random& random, Visit&& visit) {
  for (std::size_t at = 0; at < total;) {
    const auto most = random.one_in(4) ? total - at : std::min<std::size_t>(total - at, 20);
    const auto count = 1 + random.below(most);
    visit(at, count);
    at += count;
  }
}

}  // namespace millrace::pipeline
