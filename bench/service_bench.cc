#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>
#include <vector>

#include "bench/service_clients.h"
#include "bench/service_run.h"
#include "ops/batches_body.h"

namespace millrace::bench {
namespace {

Status measure_load(const ServiceProcess& process, const ServiceRunOptions& options) {
  TickOptions ticks = options.ticks;
  ticks.partition_count = kPartitions;
  const auto input = generate_ticks(ticks);
  auto client = connect(process);
  client.set_answer_ms(120'000);
  const auto started = Clock::now();
  const auto cpu_before = process.cpu_ns();
  for (const auto& batch : input.batches) {
    std::string body;
    ops::append_body_batch(body, {batch.partition, WallTime(0), batch.bytes});
    const http::Headers headers{{"content-type", ops::kBatchesContentType}};
    MR_RETURN_IF_ERROR(
        expect_200(client.request("POST", "/api/v1/topics/input_topic/batches", headers, body)));
  }
  MR_RETURN_IF_ERROR(expect_200(client.request("POST", "/api/v1/drain")));
  const auto seconds = std::chrono::duration<double>(Clock::now() - started).count();
  const auto events = static_cast<double>(input.expected.event_count);
  std::printf("load: %.0f events over HTTP and drained in %.1f s, %.0f ns of CPU per event\n",
              events, seconds, static_cast<double>(process.cpu_ns() - cpu_before) / events);
  std::printf("  resident at the peak %.0f MB, after it %.0f MB (%.0f MB of that mapped files)\n",
              static_cast<double>(process.memory_bytes("VmHWM")) / 1e6,
              static_cast<double>(process.memory_bytes("VmRSS")) / 1e6,
              static_cast<double>(process.memory_bytes("RssFile")) / 1e6);
  return ok_status();
}

}  // namespace

Status run_start(const ServiceRunOptions& options) {
  const auto folder = options.folder + "/bench-service";
  std::vector<double> starts_ms;
  for (int i = 0; i < 7; ++i) {
    MR_ASSIGN_OR_RETURN(const auto process, ServiceProcess::start(options.binary, folder));
    starts_ms.push_back(static_cast<double>(process->start_ns()) / 1e6);
  }
  std::ranges::sort(starts_ms);
  std::printf("start to ready, empty folder: median %.0f ms (%.0f .. %.0f in %zu starts)\n",
              starts_ms[starts_ms.size() / 2], starts_ms.front(), starts_ms.back(),
              starts_ms.size());
  MR_ASSIGN_OR_RETURN(const auto process, ServiceProcess::start(options.binary, folder));
  std::this_thread::sleep_for(std::chrono::seconds(2));
  std::printf("resident, idle: %.0f MB (%.0f MB of that mapped files)\n",
              static_cast<double>(process->memory_bytes("VmRSS")) / 1e6,
              static_cast<double>(process->memory_bytes("RssFile")) / 1e6);
  return ok_status();
}

// The generator's events are older than those of the latency: a service of their own.
Status run_load(const ServiceRunOptions& options) {
  MR_ASSIGN_OR_RETURN(const auto process,
                      ServiceProcess::start(options.binary, options.folder + "/bench-service"));
  return measure_load(*process, options);
}

}  // namespace millrace::bench
