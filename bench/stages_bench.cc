#include <sys/resource.h>

#include <algorithm>
#include <functional>

#include "base/check.h"
#include "bench/group_commit.h"
#include "bench/pipeline_run.h"
#include "codec/record_batch.h"
#include "codec/row_decoder.h"
#include "task/source_task.h"

namespace millrace::bench {
namespace {

constexpr WallTime kAppendTime{1'900'000'000'000};

struct Setting {
  const TickInput* input = nullptr;
  std::shared_ptr<const task::Table> table;
  task::TableVersionEntry version;
};

double per_event(std::int64_t started_ns, const TickInput& input) {
  return static_cast<double>(thread_cpu_ns() - started_ns) /
         static_cast<double>(input.expected.event_count);
}

// Opening batches and walking their records, and decoding these where there is a layout.
Result<double> read_records(const Setting& setting, const task::SourcePlan& plan,
                            bool is_decoding) {
  codec::BatchReader reader;
  codec::RowDecoder decoder(plan.layout, plan.schema_field_count);
  std::vector<Value> row(plan.layout.fields.size());
  Arena arena;
  std::string batch;
  std::int64_t value_bytes = 0;
  const auto started = thread_cpu_ns();
  for (const auto& source : setting.input->batches) {
    batch = source.bytes;
    MR_RETURN_IF_ERROR(reader.open(batch));
    while (const RecordView* record = reader.next()) {
      value_bytes += static_cast<std::int64_t>(record->value->size());
      if (!is_decoding) continue;
      arena.reset();
      const auto readable_bytes = reader.readable_bytes_from(record->value->data());
      // The unreadable ones are as many in every variant.
      (void)decoder.decode(*record->value, readable_bytes, arena, row);
    }
  }
  const auto result = per_event(started, *setting.input);
  MR_CHECK(value_bytes == setting.input->json_bytes);
  return result;
}

Result<double> run_tasks(const Setting& setting, const task::SourcePlan& plan) {
  struct Partition {
    std::unique_ptr<task::Task> task;
    task::Outputs outputs;
  };
  std::vector<Partition> partitions;
  for (std::int32_t p = 0; p < setting.input->options.partition_count; ++p) {
    const auto find = [&](const std::string&, const Hash128&) { return setting.table; };
    partitions.push_back({task::make_source_task(plan, p, find), task::Outputs(plan.outputs)});
    MR_RETURN_IF_ERROR(partitions.back().task->apply_event(setting.version, WallTime(0),
                                                           partitions.back().outputs));
  }
  std::size_t output_bytes = 0;
  std::string batch;
  const auto started = thread_cpu_ns();
  for (const auto& source : setting.input->batches) {
    auto& [task, outputs] = partitions[static_cast<std::size_t>(source.partition)];
    batch = source.bytes;
    codec::set_base_offset(batch, 0, Offset(source.base_offset));
    MR_RETURN_IF_ERROR(task->apply(batch, kAppendTime, outputs));
    for (const auto& finished : outputs.take()) output_bytes += finished.bytes.size();
  }
  const auto result = per_event(started, *setting.input);
  MR_CHECK(output_bytes > 0);  // dead letters at least
  return result;
}

using Change = std::function<void(task::SourcePlan& bare, task::SourcePlan& whole)>;

// What is put back into the bare plan, one after the other.
const std::vector<std::pair<std::string, Change>>& changes() {
  static const std::vector<std::pair<std::string, Change>> kChanges{
      {"schema, key, time; dead letters", [](auto&, auto&) {}},
      {"rules", [](auto& bare, auto& whole) { bare.rules = std::move(whole.rules); }},
      {"deduplication", [](auto& bare, auto& whole) { bare.dedup = std::move(whole.dedup); }},
      {"enrichment", [](auto& bare, auto& whole) { bare.computed = std::move(whole.computed); }},
      {"windows and their results",
       [](auto& bare, auto& whole) { bare.windows = std::move(whole.windows); }},
      {"encoding of enriched events, CRC",
       [](auto& bare, auto& whole) { bare.enriched_outputs = whole.enriched_outputs; }},
      {"LZ4 of outputs", [](auto& bare, auto& whole) { bare.outputs = whole.outputs; }},
  };
  return kChanges;
}

task::SourcePlan take_out_all(task::SourcePlan& plan) {
  task::SourcePlan bare;
  bare.pipeline = plan.pipeline;
  bare.source_topic = plan.source_topic;
  bare.source_partition_count = plan.source_partition_count;
  bare.dead_letter_id_name = plan.dead_letter_id_name;
  bare.layout = plan.layout;
  bare.schema_field_count = plan.schema_field_count;
  bare.schema = plan.schema;
  bare.key_slot = plan.key_slot;
  bare.event_time_slot = plan.event_time_slot;
  bare.max_ahead_us = plan.max_ahead_us;
  bare.watermark = plan.watermark;
  bare.tables = plan.tables;
  bare.outputs = plan.outputs;
  for (auto& output : bare.outputs) output.compression = codec::Compression::none;
  bare.dead_letter_output = plan.dead_letter_output;
  return bare;
}

// One round through all variants; `totals[i]` gets the cost of the i-th.
Status run_round(const Setting& setting, const PipelineRunOptions& options,
                 std::vector<std::vector<double>>& totals) {
  MR_ASSIGN_OR_RETURN(const auto pipeline, build_ticks(*setting.input, options));
  auto& whole = pipeline->source;
  auto bare = take_out_all(whole);
  std::size_t i = 0;
  for (const bool is_decoding : {false, true}) {
    MR_ASSIGN_OR_RETURN(const auto cost, read_records(setting, bare, is_decoding));
    totals[i++].push_back(cost);
  }
  for (const auto& [name, change] : changes()) {
    change(bare, whole);
    MR_ASSIGN_OR_RETURN(const auto cost, run_tasks(setting, bare));
    totals[i++].push_back(cost);
  }
  return ok_status();
}

}  // namespace

Result<std::vector<StageCost>> run_stages(const TickInput& input, const PipelineRunOptions& options,
                                          std::int64_t repeat_count) {
  MR_ASSIGN_OR_RETURN(const auto pipeline, build_ticks(input, options));
  MR_CHECK(pipeline->tables.size() == 1);
  const auto& file = pipeline->tables.front();
  Setting setting;
  setting.input = &input;
  MR_ASSIGN_OR_RETURN(setting.table, task::Table::parse(file.format, file.content, file.key));
  setting.version = {file.name, task::table_content_hash(file.content)};
  std::vector<StageCost> stages{{"reading batches: CRC, LZ4, records"}, {"decoding"}};
  for (const auto& [name, change] : changes()) stages.push_back({name});
  std::vector<std::vector<double>> totals(stages.size());
  for (std::int64_t i = 0; i < repeat_count; ++i) {
    MR_RETURN_IF_ERROR(run_round(setting, options, totals));
  }
  for (std::size_t i = 0; i < stages.size(); ++i) {
    std::ranges::sort(totals[i]);
    stages[i].total_ns = totals[i][totals[i].size() / 2];
    stages[i].own_ns = stages[i].total_ns - (i > 0 ? stages[i - 1].total_ns : 0);
  }
  return stages;
}

}  // namespace millrace::bench
