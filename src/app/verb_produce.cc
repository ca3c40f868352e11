#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "app/api_client.h"
#include "app/command_line.h"
#include "app/record_source.h"
#include "app/verbs.h"
#include "base/hash.h"
#include "codec/record_batch.h"
#include "ops/batches_body.h"
#include "sys/real_clock.h"

namespace millrace::app {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kRecordsPerRequest = 5'000;
constexpr std::size_t kBytesPerRequest = 1 << 20;
constexpr std::int64_t kNanosPerMilli = 1'000'000;
constexpr std::int64_t kNanosPerSecond = 1'000'000'000;
constexpr std::int64_t kRetryDelayMsMax = 500;

struct Totals {
  std::uint64_t sent = 0;
  std::uint64_t bytes = 0;
  std::uint64_t null_keys = 0;
  std::uint64_t duplicates_refused = 0;  // batches the server had already
  std::uint64_t retries = 0;
};

// Sends records with a producer id and sequence numbers: a request whose answer got lost is repeated, and the
// server stores it once.
class Producer {
 public:
  Producer(const ProduceOptions& options, const Clock& clock)
      : options_(options), clock_(clock), client_(options.server), keys_(options.key) {}

  Status start();
  Status add(const std::string& value);
  Status flush();
  [[nodiscard]] const Totals& totals() const { return totals_; }
  [[nodiscard]] std::uint64_t pending_records() const { return pending_records_; }

 private:
  struct Partition {
    codec::RecordBatchBuilder builder{codec::Compression::lz4};
    std::int32_t next_sequence = 0;
  };
  // Runs `call` until it works, fails for good, or --retry-for is over.
  template <typename Call>
  auto with_retries(Call&& call) -> decltype(call());

  const ProduceOptions& options_;
  const Clock& clock_;
  ApiClient client_;
  KeyReader keys_;
  ProducerId producer_id_ = kNoProducerId;
  ProducerEpoch producer_epoch_ = kNoProducerEpoch;
  std::vector<Partition> partitions_;
  std::size_t next_without_key_ = 0;
  std::uint64_t pending_records_ = 0;
  std::size_t pending_bytes_ = 0;
  Totals totals_;
};

// A restarting instance is first gone, then busy restoring. `not_found` is its missing instance file.
bool is_worth_repeating(StatusCode code) {
  return code == StatusCode::disconnected || code == StatusCode::overloaded ||
         code == StatusCode::cancelled || code == StatusCode::not_found;
}

template <typename Call>
auto Producer::with_retries(Call&& call) -> decltype(call()) {
  const auto give_up = clock_.monotonic_now() + options_.retry_for_ms * kNanosPerMilli;
  std::int64_t delay_ms = 10;
  while (true) {
    auto result = call();
    if (result.is_ok() || !is_worth_repeating(result.status().code())) return result;
    if (clock_.monotonic_now() >= give_up) return result;
    ++totals_.retries;
    std::this_thread::sleep_for(std::chrono::milliseconds(delay_ms));
    delay_ms = std::min(delay_ms * 2, kRetryDelayMsMax);
  }
}

Status Producer::start() {
  MR_ASSIGN_OR_RETURN(const auto topics,
                      with_retries([&] { return client_.get("/api/v1/topics"); }));
  std::size_t count = 0;
  std::string known;
  for (const auto& topic : topics.value("topics", Json::array())) {
    const auto name = topic.value("topic", "");
    if (name == options_.topic) count = topic.value("partitions", std::size_t{0});
    if (!topic.value("internal", false)) known += (known.empty() ? "" : ", ") + name;
  }
  if (count == 0) {
    return invalid_error("topic " + options_.topic + " does not exist; there are: " + known);
  }
  partitions_.resize(count);
  MR_ASSIGN_OR_RETURN(const auto producer,
                      with_retries([&] { return client_.post("/api/v1/producers"); }));
  producer_id_ = ProducerId(producer.value("producer_id", std::int64_t{-1}));
  producer_epoch_ = ProducerEpoch(producer.value("producer_epoch", std::int16_t{-1}));
  return ok_status();
}

Status Producer::add(const std::string& value) {
  std::optional<std::string> key;
  if (!options_.key.empty()) key = keys_.read(value);
  std::size_t partition = 0;
  if (key) {
    partition = static_cast<std::size_t>(
        partition_for_key(*key, static_cast<std::int32_t>(partitions_.size())));
  } else {
    ++totals_.null_keys;
    partition = next_without_key_++ % partitions_.size();
  }
  partitions_[partition].builder.append(clock_.wall_now(), key, value, {});
  ++pending_records_;
  pending_bytes_ += value.size();
  if (pending_records_ < kRecordsPerRequest && pending_bytes_ < kBytesPerRequest) {
    return ok_status();
  }
  return flush();
}

Status Producer::flush() {
  if (pending_records_ == 0) return ok_status();
  std::string body;
  for (std::size_t p = 0; p < partitions_.size(); ++p) {
    auto& [builder, next_sequence] = partitions_[p];
    if (builder.empty()) continue;
    builder.set_producer(producer_id_, producer_epoch_, next_sequence);
    next_sequence += builder.record_count();
    std::string batch;
    builder.finish(batch);
    ops::append_body_batch(body, {static_cast<std::int32_t>(p), WallTime(0), batch});
  }
  const auto target = "/api/v1/topics/" + options_.topic + "/batches";
  MR_ASSIGN_OR_RETURN(const auto answer, with_retries([&] {
                        return client_.post(target, body, ops::kBatchesContentType);
                      }));
  for (const auto& offset : answer.value("offsets", Json::array())) {
    if (offset.value("duplicate", false)) ++totals_.duplicates_refused;
  }
  totals_.sent += pending_records_;
  totals_.bytes += pending_bytes_;
  pending_records_ = 0;
  pending_bytes_ = 0;
  return ok_status();
}

// Sleeps so that no more than the wanted number of records is sent per second.
class Pacer {
 public:
  Pacer(double records_per_second, const Clock& clock)
      : records_per_second_(records_per_second), clock_(clock), started_(clock.monotonic_now()) {}

  // Nanoseconds until record number `index` is due; negative when it is late.
  [[nodiscard]] std::int64_t due_in_ns(std::uint64_t index) const {
    if (records_per_second_ <= 0) return 0;
    const auto due = static_cast<std::int64_t>(static_cast<double>(index) / records_per_second_ *
                                               kNanosPerSecond);
    return due - (clock_.monotonic_now() - started_);
  }

 private:
  double records_per_second_;
  const Clock& clock_;
  MonotonicTime started_;
};

Status produce_all(RecordSource& source, Producer& producer, const ProduceOptions& options,
                   const Clock& clock) {
  const Pacer pacer(options.records_per_second, clock);
  const bool is_terminal = ::isatty(STDERR_FILENO) == 1;
  auto next_progress = clock.monotonic_now() + kNanosPerSecond;
  std::string value;
  for (std::uint64_t index = 0;; ++index) {
    MR_ASSIGN_OR_RETURN(const bool has_next, source.next(value));
    if (!has_next) break;
    const auto wait_ns = pacer.due_in_ns(index);
    if (wait_ns > 0) {
      MR_RETURN_IF_ERROR(producer.flush());
      std::this_thread::sleep_for(std::chrono::nanoseconds(wait_ns));
    }
    MR_RETURN_IF_ERROR(producer.add(value));
    if (is_terminal && clock.monotonic_now() >= next_progress) {
      std::fprintf(stderr, "\r%llu records sent",
                   static_cast<unsigned long long>(producer.totals().sent));
      next_progress = clock.monotonic_now() + kNanosPerSecond;
    }
  }
  MR_RETURN_IF_ERROR(producer.flush());
  if (is_terminal) std::fprintf(stderr, "\r\033[K");
  return ok_status();
}

Result<std::unique_ptr<RecordSource>> make_source(const ProduceOptions& options,
                                                  const Clock& clock) {
  if (options.generate.empty()) {
    const bool is_csv = options.input_format == "csv" ||
                        (options.input_format.empty() && (options.file.ends_with(".csv") ||
                                                          options.file.ends_with(".csv.gz")));
    return open_lines(options.file, is_csv);
  }
  GeneratorOptions generator;
  generator.kind = options.generate;
  generator.seed = options.seed;
  generator.count = options.count;
  generator.bad_share = options.bad_share;
  generator.duplicate_share = options.duplicate_share;
  generator.late_share = options.late_share;
  // Event times end about now, so that the feed is a live one.
  generator.start_ms = clock.wall_now().value -
                       static_cast<std::int64_t>(options.count) * generator.step_us / 1000;
  return make_generator(generator);
}

}  // namespace

int run_produce(const ProduceOptions& options) {
  const sys::RealClock clock;
  auto source = make_source(options, clock);
  if (!source.is_ok()) return report_failure(source.status());
  Producer producer(options, clock);
  const auto started = clock.monotonic_now();
  auto status = producer.start();
  if (status.is_ok()) status = produce_all(**source, producer, options, clock);
  if (!status.is_ok()) return report_failure(status);
  const auto& totals = producer.totals();
  const auto elapsed_ms = (clock.monotonic_now() - started) / kNanosPerMilli;
  if (options.server.output == OutputFormat::json) {
    const Json summary{{"topic", options.topic},
                       {"sent", totals.sent},
                       {"bytes", totals.bytes},
                       {"null_keys", totals.null_keys},
                       {"duplicates_refused", totals.duplicates_refused},
                       {"retries", totals.retries},
                       {"elapsed_ms", elapsed_ms}};
    std::printf("%s\n", summary.dump().c_str());
  } else {
    std::printf("%llu records (%llu bytes) sent to %s in %lld ms\n",
                static_cast<unsigned long long>(totals.sent),
                static_cast<unsigned long long>(totals.bytes), options.topic.c_str(),
                static_cast<long long>(elapsed_ms));
  }
  return kExitOk;
}

}  // namespace millrace::app
