#include "ops/metrics.h"

#include <cstdint>
#include <string_view>
#include <vector>

#include "ops/task_list.h"

namespace millrace::ops {
namespace {

class MetricsText {
 public:
  void family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    text_ += "# HELP " + name_ + " " + std::string(help) + "\n# TYPE " + name_ + " " +
             std::string(type) + "\n";
  }
  // `labels` as they stand between the braces; label values here are names without quotes in them.
  void sample(const std::string& labels, std::int64_t value) {
    text_ += name_;
    if (!labels.empty()) text_ += "{" + labels + "}";
    text_ += " " + std::to_string(value) + "\n";
  }
  // One of a family's several: "_bucket", "_sum".
  void sample_of(std::string_view suffix, const std::string& labels, std::int64_t value) {
    text_ += name_ + std::string(suffix) + "{" + labels + "} " + std::to_string(value) + "\n";
  }
  std::string take() { return std::move(text_); }

 private:
  std::string name_;
  std::string text_;
};

std::int64_t signed_count(std::uint64_t value) {
  return static_cast<std::int64_t>(value);
}

void add_log(MetricsText& text, const log::EmbeddedLog& log) {
  const auto counters = log.counters();
  const auto counter = [&](std::string_view name, std::string_view help, std::uint64_t value) {
    text.family(name, "counter", help);
    text.sample("", signed_count(value));
  };
  counter("millrace_log_commits_total", "Commits appended to the log.", counters.commits);
  counter("millrace_log_syncs_total", "Syncs of the write-ahead log.", counters.syncs);
  counter("millrace_log_wal_bytes_total", "Bytes written to the write-ahead log.",
          counters.wal_bytes);
  counter("millrace_log_segment_bytes_total", "Bytes drained to segments.", counters.segment_bytes);
}

using Tasks = std::vector<ListedTask>;

template <typename Visit>
void each_task(const Tasks& tasks, Visit&& visit) {
  for (const auto& task : tasks) {
    visit("pipeline=\"" + task.pipeline + "\",stage=\"" + task.stage + "\",partition=\"" +
              std::to_string(task.source.partition) + "\"",
          task);
  }
}

// Label values come from the configuration, so they may hold anything.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

void add_durations(MetricsText& text, const Tasks& tasks) {
  constexpr std::int64_t kBoundsMs[] = {1,   2,    5,    10,   25,     50,     100,    250,
                                        500, 1000, 2500, 5000, 10'000, 60'000, 600'000};
  constexpr std::int64_t kNanosPerMilli = 1'000'000;
  text.family("millrace_processing_duration_ms", "histogram",
              "From a batch's append to the durability of what came of it.");
  each_task(tasks, [&](const std::string& labels, const ListedTask& listed) {
    const auto& durations = listed.processing_duration;
    // Durations are whole milliseconds; half of one more keeps a bucket's rounding out.
    for (const auto bound : kBoundsMs) {
      const auto count = durations.count_at_most(bound * kNanosPerMilli + kNanosPerMilli / 2);
      text.sample_of("_bucket", labels + ",le=\"" + std::to_string(bound) + "\"",
                     signed_count(count));
    }
    text.sample_of("_bucket", labels + ",le=\"+Inf\"", signed_count(durations.count()));
    text.sample_of("_sum", labels, signed_count(durations.sum_ns()) / kNanosPerMilli);
    text.sample_of("_count", labels, signed_count(durations.count()));
  });
}

// Of a stage's windows, in the order of the task's counters and states.
template <typename Visit>
void each_window(const Tasks& tasks, Visit&& visit) {
  each_task(tasks, [&](const std::string& labels, const ListedTask& listed) {
    const auto& task = listed.report.task;
    for (std::size_t w = 0; w < task.window_states.size(); ++w) {
      visit(labels + ",window=\"" + task.window_states[w].window + "\"", task.window_states[w],
            task.counters.windows[w]);
    }
  });
}

void add_deduplication(MetricsText& text, const Tasks& tasks) {
  text.family("millrace_dedup_ids", "gauge", "Ids that count as seen.");
  each_task(tasks, [&](const std::string& labels, const ListedTask& listed) {
    text.sample(labels, signed_count(listed.report.task.live_ids));
  });
  text.family("millrace_dedup_fingerprint_bytes", "gauge",
              "Memory of the table over the ids that are in runs.");
  each_task(tasks, [&](const std::string& labels, const ListedTask& listed) {
    text.sample(labels, signed_count(listed.report.task.fingerprint_bytes));
  });
  text.family("millrace_dedup_fingerprint_bytes_max", "gauge",
              "The bound of that memory: the task's part of processor.dedup_memory_mb.");
  each_task(tasks, [&](const std::string& labels, const ListedTask& listed) {
    text.sample(labels, signed_count(listed.report.task.fingerprint_bytes_max));
  });
  text.family("millrace_dedup_bounded_ids", "gauge",
              "Ids that have less than a fingerprint in memory, because of the bound.");
  each_task(tasks, [&](const std::string& labels, const ListedTask& listed) {
    const auto& task = listed.report.task;
    text.sample(labels, signed_count(task.compact_ids + task.unlisted_ids));
  });
  text.family("millrace_dedup_direct_lookups_total", "counter",
              "Runs asked for an id that no fingerprint spoke for, because of the bound.");
  each_task(tasks, [&](const std::string& labels, const ListedTask& listed) {
    text.sample(labels, signed_count(listed.report.task.direct_run_lookups));
  });
  text.family("millrace_dedup_runs", "gauge", "Runs of ids in the object store.");
  each_task(tasks, [&](const std::string& labels, const ListedTask& listed) {
    text.sample(labels, signed_count(listed.report.task.id_runs));
  });
}

void add_windows(MetricsText& text, const Tasks& tasks) {
  using State = task::WindowStateReport;
  using Counters = task::WindowCounters;
  text.family("millrace_window_open_keys", "gauge", "Keys over all open panes of a window.");
  each_window(tasks, [&](const std::string& labels, const State& state, const Counters&) {
    text.sample(labels, signed_count(state.open_keys));
  });
  text.family("millrace_window_events_total", "counter",
              "Events by what a window made of them: counted, late, refused, before it began.");
  each_window(tasks, [&](const std::string& labels, const State&, const Counters& counters) {
    const auto sample = [&](const char* outcome, std::uint64_t count) {
      text.sample(labels + ",outcome=\"" + outcome + "\"", signed_count(count));
    };
    sample("counted", counters.counted);
    sample("late", counters.late);
    sample("refused", counters.failed);
    sample("before", counters.before);
  });
  text.family("millrace_window_uncounted_total", "counter",
              "Aggregates that left an event out because their argument could not be evaluated.");
  each_window(tasks, [&](const std::string& labels, const State&, const Counters& counters) {
    text.sample(labels, signed_count(counters.uncounted));
  });
}

}  // namespace

std::string metrics_text(const ApiContext& context, bool is_ready) {
  MetricsText text;
  text.family("millrace_info", "gauge", "What runs here; always 1.");
  text.sample("version=\"" + escaped(context.version) + "\",project=\"" + escaped(context.project) +
                  "\",environment=\"" + escaped(context.environment) + "\"",
              1);
  if (context.embedded != nullptr) add_log(text, *context.embedded);
  if (!is_ready) return text.take();
  const auto tasks = list_tasks(context);
  text.family("millrace_consumer_lag_records", "gauge", "Records appended and not yet committed.");
  each_task(tasks, [&](const std::string& labels, const ListedTask& listed) {
    const auto offsets = context.log->offsets(listed.source);
    if (!offsets.is_ok()) return;
    text.sample(labels, offsets->high_watermark - listed.report.durable_offset);
  });
  text.family("millrace_consumer_position_offset", "gauge", "Next offset to be committed.");
  each_task(tasks, [&](const std::string& labels, const ListedTask& listed) {
    text.sample(labels, listed.report.durable_offset.value);
  });
  text.family("millrace_records_in_total", "counter", "Records a task has read.");
  each_task(tasks, [&](const std::string& labels, const ListedTask& listed) {
    text.sample(labels, signed_count(listed.report.task.counters.records_in));
  });
  text.family("millrace_records_passed_total", "counter", "Records that passed every row stage.");
  each_task(tasks, [&](const std::string& labels, const ListedTask& listed) {
    text.sample(labels, signed_count(listed.report.task.counters.passed));
  });
  text.family("millrace_dead_letters_total", "counter", "Dead letters by cause.");
  each_task(tasks, [&](const std::string& labels, const ListedTask& listed) {
    const auto& counters = listed.report.task.counters;
    for (std::size_t i = 0; i < task::kErrorTypeCount; ++i) {
      if (counters.dead_letters[i] == 0) continue;
      const auto cause = to_string(static_cast<task::ErrorType>(i));
      text.sample(labels + ",error_type=\"" + std::string(cause) + "\"",
                  signed_count(counters.dead_letters[i]));
    }
  });
  text.family("millrace_commits_total", "counter", "Commits of a task.");
  each_task(tasks, [&](const std::string& labels, const ListedTask& listed) {
    text.sample(labels, signed_count(listed.report.commits));
  });
  text.family("millrace_snapshots_total", "counter", "Snapshots a task has journalled.");
  each_task(tasks, [&](const std::string& labels, const ListedTask& listed) {
    text.sample(labels, signed_count(listed.report.snapshots));
  });
  add_durations(text, tasks);
  add_windows(text, tasks);
  add_deduplication(text, tasks);
  return text.take();
}

}  // namespace millrace::ops
