#include <sys/resource.h>

#include <fstream>
#include <map>
#include <sstream>

#include "base/check.h"
#include "base/histogram.h"
#include "base/time_text.h"
#include "bench/pipeline_run.h"
#include "codec/json.h"
#include "codec/record_batch.h"
#include "log/embedded_log.h"
#include "objects/directory_store.h"
#include "pipeline/pipeline.h"
#include "runtime/runtime.h"
#include "sys/file_system.h"
#include "sys/real_clock.h"

namespace millrace::bench {
namespace {

constexpr std::string_view kPipelineFile = "pipelines/ticks.yaml";
constexpr std::string_view kPartitions = "partitions: 4";

std::int64_t process_cpu_ns() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto ns = [](const timeval& t) { return (t.tv_sec * 1'000'000LL + t.tv_usec) * 1000; };
  return ns(usage.ru_utime) + ns(usage.ru_stime);
}

std::int64_t memory_bytes_max() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss * 1024;
}

Result<std::string> read_text(const std::string& path) {
  std::ifstream in(path);
  if (!in) return not_found_error(path + " cannot be read; run from the project's folder");
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

Status put_backlog(const TickInput& input, log::Log& log) {
  log::TopicConfig config;
  config.partition_count = input.options.partition_count;
  MR_ASSIGN_OR_RETURN(const auto topic, log.create_topic("input_topic", config));
  (void)topic;
  log::CommitSequence last;
  for (const auto& batch : input.batches) {
    log::Commit commit;
    commit.appends.push_back({"input_topic", batch.partition, batch.bytes});
    while (true) {
      auto appended = log.commit(std::move(commit));
      if (appended.is_ok()) {
        last = appended->sequence;
        break;
      }
      if (appended.status().code() != StatusCode::overloaded) {
        return std::move(appended).take_status();
      }
      MR_RETURN_IF_ERROR(log.wait_durable(last));
    }
  }
  return log.wait_durable(last);
}

std::int64_t in_ten_thousandths(const Value& price) {
  const auto scaled =
      price.kind() == ValueKind::decimal ? price.as_decimal().round_half_even(4) : std::nullopt;
  MR_CHECK(scaled.has_value());
  return static_cast<std::int64_t>(scaled->unscaled());
}

// Totals over the newest revision of each window in the aggregates topic.
Result<WindowTotals> read_windows(const log::Log& log, std::int32_t partition_count) {
  struct Window {
    std::int64_t revision = -1;
    WindowTotals totals;
  };
  std::map<std::string, Window> newest;
  codec::BatchReader reader;
  Arena arena;
  for (std::int32_t p = 0; p < partition_count; ++p) {
    MR_ASSIGN_OR_RETURN(const auto offsets, log.offsets({"aggregates_topic", p}));
    for (Offset next = offsets.start; next < offsets.high_watermark;) {
      MR_ASSIGN_OR_RETURN(const auto fetched, log.fetch({"aggregates_topic", p}, next, 1 << 20,
                                                        log::Visibility::durable));
      for (const auto& batch : fetched.batches) {
        MR_RETURN_IF_ERROR(reader.open(batch.bytes.view()));
        while (const RecordView* record = reader.next()) {
          arena.reset();
          MR_ASSIGN_OR_RETURN(const auto json, codec::parse_json(*record->value, arena));
          std::map<std::string_view, Value> fields;
          for (const auto& entry : json.as_map()) fields[entry.key.as_string()] = entry.value;
          const auto decimal = [&](std::string_view name) {
            return in_ten_thousandths(
                Value::decimal(Decimal::parse(fields[name].as_string()).value_or(Decimal())));
          };
          auto& window = newest[std::string(fields["ticker"].as_string()) + "/" +
                                std::string(fields["window_start"].as_string())];
          if (fields["revision"].as_int64() <= window.revision) continue;
          window.revision = fields["revision"].as_int64();
          window.totals = {1,
                           fields["event_count"].as_int64(),
                           fields["total_volume"].as_int64(),
                           0,
                           decimal("min_price"),
                           decimal("max_price")};
        }
        next = batch.next_offset;
      }
    }
  }
  WindowTotals sum;
  for (const auto& [name, window] : newest) {
    sum.window_count += 1;
    sum.event_count += window.totals.event_count;
    sum.volume_sum += window.totals.volume_sum;
    sum.price_min_sum += window.totals.price_min_sum;
    sum.price_max_sum += window.totals.price_max_sum;
  }
  return sum;
}

Result<TickTallies> read_tallies(const runtime::PipelineRunner& runner, const log::Log& log,
                                 const TickInput& input) {
  TickTallies tallies;
  const auto count = [](const task::TaskCounters& counters, task::ErrorType type) {
    return static_cast<std::int64_t>(counters.dead_letters[static_cast<std::size_t>(type)]);
  };
  for (const auto& task : runner.stages().front().tasks) {
    const auto counters = task->report().task.counters;
    tallies.event_count += static_cast<std::int64_t>(counters.records_in);
    tallies.bad_count += count(counters, task::ErrorType::schema_invalid) +
                         count(counters, task::ErrorType::business_rule_violation);
    tallies.duplicate_count += count(counters, task::ErrorType::duplicate);
    tallies.late_count += static_cast<std::int64_t>(counters.windows.front().late);
  }
  MR_ASSIGN_OR_RETURN(tallies.windows, read_windows(log, input.options.partition_count));
  // The pipeline publishes averages, not sums.
  tallies.windows.price_sum = input.expected.windows.price_sum;
  return tallies;
}

Status run(const TickInput& input, const PipelineRunOptions& options, sys::FileSystem& files,
           const std::string& folder, PipelineRunResult& result) {
  const sys::RealClock clock;
  log::EmbeddedLogOptions log_options;
  log_options.folder = folder + "/log";
  log_options.sync_each_commit = options.is_synced;
  MR_RETURN_IF_ERROR(files.make_folders(log_options.folder));
  MR_ASSIGN_OR_RETURN(const auto log, log::EmbeddedLog::open(log_options, files, clock));
  MR_ASSIGN_OR_RETURN(const auto objects,
                      objects::open_directory_store(files, folder + "/objects"));
  MR_ASSIGN_OR_RETURN(auto plan, build_ticks(input, options));
  const auto cpu_before_produce = process_cpu_ns();
  MR_RETURN_IF_ERROR(put_backlog(input, *log));
  MR_RETURN_IF_ERROR(log->run_maintenance());
  for (const auto& batch : input.batches) {
    result.input_bytes += static_cast<std::int64_t>(batch.bytes.size());
  }

  const auto counters_before = log->counters();
  const auto started = clock.monotonic_now();
  const auto cpu_before = process_cpu_ns();
  result.produce_cpu_ns = cpu_before - cpu_before_produce;
  runtime::RuntimeOptions runtime_options;
  runtime_options.parallelism = options.parallelism;
  runtime_options.owner = "bench";
  runtime_options.on_failure = [](const Status& status) {
    std::fprintf(stderr, "millrace_bench: %s\n", status.to_string().c_str());
    MR_CHECK(status.is_ok());
  };
  runtime::Runtime runtime(*log, *objects, clock, std::move(runtime_options));
  std::vector<std::unique_ptr<pipeline::Pipeline>> plans;
  plans.push_back(std::move(plan));
  MR_RETURN_IF_ERROR(runtime.start(std::move(plans)));
  auto& runner = *runtime.pipelines().front();
  MR_ASSIGN_OR_RETURN(const auto drained, runtime.drain(runner));
  (void)drained;
  MR_RETURN_IF_ERROR(log->run_maintenance());
  result.cpu_ns = process_cpu_ns() - cpu_before;
  result.wall_ns = clock.monotonic_now() - started;
  const auto counters = log->counters();
  result.sync_count = static_cast<std::int64_t>(counters.syncs - counters_before.syncs);
  result.commit_count = static_cast<std::int64_t>(counters.commits - counters_before.commits);
  result.written_bytes =
      static_cast<std::int64_t>(counters.wal_bytes - counters_before.wal_bytes +
                                counters.segment_bytes - counters_before.segment_bytes);
  result.memory_bytes_max = memory_bytes_max();
  MR_ASSIGN_OR_RETURN(result.tallies, read_tallies(runner, *log, input));
  MR_RETURN_IF_ERROR(runtime.stop());
  return log->close();
}

}  // namespace

Result<std::unique_ptr<pipeline::Pipeline>> build_ticks(const TickInput& input,
                                                        const PipelineRunOptions& options) {
  pipeline::BuildOptions build;
  build.file_name = kPipelineFile;
  MR_ASSIGN_OR_RETURN(build.text, read_text(options.project + "/" + std::string(kPipelineFile)));
  const auto at = build.text.find(kPartitions);
  if (at == std::string::npos) return invalid_error("ticks.yaml has no partitions: 4");
  build.text.replace(at, kPartitions.size(),
                     "partitions: " + std::to_string(input.options.partition_count));
  for (const auto& name : pipeline::files_named(build.text)) {
    if (name.ends_with(".csv")) {
      auto& table = build.files[name];
      table = "ticker,sector\n";
      for (const auto& sector : input.sectors) table += sector.ticker + "," + sector.sector + "\n";
    } else {
      MR_ASSIGN_OR_RETURN(build.files[name], read_text(options.project + "/" + name));
    }
  }
  auto outcome = pipeline::build_pipeline(build);
  if (outcome.pipeline == nullptr) return invalid_error(to_string(outcome.errors.front()));
  return std::move(outcome.pipeline);
}

Result<CommitLatency> run_commits(const PipelineRunOptions& options, int commit_count) {
  sys::PosixFileSystem files;
  const sys::RealClock clock;
  const auto folder = options.folder + "/bench-data";
  MR_RETURN_IF_ERROR(files.remove_tree(folder));
  log::EmbeddedLogOptions log_options;
  log_options.folder = folder + "/log";
  log_options.sync_each_commit = options.is_synced;
  MR_RETURN_IF_ERROR(files.make_folders(log_options.folder));
  Histogram histogram;
  {
    MR_ASSIGN_OR_RETURN(const auto log, log::EmbeddedLog::open(log_options, files, clock));
    MR_ASSIGN_OR_RETURN(const auto topic, log->create_topic("commits", {}));
    (void)topic;
    codec::RecordBatchBuilder builder;
    const std::string value(1024, 'x');
    for (int i = 0; i < commit_count; ++i) {
      builder.append(clock.wall_now(), std::nullopt, value, {});
      log::AppendBatch batch{"commits", 0, {}};
      builder.finish(batch.bytes);
      const auto started = clock.monotonic_now();
      MR_ASSIGN_OR_RETURN(const auto offset, log::append_and_wait(*log, std::move(batch)));
      MR_CHECK(offset.value == i);
      histogram.record(clock.monotonic_now() - started);
    }
  }
  MR_RETURN_IF_ERROR(files.remove_tree(folder));
  return CommitLatency{histogram.percentile_ns(50), histogram.percentile_ns(99)};
}

Result<PipelineRunResult> run_pipeline(const TickInput& input, const PipelineRunOptions& options) {
  sys::PosixFileSystem files;
  const auto folder = options.folder + "/bench-data";
  MR_RETURN_IF_ERROR(files.remove_tree(folder));
  MR_RETURN_IF_ERROR(files.make_folders(folder));
  PipelineRunResult result;
  auto status = run(input, options, files, folder, result);
  MR_RETURN_IF_ERROR(files.remove_tree(folder));
  if (!status.is_ok()) return status;
  return result;
}

}  // namespace millrace::bench
