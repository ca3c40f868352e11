#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bench/ceiling.h"
#include "bench/pipeline_run.h"
#include "bench/service_run.h"
#include "bench/tick_generator.h"

// The canonical workload: `./dev bench`. Every figure is the median of the repeats; every run's
// answer is checked against what the generator expects, and a wrong one ends with status 1.

namespace {

using namespace std::string_view_literals;
using millrace::bench::CeilingOptions;
using millrace::bench::CeilingResult;
using millrace::bench::TickInput;
using millrace::bench::TickOptions;

struct Options {
  TickOptions ticks;
  CeilingOptions ceiling;
  millrace::bench::PipelineRunOptions pipeline;
  millrace::bench::ServiceRunOptions service;
  std::int64_t repeat_count = 5;
  std::string_view only;  // one part; all when empty
};

constexpr std::array kParts = {"ceiling"sv, "pipeline"sv, "tasks"sv, "commits"sv, "service"sv,
                               "start"sv,   "latency"sv,  "load"sv,  "recovery"sv};

constexpr std::string_view kHelp =
    "usage: millrace_bench [option value]...\n"
    "  --events N     events of the ticks workload (1000000)\n"
    "  --repeats N    runs, the median counts (5)\n"
    "  --seed N       of the generator (1)\n"
    "  --folder DIR   where logs are written (.)\n"
    "  --sync 0|1     fdatasync (1)\n"
    "  --parallelism N  worker threads of the pipeline (1)\n"
    "  --only PART    ceiling, pipeline, tasks or commits: for a profiler; no ratio then.\n"
    "                 service: the real binary, by clients outside; start, latency and load are\n"
    "                 its parts, and recovery is only run by its name\n"
    "  --binary FILE  of the service (build/release/millrace)\n"
    "  --seconds N    of each rate of the service (10)\n"
    "  --ids N        in the state that is there when the process is killed (5000000)\n";

std::optional<std::int64_t> parse_number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

// nullopt after saying what is wrong.
std::optional<Options> parse_options(const std::vector<std::string_view>& arguments) {
  Options options;
  for (std::size_t i = 0; i < arguments.size(); i += 2) {
    const auto name = arguments[i];
    const auto value = i + 1 < arguments.size() ? arguments[i + 1] : ""sv;
    const auto number = parse_number(value);
    if (name == "--folder" && !value.empty()) {
      options.ceiling.folder = value;
      options.pipeline.folder = value;
      options.service.folder = value;
    } else if (name == "--binary" && !value.empty()) {
      options.service.binary = value;
    } else if (name == "--seconds" && number.value_or(0) > 0) {
      options.service.seconds = *number;
    } else if (name == "--ids" && number.value_or(0) > 0) {
      options.service.ids = *number;
    } else if (name == "--events" && number.value_or(0) > 0) {
      options.ticks.event_count = *number;
    } else if (name == "--repeats" && number.value_or(0) > 0) {
      options.repeat_count = *number;
    } else if (name == "--seed" && number) {
      options.ticks.seed = static_cast<std::uint64_t>(*number);
    } else if (name == "--sync" && number && *number <= 1) {
      options.ceiling.is_synced = *number == 1;
      options.pipeline.is_synced = *number == 1;
    } else if (name == "--parallelism" && number.value_or(0) > 0) {
      options.pipeline.parallelism = static_cast<int>(*number);
    } else if (name == "--only" && std::ranges::find(kParts, value) != kParts.end()) {
      options.only = value;
    } else {
      std::fprintf(stderr, "millrace_bench: not understood: %.*s %.*s\n%s",
                   static_cast<int>(name.size()), name.data(), static_cast<int>(value.size()),
                   value.data(), kHelp.data());
      return std::nullopt;
    }
  }
  return options;
}

void print_tallies(const char* what, const millrace::bench::TickTallies& tallies) {
  std::fprintf(
      stderr, "  %s: %lld events, %lld bad, %lld duplicates, %lld late, %lld windows\n", what,
      static_cast<long long>(tallies.event_count), static_cast<long long>(tallies.bad_count),
      static_cast<long long>(tallies.duplicate_count), static_cast<long long>(tallies.late_count),
      static_cast<long long>(tallies.windows.window_count));
}

// The median run, or nullopt when an answer was wrong.
std::optional<double> bench_ceiling(const TickInput& input, const Options& options) {
  std::vector<CeilingResult> runs;
  for (std::int64_t i = 0; i < options.repeat_count; ++i) {
    runs.push_back(run_ceiling(input, options.ceiling));
    if (runs.back().tallies != input.expected) {
      std::fprintf(stderr, "millrace_bench: the ceiling computed a wrong answer\n");
      print_tallies("expected", input.expected);
      print_tallies("computed", runs.back().tallies);
      return std::nullopt;
    }
  }
  std::ranges::sort(runs, {}, &CeilingResult::events_per_cpu_second);
  const auto& median = runs[runs.size() / 2];
  const auto events = static_cast<double>(median.tallies.event_count);
  std::printf("ticks, hand-written ceiling: %.2f M events/CPU-s (%.2f .. %.2f in %zu runs)\n",
              median.events_per_cpu_second() / 1e6, runs.front().events_per_cpu_second() / 1e6,
              runs.back().events_per_cpu_second() / 1e6, runs.size());
  std::printf("  worker %.0f ns/event, log writer %.0f ns/event, wall %.2f M events/s\n",
              static_cast<double>(median.worker_cpu_ns) / events,
              static_cast<double>(median.writer_cpu_ns) / events,
              events / static_cast<double>(median.wall_ns) * 1e3);
  std::printf("  %.0f B/event in, %.0f B out, log %.0f MB in %lld syncs, %lld window results\n",
              static_cast<double>(input.json_bytes) / events,
              static_cast<double>(median.output_bytes) / events,
              static_cast<double>(median.log_bytes) / 1e6,
              static_cast<long long>(median.sync_count),
              static_cast<long long>(median.result_count));
  return median.events_per_cpu_second();
}

// The same for the pipeline as users run it.
std::optional<double> bench_pipeline(const TickInput& input, const Options& options) {
  std::vector<millrace::bench::PipelineRunResult> runs;
  for (std::int64_t i = 0; i < options.repeat_count; ++i) {
    auto result = run_pipeline(input, options.pipeline);
    if (!result.is_ok()) {
      std::fprintf(stderr, "millrace_bench: %s\n", result.status().to_string().c_str());
      return std::nullopt;
    }
    runs.push_back(std::move(result).value());
    if (runs.back().tallies != input.expected) {
      std::fprintf(stderr, "millrace_bench: the pipeline computed a wrong answer\n");
      print_tallies("expected", input.expected);
      print_tallies("computed", runs.back().tallies);
      return std::nullopt;
    }
  }
  std::ranges::sort(runs, {}, &millrace::bench::PipelineRunResult::events_per_cpu_second);
  const auto& median = runs[runs.size() / 2];
  const auto events = static_cast<double>(median.tallies.event_count);
  const auto seconds = static_cast<double>(median.wall_ns) / 1e9;
  std::printf("ticks, millrace pipeline: %.2f M events/CPU-s (%.2f .. %.2f in %zu runs)\n",
              median.events_per_cpu_second() / 1e6, runs.front().events_per_cpu_second() / 1e6,
              runs.back().events_per_cpu_second() / 1e6, runs.size());
  std::printf("  %.0f ns of CPU per event, wall %.2f M events/s, %.0f commits/s, %.0f syncs/s\n",
              static_cast<double>(median.cpu_ns) / events, events / seconds / 1e6,
              static_cast<double>(median.commit_count) / seconds,
              static_cast<double>(median.sync_count) / seconds);
  std::printf("  putting the backlog into the log: %.0f ns/event\n",
              static_cast<double>(median.produce_cpu_ns) / events);
  std::printf("  %.2f bytes written per byte of input batches, peak memory %.0f MB\n",
              static_cast<double>(median.written_bytes) / static_cast<double>(median.input_bytes),
              static_cast<double>(median.memory_bytes_max) / 1e6);
  return median.events_per_cpu_second();
}

// The tasks without the log, stage by stage, and what is left of the pipeline's time for the log.
bool bench_tasks(const TickInput& input, const Options& options,
                 const std::optional<double>& pipeline) {
  const auto stages = run_stages(input, options.pipeline, options.repeat_count);
  if (!stages.is_ok()) {
    std::fprintf(stderr, "millrace_bench: %s\n", stages.status().to_string().c_str());
    return false;
  }
  const auto whole_ns = stages->back().total_ns;
  std::printf("tasks alone, from input batch to output batch: %.0f ns/event\n", whole_ns);
  std::printf("ns per stage, medians of %lld rounds through plans that do more and more:\n",
              static_cast<long long>(options.repeat_count));
  for (const auto& stage : *stages) {
    std::printf("  %-36s %5.0f ns\n", stage.name.c_str(), stage.own_ns);
  }
  if (pipeline) {
    std::printf("  %-36s %5.0f ns (the pipeline less the tasks alone)\n",
                "log: commits, syncs, drain; runtime", 1e9 / *pipeline - whole_ns);
  }
  return true;
}

// The log's latency without tasks.
bool bench_commits(const Options& options) {
  constexpr int kCommits = 2'000;
  const auto commits = run_commits(options.pipeline, kCommits);
  if (!commits.is_ok()) {
    std::fprintf(stderr, "millrace_bench: %s\n", commits.status().to_string().c_str());
    return false;
  }
  std::printf("durable commit of 1 KiB, one at a time: p50 %.2f ms, p99 %.2f ms\n",
              static_cast<double>(commits->p50_ns) / 1e6,
              static_cast<double>(commits->p99_ns) / 1e6);
  return true;
}

// The parts with clients outside; nullopt when another one is wanted.
std::optional<millrace::Status> run_service_parts(const Options& options) {
  auto service = options.service;
  service.ticks = options.ticks;
  if (options.only == "start") return run_start(service);
  if (options.only == "latency") return run_latency(service);
  if (options.only == "load") return run_load(service);
  if (options.only == "recovery") return run_recovery(service);
  if (options.only != "service") return std::nullopt;
  MR_RETURN_IF_ERROR(run_start(service));
  MR_RETURN_IF_ERROR(run_latency(service));
  return run_load(service);
}

// False after saying what is wrong.
bool run_parts(const Options& options) {
  const auto is_wanted = [&](std::string_view part) {
    return options.only.empty() || options.only == part;
  };
  if (const auto status = run_service_parts(options)) {
    if (status->is_ok()) return true;
    std::fprintf(stderr, "millrace_bench: %s\n", status->to_string().c_str());
    return false;
  }
  const auto input = generate_ticks(options.ticks);
  std::optional<double> ceiling;
  std::optional<double> pipeline;
  if (is_wanted("ceiling") && !(ceiling = bench_ceiling(input, options))) return false;
  if (is_wanted("pipeline") && !(pipeline = bench_pipeline(input, options))) return false;
  if (is_wanted("tasks") && !bench_tasks(input, options, pipeline)) return false;
  if (is_wanted("commits") && !bench_commits(options)) return false;
  if (ceiling && pipeline) std::printf("ratio to the ceiling: %.2f\n", *pipeline / *ceiling);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string_view> arguments(argv + 1, argv + argc);
  if (std::ranges::find(arguments, "--help"sv) != arguments.end()) {
    std::fputs(kHelp.data(), stdout);
    return EXIT_SUCCESS;
  }
  const auto options = parse_options(arguments);
  if (!options) return 2;
  return run_parts(*options) ? EXIT_SUCCESS : EXIT_FAILURE;
}
