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
  static Result<std::unique_ptr<ServiceProcess>> start(const std::string& binary,
                                                       const std::string& folder);
  ~ServiceProcess();
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
  ServiceProcess(std::string folder, pid_t pid) : folder_(std::move(folder)), pid_(pid) {}
  Status wait_ready(int output);

  std::string folder_;
  pid_t pid_;
  std::uint16_t http_port_ = 0;
  std::int64_t start_ns_ = 0;
};

}  // namespace millrace::bench
