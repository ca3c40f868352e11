#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <functional>
#include <thread>

#include "base/check.h"
#include "base/hash.h"
#include "base/histogram.h"
#include "base/time_text.h"
#include "bench/service_clients.h"
#include "bench/service_run.h"
#include "codec/record_batch.h"
#include "ops/batches_body.h"

namespace millrace::bench {
namespace {

constexpr int kProducers = 8;
constexpr int kReaders = 4;
constexpr std::string_view kTickers[] = {"AMZN", "AAPL", "GOOG", "MSFT", "INTC", "META"};

// Sleeps are as exact as the kernel makes them.
void want_exact_sleeps() {
  prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
}

// `count` calls at a steady rate, call i on thread i % threads; the clock of call i starts when it
// is due, whether or not the ones before have ended.
void call_at_rate(
    std::int64_t count, std::int64_t per_second, int threads,
    const std::function<void(int thread, std::int64_t i, Clock::time_point due)>& call) {
  const auto start = Clock::now() + std::chrono::milliseconds(50);
  std::vector<std::thread> workers;
  for (int t = 0; t < threads; ++t) {
    workers.emplace_back([&, t] {
      want_exact_sleeps();
      for (std::int64_t i = t; i < count; i += threads) {
        const auto due = start + std::chrono::nanoseconds(i * 1'000'000'000 / per_second);
        std::this_thread::sleep_until(due);
        call(t, i, due);
      }
    });
  }
  for (auto& worker : workers) worker.join();
}

// What two commits in a row cost the disk at least: an event becomes visible by two.
Histogram measure_two_syncs(const std::string& folder, std::int64_t count,
                            std::chrono::milliseconds pause) {
  const auto path = folder + "/bench-sync";
  const int file = open(path.c_str(), O_CREAT | O_RDWR | O_TRUNC | O_CLOEXEC, 0600);
  MR_CHECK(file >= 0 && posix_fallocate(file, 0, 16 << 20) == 0 && fsync(file) == 0);
  const std::string block(1024, 'x');
  Histogram histogram;
  off_t at = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto started = Clock::now();
    for (int sync = 0; sync < 2; ++sync) {
      MR_CHECK(pwrite(file, block.data(), block.size(), at) == static_cast<ssize_t>(block.size()));
      MR_CHECK(fdatasync(file) == 0);
      at = (at + static_cast<off_t>(block.size())) % (16 << 20);
    }
    histogram.record((Clock::now() - started).count());
    std::this_thread::sleep_for(pause);
  }
  close(file);
  unlink(path.c_str());
  return histogram;
}

constexpr std::string_view kIdName = R"("event_id":"latency-)";

std::string tick(std::int64_t index, std::string_view ticker) {
  const auto now_us = std::chrono::duration_cast<std::chrono::microseconds>(
                          std::chrono::system_clock::now().time_since_epoch())
                          .count();
  return "{" + std::string(kIdName) + std::to_string(index) + R"(","timestamp":")" +
         format_event_time(EventTime(now_us)) + R"(","ticker":")" + std::string(ticker) +
         R"(","price":"223.82","volume":7,"source":"bench"})";
}

// Reads one partition of output_topic until told to stop; says when which event was seen.
void read_outputs(const ServiceProcess& process, std::int32_t partition,
                  const std::atomic<bool>& is_stopping,
                  const std::function<void(std::int64_t index)>& on_event) {
  auto client = connect(process);
  codec::BatchReader reader;
  std::int64_t offset = 0;
  while (!is_stopping.load()) {
    const auto response =
        client.get("/api/v1/topics/output_topic/batches?partition=" + std::to_string(partition) +
                   "&offset=" + std::to_string(offset) + "&wait_ms=200");
    MR_CHECK(expect_200(response).is_ok());
    const auto batches = ops::parse_batches_body(response->body);
    MR_CHECK(batches.is_ok());
    for (const auto& batch : *batches) {
      MR_CHECK(reader.open(batch.bytes).is_ok());
      while (const RecordView* record = reader.next()) {
        if (record->offset.value < offset) continue;
        const auto at = record->value->find(kIdName);
        MR_CHECK(at != std::string_view::npos);
        std::int64_t index = -1;
        const auto digits = record->value->substr(at + kIdName.size());
        std::from_chars(digits.data(), digits.data() + digits.size(), index);
        on_event(index);
      }
      offset = reader.header().next_offset().value;
    }
  }
}

Status send_one(http::Client& client, std::int64_t index) {
  const auto ticker = kTickers[static_cast<std::size_t>(index) % std::size(kTickers)];
  codec::RecordBatchBuilder builder;
  builder.append(WallTime(0), ticker, tick(index, ticker), {});
  std::string batch;
  builder.finish(batch);
  std::string body;
  ops::append_body_batch(body, {partition_for_key(ticker, kPartitions), WallTime(0), batch});
  const http::Headers headers{{"content-type", ops::kBatchesContentType}};
  return expect_200(client.request("POST", "/api/v1/topics/input_topic/batches", headers, body));
}

// Where the slow ones were: events in a row, by when they were due.
void print_stalls(const std::vector<std::atomic<std::int64_t>>& took_ns,
                  std::int64_t events_per_second) {
  constexpr std::int64_t kSlowNs = 20'000'000;
  constexpr int kPrintedMax = 8;
  int printed = 0;
  for (std::size_t i = 0; i < took_ns.size() && printed < kPrintedMax;) {
    std::int64_t longest = 0;
    const auto begin = i;
    for (; i < took_ns.size() && took_ns[i].load() > kSlowNs; ++i) {
      longest = std::max(longest, took_ns[i].load());
    }
    if (i == begin) {
      ++i;
      continue;
    }
    ++printed;
    std::printf("  stall: %zu events due from %.2f s on, up to %.0f ms late\n", i - begin,
                static_cast<double>(begin) / static_cast<double>(events_per_second),
                static_cast<double>(longest) / 1e6);
  }
}

// One event at a time, producer to reader of the enriched event, both outside the process.
Status measure_visibility(const ServiceProcess& process, const ServiceRunOptions& options) {
  const auto count = options.events_per_second * options.seconds;
  std::vector<std::atomic<std::int64_t>> due_ns(static_cast<std::size_t>(count));
  std::vector<std::atomic<std::int64_t>> took_ns(static_cast<std::size_t>(count));
  std::vector<Histogram> seen(kPartitions);
  std::atomic<std::int64_t> seen_count{0};
  std::atomic<bool> is_stopping{false};
  std::vector<std::thread> readers;
  for (std::int32_t p = 0; p < kPartitions; ++p) {
    readers.emplace_back([&, p] {
      read_outputs(process, p, is_stopping, [&, p](std::int64_t index) {
        const auto now = Clock::now().time_since_epoch().count();
        const auto took = now - due_ns[static_cast<std::size_t>(index)].load();
        seen[static_cast<std::size_t>(p)].record(took);
        took_ns[static_cast<std::size_t>(index)].store(took);
        ++seen_count;
      });
    });
  }
  std::vector<http::Client> clients;
  for (int t = 0; t < kProducers; ++t) clients.push_back(connect(process));
  std::vector<Histogram> acknowledged(kProducers);
  const auto cpu_before = process.cpu_ns();
  call_at_rate(
      count, options.events_per_second, kProducers,
      [&](int thread, std::int64_t i, Clock::time_point due) {
        due_ns[static_cast<std::size_t>(i)].store(due.time_since_epoch().count());
        MR_CHECK(send_one(clients[static_cast<std::size_t>(thread)], i).is_ok());
        acknowledged[static_cast<std::size_t>(thread)].record((Clock::now() - due).count());
      });
  for (int i = 0; i < 500 && seen_count.load() < count; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  const auto cpu_ns = process.cpu_ns() - cpu_before;
  is_stopping.store(true);
  for (auto& reader : readers) reader.join();
  if (seen_count.load() != count) {
    return io_error("of " + std::to_string(count) + " events " + std::to_string(seen_count.load()) +
                    " became visible");
  }
  for (std::size_t i = 1; i < acknowledged.size(); ++i) acknowledged[0].merge(acknowledged[i]);
  for (std::size_t i = 1; i < seen.size(); ++i) seen[0].merge(seen[i]);
  print("event due to durable answer", acknowledged[0]);
  print("event due to enriched event at a reader, exactly once", seen[0]);
  print_stalls(took_ns, options.events_per_second);
  std::printf("  %lld events/s, one a request; %.0f us of the service's CPU per event\n",
              static_cast<long long>(options.events_per_second),
              static_cast<double>(cpu_ns) / static_cast<double>(count) / 1e3);
  return ok_status();
}

Status measure_features(const ServiceProcess& process, const ServiceRunOptions& options) {
  auto admin = connect(process);
  admin.set_answer_ms(120'000);
  MR_RETURN_IF_ERROR(expect_200(admin.request("POST", "/api/v1/drain")));
  const auto target_of = [](std::int64_t i) {
    return "/api/v1/features/tick_features?id=" +
           std::string(kTickers[static_cast<std::size_t>(i) % std::size(kTickers)]);
  };
  MR_RETURN_IF_ERROR(expect_200(admin.get(target_of(0))));
  std::vector<http::Client> clients;
  for (int t = 0; t < kReaders; ++t) clients.push_back(connect(process));
  for (const bool is_feature : {false, true}) {
    std::vector<Histogram> from_due(kReaders);
    std::vector<Histogram> from_sent(kReaders);
    const auto count = options.features_per_second * options.seconds;
    const auto cpu_before = process.cpu_ns();
    call_at_rate(count, options.features_per_second, kReaders,
                 [&](int thread, std::int64_t i, Clock::time_point due) {
                   const auto sent = Clock::now();
                   auto& client = clients[static_cast<std::size_t>(thread)];
                   const auto target = is_feature ? target_of(i) : "/healthz";
                   MR_CHECK(expect_200(client.get(target)).is_ok());
                   const auto now = Clock::now();
                   from_due[static_cast<std::size_t>(thread)].record((now - due).count());
                   from_sent[static_cast<std::size_t>(thread)].record((now - sent).count());
                 });
    for (std::size_t i = 1; i < kReaders; ++i) {
      from_due[0].merge(from_due[i]);
      from_sent[0].merge(from_sent[i]);
    }
    const std::string name = is_feature ? "feature record" : "/healthz, for comparison";
    print((name + ", from when it was due").c_str(), from_due[0]);
    print((name + ", from sending").c_str(), from_sent[0]);
    std::printf(
        "  %lld requests/s; %.0f us of the service's CPU each\n",
        static_cast<long long>(options.features_per_second),
        static_cast<double>(process.cpu_ns() - cpu_before) / static_cast<double>(count) / 1e3);
  }
  return ok_status();
}

}  // namespace

Status run_latency(const ServiceRunOptions& options) {
  MR_ASSIGN_OR_RETURN(const auto process,
                      ServiceProcess::start(options.binary, options.folder + "/bench-service"));
  constexpr std::chrono::milliseconds kShortPause{1};
  constexpr std::chrono::milliseconds kLongPause{20};  // 50 pairs a second disturb little
  print("two writes of 1 KiB, each with fdatasync, before",
        measure_two_syncs(options.folder, 1'000, kShortPause));
  Histogram meanwhile;
  std::thread syncing(
      [&] { meanwhile = measure_two_syncs(options.folder, options.seconds * 40, kLongPause); });
  const auto visibility = measure_visibility(*process, options);
  syncing.join();
  MR_RETURN_IF_ERROR(Status(visibility));
  print("two writes of 1 KiB, each with fdatasync, meanwhile", meanwhile);
  return measure_features(*process, options);
}

}  // namespace millrace::bench
