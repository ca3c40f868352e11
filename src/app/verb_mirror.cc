#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <thread>

#include "app/api_client.h"
#include "app/command_line.h"
#include "app/config_files.h"
#include "app/printing.h"
#include "app/shared_log.h"
#include "app/verbs.h"
#include "mirror/mirror.h"
#include "sys/file_system.h"
#include "sys/real_clock.h"

// Both sides are spoken to as a Kafka client does: the instance at its Kafka port.

namespace millrace::app {
namespace {

using Json = nlohmann::ordered_json;
using mirror::Mirror;

constexpr std::int64_t kNanosPerMilli = 1'000'000;
constexpr std::int64_t kFollowPollMs = 50;
constexpr std::int64_t kRetryMsMin = 200;
constexpr std::int64_t kRetryMsMax = 2'000;
constexpr std::int64_t kReportMs = 1'000;
// How often positions are written while there is nothing to copy.
constexpr std::int64_t kRefreshMs = 3'600'000;

void sleep_ms(std::int64_t ms) {
  std::this_thread::sleep_for(std::chrono::milliseconds(ms));
}

// What passes when a side that went away is there again; a broker that has just started may not
// know its topics yet.
bool may_pass(const Status& status) {
  return status.code() == StatusCode::not_found || status.code() == StatusCode::disconnected ||
         status.code() == StatusCode::overloaded || status.code() == StatusCode::io;
}

Result<kafka_client::KafkaLogOptions> cluster_options(const MirrorVerbOptions& options,
                                                      sys::FileSystem& files, const Clock& clock) {
  kafka_client::KafkaLogOptions cluster;
  if (options.brokers.empty() || !options.config_file.empty()) {
    MR_ASSIGN_OR_RETURN(const auto loaded,
                        load_config_files(files, {options.config_file, options.environment}));
    MR_ASSIGN_OR_RETURN(auto shared, load_shared_log(files, clock, loaded.config));
    if (shared) cluster = std::move(shared->kafka);
  }
  if (!options.brokers.empty()) cluster.bootstrap_servers = options.brokers;
  if (cluster.bootstrap_servers.empty()) {
    return invalid_error(
        "which cluster? name it with --kafka HOST:PORT, or log.kafka.bootstrap_servers in the "
        "configuration");
  }
  return cluster;
}

// Of the running instance; another one each time it was restarted.
Result<kafka_client::KafkaLogOptions> instance_options(const ServerOptions& server) {
  ApiClient client(server);
  MR_ASSIGN_OR_RETURN(const auto status, client.get("/api/v1/status"));
  if (!status.value("kafka_port", Json()).is_number()) {
    return invalid_error(
        "the instance's log is Apache Kafka's already; copy between clusters with a tool of "
        "theirs");
  }
  std::string host = "127.0.0.1";
  if (const auto colon = server.server.rfind(':'); colon != std::string::npos) {
    host = server.server.substr(0, colon);
  }
  kafka_client::KafkaLogOptions options;
  options.bootstrap_servers = host + ":" + std::to_string(status["kafka_port"].get<int>());
  return options;
}

Json progress_json(const std::vector<mirror::PartitionProgress>& progress) {
  Json rows = Json::array();
  for (const auto& one : progress) {
    rows.push_back({{"topic", one.partition.topic},
                    {"partition", one.partition.partition},
                    {"position", one.position.value},
                    {"source_end", one.source_end.value},
                    {"records", one.records}});
  }
  return rows;
}

// From the opening of both sides to the end, over as many connections as it takes.
class MirrorRun {
 public:
  explicit MirrorRun(const MirrorVerbOptions& options)
      : options_(options), is_watched_(::isatty(STDERR_FILENO) != 0) {}

  int run();

 private:
  Status open();
  Status copy();
  void close();
  [[nodiscard]] bool is_all_copied() const;
  void report();
  [[nodiscard]] std::uint64_t records() const {
    return earlier_records_ + (mirror_ ? mirror_->copied_records() : 0);
  }
  void print_result() const;

  const MirrorVerbOptions& options_;
  const bool is_watched_;
  sys::PosixFileSystem files_;
  sys::RealClock clock_;
  std::unique_ptr<log::SharedLog> cluster_;
  std::unique_ptr<log::SharedLog> instance_;
  std::unique_ptr<Mirror> mirror_;
  std::map<TopicPartition, Offset> ends_;  // of the source when the copy began
  std::map<TopicPartition, std::uint64_t> earlier_;
  std::uint64_t earlier_records_ = 0;  // by mirrors of lost connections
  std::uint64_t reported_records_ = 0;
  MonotonicTime reported_at_{};
  MonotonicTime worked_at_{};  // the last time that both sides answered
  MonotonicTime written_at_{};
  bool was_written_ = false;
};

Status MirrorRun::open() {
  MR_ASSIGN_OR_RETURN(auto instance, instance_options(options_.server));
  MR_ASSIGN_OR_RETURN(auto cluster, cluster_options(options_, files_, clock_));
  for (auto* side : {&instance, &cluster}) {
    side->client_id = side->process = mirror::group_of(options_.name);
    // Records keep their own times.
    side->is_log_append_time = false;
  }
  MR_ASSIGN_OR_RETURN(instance_, kafka_client::open_kafka_log(instance, clock_));
  MR_ASSIGN_OR_RETURN(cluster_, kafka_client::open_kafka_log(cluster, clock_));
  auto& from = options_.is_into_instance ? cluster_ : instance_;
  auto& to = options_.is_into_instance ? instance_ : cluster_;
  mirror::MirrorOptions with{options_.name, options_.topics, options_.accepts_gaps,
                             options_.starts_anew};
  mirror_ = std::make_unique<Mirror>(*from, *to, to->make_producer(mirror::group_of(options_.name)),
                                     std::move(with));
  MR_RETURN_IF_ERROR(mirror_->open());
  for (const auto& one : mirror_->progress()) ends_.try_emplace(one.partition, one.source_end);
  return ok_status();
}

void MirrorRun::close() {
  earlier_records_ = records();
  if (mirror_) {
    for (const auto& one : mirror_->progress()) earlier_[one.partition] += one.records;
  }
  mirror_.reset();
  instance_.reset();
  cluster_.reset();
}

bool MirrorRun::is_all_copied() const {
  return std::ranges::all_of(mirror_->progress(), [&](const auto& one) {
    return one.position >= ends_.at(one.partition);
  });
}

// ok: everything was copied that was there when the run began.
Status MirrorRun::copy() {
  MR_RETURN_IF_ERROR(open());
  while (true) {
    MR_ASSIGN_OR_RETURN(const bool has_copied, mirror_->step());
    worked_at_ = clock_.monotonic_now();
    report();
    if (has_copied) {
      written_at_ = worked_at_;
      was_written_ = true;
      if (!options_.is_following && is_all_copied()) return ok_status();
      continue;
    }
    const bool is_due = !was_written_ || worked_at_ - written_at_ > kRefreshMs * kNanosPerMilli;
    if (is_due) {
      MR_RETURN_IF_ERROR(mirror_->refresh());
      written_at_ = worked_at_;
      was_written_ = true;
    }
    if (!options_.is_following) return ok_status();
    sleep_ms(kFollowPollMs);
  }
}

void MirrorRun::report() {
  const auto now = clock_.monotonic_now();
  if (now - reported_at_ < kReportMs * kNanosPerMilli || records() == reported_records_) return;
  std::int64_t behind = 0;
  for (const auto& one : mirror_->progress()) {
    behind += std::max<std::int64_t>(one.source_end.value - one.position.value, 0);
  }
  reported_at_ = now;
  reported_records_ = records();
  if (options_.server.output == OutputFormat::json) {
    if (!options_.is_following) return;
    print_json({{"mirror", options_.name}, {"records", records()}, {"behind", behind}});
    std::fflush(stdout);
  } else if (is_watched_) {
    std::fprintf(stderr, "\r%llu records copied, %lld offsets behind \x1b[K",
                 static_cast<unsigned long long>(records()), static_cast<long long>(behind));
  }
}

void MirrorRun::print_result() const {
  auto progress = mirror_->progress();
  for (auto& one : progress) {
    if (const auto before = earlier_.find(one.partition); before != earlier_.end()) {
      one.records += before->second;
    }
  }
  const auto rows = progress_json(progress);
  if (options_.server.output == OutputFormat::json) {
    print_json({{"mirror", options_.name},
                {"direction", options_.is_into_instance ? "in" : "out"},
                {"records", records()},
                {"partitions", rows}});
    return;
  }
  if (is_watched_) std::fprintf(stderr, "\r\x1b[K");
  print_text(std::to_string(records()) + " records copied\n" +
             format_table({"topic", "partition", "position", "source_end", "records"}, rows));
}

int MirrorRun::run() {
  auto delay_ms = kRetryMsMin;
  bool was_open = false;
  while (true) {
    const auto began = clock_.monotonic_now();
    const auto status = copy();
    if (status.is_ok()) {
      print_result();
      return kExitOk;
    }
    was_open = was_open || (mirror_ != nullptr && worked_at_ >= began);
    if (worked_at_ >= began) delay_ms = kRetryMsMin;
    // The first time a side that is not there is more likely a wrong address.
    const bool is_over =
        !was_open || clock_.monotonic_now() - worked_at_ > options_.retry_for_ms * kNanosPerMilli;
    if (is_over || !may_pass(status)) {
      const bool is_cluster = instance_ != nullptr && status.code() == StatusCode::disconnected;
      const int code = report_failure(status);
      return is_cluster ? kExitFailed : code;
    }
    close();
    sleep_ms(delay_ms);
    delay_ms = std::min(delay_ms * 2, kRetryMsMax);
  }
}

}  // namespace

int run_mirror(const MirrorVerbOptions& options) {
  if (!mirror::is_valid_name(options.name)) {
    return report_failure(invalid_error(
        "--name must be 1 to 100 letters, digits, dots, hyphens and underscores, not " +
        options.name));
  }
  auto sorted = options.topics;
  std::ranges::sort(sorted);
  if (const auto twice = std::ranges::adjacent_find(sorted); twice != sorted.end()) {
    return report_failure(invalid_error("topic " + *twice + " is named twice"));
  }
  return MirrorRun(options).run();
}

}  // namespace millrace::app
