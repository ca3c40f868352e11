#include <malloc.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "app/api_client.h"
#include "app/command_line.h"
#include "app/config_files.h"
#include "app/instance.h"
#include "app/verbs.h"
#include "sys/real_clock.h"

namespace millrace::app {
namespace {

using Json = nlohmann::ordered_json;

// glibc's malloc takes an arena for every other thread and lets each keep what it has freed; with
// buffers that wander from thread to thread that is tens of MB. What it costs stands in
// docs/performance.md. Before the first other thread.
void bound_malloc() {
  constexpr int kArenasMax = 2;
  constexpr int kMappedFromBytes = 1 << 20;  // freed to the kernel at once
  constexpr int kKeptFreeBytes = 1 << 20;    // at the top of the heap
  ::mallopt(M_ARENA_MAX, kArenasMax);
  ::mallopt(M_MMAP_THRESHOLD, kMappedFromBytes);
  ::mallopt(M_TRIM_THRESHOLD, kKeptFreeBytes);
}

// Lines of the program's log go to stderr, one write each.
void write_log_line(std::string_view line) {
  while (!line.empty()) {
    const auto written = ::write(STDERR_FILENO, line.data(), line.size());
    if (written <= 0) return;  // nobody reads it; there is nowhere else to complain
    line.remove_prefix(static_cast<std::size_t>(written));
  }
}

void print_ready(const Instance& instance, OutputFormat output) {
  const auto& options = instance.options();
  if (output == OutputFormat::json) {
    const Json ready{{"ready", true},
                     {"kafka_port", options.shared ? Json() : Json(instance.kafka_port())},
                     {"http_port", instance.http_port()},
                     {"aws_port", nullptr},
                     {"pid", ::getpid()},
                     {"data", options.data_folder}};
    std::printf("%s\n", ready.dump().c_str());
  } else if (options.shared) {
    std::printf("millrace is ready: http://127.0.0.1:%d  log %s  process %s  data %s  pid %d\n",
                instance.http_port(), options.shared->kafka.bootstrap_servers.c_str(),
                options.shared->process.c_str(), options.data_folder.c_str(), ::getpid());
  } else {
    std::printf("millrace is ready: http://127.0.0.1:%d  kafka %s:%d  data %s  pid %d\n",
                instance.http_port(), options.kafka.access.listen.c_str(), instance.kafka_port(),
                options.data_folder.c_str(), ::getpid());
  }
  std::fflush(stdout);
}

// The configuration, with what the command line says over it.
InstanceOptions instance_options_from(const UpOptions& up, const pipeline::Config& config) {
  constexpr std::int64_t kMsPerDay = 86'400'000;
  InstanceOptions options;
  options.data_folder = up.data_folder.empty() ? config.data_folder : up.data_folder;
  options.pipeline_files = up.pipeline_files.empty() ? config.pipelines : up.pipeline_files;
  options.kafka.port =
      static_cast<std::uint16_t>(up.kafka_port >= 0 ? up.kafka_port : config.kafka_port);
  options.kafka.auto_create_topics = config.auto_create_topics;
  options.kafka.default_partitions = config.default_partitions;
  options.kafka.group_initial_rebalance_delay_ms = config.group_initial_rebalance_delay_ms;
  options.kafka.consumer_session_timeout_ms = config.consumer_session_timeout_ms;
  options.kafka.consumer_heartbeat_interval_ms = config.consumer_heartbeat_interval_ms;
  options.http_port =
      static_cast<std::uint16_t>(up.http_port >= 0 ? up.http_port : config.http_port);
  options.parallelism = up.parallelism > 0 ? up.parallelism : config.parallelism;
  options.checkpoint_interval_ms = config.checkpoint_interval_ms;
  options.dedup_open_ids_max = config.dedup_open_ids_max;
  options.dedup_memory_bytes_max = config.dedup_memory_mb << 20;
  options.has_standby = config.standby > 0;
  options.retention_ms = config.retention_days * kMsPerDay;
  for (const auto& topic : config.topics) options.topic_partitions[topic.name] = topic.partitions;
  options.lake.roll_bytes = config.buffer_size_mb << 20;
  // No waiting at all would be a file for every record.
  options.lake.roll_interval_ms = std::max<std::int64_t>(1, config.buffer_time_seconds * 1000);
  options.lake.compression = config.compression;
  options.project = config.project;
  options.environment = config.environment;
  options.accepted_losses.insert(up.accepted_losses.begin(), up.accepted_losses.end());
  options.version = MILLRACE_VERSION;
  return options;
}

int exit_status_of(const Status& status) {
  return status.code() == StatusCode::invalid ? kExitUsage : kExitFailed;
}

}  // namespace

int run_up(const UpOptions& options) {
  bound_malloc();
  // Every thread started below inherits the mask, so that only sigwait() here sees these.
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  // Their errors are reported where they happen: a client that is gone, a file above `ulimit -f`.
  for (const int signal : {SIGPIPE, SIGXFSZ}) ::signal(signal, SIG_IGN);

  sys::PosixFileSystem files;
  const auto loaded = load_config_files(files, {options.config_file, options.environment});
  if (!loaded.is_ok()) return report_wrong_use(loaded.status());
  if (loaded->config.delivery != pipeline::Delivery::local) {
    return report_wrong_use(invalid_error(
        "delivery " + std::string(to_string(loaded->config.delivery)) +
        " is not there yet: lake files go into the data folder only; set delivery to local"));
  }
  const sys::RealClock clock;
  const auto level = parse_log_level(loaded->config.log_level).value_or(LogLevel::info);
  const Logger logger("millrace", level, clock, write_log_line);
  std::atomic<bool> has_failed{false};

  auto instance_options = instance_options_from(options, loaded->config);
  auto access = load_kafka_access(files, loaded->config);
  if (!access.is_ok()) return report_wrong_use(access.status());
  instance_options.kafka.access = std::move(access).value();
  auto shared = load_shared_log(files, clock, loaded->config);
  if (!shared.is_ok()) return report_wrong_use(shared.status());
  instance_options.shared = std::move(shared).value();
  instance_options.on_failure = [&](const Status& status) {
    if (has_failed.exchange(true)) return;
    logger.error("cannot go on: " + status.to_string());
    ::kill(::getpid(), SIGTERM);
  };
  Instance instance(instance_options, clock, logger);
  const auto started = instance.start();
  if (!started.is_ok()) {
    std::fprintf(stderr, "millrace: %s\n", std::string(started.message()).c_str());
    return exit_status_of(started);
  }
  if (options.aws_port > 0) {
    logger.warn("nothing listens on --aws-port: the AWS protocols are not served yet");
  }
  print_ready(instance, options.output);

  int signal = 0;
  sigwait(&signals, &signal);
  if (has_failed.load()) {
    // Nothing is known about the last writes (R17): no tidy stop, the next start recovers.
    ::_exit(kExitFailed);
  }
  const auto stopped = instance.stop();
  if (!stopped.is_ok()) {
    std::fprintf(stderr, "millrace: %s\n", stopped.to_string().c_str());
    return kExitFailed;
  }
  return kExitOk;
}

int run_version(OutputFormat output) {
  if (output == OutputFormat::json) {
    std::printf("{\"version\":\"%s\"}\n", MILLRACE_VERSION);
  } else {
    std::printf("%s\n", version_text().c_str());
  }
  return kExitOk;
}

std::string version_text() {
  return "millrace " MILLRACE_VERSION;
}

}  // namespace millrace::app
