// Figures of the embedded log on this machine's disk: prints one line per case.
//   embedded_log_bench FOLDER

#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "base/check.h"
#include "log/embedded_log.h"
#include "log/log_test_support.h"
#include "sys/file_system.h"
#include "sys/real_clock.h"

namespace millrace::log {
namespace {

// Without the kernel's share: writes and syncs.
double user_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec) / 1e6;
}

struct Case {
  const char* name;
  std::size_t batch_bytes;
  int commits;
  int threads;
  bool waits;  // for each commit
  bool sync = true;
};

std::string batch_of(std::size_t bytes) {
  return make_batch(std::vector<std::string>{std::string(bytes > 80 ? bytes - 80 : 1, 'v')});
}

void run(const std::string& folder, const Case& which) {
  sys::PosixFileSystem files;
  sys::RealClock clock;
  MR_CHECK(files.remove_tree(folder).is_ok());
  EmbeddedLogOptions options;
  options.folder = folder;
  options.sync_each_commit = which.sync;
  auto opened = EmbeddedLog::open(options, files, clock);
  MR_CHECK(opened.is_ok());
  auto& log = *opened.value();
  TopicConfig config;
  config.partition_count = 8;
  MR_CHECK(log.create_topic("t", config).is_ok());
  const std::string batch = batch_of(which.batch_bytes);
  const double cpu_before = user_seconds();
  const auto before = clock.monotonic_now();
  std::vector<std::thread> threads;
  std::vector<std::vector<std::int64_t>> latencies(static_cast<std::size_t>(which.threads));
  for (int t = 0; t < which.threads; ++t) {
    threads.emplace_back([&, t] {
      CommitSequence last;
      auto& took = latencies[static_cast<std::size_t>(t)];
      for (int i = 0; i < which.commits / which.threads; ++i) {
        const auto started = clock.monotonic_now();
        Commit commit = commit_of(append_to({"t", i % 8}, batch));
        for (;;) {
          auto appended = log.commit(std::move(commit));
          if (appended.is_ok()) {
            last = appended->sequence;
            break;
          }
          MR_CHECK(appended.status().code() == StatusCode::overloaded);
          MR_CHECK(log.wait_durable(CommitSequence(log.durable_sequence().value)).is_ok());
          std::this_thread::yield();
        }
        if (which.waits) MR_CHECK(log.wait_durable(last).is_ok());
        took.push_back(clock.monotonic_now() - started);
      }
      MR_CHECK(log.wait_durable(last).is_ok());
    });
  }
  for (auto& thread : threads) thread.join();
  const double seconds = static_cast<double>(clock.monotonic_now() - before) / 1e9;
  const double cpu = user_seconds() - cpu_before;
  std::vector<std::int64_t> all;
  for (const auto& took : latencies) all.insert(all.end(), took.begin(), took.end());
  std::sort(all.begin(), all.end());
  const auto counters = log.counters();
  std::printf(
      "%-28s %8.0f commits/s %7.1f MB/s  user cpu/commit %6.2f us  syncs %6lu  sync %6.0f us  "
      "p50 %8.2f us p99 %8.2f us\n",
      which.name, which.commits / seconds,
      static_cast<double>(which.batch_bytes) * which.commits / seconds / 1e6,
      cpu / which.commits * 1e6, static_cast<unsigned long>(counters.syncs),
      static_cast<double>(counters.sync_ns_total) / static_cast<double>(counters.syncs + 1) / 1e3,
      static_cast<double>(all[all.size() / 2]) / 1e3,
      static_cast<double>(all[all.size() * 99 / 100]) / 1e3);
  MR_CHECK(log.close().is_ok());
}

void time_open(const char* name, const EmbeddedLogOptions& options, bool closes, int commits) {
  sys::PosixFileSystem files;
  sys::RealClock clock;
  const auto before = clock.monotonic_now();
  auto opened = EmbeddedLog::open(options, files, clock);
  MR_CHECK(opened.is_ok());
  const double ms = static_cast<double>(clock.monotonic_now() - before) / 1e6;
  auto& log = *opened.value();
  std::printf("open: %-22s %8.1f ms, %lu batches replayed\n", name, ms,
              static_cast<unsigned long>(log.recovery().batches_replayed));
  if (!log.topic("t").is_ok()) MR_CHECK(log.create_topic("t", {}).is_ok());
  const std::string batch = batch_of(16 << 10);
  for (int i = 0; i < commits; ++i) {
    auto appended = log.commit(commit_of(append_to({"t", 0}, batch)));
    MR_CHECK(appended.is_ok());
    if (i % 500 == 499 || i + 1 == commits) MR_CHECK(log.wait_durable(appended->sequence).is_ok());
  }
  if (closes) MR_CHECK(log.close().is_ok());
}

void time_opens(const std::string& folder) {
  sys::PosixFileSystem files;
  MR_CHECK(files.remove_tree(folder).is_ok());
  EmbeddedLogOptions options;
  options.folder = folder;
  time_open("new", options, false, 3500);
  time_open("after 56 MB, not closed", options, true, 0);
  time_open("after a close", options, true, 8000);
  time_open("after 128 MB and a close", options, true, 0);
}

}  // namespace
}  // namespace millrace::log

int main(int argc, char** argv) {
  MR_CHECK(argc == 2);
  for (const auto& which :
       std::vector<millrace::log::Case>{{"1 KiB, 1 thread, waits", 1024, 2000, 1, true},
                                        {"1 KiB, 8 threads, wait", 1024, 16000, 8, true},
                                        {"200 B, 1 thread, no wait", 200, 1'000'000, 1, false},
                                        {"1 KiB, 1 thread, no wait", 1024, 500'000, 1, false},
                                        {"64 KiB, 1 thread, no wait", 65536, 16'000, 1, false},
                                        {"64 KiB, no sync", 65536, 16'000, 1, false, false},
                                        {"200 B, no sync", 200, 1'000'000, 1, false, false}}) {
    millrace::log::run(argv[1], which);
  }
  millrace::log::time_opens(argv[1]);
  return 0;
}
