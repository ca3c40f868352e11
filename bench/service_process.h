#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"

namespace millrace::bench {

// The real binary in a process of its own: `millrace up` on a fresh data folder and a free port.
class ServiceProcess {
 public:
  // Blocks until the ready line. `folder` is made and, at the end, removed with the process.
  static Result<std::unique_ptr<ServiceProcess>> start(
      const std::string& binary, const std::string& folder,
      const std::string& pipeline = "pipelines/ticks.yaml");
  ~ServiceProcess();
  // Ends it with SIGKILL and starts it again on what it left; blocks until the ready line.
  Status kill_and_start();
  ServiceProcess(const ServiceProcess&) = delete;
  ServiceProcess& operator=(const ServiceProcess&) = delete;

  [[nodiscard]] std::uint16_t http_port() const { return http_port_; }
  // From before the fork to the ready line.
  [[nodiscard]] std::int64_t start_ns() const { return start_ns_; }
  // From /proc/PID/status: VmRSS, VmHWM (the peak), RssFile (mapped files' share).
  [[nodiscard]] std::int64_t memory_bytes(const std::string& field) const;
  // Of all its threads, user and system, from /proc/PID/stat.
  [[nodiscard]] std::int64_t cpu_ns() const;

 private:
  ServiceProcess(std::string binary, std::string folder, std::string pipeline)
      : binary_(std::move(binary)), folder_(std::move(folder)), pipeline_(std::move(pipeline)) {}
  Status spawn();
  Status wait_ready(int output);

  std::string binary_;
  std::string folder_;
  std::string pipeline_;
  pid_t pid_ = -1;
  std::uint16_t http_port_ = 0;
  std::int64_t start_ns_ = 0;
};

}  // namespace millrace::bench
