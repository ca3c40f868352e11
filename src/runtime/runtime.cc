#include "runtime/runtime.h"

#include <chrono>

#include "base/check.h"
#include "base/thread.h"

namespace millrace::runtime {
namespace {

constexpr std::chrono::milliseconds kTickInterval{500};

}  // namespace

Runtime::Runtime(log::Log& log, objects::ObjectStore& objects, const Clock& clock,
                 RuntimeOptions options)
    : log_(log),
      clock_(clock),
      options_(std::move(options)),
      snapshots_(objects),
      catalog_(log),
      dedup_memory_(options_.dedup_memory_bytes_max, options_.on_memory_short),
      objects_(objects) {
  MR_CHECK(options_.parallelism > 0);
}

Runtime::~Runtime() {
  is_stopping_.store(true);
  stop_changed_.notify_all();
  if (control_.joinable()) control_.join();
  for (auto& worker : workers_) worker->stop();
}

Status Runtime::start(std::vector<std::unique_ptr<pipeline::Pipeline>> pipelines) {
  MR_CHECK(runners_.empty());
  plans_ = std::move(pipelines);
  const RunnerServices services{&log_,   &objects_, &clock_,       &snapshots_,
                                nullptr, &catalog_, &dedup_memory_};
  MR_RETURN_IF_ERROR(catalog_.load());
  for (const auto& plan : plans_) {
    const PipelineRunnerOptions options{options_.owner,        options_.checkpoint_interval_ms,
                                        options_.retention_ms, options_.accepted_losses,
                                        options_.on_notice,    options_.dedup_open_ids_max,
                                        options_.parallelism};
    runners_.push_back(std::make_unique<PipelineRunner>(services, *plan, options));
  }
  for (const auto& runner : runners_) {
    auto status = runner->check();
    if (!status.is_ok()) return std::move(status).with_context("pipeline " + runner->plan().name);
  }
  for (const auto& plan : plans_) {
    if (!plan->source.dedup) continue;
    dedup_memory_.expect(static_cast<std::size_t>(plan->source.source_partition_count));
  }
  for (const auto& runner : runners_) {
    auto status = runner->start();
    if (!status.is_ok()) return std::move(status).with_context("pipeline " + runner->plan().name);
  }
  for (int i = 0; i < options_.parallelism; ++i) {
    workers_.push_back(std::make_unique<Worker>(log_, options_.on_failure));
  }
  std::size_t next = 0;
  for (auto& runner : runners_) {
    for (auto* task : runner->runners()) workers_[next++ % workers_.size()]->add(*task);
  }
  for (auto& worker : workers_) worker->start();
  control_ = Thread([this] { control_loop(); });
  return ok_status();
}

void Runtime::control_loop() {
  while (!is_stopping_.load()) {
    {
      const std::lock_guard lock(control_mutex_);
      for (auto& runner : runners_) runner->tick();
    }
    std::unique_lock lock(stop_mutex_);
    stop_changed_.wait_for(lock, kTickInterval, [this] { return is_stopping_.load(); });
  }
}

Result<PipelineRunner::Drained> Runtime::drain(PipelineRunner& pipeline) {
  const std::lock_guard one_at_a_time(drain_mutex_);
  const std::lock_guard lock(control_mutex_);
  return pipeline.drain([this] { return is_stopping_.load(); });
}

Result<NamedSnapshot> Runtime::create_snapshot(PipelineRunner& pipeline, const std::string& name) {
  const std::lock_guard one_at_a_time(drain_mutex_);
  return pipeline.create_snapshot(name, [this] { return is_stopping_.load(); });
}

Result<std::vector<PipelineRunner::RestoredTask>> Runtime::restore_snapshot(
    PipelineRunner& pipeline, const std::string& name) {
  const std::lock_guard one_at_a_time(drain_mutex_);
  return pipeline.restore_snapshot(name, [this] { return is_stopping_.load(); });
}

Status Runtime::delete_snapshot(const std::string& pipeline, const std::string& name) {
  const std::lock_guard one_at_a_time(drain_mutex_);
  for (auto& runner : runners_) {
    if (runner->plan().name == pipeline) return runner->delete_snapshot(name);
  }
  return catalog_.remove(pipeline, name);
}

Status Runtime::stop(DiskPatience patience) {
  is_stopping_.store(true);
  stop_changed_.notify_all();
  if (control_.joinable()) control_.join();
  for (auto& worker : workers_) worker->stop();
  Status first;
  for (auto& runner : runners_) {
    auto status = runner->finish(patience);
    if (first.is_ok()) first = std::move(status);
  }
  return first;
}

}  // namespace millrace::runtime
