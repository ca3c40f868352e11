#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <thread>

#include "app/api_client.h"
#include "app/command_line.h"
#include "app/printing.h"
#include "app/producer.h"
#include "app/record_source.h"
#include "app/verbs.h"
#include "sys/real_clock.h"

namespace millrace::app {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kNanosPerMilli = 1'000'000;
constexpr std::int64_t kNanosPerSecond = 1'000'000'000;
// With a rate, what has come together is sent this often.
constexpr std::int64_t kFlushIntervalNs = 10 * kNanosPerMilli;

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

// Waits until record `index` is due. A request leaves at most every kFlushIntervalNs, so that it
// carries all that was due meanwhile, and before a wait that is longer than that.
Status wait_for(const Pacer& pacer, std::uint64_t index, Producer& producer, const Clock& clock,
                MonotonicTime& next_flush) {
  while (true) {
    const auto wait_ns = pacer.due_in_ns(index);
    if (wait_ns <= 0) return ok_status();
    const auto now = clock.monotonic_now();
    if (now >= next_flush) {
      MR_RETURN_IF_ERROR(producer.flush());
      next_flush = now + kFlushIntervalNs;
      continue;  // the request took its time
    }
    const auto until_flush = producer.pending_records() > 0 ? next_flush - now : wait_ns;
    std::this_thread::sleep_for(std::chrono::nanoseconds(std::min(wait_ns, until_flush)));
  }
}

Status produce_all(RecordSource& source, Producer& producer, const ProduceOptions& options,
                   const Clock& clock) {
  const Pacer pacer(options.records_per_second, clock);
  const bool is_terminal = ::isatty(STDERR_FILENO) == 1;
  MonotonicTime next_flush = clock.monotonic_now() + kFlushIntervalNs;
  auto next_progress = clock.monotonic_now() + kNanosPerSecond;
  std::string value;
  for (std::uint64_t index = 0;; ++index) {
    MR_ASSIGN_OR_RETURN(const bool has_next, source.next(value));
    if (!has_next) break;
    MR_RETURN_IF_ERROR(wait_for(pacer, index, producer, clock, next_flush));
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
                        (options.input_format.empty() &&
                         (options.file.ends_with(".csv") || options.file.ends_with(".csv.gz")));
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
  generator.start_ms =
      clock.wall_now().value - static_cast<std::int64_t>(options.count) * generator.step_us / 1000;
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
    print_json(summary);
  } else {
    std::printf("%llu records (%llu bytes) sent to %s in %lld ms",
                static_cast<unsigned long long>(totals.sent),
                static_cast<unsigned long long>(totals.bytes), options.topic.c_str(),
                static_cast<long long>(elapsed_ms));
    if (!options.key.empty() && totals.null_keys > 0) {
      std::printf(", %llu of them without a key: they have no text in %s",
                  static_cast<unsigned long long>(totals.null_keys), options.key.c_str());
    }
    std::printf("\n");
  }
  return kExitOk;
}

}  // namespace millrace::app
