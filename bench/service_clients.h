#pragma once

#include <chrono>
#include <cstdio>
#include <string>

#include "base/histogram.h"
#include "base/status.h"
#include "bench/service_process.h"
#include "http/client.h"

// What the clients of the service benchmarks have in common.

namespace millrace::bench {

using Clock = std::chrono::steady_clock;

inline constexpr std::int32_t kPartitions = 4;  // of the topics, as in pipelines/ticks.yaml

inline http::Client connect(const ServiceProcess& process) {
  http::ClientOptions options;
  options.server = {"127.0.0.1", process.http_port()};
  return http::Client(options);
}

inline Status expect_200(const Result<http::Response>& response) {
  if (!response.is_ok()) return response.status();
  if (response->status == 200) return ok_status();
  return invalid_error("answer " + std::to_string(response->status) + ": " + response->body);
}

inline void print(const char* what, const Histogram& histogram) {
  const auto ms = [&](double percent) {
    return static_cast<double>(histogram.percentile_ns(percent)) / 1e6;
  };
  std::printf("%-58s p50 %6.2f ms, p99 %6.2f ms, p99.9 %6.2f ms (%llu)\n", what, ms(50), ms(99),
              ms(99.9), static_cast<unsigned long long>(histogram.count()));
  std::fflush(stdout);
}

}  // namespace millrace::bench
