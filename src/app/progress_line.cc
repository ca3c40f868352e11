#include "app/progress_line.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "app/api_client.h"

namespace millrace::app {
namespace {

constexpr std::chrono::milliseconds kInterval{500};
constexpr int kAnswerMs = 2'000;
constexpr const char* kClearLine = "\r\x1b[K";

}  // namespace

ProgressLine::ProgressLine(const ServerOptions& options, std::string target) {
  if (options.output != OutputFormat::text || ::isatty(STDERR_FILENO) == 0) return;
  thread_ = Thread([this, options, target = std::move(target)] { run(options, target); });
}

ProgressLine::~ProgressLine() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  changed_.notify_all();
  if (!thread_.joinable()) return;
  thread_.join();
  std::fputs(kClearLine, stderr);
}

void ProgressLine::run(const ServerOptions& options, const std::string& target) {
  ApiClient client(options);
  client.set_answer_ms(kAnswerMs);
  while (true) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, kInterval, [this] { return is_stopping_; });
      if (is_stopping_) return;
    }
    const auto now = client.get(target);
    if (!now.is_ok() || !now->value("running", false)) continue;
    std::string line = now->value("what", "");
    const auto total = now->value("total", std::int64_t{0});
    if (total > 0) {
      line += ": " + std::to_string(now->value("done", std::int64_t{0})) + " of " +
              std::to_string(total) + " records";
    }
    std::fprintf(stderr, "%s%s", kClearLine, line.c_str());
  }
}

}  // namespace millrace::app
