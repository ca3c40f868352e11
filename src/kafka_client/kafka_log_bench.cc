// What a record costs that goes to brokers in transactions and comes back: processor time of this
// process and time on the clock, both in all its threads.
//
//   kafka_log_bench HOST:PORT [any further arguments are left alone]
//
// Deletes and makes the topic "bench" there.

#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "codec/record_batch.h"
#include "kafka_client/kafka_log.h"
#include "sys/real_clock.h"

namespace millrace::kafka_client {
namespace {

constexpr int kTransactions = 300;
constexpr std::int32_t kPartitions = 4;
constexpr int kRecordsPerBatch = 1'000;
constexpr int kSmallTransactions = 300;
constexpr std::size_t kFetchBytes = 1 << 20;

double cpu_us() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto us = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
  };
  return us(usage.ru_utime) + us(usage.ru_stime);
}

void check(const Status& status) {
  if (status.is_ok()) return;
  std::fprintf(stderr, "%s\n", status.to_string().c_str());
  std::abort();
}

class Stopwatch {
 public:
  explicit Stopwatch(const Clock& clock) : clock_(clock) {}
  void print(const char* what, long count, const char* unit) const {
    const auto wall_us = static_cast<double>(clock_.monotonic_now() - since_) / 1e3;
    const auto of = static_cast<double>(count);
    std::printf("%-36s %8.3f us cpu, %8.3f us per %s (%ld)\n", what, (cpu_us() - cpu_us_) / of,
                wall_us / of, unit, count);
  }

 private:
  const Clock& clock_;
  const MonotonicTime since_ = clock_.monotonic_now();
  const double cpu_us_ = cpu_us();
};

// Events as pipelines have them: about 100 bytes of JSON, which LZ4 makes a third of.
log::Commit commit_of(int first, int records) {
  log::Commit out;
  for (std::int32_t partition = 0; partition < kPartitions; ++partition) {
    codec::RecordBatchBuilder builder(codec::Compression::lz4);
    for (int i = 0; i < records; ++i) {
      const auto number = std::to_string(first + i);
      const auto value = R"({"id":"0000)" + number + R"(","symbol":"ABC)" + number +
                         R"(","price":123.45,"quantity":100,"venue":"XETRA","side":"buy"})";
      builder.append(WallTime(1'700'000'000'000 + i), number, value, {});
    }
    std::string bytes;
    builder.finish(bytes);
    out.appends.push_back({"bench", partition, std::move(bytes)});
  }
  return out;
}

void produce(log::SharedLog& log, const Clock& clock) {
  auto producer = log.make_producer("bench");
  check(producer->initialize());
  const auto send = [&](const log::Commit& commit) {
    if (producer->commit(commit, {}) != log::TransactionOutcome::committed) std::abort();
  };
  send(commit_of(0, 1));
  const auto large = commit_of(1, kRecordsPerBatch);
  {
    const Stopwatch watch(clock);
    for (int i = 0; i < kTransactions; ++i) send(large);
    watch.print("produce", long{kTransactions} * kPartitions * kRecordsPerBatch, "record");
  }
  const auto small = commit_of(0, 1);
  const Stopwatch watch(clock);
  for (int i = 0; i < kSmallTransactions; ++i) send(small);
  watch.print("commit of 4 partitions, 1 record each", kSmallTransactions, "commit");
}

void consume(const log::SharedLog& log, const Clock& clock, bool reads_records) {
  const Stopwatch watch(clock);
  long records = 0;
  long batches = 0;
  codec::BatchReader reader;
  for (std::int32_t partition = 0; partition < kPartitions; ++partition) {
    const TopicPartition source{"bench", partition};
    auto end = log.offsets(source);
    check(end.status());
    for (Offset next; next < end->last_stable;) {
      const auto fetched = log.fetch(source, next, kFetchBytes, log::Visibility::durable);
      check(fetched.status());
      for (const auto& batch : fetched->batches) {
        next = batch.next_offset;
        if (batch.kind != log::BatchKind::records) continue;
        ++batches;
        check(reader.open(batch.bytes.view()));
        if (!reads_records) {
          records += reader.header().record_count;
          continue;
        }
        while (reader.next() != nullptr) ++records;
        check(reader.status());
      }
    }
  }
  watch.print(reads_records ? "fetch, and read the records" : "fetch, and open the batches",
              records, "record");
  std::printf("%-36s %8.1f records\n", "a batch, on average",
              static_cast<double>(records) / static_cast<double>(batches));
}

void run(const char* address) {
  const sys::RealClock clock;
  KafkaLogOptions options;
  options.bootstrap_servers = address;
  const auto open = [&] {
    auto opened = open_kafka_log(options, clock);
    check(opened.status());
    return std::move(opened).value();
  };
  auto log = open();
  (void)log->delete_topic("bench");
  log::TopicConfig config;
  config.partition_count = kPartitions;
  check(log->create_topic("bench", config).status());
  produce(*log, clock);
  for (const bool reads_records : {false, true}) {
    log = open();  // nothing is read ahead
    consume(*log, clock, reads_records);
  }
}

}  // namespace
}  // namespace millrace::kafka_client

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s HOST:PORT\n", argv[0]);
    return 2;
  }
  millrace::kafka_client::run(argv[1]);
  return 0;
}
