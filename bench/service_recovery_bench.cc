#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/random.h"
#include "base/time_text.h"
#include "bench/service_clients.h"
#include "bench/service_run.h"
#include "codec/record_batch.h"
#include "ops/batches_body.h"

// A state of deduplication ids, half the load the service has taken so far, and a kill -9 in it.

namespace millrace::bench {
namespace {

constexpr std::int64_t kBatchRecords = 500;
constexpr int kBatchesPerRequest = 16;
constexpr int kKills = 3;
constexpr std::int64_t kSpanUs = 23 * 3'600'000'000LL;  // of event time, up to now
constexpr std::chrono::seconds kMarkerWait{60};
constexpr std::string_view kMarker = "after the kill ";

// Ticks without windows and lake: what comes back is the ids.
std::string pipeline_text(const std::string& project) {
  return "pipeline: recovery\nversion: 1\n"
         "source: { topic: input_topic, format: json, key: ticker, event_time: timestamp,\n"
         "          out_of_orderness: 30s, partitions: " +
         std::to_string(kPartitions) + " }\nvalidate: { schema: " + project +
         "/schemas/tick.schema.json }\n"
         "dedup: { id: event_id, ttl: 24h, on_duplicate: dead_letter }\n"
         "sinks: [{ topic: output_topic }]\n"
         "dead_letters: { topic: dlq_topic }\n";
}

// Sends events whose times run evenly, so that all ids of a run are within the TTL.
class Feed {
 public:
  Feed(const ServiceProcess& process, std::int64_t step_us) : step_us_(step_us) {
    connect_to(process);
  }
  void connect_to(const ServiceProcess& process) {
    client_ = std::make_unique<http::Client>(connect(process));
    client_->set_answer_ms(120'000);
  }
  [[nodiscard]] std::int64_t sent() const { return next_; }

  // One request; what it holds is durable.
  Status send_batches(int batch_count) {
    std::string body;
    for (int i = 0; i < batch_count; ++i) {
      for (std::int64_t r = 0; r < kBatchRecords; ++r) add_event("");
      finish(body);
    }
    return post(body);
  }
  Status send_marker(std::int32_t partition, std::string_view source) {
    partition_ = partition;
    add_event(source);
    std::string body;
    finish(body);
    return post(body);
  }

 private:
  void add_event(std::string_view source) {
    char id[32];
    const auto bytes =
        std::snprintf(id, sizeof id, "%016llx", static_cast<unsigned long long>(random_.next()));
    ++next_;
    value_ = R"({"event_id":")";
    value_.append(id, static_cast<std::size_t>(bytes));
    value_ += R"(","timestamp":")" +
              format_event_time(EventTime(begin_us_ + std::min(next_ * step_us_, kSpanUs))) +
              R"(","ticker":"AMZN","price":"223.82","volume":7,"source":")";
    value_ += source;
    value_ += "\"}";
    builder_.append(WallTime(0), "AMZN", value_, {});
  }
  void finish(std::string& body) {
    std::string batch;
    builder_.finish(batch);
    ops::append_body_batch(body, {partition_, WallTime(0), batch});
    partition_ = (partition_ + 1) % kPartitions;
  }
  Status post(const std::string& body) {
    const http::Headers headers{{"content-type", ops::kBatchesContentType}};
    for (int attempt = 0; attempt < 10'000; ++attempt) {
      const auto response =
          client_->request("POST", "/api/v1/topics/input_topic/batches", headers, body);
      if (!response.is_ok() || response->status != 503) return expect_200(response);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));  // it says: later
    }
    return io_error("the service takes no events");
  }

  std::unique_ptr<http::Client> client_;
  codec::RecordBatchBuilder builder_{codec::Compression::lz4};
  std::string value_;
  std::int64_t begin_us_ = std::chrono::duration_cast<std::chrono::microseconds>(
                               std::chrono::system_clock::now().time_since_epoch())
                               .count() -
                           kSpanUs;
  Random random_{1};
  std::int64_t step_us_;
  std::int64_t next_ = 0;
  std::int32_t partition_ = 0;
};

Result<std::int64_t> end_of_outputs(http::Client& client, std::int32_t partition) {
  const auto response =
      client.get("/api/v1/topics/output_topic/batches?partition=" + std::to_string(partition) +
                 "&max_bytes=1");
  MR_RETURN_IF_ERROR(expect_200(response));
  const auto end = response->headers.find("millrace-high-watermark");
  if (!end) return invalid_error("an answer without millrace-high-watermark");
  return std::stoll(std::string(*end));
}

Status wait_for_outputs(const ServiceProcess& process, std::int64_t count) {
  auto client = connect(process);
  for (std::int64_t seen = 0; seen < count;) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    seen = 0;
    for (std::int32_t p = 0; p < kPartitions; ++p) {
      MR_ASSIGN_OR_RETURN(const auto end, end_of_outputs(client, p));
      seen += end;
    }
  }
  return ok_status();
}

Status wait_for_marker(http::Client& client, std::int32_t partition, std::int64_t from,
                       std::string_view marker) {
  codec::BatchReader reader;
  const auto started = Clock::now();
  for (auto offset = from; Clock::now() - started < kMarkerWait;) {
    const auto response =
        client.get("/api/v1/topics/output_topic/batches?partition=" + std::to_string(partition) +
                   "&offset=" + std::to_string(offset) + "&wait_ms=200");
    MR_RETURN_IF_ERROR(expect_200(response));
    MR_ASSIGN_OR_RETURN(const auto batches, ops::parse_batches_body(response->body));
    for (const auto& batch : batches) {
      MR_RETURN_IF_ERROR(reader.open(batch.bytes));
      while (const RecordView* record = reader.next()) {
        if (record->value->find(marker) != std::string_view::npos) return ok_status();
      }
      offset = reader.header().next_offset().value;
    }
  }
  return io_error("an event sent after the kill did not come out");
}

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::int64_t bytes_below(const std::string& folder) {
  std::int64_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) bytes += static_cast<std::int64_t>(entry.file_size());
  }
  return bytes;
}

// In the midst of it a kill finds snapshots of any age and sealed runs that no dump covers.
Status send_for(Feed& feed, double events_per_second, std::chrono::milliseconds duration) {
  const auto started = Clock::now();
  const auto before = feed.sent();
  while (Clock::now() - started < duration) {
    MR_RETURN_IF_ERROR(feed.send_batches(kPartitions));
    const auto due = static_cast<double>(feed.sent() - before) / events_per_second;
    std::this_thread::sleep_until(started + std::chrono::nanoseconds(std::int64_t(due * 1e9)));
  }
  return ok_status();
}

Status kill_once(ServiceProcess& process, Feed& feed, int number) {
  std::vector<std::int64_t> ends;
  auto before = connect(process);
  for (std::int32_t p = 0; p < kPartitions; ++p) {
    MR_ASSIGN_OR_RETURN(const auto end, end_of_outputs(before, p));
    ends.push_back(end);
  }
  const auto killed = Clock::now();
  MR_RETURN_IF_ERROR(process.kill_and_start());
  const auto ready_s = seconds_since(killed);
  const auto marker = std::string(kMarker) + std::to_string(number);
  feed.connect_to(process);
  auto client = connect(process);
  double first_s = 0;
  for (std::int32_t p = 0; p < kPartitions; ++p) {
    MR_RETURN_IF_ERROR(feed.send_marker(p, marker));
    const auto from = ends[static_cast<std::size_t>(p)];
    MR_RETURN_IF_ERROR(wait_for_marker(client, p, from, marker));
    if (p == 0) first_s = seconds_since(killed);
  }
  std::printf(
      "  kill -9 to ready %.2f s, to the first new output %.2f s, to one of every partition "
      "%.2f s\n",
      ready_s, first_s, seconds_since(killed));
  std::fflush(stdout);
  return ok_status();
}

}  // namespace

Status run_recovery(const ServiceRunOptions& options) {
  const auto pipeline = options.folder + "/bench-recovery.yaml";
  std::ofstream(pipeline) << pipeline_text(
      std::filesystem::absolute(options.project).lexically_normal().string());
  const auto folder = options.folder + "/bench-service";
  MR_ASSIGN_OR_RETURN(const auto process, ServiceProcess::start(options.binary, folder, pipeline));
  Feed feed(*process, std::max<std::int64_t>(1, kSpanUs / (options.ids * 3)));
  const auto started = Clock::now();
  while (feed.sent() < options.ids) MR_RETURN_IF_ERROR(feed.send_batches(kBatchesPerRequest));
  MR_RETURN_IF_ERROR(wait_for_outputs(*process, feed.sent()));
  const auto rate = static_cast<double>(feed.sent()) / seconds_since(started);
  std::printf(
      "recovery: %lld ids taken in at %.0f events/s; %.0f MB of ids in the store, %.0f MB "
      "resident; half that load from here on\n",
      static_cast<long long>(feed.sent()), rate,
      static_cast<double>(bytes_below(folder + "/objects")) / 1e6,
      static_cast<double>(process->memory_bytes("VmRSS")) / 1e6);
  std::fflush(stdout);
  for (int kill = 0; kill < kKills; ++kill) {
    MR_RETURN_IF_ERROR(send_for(feed, rate / 2, std::chrono::milliseconds(4'000 + kill * 2'700)));
    MR_RETURN_IF_ERROR(kill_once(*process, feed, kill));
  }
  std::filesystem::remove(pipeline);
  return ok_status();
}

}  // namespace millrace::bench
