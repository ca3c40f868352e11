#include "runtime/shared_runtime.h"

#include <chrono>
#include <mutex>
#include <utility>

#include "base/check.h"

namespace millrace::runtime {
namespace {

constexpr std::chrono::milliseconds kTickInterval{200};

}  // namespace

SharedRuntime::SharedRuntime(log::SharedLog& log, objects::ObjectStore& objects, const Clock& clock,
                             SharedPipelineOptions options)
    : log_(log),
      objects_(objects),
      clock_(clock),
      options_(std::move(options)),
      snapshots_(objects),
      dedup_memory_(options_.dedup_memory_bytes_max, options_.on_memory_short) {
  options_.is_cancelled = [this] { return is_stopping_.load(); };
}

SharedRuntime::~SharedRuntime() {
  stop(false);
}

Status SharedRuntime::start(std::vector<std::unique_ptr<pipeline::Pipeline>> pipelines) {
  MR_CHECK(pipelines_.empty());
  plans_ = std::move(pipelines);
  const RunnerServices services{&log_,   &objects_, &clock_,       &snapshots_,
                                nullptr, nullptr,   &dedup_memory_};
  for (const auto& plan : plans_) {
    pipelines_.push_back(std::make_unique<SharedPipeline>(log_, services, *plan, options_));
  }
  for (const auto& pipeline : pipelines_) {
    auto status = pipeline->start();
    if (!status.is_ok()) return std::move(status).with_context("pipeline " + pipeline->plan().name);
  }
  control_ = Thread([this] { control_loop(); });
  return ok_status();
}

void SharedRuntime::cancel() {
  is_stopping_.store(true);
  stop_changed_.notify_all();
}

void SharedRuntime::control_loop() {
  while (!is_stopping_.load()) {
    for (const auto& pipeline : pipelines_) pipeline->tick();
    std::unique_lock lock(stop_mutex_);
    stop_changed_.wait_for(lock, kTickInterval, [this] { return is_stopping_.load(); });
  }
}

void SharedRuntime::stop(bool is_orderly) {
  cancel();
  if (control_.joinable()) control_.join();
  for (const auto& pipeline : pipelines_) pipeline->stop(is_orderly);
}

Result<SharedPipeline::Drained> SharedRuntime::drain(SharedPipeline& pipeline) {
  const std::lock_guard one_at_a_time(drain_mutex_);
  return pipeline.drain();
}

}  // namespace millrace::runtime
